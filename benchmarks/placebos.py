"""How long a thousand accounts at other moments take on ten years of daily bars: ``python -m benchmarks.placebos``.

Seconds by the clock over all processes (``BTLLM_PROCESSES``), those of a processor for one account in this one, and how
many of these one run of its own takes.
"""

from __future__ import annotations

import random
import sys
import time

from llm_strategy import BASELINES, Journal
from llm_strategy.types import ActionType, Snapshot
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import load_universe
from simulator.runs.placebos.measure import AT_ONCE, work_of
from simulator.runs.placebos.processes import outcomes, processes
from simulator.runs.simulation import simulate

SOURCE = "synthetic:cycles?bars=2790&seed=5"
"""2,520 bars behind those of the warm-up."""
_TURNS = 1 / 20
"""Probability that an account begins or ends to hold at a close."""


class _Coin(BASELINES["buy_and_hold"]):  # type: ignore[misc]
    """Holds and lets go by chance."""

    def __init__(self) -> None:
        self._chance, self._long = random.Random(3), False  # noqa: S311

    def action(self, snapshot: Snapshot) -> ActionType:
        """As the coin falls."""
        self._long ^= self._chance.random() < _TURNS
        return ActionType.ENTER_LONG if self._long else ActionType.EXIT


def main() -> None:
    """Measure and print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    experiment = Experiment.from_mapping({"name": "placebos", "arms": ["llm"], "data": {"source": SOURCE}})
    universe = load_universe(experiment.data)
    began = time.process_time()
    journal = simulate(universe, _Coin(), experiment, Journal())
    alone = time.process_time() - began
    work = work_of(universe, experiment, [entry.decision for entry in journal.entries], 7, "llm")
    began = time.process_time()
    work.outcomes(range(AT_ONCE))
    each = (time.process_time() - began) / AT_ONCE
    began = time.monotonic()
    done = sum(map(len, outcomes(work, number)))
    print(f"{done:,} accounts of {len(work.placebos.history.times):,} closes, {work.placebos.runs} stretches")
    print(f"by the clock, {processes()} processes      {time.monotonic() - began:.1f} s")
    print(f"of a processor, for one           {each:.3f} s, {alone / each:.1f} times as fast as a run of its own")


if __name__ == "__main__":
    main()
