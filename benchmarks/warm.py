"""Runs from the record beside bare strategies that place the same orders: ``python -m benchmarks.warm``.

Figures are CPU seconds of one process, so that another program beside it changes little. Of each pair the median of the
ratios within a round is printed: whatever slows a round slows both.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path

import backtrader as bt

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


def print_warm() -> None:
    """One symbol, then twenty."""
    _print_one(Experiment.starter())
    _print_many(Experiment(data=DataConfig(sources=SYMBOLS)))


def _print_one(experiment: Experiment) -> None:
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
    print("warm llm run, journal written, over a bare strategy that places the same orders (CPU)")
    print(f"    on the feed of this package             {taken.ratio('warm', 'bare'):.2f}x   ({seconds:.3f} s)")
    print(f"    on backtrader's PandasData              {taken.ratio('warm', 'pandas'):.2f}x")
    print(f"    of an advisor that was asked before     {taken.ratio('known', 'bare'):.2f}x   (the next draw or cell)")
    print(f"    the first of its process                {first / taken.seconds('bare'):.2f}x   ({first:.3f} s)")
    print(f"bars replayed a CPU second                  {bars / seconds:,.0f}")


def _print_many(experiment: Experiment) -> None:
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
    print(f"{len(SYMBOLS)} symbols, 10 years, {len(ARMS)} arms ({decisions:,} decisions) over the same orders (CPU)")
    print(f"    on the feeds of this package            {taken.ratio('ours', 'bare'):.2f}x   ({seconds:.1f} s)")
    print(f"    over strategies that do nothing there   {taken.ratio('ours', 'idle'):.2f}x")


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
    print_warm()
