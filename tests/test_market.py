"""Prices from samples, files and synthetic paths: what is read, what is refused and in which words."""

import hashlib
import os
import struct
from datetime import timedelta

import arch.data.nasdaq
import arch.data.sp500
import numpy as np
import pandas as pd
import pytest

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.types import RegimeLabel
from simulator.market import load_prices, read_csv

GOOD = """Date,Open,High,Low,Close,Volume
2020-01-01,10,12,9,11,100
2020-01-02,11,13,10,12,200
2020-01-03,12,14,11,13,300
"""


@pytest.fixture
def write(tmp_path):
    """Write a file and give its ``csv:`` source."""

    def write(content, name="prices.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return f"csv:{path}"

    return write


def refusal(source, error=MarketDataError, **settings):
    """The one sentence with which a source is refused."""
    with pytest.raises(error) as caught:
        load_prices(source, **settings)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence[-1] in ".?" or "; known are " in sentence
    return sentence


# Samples


@pytest.mark.parametrize(("name", "module"), [("sp500", arch.data.sp500), ("nasdaq", arch.data.nasdaq)])
def test_samples_are_the_unadjusted_columns_of_arch(name, module):
    prices = load_prices(f"sample:{name}", minimum_bars=5000)
    original = module.load()
    assert prices.symbol == name.upper()
    assert list(prices.table.columns) == ["open", "high", "low", "close", "volume"]
    assert (prices.table.dtypes == np.float64).all()
    assert prices.table.index.name == "time"
    assert prices.table.index.tz is None
    assert (prices.table.index == original.index).all()
    for column in prices.table.columns:
        assert (prices.table[column].to_numpy() == original[column.title()].to_numpy()).all()
    assert (original["Adj Close"] == original["Close"]).all()


def test_symbol_can_be_named():
    assert load_prices("sample:sp500", symbol="^GSPC").symbol == "^GSPC"


def test_start_and_end_are_both_included_and_window_agrees():
    cut = load_prices("sample:sp500", start="2008-09-15", end="2008-10-10")
    assert (str(cut.table.index[0].date()), str(cut.table.index[-1].date())) == ("2008-09-15", "2008-10-10")
    window = load_prices("sample:sp500").window("2008-09-15", "2008-10-10")
    assert window.sha256 == cut.sha256


# Unknown names and settings


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("sampel:sp500", "did you mean 'sample'?"),
        ("sample:sp50", "did you mean 'sp500'?"),
        ("synthetic:cycle", "did you mean 'cycles'?"),
        ("synthetic:cycles?bar=20", "did you mean 'bars'?"),
        ("synthetic:cycles?bars=1", "whole number from 2 to"),
        ("synthetic:cycles?seed=x", "seed is 'x'"),
        ("sample:sp500?bars=20", "takes no options"),
        ("prices.csv", "did you mean 'csv:prices.csv'?"),
        ("folder/prices.parquet", "did you mean 'parquet:folder/prices.parquet'?"),
        ("csv:", "names nothing"),
        ("", "known are sample, csv"),
        ("csv:a.csv?adjust=yes", "did you mean 'adjusted'?"),
        ("csv:a.csv?adjusted=maybe", "must be yes or no"),
    ],
)
def test_unknown_sources_say_what_was_meant(source, words):
    assert words in refusal(source, ConfigurationError)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timeframe": "daily"}, "timeframe 'daily' is unknown"),
        ({"timeframe": "1h"}, "has daily bars, not 1h"),
        ({"start": "10/10/2008"}, "start is '10/10/2008': write an ISO date"),
        ({"start": "2010-01-01", "end": "2009-01-01"}, "start 2010-01-01 lies after end 2009-01-01"),
    ],
)
def test_wrong_settings_are_named(settings, words):
    assert words in refusal("sample:sp500", ConfigurationError, **settings)


def test_a_range_without_bars_says_what_there_is():
    sentence = refusal("sample:sp500", start="2020-01-01")
    assert "no bars from 2020-01-01: it goes from 1999-01-04 to 2018-12-31" in sentence


def test_too_few_bars():
    assert "has 21 bars, at least 270 are needed" in refusal(
        "sample:sp500", start="2008-10-01", end="2008-10-29", minimum_bars=270
    )


# Reading CSV


