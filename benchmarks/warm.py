"""Runs from the record beside bare strategies that place the same orders: ``python -m benchmarks.warm``.

Figures are CPU seconds of one process, so that another program beside it changes little. Of each pair the median of the
ratios within a round is printed: whatever slows a round slows both.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import backtrader as bt

from benchmarks.figures import Figure, print_part
from benchmarks.same_orders import run_same_orders
from benchmarks.timing import Taken
from llm_strategy import BASELINES, Journal, ModelAdvisor
from llm_strategy.advice.protocol import Advisor
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import FolderStore
from llm_strategy.llm.requests import Request
from simulator.experiment import COPY_ARM, LLM_ARM
from simulator.experiment.arms import USUAL_ARMS
from simulator.experiment.configuration import Experiment
from simulator.prices.config import DataConfig
from simulator.prices.feed import add_feeds
from simulator.prices.universe import Universe, load_universe
from simulator.runs.answers import advisor_of, connect
from simulator.runs.simulation import simulate
from simulator.runs.strategies.trade import copy_of_primary

ROUNDS, ROUNDS_OF_MANY = 5, 2
ARMS = (*USUAL_ARMS, COPY_ARM)
SYMBOLS = {f"S{number:02d}": f"synthetic:cycles?bars=2520&seed={number}" for number in range(20)}


def figures() -> Iterator[Figure]:
    """One symbol: the run of the demo's model from the record."""
    experiment = Experiment.starter()
    universe = load_universe(experiment.data)

    def warm(advisor: ModelAdvisor | None = None) -> Journal:
        fresh = advisor or ModelAdvisor(connect(experiment), view=experiment.advisor.view)
        return simulate(universe, fresh, experiment, Journal(io.StringIO()))

    begin = time.process_time()
    journal = warm()
    first = time.process_time() - begin
    known = ModelAdvisor(connect(experiment), view=experiment.advisor.view)
    warm(known)

    def bare(*, own_feed: bool) -> None:
        _same(run_same_orders(universe, journal, experiment.costs, own_feed=own_feed), journal)

    taken = Taken(
        ROUNDS,
        {
            "bare": lambda: bare(own_feed=True),
            "pandas": lambda: bare(own_feed=False),
            "warm": warm,
            "known": lambda: warm(known),
        },
    )
    bars, seconds = len(universe.markets[0].table), taken.seconds("warm")
    yield Figure("over a bare strategy on the feed of this package", taken.ratio("warm", "bare"), "x", 3.5, 1.3)
    yield Figure("over one on backtrader's PandasData", taken.ratio("warm", "pandas"), "x", 2.2)
    yield Figure("of an advisor that was asked before (the next draw or cell)", taken.ratio("known", "bare"), "x")
    yield Figure("the first run of its process", first / taken.seconds("bare"), "x")
    yield Figure("bars replayed a second, with journal", bars / seconds, "bars/s", 8160, 15000, least=True)
    yield Figure("the whole run", seconds, "s")


def figures_of_many() -> Iterator[Figure]:
    """Twenty symbols of ten years and seven arms, advised by a scripted model."""
    experiment = Experiment(data=DataConfig(sources=SYMBOLS))
    universe = load_universe(experiment.data)
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))

        def play(arm: str) -> Journal:
            return simulate(universe, _advisor(arm, experiment, store), experiment, Journal(io.StringIO()))

        journals = {arm: play(arm) for arm in ARMS}

        def bare() -> None:
            for journal in journals.values():
                _same(run_same_orders(universe, journal, experiment.costs, own_feed=True), journal)

        taken = Taken(
            ROUNDS_OF_MANY,
            {
                "bare": bare,
                "idle": lambda: _run_idle(universe, len(ARMS)),
                "ours": lambda: [play(arm) for arm in ARMS],
            },
        )
    decisions, seconds = sum(len(journal.entries) for journal in journals.values()), taken.seconds("ours")
    yield Figure("over bare strategies that place the same orders", taken.ratio("ours", "bare"), "x", aim=1.5)
    yield Figure("over strategies that do nothing", taken.ratio("ours", "idle"), "x")
    yield Figure("decisions", decisions, "decisions")
    yield Figure("all arms", seconds, "s")


def _advisor(arm: str, experiment: Experiment, store: FolderStore) -> Advisor:
    if arm == COPY_ARM:
        return copy_of_primary(experiment)
    if arm != LLM_ARM:
        return BASELINES[arm]()
    model = ScriptedClient(_reader)
    return advisor_of(RecordingClient(model, model.identity, store), experiment.primary_config)


def _reader(request: Request) -> dict[str, str]:
    """A model that reads: long when the line says above, out when it says below."""
    market = request.messages[-1].content
    label, action = ("bull", "enter_long") if "above" in market else ("bear", "exit")
    return {"label": label, "action": action, "action_confidence": "70", "rationale": "As the line says."}


def _run_idle(universe: Universe, times: int) -> None:
    for _ in range(times):
        cerebro = bt.Cerebro(stdstats=False)
        add_feeds(cerebro, universe)
        cerebro.addstrategy(bt.Strategy)
        cerebro.run()


def _same(equity: float, journal: Journal) -> None:
    if abs(equity - journal.equity[-1].equity) > 0.01:
        raise SystemExit(f"a bare run ended with {equity}, the advised one with {journal.equity[-1].equity}")


if __name__ == "__main__":
    print_part("warm", figures)
    print_part("portfolio", figures_of_many)
