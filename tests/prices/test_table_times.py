"""Times of a table are written as Python writes each of them."""

import pandas as pd
import pytest

from simulator.prices.table import iso_times


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("1899-12-30", periods=9, freq="D"),
        pd.date_range("2020-02-28 23:58", periods=5, freq="min"),
        pd.DatetimeIndex(["2020-01-01", "2020-01-01 09:30:00.25", "2020-01-01 09:30:00.000001"]),
        pd.DatetimeIndex([]),
    ],
    ids=["days", "minutes", "parts of seconds", "none"],
)
def test_times_are_those_of_isoformat(times, unit):
    index = times.as_unit(unit)
    assert iso_times(index) == [time.isoformat() for time in index.to_pydatetime()]