@pytest.mark.parametrize(
    "header",
    [
        "time,open,high,low,close,volume",
        "TIMESTAMP,O,H,L,C,Vol",
        "datetime, Open , HIGH,Low,Close/Last,Volume",
        ",1. open,2. high,3. low,4. close,5. volume",
    ],
)
def test_common_column_names_are_understood(write, header):
    expected = load_prices(write(GOOD)).sha256
    assert load_prices(write(GOOD.replace("Date,Open,High,Low,Close,Volume", header), "other.csv")).sha256 == expected


@pytest.mark.parametrize(
    "dates",
    [
        ("20200101", "20200102", "20200103"),
        ("2020/1/1", "2020/1/2", "2020/1/3"),
        ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "2020-01-03T00:00:00Z"),
        ("2020-01-01 00:00:00+09:00", "2020-01-02 00:00:00+09:00", "2020-01-03 00:00:00+09:00"),
        ("01-Jan-2020", "02-Jan-2020", "03-Jan-2020"),
        ('"Jan 1, 2020"', '"Jan 2, 2020"', '"Jan 3, 2020"'),
        ("1577836800", "1577923200", "1578009600"),
        ("1577836800000", "1577923200000", "1578009600000"),
    ],
)
def test_common_dates_are_understood(write, dates):
    content = GOOD
    for day, text in enumerate(dates, start=1):
        content = content.replace(f"2020-01-0{day}", text)
    assert load_prices(write(content)).sha256 == load_prices(write(GOOD, "good.csv")).sha256


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (("30/01/2020", "31/01/2020", "01/02/2020"), "2020-01-30"),
        (("1/30/2020", "1/31/2020", "2/1/2020"), "2020-01-30"),
    ],
)
def test_a_later_row_settles_day_and_month(write, dates, first):
    content = GOOD
    for day, text in enumerate(dates, start=1):
        content = content.replace(f"2020-01-0{day}", text)
    table = load_prices(write(content)).table
    assert str(table.index[0].date()) == first
    assert (np.diff(table.index) == np.timedelta64(1, "D")).all()


def test_a_file_without_volume_has_volume_zero(write):
    content = "\n".join(line.rpartition(",")[0] for line in GOOD.splitlines())
    assert load_prices(write(content)).table["volume"].tolist() == [0.0, 0.0, 0.0]


def test_adjusted_close_is_ignored_unless_asked(write):
    lines = GOOD.splitlines()
    content = "\n".join([lines[0] + ",Adj Close", *(line + ",5.5" for line in lines[1:])])
    source = write(content)
    assert load_prices(source).sha256 == load_prices(write(GOOD, "good.csv")).sha256
    scaled = load_prices(source + "?adjusted=yes").table
    assert scaled.iloc[0].tolist() == [5.0, 6.0, 4.5, 5.5, 100.0]
    assert scaled["close"].tolist() == pytest.approx([5.5] * 3)
    assert "no column adjusted close" in refusal(f"{write(GOOD)}?adjusted=yes")


def test_byte_order_mark_blank_lines_and_windows_line_ends_are_no_matter(write):
    content = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n\r\n").encode()
    assert load_prices(write(content)).sha256 == load_prices(write(GOOD, "good.csv")).sha256


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("Date,Open,High,Low,Close\n", "a header line and no rows"),
        (GOOD.replace(",", ";"), "semicolons between its cells"),
        (GOOD.replace(",", "\t"), "tabs between its cells"),
        (GOOD.replace("10,12,9,11", "10,5,12,5,9,5,11,5"), "line 2 has 10 cells where the header has 6"),
        (GOOD.replace("11,13,10,12", '11,13,"10,5",12'), "line 3: low is '10,5', which is not a number"),
        (GOOD.replace("11,13,10,12", "11,13,ten,12"), "line 3: low is 'ten', which is not a number"),
        (GOOD.replace("Date", "Day"), "no column time in its header"),
        (GOOD.replace("Low", "Lowest").replace("Open", "x"), "no column open and no column low"),
        (GOOD.replace("Volume", "close"), "has 'Close' and 'close' for close"),
        (GOOD.partition("\n")[2], "has no header line: write time,open,high,low,close,volume above"),
        ("Open,High,Low\n1,1,1\n", "no column time and no column close"),
        ("Price,Close,High,Low,Open\nTicker,A,A,A,A\nDate,,,,\n2020-01-01,1,1,1,1\n", "that yfinance writes"),
        (b"Date,Open,High,Low,Close\n2020-01-01,1,1,1,1\xe9\n", "not UTF-8 text (byte 44 is 0xe9)"),
        (GOOD.encode("utf-16"), "not UTF-8 text"),
        (GOOD.replace("2020-01-02", "yesterday"), "line 3: 'yesterday' is no date or time"),
        (GOOD.replace("2020-01-02", ""), "line 3: the time is missing"),
        (GOOD.replace("2020-01-02", "2020-02-30"), "line 3: '2020-02-30' is no date"),
        (GOOD.replace("2020-01-0", "1/1/202"), "line 2: '1/1/2021' is ambiguous, no row settles"),
        (GOOD.replace("2020-01-01", "13/1/2020").replace("2020-01-02", "1/14/2020"), "the rows contradict each other"),
        (GOOD.replace("2020-01-02", "2020-01-02T00:00Z"), "line 2: the time has no zone while others have one"),
    ],
)
def test_files_that_cannot_be_read_say_why(write, content, words):
    assert words in refusal(write(content))


