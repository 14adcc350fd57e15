"""Years and bars a year by the calendar, sizes that know no later bar, and files whose bars change their distance."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from listed_advice import EXIT, LONG, ROOMY, Listed, only
from markets import random_prices
from own_cerebro import MODES, own_cerebro, pandas_feed
from price_files import refusal

import simulator
from llm_strategy import AdvisedStrategy, Journal
from llm_strategy.advice.rules import BuyAndHold
from llm_strategy.market.features import LONGEST_LOOKBACK
from simulator.evaluation.metrics import bars_per_year, years_between
from simulator.experiment.configuration import Experiment
from simulator.prices.load import Prices, load_prices
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate

pytestmark = pytest.mark.slow

YEARS = {
    "five a week": pd.bdate_range("2017-01-01", "2018-12-31"),
    "six a week": pd.bdate_range("2017-01-01", "2018-12-31", freq="C", weekmask="Sun Mon Tue Wed Thu Fri"),
    "every day": pd.date_range("2017-06-01", "2018-12-31"),
    "a hole": pd.bdate_range("2013-01-01", "2014-12-31").append(pd.bdate_range("2017-01-02", "2018-12-31")),
    "weeks": pd.date_range("2009-01-01", "2018-12-31", freq="W-FRI"),
    "months": pd.date_range("1985-01-31", "2018-12-31", freq="ME"),
    "hours around the clock": pd.date_range("2018-01-01", "2018-03-31", freq="4h"),
    "hours of a session": pd.DatetimeIndex(
        [day + pd.Timedelta(hours=hour) for day in pd.bdate_range("2018-01-01", "2018-08-31") for hour in (14, 16, 18)]
    ),
}
TIMEFRAMES = {"weeks": "1w", "months": "1mo", "hours around the clock": "4h", "hours of a session": "2h"}


def walk(times, seed=3):
    """Random bars at these times."""
    table = random_prices(len(times), seed).table
    return table.set_axis(pd.DatetimeIndex(times, name="time").as_unit("us"))


def test_years_are_elapsed_time_and_bars_a_year_the_bars_over_them():
    days = pd.DatetimeIndex(["2020-01-01", "2020-07-01", "2021-01-01", "2022-01-01"])
    assert years_between(days) == pytest.approx(731 / 365.25)
    assert bars_per_year(days) == pytest.approx(3 / (731 / 365.25))
    assert years_between(days[:1]) == bars_per_year(days[:1]) == bars_per_year(days[:0]) == 0


@pytest.mark.parametrize("shape", ["six a week", "a hole", "weeks", "months", "hours of a session"])
def test_annual_figures_of_a_run_belong_to_the_calendar(tmp_path, shape):
    walk(YEARS[shape]).to_csv(tmp_path / "prices.csv", index_label="time")
    result = simulator.compare(
        {
            "data": {"source": f"csv:{tmp_path}/prices.csv", "timeframe": TIMEFRAMES.get(shape, "1d")},
            "risk": {"max_drawdown": 1.0},
            "arms": ["buy_and_hold"],
            "evaluation": {"bootstrap_samples": 100},
            "output": {"folder": str(tmp_path / "reports"), "explain": False},
        }
    )
    equity = result.record.arms[0].equity["equity"]
    years = (equity.index[-1] - equity.index[0]) / pd.Timedelta(days=365.25)
    bars = (len(equity) - 1) / years
    moves = equity.pct_change().dropna()
    value = {name: fact.value for name, fact in result.facts.items()}
    assert value["run.years"] == pytest.approx(years)
    assert value["run.bars_per_year"] == pytest.approx(bars)
    assert value["buy_and_hold.volatility"] == pytest.approx(moves.std() * math.sqrt(bars))
    assert value["buy_and_hold.cagr"] == pytest.approx((equity.iloc[-1] / equity.iloc[0]) ** (1 / years) - 1)
    assert value["buy_and_hold.sharpe"] == pytest.approx(moves.mean() / moves.std() * math.sqrt(bars))
    assert any("no bars for" in note for note in result.notes) == ("hole" in shape)


def test_bars_a_year_that_a_person_sets_hold(tmp_path):
    result = simulator.compare(
        {
            "data": {"source": "synthetic:cycles?bars=420"},
            "arms": ["buy_and_hold"],
            "evaluation": {"bootstrap_samples": 100, "bars_per_year": 100},
            "output": {"folder": str(tmp_path / "reports"), "explain": False},
        }
    )
    assert result.facts["run.bars_per_year"].text == "100"
    assert result.facts["run.years"].value == pytest.approx((len(result.record.arms[0].equity) - 1) / 100)


# Volatility targets

TARGET = replace(ROOMY, sizing="volatility_target", target_volatility=0.05)
BARS = {"five a week": 5, "six a week": 6, "every day": 7, "hours around the clock": 42, "hours of a session": 15}


def sizes(table, timeframe="1d", actions=(LONG,)):
    """Entries of these actions from the first decision on."""
    journal = Journal()
    universe = Universe((Prices("test", "A", timeframe, table),))
    simulate(universe, Listed(list(actions)), Experiment(risk=TARGET), journal)
    return journal, [(row.created, row.size) for row in only(journal, "entry")]


@pytest.mark.parametrize("shape", BARS)
def test_a_target_is_of_the_year_that_the_bars_so_far_make(shape):
    journal, [(_, size)] = sizes(walk(YEARS[shape][: LONGEST_LOOKBACK + 30]), TIMEFRAMES.get(shape, "1d"))
    seen = journal.entries[0].decision.snapshot
    year = BARS[shape] * 365.25 / 7
    assert size == pytest.approx(0.05 / (seen.volatility * math.sqrt(year)) * 1e5 / seen.close, rel=0.02)


@pytest.mark.parametrize("shape", ["five a week", "hours of a session", "hours around the clock"])
@pytest.mark.parametrize("later", ["cut", "another distance", "other prices", "a hole"])
def test_later_bars_change_no_earlier_size(shape, later):
    table, known = walk(YEARS[shape][: LONGEST_LOOKBACK + 120]), LONGEST_LOOKBACK + 60
    timeframe = TIMEFRAMES.get(shape, "1d")
    rest = table.iloc[known:]
    changed = {
        "cut": rest.iloc[:2],
        "another distance": rest.set_axis(rest.index[0] + (rest.index - rest.index[0]) * 3),
        "other prices": rest * 3,
        "a hole": rest.set_axis(rest.index + pd.Timedelta(days=730)),
    }[later]
    again = pd.concat([table.iloc[:known], changed]).rename_axis("time")
    actions, now = [LONG, EXIT] * 15, table.index[known - 1].isoformat()
    first = [row for row in sizes(table, timeframe, actions)[1] if row[0] < now]
    assert first
    assert [row for row in sizes(again, timeframe, actions)[1] if row[0] < now] == first


def in_own_cerebro(table, mode, **parameters):
    cerebro = own_cerebro(pandas_feed(table), **mode)
    cerebro.addstrategy(AdvisedStrategy, advisor=BuyAndHold(), limits=TARGET, **parameters)
    (strategy,) = cerebro.run()
    return [(row.created, row.size) for row in only(strategy.journal, "entry")]


def test_an_own_cerebro_counts_as_a_run_does_in_every_mode_and_a_given_number_holds():
    table = walk(YEARS["six a week"][: LONGEST_LOOKBACK + 40])
    (first, *_) = sizes(table)[1]
    assert {tuple(in_own_cerebro(table, mode)[0]) for mode in MODES} == {first}
    counted, given = first[1], in_own_cerebro(table, {}, bars_per_year=4 * 6 * 365.25 / 7)[0][1]
    assert given == pytest.approx(counted / 2, rel=0.01)


# Bars that change their distance


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (pd.date_range("2010-01-08", "2014-01-03", freq="W-FRI").append(pd.bdate_range("2014-01-06", "2016-12-30")),
         "up to 2014-01-03 they stand 7 days apart"),
        (pd.bdate_range("2010-01-04", "2014-01-03").append(pd.date_range("2014-01-10", "2016-12-30", freq="W-FRI")),
         "from 2014-01-03 on they stand 7 days apart"),
        (pd.date_range("2010-01-31", "2013-12-31", freq="ME").append(pd.bdate_range("2014-01-06", "2016-12-30")),
         "up to 2013-12-31 they stand 31 days apart"),
        (pd.bdate_range("2010-01-04", "2014-01-03").append(pd.date_range("2014-01-06", "2014-01-08", freq="h")),
         "from 2014-01-06 on they stand 1:00:00 apart"),
    ],
)  # fmt: skip
def test_bars_that_change_their_distance_are_refused_with_the_date(price_file, times, words):
    rows = "".join(f"{time.isoformat()},1,1,1,1\n" for time in times)
    sentence = refusal(price_file("time,open,high,low,close\n" + rows))
    assert words in sentence
    assert "out of the file, or bring all bars to one length." in sentence


def test_bars_of_a_thin_market_and_a_hole_are_no_change_of_distance(price_file):
    chosen = np.random.default_rng(5).random(3000) < 0.6
    times = pd.date_range("2024-01-02", periods=3000, freq="min")[chosen]
    rows = "".join(f"{time.isoformat()},1,1,1,1\n" for time in times)
    assert len(load_prices(price_file("time,open,high,low,close\n" + rows), timeframe="1m").table) == chosen.sum()


@pytest.mark.parametrize(("days", "told"), [(20, None), (45, "no bars for"), (730, "no bars for 7")])
def test_a_hole_is_told_with_its_ends(price_file, days, told):
    times = pd.bdate_range("2015-01-01", periods=60)
    times = times.append(pd.bdate_range(times[-1] + pd.Timedelta(days=days), periods=60))
    prices = load_prices(price_file("time,open,high,low,close\n" + "".join(f"{t.date()},1,1,1,1\n" for t in times)))
    assert [note for note in prices.notes if "no bars" in note] == list(prices.notes)
    assert bool(prices.notes) == (told is not None)
    assert told is None or f"between {times[59].date()} and {times[60].date()}" in prices.notes[0]
