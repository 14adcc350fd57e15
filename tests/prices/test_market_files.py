"""Parquet files, and the canonical CSV that a run folder keeps."""

import hashlib
import os
import struct

import pandas as pd
import pytest
from price_files import GOOD, refusal

from llm_strategy.errors import MarketDataError
from simulator.prices.load import load_prices, read_csv

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
def test_parquet_with_times_in_index_or_column(tmp_path, price_file, shape):
    path = tmp_path / "prices.parquet"
    shape(frame()).to_parquet(path)
    assert load_prices(f"parquet:{path}").sha256 == load_prices(price_file(GOOD)).sha256


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


def test_hash_sees_every_bit_and_every_time(price_file):
    original = load_prices(price_file(GOOD)).sha256
    microseconds = (1_577_836_800_000_000 + day * 86_400_000_000 for day in range(3))
    columns = (10.0, 11.0, 12.0, 12.0, 13.0, 14.0, 9.0, 10.0, 11.0, 11.0, 12.0, 13.0, 100.0, 200.0, 300.0)
    assert original == hashlib.sha256(struct.pack("<3q15d", *microseconds, *columns)).hexdigest()
    nudged = GOOD.replace("10,12,9,11", "10,12,9,11.000000000000002")
    assert load_prices(price_file(nudged)).sha256 != original
    assert load_prices(price_file(GOOD.replace("2020-01-03", "2020-01-04"))).sha256 != original


def test_only_the_canonical_form_is_read_back(tmp_path, price_file):
    price_file(GOOD)
    with pytest.raises(MarketDataError, match="not a canonical price file"):
        read_csv(tmp_path / "prices.csv")
    with pytest.raises(MarketDataError, match="does not exist"):
        read_csv(tmp_path / "none.csv")


def test_an_unwritable_target_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketDataError, match="cannot be written"):
        load_prices("synthetic:calm?bars=5").write_csv(tmp_path / "file" / "prices.csv")
    assert os.listdir(tmp_path) == ["file"]