def test_paths_that_lead_nowhere(write, tmp_path):
    write(GOOD)
    assert "there is no such file, did you mean 'prices.csv'?" in refusal(f"csv:{tmp_path}/price.csv")
    assert "there is no such file, correct the path." in refusal(f"parquet:{tmp_path}/price.parquet")
    assert f"there is no folder {tmp_path}/data" in refusal(f"csv:{tmp_path}/data/prices.csv")
    assert "is a folder: name a file in it" in refusal(f"csv:{tmp_path}")
    assert "is a folder: name a file in it" in refusal(f"parquet:{tmp_path}")


# Validation


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2020-01-03", "2019-12-31", "line 4 (2019-12-31): this time comes after 2020-01-02, sort the rows"),
        ("2020-01-03", "2020-01-02", "line 4 (2020-01-02): this time stands twice"),
        ("11,13,10,12", "11,13,10,", "line 3 (2020-01-02): close is missing"),
        ("11,13,10,12", "nan,13,10,12", "line 3 (2020-01-02): open is missing"),
        ("11,13,10,12", "11,inf,10,12", "line 3 (2020-01-02): high is infinite"),
        ("11,13,10,12", "11,1e999,10,12", "line 3 (2020-01-02): high is infinite"),
        ("11,13,10,12", "0,13,0,12", "line 3 (2020-01-02): open is 0.0, a price must be above zero"),
        ("11,13,10,12", "11,13,-10,12", "line 3 (2020-01-02): low is -10.0, a price must be above zero"),
        ("11,13,10,12", "11,10,13,12", "line 3 (2020-01-02): high 10.0 is below low 13.0"),
        ("11,13,10,12", "9,13,10,12", "line 3 (2020-01-02): open 9.0 lies outside low 10.0 to high 13.0"),
        ("11,13,10,12", "11,13,10,14", "line 3 (2020-01-02): close 14.0 lies outside low 10.0 to high 13.0"),
        (",200", ",-200", "line 3 (2020-01-02): volume is -200.0, it must not be negative"),
        (",200", ",", "line 3 (2020-01-02): volume is missing"),
    ],
)
def test_impossible_rows_are_named_with_a_cure(write, old, new, words):
    assert words in refusal(write(GOOD.replace(old, new)))


def test_the_earliest_wrong_row_is_named_whatever_is_wrong_later(write):
    content = GOOD.replace("2020-01-03", "2020-01-01").replace(",200", ",-200")
    assert "line 3" in refusal(write(content))


def test_blank_lines_do_not_shift_the_named_line(write):
    assert "line 7 (2020-01-03)" in refusal(write(GOOD.replace("\n", "\n\n").replace(",300", ",-300")))


def test_rows_outside_the_window_are_not_judged(write):
    source = write(GOOD.replace(",100", ",-100"))
    assert len(load_prices(source, start="2020-01-02").table) == 2


def test_a_rounding_of_adjusted_prices_is_no_fault(write):
    content = GOOD.replace("11,13,10,12", "11,11.999999999999998,10,12")
    assert load_prices(write(content)).table["close"].iloc[1] == 12.0


