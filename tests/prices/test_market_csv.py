"""CSV files of prices: what is read, what is refused and in which words."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from price_files import GOOD, refusal

from simulator.prices.load import load_prices

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
def test_common_column_names_are_understood(price_file, header):
    expected = load_prices(price_file(GOOD)).sha256
    assert (
        load_prices(price_file(GOOD.replace("Date,Open,High,Low,Close,Volume", header), "other.csv")).sha256 == expected
    )


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
def test_common_dates_are_understood(price_file, dates):
    content = GOOD
    for day, text in enumerate(dates, start=1):
        content = content.replace(f"2020-01-0{day}", text)
    assert load_prices(price_file(content)).sha256 == load_prices(price_file(GOOD, "good.csv")).sha256


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (("30/01/2020", "31/01/2020", "01/02/2020"), "2020-01-30"),
        (("1/30/2020", "1/31/2020", "2/1/2020"), "2020-01-30"),
    ],
)
def test_a_later_row_settles_day_and_month(price_file, dates, first):
    content = GOOD
    for day, text in enumerate(dates, start=1):
        content = content.replace(f"2020-01-0{day}", text)
    table = load_prices(price_file(content)).table
    assert str(table.index[0].date()) == first
    assert (np.diff(table.index) == np.timedelta64(1, "D")).all()


def test_a_file_without_volume_has_volume_zero(price_file):
    content = "\n".join(line.rpartition(",")[0] for line in GOOD.splitlines())
    assert load_prices(price_file(content)).table["volume"].tolist() == [0.0, 0.0, 0.0]


def test_adjusted_close_is_ignored_unless_asked(price_file):
    lines = GOOD.splitlines()
    content = "\n".join([lines[0] + ",Adj Close", *(line + ",5.5" for line in lines[1:])])
    source = price_file(content)
    assert load_prices(source).sha256 == load_prices(price_file(GOOD, "good.csv")).sha256
    scaled = load_prices(source + "?adjusted=yes").table
    assert scaled.iloc[0].tolist() == [5.0, 6.0, 4.5, 5.5, 100.0]
    assert scaled["close"].tolist() == pytest.approx([5.5] * 3)
    assert "no column adjusted close" in refusal(f"{price_file(GOOD)}?adjusted=yes")


def test_byte_order_mark_blank_lines_and_windows_line_ends_are_no_matter(price_file):
    content = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n\r\n").encode()
    assert load_prices(price_file(content)).sha256 == load_prices(price_file(GOOD, "good.csv")).sha256


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
def test_files_that_cannot_be_read_say_why(price_file, content, words):
    assert words in refusal(price_file(content))


def test_paths_that_lead_nowhere(price_file, tmp_path):
    price_file(GOOD)
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
def test_impossible_rows_are_named_with_a_cure(price_file, old, new, words):
    assert words in refusal(price_file(GOOD.replace(old, new)))


def test_the_earliest_wrong_row_is_named_whatever_is_wrong_later(price_file):
    content = GOOD.replace("2020-01-03", "2020-01-01").replace(",200", ",-200")
    assert "line 3" in refusal(price_file(content))


def test_blank_lines_do_not_shift_the_named_line(price_file):
    assert "line 7 (2020-01-03)" in refusal(price_file(GOOD.replace("\n", "\n\n").replace(",300", ",-300")))


def test_rows_outside_the_window_are_not_judged(price_file):
    source = price_file(GOOD.replace(",100", ",-100"))
    assert len(load_prices(source, start="2020-01-02").table) == 2


def test_a_rounding_of_adjusted_prices_is_no_fault(price_file):
    content = GOOD.replace("11,13,10,12", "11,11.999999999999998,10,12")
    assert load_prices(price_file(content)).table["close"].iloc[1] == 12.0


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
def test_a_timeframe_that_the_bars_deny_is_refused(price_file, step, timeframe, words):
    times = [pd.Timestamp("2020-01-06") + step * bar for bar in range(12)]
    source = price_file("time,open,high,low,close\n" + "".join(f"{time.isoformat()},1,1,1,1\n" for time in times))
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
def test_calendars_with_gaps_bear_out_their_timeframe(price_file, times, timeframe):
    source = price_file("time,open,high,low,close\n" + "".join(f"{time.isoformat()},1,1,1,1\n" for time in times))
    assert (load_prices(source, timeframe=timeframe).table.index == times).all()


def test_zones_that_would_move_a_bar_are_refused(price_file):
    late = "\n".join(line if "Date" in line else line[:10] + "T15:00:00Z" + line[10:] for line in GOOD.splitlines())
    assert "may belong to another day at its exchange" in refusal(price_file(late))
    local = "".join(f"2020-01-0{day}T09:30:00-05:00,1,1,1,1\n" for day in (1, 2, 3))
    sentence = refusal(price_file("time,open,high,low,close\n" + local), timeframe="1h")
    assert "line 2: 2020-01-01T09:30:00-05:00 is in a local zone, bars of 1h need UTC" in sentence


def test_intraday_utc_keeps_its_clock(price_file):
    rows = "".join(f"2020-01-01T0{hour}:00:00Z,1,1,1,1\n" for hour in (1, 2, 3))
    table = load_prices(price_file("time,open,high,low,close\n" + rows), timeframe="1h").table
    assert list(table.index) == list(pd.date_range("2020-01-01 01:00", periods=3, freq="h"))
