"""Arms that ask no model, each in a process of its own, with the bytes of one process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llm_strategy.errors import ConfigurationError
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.experiment.objects import is_of_program
from simulator.folder.description import now
from simulator.prices.universe import Universe
from simulator.runs.strategies.trade import rule_of, trade_arm


def check_workers(workers: object) -> None:
    """Raise ``ConfigurationError`` for what is no number of processes."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigurationError(f"workers is {workers!r:.60}: give a whole number of processes from 1.")


class ArmProcesses:
    """Trades arms in up to so many ``workers``; use it as a context manager. With one worker it trades none, and leaves
    all arms to this process; so it does with parts that were given as objects, which no other process has."""

    def __init__(self, workers: int, universe: Universe, experiment: Experiment) -> None:
        self._universe, self._experiment = universe, experiment
        self._started: dict[str, tuple[str, Future[None]]] = {}
        self._pool = None
        if workers > 1:
            self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    def begin(self, arm: Arm, folder: Path) -> None:
        """Begin to trade an arm into its folder, where it can be another process that does."""
        if self._pool is None or arm.kind == "advisor" or self._is_of_program(arm):
            return
        future = self._pool.submit(_trade, self._universe, self._experiment, arm, folder)
        self._started[arm.name] = now(), future

    def finished(self, arm: Arm) -> str | None:
        """Wait for an arm: when it was begun, or None where this process must trade it. Raises what it raised."""
        if arm.name not in self._started:
            return None
        began, future = self._started[arm.name]
        try:
            future.result()
        except BrokenProcessPool:
            raise ConfigurationError(
                f"The process of the arm {arm.name} ended by itself: leave workers out, or begin the program with "
                "if __name__ == '__main__':."
            ) from None
        return began

    def _is_of_program(self, arm: Arm) -> bool:
        settings: Mapping[str, Any] = self._experiment.baselines.get(arm.rule, {})
        return is_of_program(arm.reference) or is_of_program(settings.get("rule"))


def _trade(universe: Universe, experiment: Experiment, arm: Arm, folder: Path) -> None:
    """Trade an arm in this process, and write its evidence."""
    folder.mkdir(parents=True, exist_ok=True)
    trade_arm(universe, arm, rule_of(arm, experiment), experiment, lambda _: None, folder)
