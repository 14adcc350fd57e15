"""Twenty symbols over ten years of daily bars, six arms: how much a run takes beside bare backtrader."""

from __future__ import annotations

import io
from dataclasses import dataclass

import backtrader as bt

from benchmarks.same_orders import run_same_orders
from benchmarks.timing import interleaved
from llm_strategy import BASELINES, Journal, ModelAdvisor
from llm_strategy.advice.protocol import Advisor
from simulator.experiment import LLM_ARM
from simulator.experiment.arms import USUAL_ARMS
from simulator.experiment.configuration import Experiment
from simulator.prices.config import DataConfig
from simulator.prices.feed import add_feeds
from simulator.prices.universe import load_universe
from simulator.runs.answers import connect
from simulator.runs.simulation import simulate

SYMBOLS = {f"S{number:02d}": f"synthetic:cycles?bars=2520&seed={number}" for number in range(20)}


@dataclass(frozen=True)
class PortfolioTimes:
    """Seconds for all six arms together: ours with every answer on record, strategies that only place the same
    orders, on our feeds and on backtrader's, and strategies that do nothing on our feeds."""

    ours: float
    bare: float
    bare_pandas: float
    idle: float
    decisions: int


def measure_portfolio(rounds: int) -> PortfolioTimes:
    """Median of some rounds; the first round asks the model what is not on record."""
    experiment = Experiment(data=DataConfig(sources=SYMBOLS))
    universe = load_universe(experiment.data)

    def play(arm: str) -> Journal:
        return simulate(universe, _advisor(arm, experiment), experiment, Journal(io.StringIO()))

    journals: dict[str, Journal] = {}
    for arm in USUAL_ARMS:
        journals[arm] = play(arm)

    def ours() -> None:
        for arm in USUAL_ARMS:
            play(arm)

    def bare(*, own_feed: bool) -> None:
        for journal in journals.values():
            equity = run_same_orders(universe, journal, experiment.costs, own_feed=own_feed)
            if abs(equity - journal.equity[-1].equity) > 0.01:
                raise SystemExit(f"a bare run ended with {equity}, the advised one with {journal.equity[-1].equity}")

    def idle() -> None:
        for _ in journals:
            cerebro = bt.Cerebro(stdstats=False)
            add_feeds(cerebro, universe)
            cerebro.addstrategy(bt.Strategy)
            cerebro.run()

    taken = interleaved(rounds, ours, lambda: bare(own_feed=True), lambda: bare(own_feed=False), idle)
    return PortfolioTimes(*taken, sum(len(journal.entries) for journal in journals.values()))


def _advisor(arm: str, experiment: Experiment) -> Advisor:
    if arm == LLM_ARM:
        return ModelAdvisor(connect(experiment), view=experiment.advisor.view)
    return BASELINES[arm]()
