"""Opens that repeat closes are counted and told before a run, and a market that never closes is left in peace."""

import numpy as np
import pandas as pd
import pytest
from small_run import small

import simulator
from simulator.prices.load import load_prices
from simulator.prices.stale_opens import stale_note, stale_opens


def bars(times, repeated):
    """Prices over these times whose open repeats the close before where ``repeated`` says so."""
    close = 100 + np.arange(len(times), dtype=float)
    before = np.concatenate([[100.0], close[:-1]])
    return pd.DataFrame({"open": np.where(repeated, before, before + 0.25), "close": close}, index=times)


def test_the_index_whose_opens_were_written_from_closes_is_found_out_and_the_real_one_is_not():
    index, real = (load_prices(f"sample:{name}").table for name in ("sp500", "nasdaq"))
    found = stale_opens({"SP500": index})
    assert (found.matters, found.until) == (True, 2005)
    assert all(0.94 < found.by_year[year] < 0.99 for year in range(1999, 2006))
    assert found.by_year[2018] == 0
    assert stale_opens({"NASDAQ": real}).share < 0.002
    assert stale_note("NASDAQ", real) is None
    assert "40% of the opens only repeat the close before them, most of them until 2005" in stale_note("SP500", index)


def test_an_open_inside_a_session_is_a_price_like_any_other():
    days = pd.date_range("2024-01-01", periods=60, freq="B")
    hours = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(14, 21)])
    found = stale_opens({"A": bars(hours, np.ones(len(hours), dtype=bool))})
    assert (found.opens, found.share) == (59, 1.0)  # the first bar of each day after the first
    inside = bars(hours, hours.hour != 14)
    assert stale_opens({"A": inside}).share == 0


def test_a_market_that_never_closes_has_no_open_to_repeat_a_close():
    days = pd.date_range("2024-01-01", periods=400, freq="D")
    assert stale_opens({"COIN": bars(days, np.ones(400, dtype=bool))}).opens == 0
    weeks = pd.date_range("2024-01-07", periods=100, freq="W")
    assert stale_opens({"A": bars(weeks, np.ones(100, dtype=bool))}).share == 1


@pytest.mark.parametrize("table", [bars(pd.DatetimeIndex([]), []), bars(pd.DatetimeIndex(["2024-01-02"]), [True])])
def test_no_bars_have_no_opens_that_repeat(table):
    found = stale_opens({"A": table})
    assert (found.share, found.until, found.matters) == (0, None, False)


def test_decisions_are_held_against_the_bar_that_fills_them():
    days = pd.date_range("2024-01-01", periods=10, freq="B")
    table = bars(days, np.arange(10) == 4)
    assert stale_opens({"A": table}, {"A": [days[3].isoformat()]}).share == 1
    assert stale_opens({"A": table}, {"A": [days[4].isoformat()]}).share == 0
    assert stale_opens({"A": table}, {"A": [days[9].isoformat()]}).opens == 0  # the last decision has no fill


def test_a_person_reads_of_it_before_the_run_and_finds_the_share_among_the_facts(tmp_path):
    told = []
    one = {"data": {"source": "sample:sp500", "end": "2000-08-31"}, "arms": ["buy_and_hold"]}
    result = simulator.compare(small(tmp_path, **one), on_note=told.append)
    assert any("7% of the opens only repeat the close" in note for note in told)
    assert 0.9 < result.facts["run.stale_opens"].value < 1
    assert result.facts["run.stale_opens_until"].value == "2000"