@pytest.mark.parametrize(
    ("step", "timeframe", "words"),
    [
        (timedelta(hours=1), "1d", "has bars 1:00:00 apart while timeframe is 1d: set the timeframe"),
        (timedelta(days=1), "1h", "1 day, 0:00:00 apart while timeframe is 1h"),
        (timedelta(days=1), "1w", "1 day, 0:00:00 apart"),
        (timedelta(days=7), "1d", "7 days, 0:00:00 apart"),
        (timedelta(minutes=30), "1h", "0:30:00 apart"),
    ],
)
def test_a_timeframe_that_the_bars_deny_is_refused(write, step, timeframe, words):
    times = [pd.Timestamp("2020-01-06") + step * bar for bar in range(12)]
    source = write("time,open,high,low,close\n" + "".join(f"{time.isoformat()},1,1,1,1\n" for time in times))
    assert words in refusal(source, timeframe=timeframe)


@pytest.mark.parametrize(
    ("times", "timeframe"),
    [
        (pd.bdate_range("2020-01-01", periods=60), "1d"),
        (pd.date_range("2020-01-31", periods=24, freq="ME"), "1mo"),
        (pd.date_range("2020-01-03", periods=24, freq="W-FRI"), "1w"),
        (pd.bdate_range("2020-01-01", periods=20).repeat(2) + pd.to_timedelta(["9h", "13h"] * 20), "4h"),
        (pd.bdate_range("2020-01-01", periods=60) + pd.to_timedelta([16, 16, 16, 13, 16, 16] * 10, unit="h"), "1d"),
    ],
)
def test_calendars_with_gaps_bear_out_their_timeframe(write, times, timeframe):
    source = write("time,open,high,low,close\n" + "".join(f"{time.isoformat()},1,1,1,1\n" for time in times))
    assert (load_prices(source, timeframe=timeframe).table.index == times).all()


def test_zones_that_would_move_a_bar_are_refused(write):
    late = "\n".join(line if "Date" in line else line[:10] + "T15:00:00Z" + line[10:] for line in GOOD.splitlines())
    assert "may belong to another day at its exchange" in refusal(write(late))
    local = "".join(f"2020-01-0{day}T09:30:00-05:00,1,1,1,1\n" for day in (1, 2, 3))
    sentence = refusal(write("time,open,high,low,close\n" + local), timeframe="1h")
    assert "line 2: 2020-01-01T09:30:00-05:00 is in a local zone, bars of 1h need UTC" in sentence


def test_intraday_utc_keeps_its_clock(write):
    rows = "".join(f"2020-01-01T0{hour}:00:00Z,1,1,1,1\n" for hour in (1, 2, 3))
    table = load_prices(write("time,open,high,low,close\n" + rows), timeframe="1h").table
    assert list(table.index) == list(pd.date_range("2020-01-01 01:00", periods=3, freq="h"))


# Parquet


def frame():
    """Three bars as pandas users keep them."""
    return pd.DataFrame(
        [[10, 12, 9, 11, 100], [11, 13, 10, 12, 200], [12, 14, 11, 13, 300]],
        columns=["Open", "High", "Low", "Close", "Volume"],
        index=pd.date_range("2020-01-01", periods=3, name="Date"),
    )


def indexed_without_name(table):
    return table.rename_axis(None)


def in_a_column(table):
    return table.reset_index()


def as_text(table):
    return table.assign(time=table.index.strftime("%Y-%m-%d")).reset_index(drop=True)


def as_dates(table):
    return table.assign(time=table.index.date).reset_index(drop=True)


def with_row_numbers_that_have_holes(table):
    return pd.concat([table.iloc[:1], table]).reset_index().iloc[1:]


def in_tokyo(table):
    return table.tz_localize("Asia/Tokyo")


def in_single_precision(table):
    return table.astype("float32")


@pytest.mark.parametrize(
    "shape",
    [
        indexed_without_name,
        in_a_column,
        with_row_numbers_that_have_holes,
        as_text,
        as_dates,
        in_tokyo,
        in_single_precision,
    ],
)
def test_parquet_with_times_in_index_or_column(tmp_path, write, shape):
    path = tmp_path / "prices.parquet"
    shape(frame()).to_parquet(path)
    assert load_prices(f"parquet:{path}").sha256 == load_prices(write(GOOD)).sha256


