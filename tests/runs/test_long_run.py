"""Runs of many bars within a day: what stays in memory for each bar, and how many placebos are traded."""

import os
import tracemalloc
from dataclasses import replace

import pandas as pd
import pytest
from markets import random_prices

from llm_strategy import BASELINES, Journal
from simulator.evaluation.placebo_record import FEWEST_PLACEBOS, MOST_CLOSES, MOST_CLOSES_AT_ONCE, affordable
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.placebos.measure import work_of
from simulator.runs.simulation import simulate

BARS = 1_500, 4_500
ROOM = {"trading": 3_000, "placebos": 1_500}
"""Bytes a bar at the peak; a quarter of those of trading is a cache that holds no more than 65,536 closes."""


def minutes(bars):
    """One-minute bars, day and night."""
    prices = random_prices(bars, seed=4, gap=0.0001, daily=0.0005)
    times = pd.DatetimeIndex(pd.date_range("2021-03-01", periods=bars, freq="min").as_unit("us"), name="time")
    return Universe((replace(prices, table=prices.table.set_axis(times), timeframe="1m"),))


def peaks(bars):
    """The most bytes that trading takes, and reading its decisions for their placebos and trading some of them."""
    experiment, universe = Experiment(arms=("llm",)), minutes(bars)
    decisions = simulate(universe, BASELINES["sma_cross"](), experiment, Journal()).entries
    universe = minutes(bars)  # of which nothing is known yet
    tracemalloc.start()
    try:
        with open(os.devnull, "w", encoding="utf-8") as sink:
            simulate(universe, BASELINES["sma_cross"](), experiment, Journal(sink, keep=lambda entry: None))
        trading = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        tracemalloc.start()
        work = work_of(universe, experiment, (entry.decision for entry in decisions), 7, "llm")
        assert not work.needs_broker
        assert len(work.outcomes(range(8))) == 8
        return {"trading": trading, "placebos": tracemalloc.get_traced_memory()[1]}
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def grown():
    """Bytes by which the peaks grow with each bar."""
    few, many = map(peaks, BARS)
    return {name: (many[name] - few[name]) / (BARS[1] - BARS[0]) for name in few}


@pytest.mark.parametrize("name", sorted(ROOM))
def test_memory_grows_by_a_little_with_each_bar(name, grown):
    assert 0 < grown[name] < ROOM[name], grown


def test_two_hundred_thousand_minutes_have_placebos_where_no_broker_is_needed():
    assert affordable(FEWEST_PLACEBOS, 200_000, MOST_CLOSES_AT_ONCE) == FEWEST_PLACEBOS
    assert affordable(FEWEST_PLACEBOS, 200_000, MOST_CLOSES) == 0