def test_parquet_that_cannot_be_read(tmp_path):
    path = tmp_path / "prices.parquet"
    source = f"parquet:{path}"
    path.write_text(GOOD)
    assert "is not a parquet file" in refusal(source)
    levels = frame()
    levels.columns = pd.MultiIndex.from_product([levels.columns, ["SPY"]], names=["Price", "Ticker"])
    levels.to_parquet(path)
    assert "column names of 2 levels: keep one symbol" in refusal(source)
    frame().iloc[:0].to_parquet(path)
    assert "holds no rows" in refusal(source)
    frame().assign(Low=["9", "ten", "11"]).to_parquet(path)
    assert "row 2: low is 'ten'" in refusal(source)
    frame().assign(index=[1, 2, 3]).to_parquet(path)
    assert "has 'datetime' and 'index' for time: keep one such column" in refusal(source)
    pd.concat({"A": frame(), "B": frame()}).to_parquet(path)
    assert "this time comes after 2020-01-03" in refusal(source)
    frame().assign(Close=[11, None, 13]).to_parquet(path)
    assert "2020-01-02: close is missing" in refusal(source)


# Canonical CSV and hash


def test_canonical_csv_reads_back_to_equal_bytes_and_hash(tmp_path):
    prices = load_prices("sample:nasdaq")
    prices.write_csv(tmp_path / "a.csv")
    again = load_prices(f"csv:{tmp_path}/a.csv")
    again.write_csv(tmp_path / "b.csv")
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"time,open,high,low,close,volume\n1999-01-04T00:00:00,2207.540039,")
    assert b"\r" not in content
    assert (tmp_path / "b.csv").read_bytes() == content
    assert again.sha256 == prices.sha256
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), prices.table, check_exact=True)


def test_hash_sees_every_bit_and_every_time(write):
    original = load_prices(write(GOOD)).sha256
    microseconds = (1_577_836_800_000_000 + day * 86_400_000_000 for day in range(3))
    columns = (10.0, 11.0, 12.0, 12.0, 13.0, 14.0, 9.0, 10.0, 11.0, 11.0, 12.0, 13.0, 100.0, 200.0, 300.0)
    assert original == hashlib.sha256(struct.pack("<3q15d", *microseconds, *columns)).hexdigest()
    nudged = GOOD.replace("10,12,9,11", "10,12,9,11.000000000000002")
    assert load_prices(write(nudged)).sha256 != original
    assert load_prices(write(GOOD.replace("2020-01-03", "2020-01-04"))).sha256 != original


def test_only_the_canonical_form_is_read_back(tmp_path, write):
    write(GOOD)
    with pytest.raises(MarketDataError, match="not a canonical price file"):
        read_csv(tmp_path / "prices.csv")
    with pytest.raises(MarketDataError, match="does not exist"):
        read_csv(tmp_path / "none.csv")


def test_an_unwritable_target_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketDataError, match="cannot be written"):
        load_prices("synthetic:calm?bars=5").write_csv(tmp_path / "file" / "prices.csv")
    assert os.listdir(tmp_path) == ["file"]


# Synthetic


@pytest.mark.parametrize("name", ["calm", "cycles", "crash"])
def test_synthetic_paths_know_their_regime(name):
    prices = load_prices(f"synthetic:{name}?bars=4000&seed=3")
    again = load_prices(f"synthetic:{name}?seed=3&bars=4000")
    assert prices.sha256 == again.sha256 != load_prices(f"synthetic:{name}?bars=4000&seed=4").sha256
    assert len(prices.table) == len(prices.true_regimes) == 4000
    assert (prices.true_regimes.index == prices.table.index).all()
    assert set(prices.true_regimes) <= set(RegimeLabel)
    assert (prices.table["volume"] > 0).all()
    assert (prices.table["high"] > prices.table["low"]).all()
    cut = prices.window("2001-01-01", "2001-12-31")
    assert (cut.true_regimes == prices.true_regimes[cut.table.index]).all()


def test_synthetic_regimes_are_what_they_are_called():
    prices = load_prices("synthetic:cycles?bars=20000")
    returns = np.log(prices.table["close"]).diff()
    means, deviations = (returns.groupby(prices.true_regimes).agg(how) for how in ("mean", "std"))
    assert means["bull"] > abs(means["sideways"])
    assert means["bear"] < -abs(means["sideways"])
    assert deviations.idxmax() == "turbulent"
    assert deviations.idxmin() == "sideways"


def test_synthetic_intraday_bars_follow_each_other():
    prices = load_prices("synthetic:crash?bars=50", timeframe="5m")
    assert (np.diff(prices.table.index) == np.timedelta64(5, "m")).all()
    assert prices.timeframe == "5m"
