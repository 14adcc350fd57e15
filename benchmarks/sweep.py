"""A sweep of 1,000 cells (limits x costs x windows) with the embedded model on record: ``python -m benchmarks.sweep``.

Prints cells a second, the efficiency of two workers against one, questions against decisions, and the peak memory of a
worker. Two workers are held against one by the processor time that a cell takes in each, which other work on the
machine leaves alone, and by the clock, which is right on an idle one. What is not on record is asked before.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pandas as pd

from benchmarks.figures import Figure, print_part
from llm_strategy.support.strict_yaml import parse_yaml
from simulator.experiment.starters import starter_text
from simulator.sweeps import sweep as module
from simulator.sweeps import workers as workers_module
from simulator.sweeps.result import SweepResult
from simulator.sweeps.shelf import Shelf
from simulator.sweeps.sweep import plan_sweep, sweep
from simulator.sweeps.trade import ArmOutcome, CellProblem, trade_cells
from simulator.sweeps.workers import CellFailed, Part, Trade, Traded

ENDS = [str(day.date()) for day in pd.date_range("2000-06-30", periods=20, freq="BME")]
"""Windows that begin together: the prompt of the demo shows past states, which begin with the window."""
CELLS: dict[str, Any] = {
    "grid": {
        "risk.max_position_size": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
        "costs.slippage_bps": [0, 2, 5, 10, 20],
        "data.end": ENDS,
    },
}
"""Ten limits, five costs, twenty windows."""


def document(folder: Path) -> dict[str, Any]:
    """The sweep of the demo's experiment, whose folder stands under this one."""
    experiment = parse_yaml(starter_text(), "the starter experiment")
    return {"experiment": experiment | {"output": {"folder": str(folder)}}, **CELLS}


class Worked(NamedTuple):
    """What a part took in the process that traded it: processor seconds, and peak memory so far (MB)."""

    seconds: float
    memory: float


class MeasuredOutcomes(list[ArmOutcome]):
    """What came of a part, and what it took."""

    worked: Worked


def measured_trade(cells: Any, files: Any) -> MeasuredOutcomes:
    """Trade a part, and measure it."""
    begin = time.process_time()
    found = trade_cells(cells, files)
    if isinstance(found, CellProblem):
        raise found.problem
    outcomes = MeasuredOutcomes(found)
    outcomes.worked = Worked(time.process_time() - begin, peak_memory())
    return outcomes


def measured_part(key: str, cells: Any, files: Any) -> tuple[str, MeasuredOutcomes]:
    """The same in another process."""
    return key, measured_trade(cells, files)


def peak_memory() -> float:
    """The most memory (MB) that this process has had; what ``getrusage`` says on Linux is that of its parent."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Took(NamedTuple):
    """A sweep, what each of its parts took, and the seconds (clock) of trading them and of the whole."""

    result: SweepResult
    parts: list[Worked]
    trading: float
    whole: float


def measured(document: dict[str, Any], workers: int) -> Took:
    """A sweep in so many processes, as the command runs it."""
    took: list[Worked] = []
    trading = 0.0

    def traded(parts: Sequence[Part], shelf: Shelf, trade: Trade) -> Iterator[Traded | CellFailed]:
        nonlocal trading
        begin = time.monotonic()
        for found in workers_module.trade_parts(parts, shelf, trade):
            if isinstance(found, tuple) and isinstance(found[1], MeasuredOutcomes):
                took.append(found[1].worked)
            yield found
        trading = time.monotonic() - begin

    begin = time.monotonic()
    with (
        mock.patch.object(module, "trade_parts", traded),
        mock.patch.object(workers_module, "_named", measured_part),
        mock.patch.object(workers_module, "trade_cells", measured_trade),
    ):
        result = sweep(document, workers=workers)
    return Took(result, took, trading, time.monotonic() - begin)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--windows", type=int, default=len(ENDS), help="fewer windows, on a busy machine")
    options = parser.parse_args()
    print_part("sweep", lambda: figures(options.workers, options.windows))


def figures(workers: int = 2, windows: int = len(ENDS)) -> Iterator[Figure]:
    """The plan, then all cells in one process and in several."""
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("BTLLM_DATA_DIR", place)

        def under(name: str) -> dict[str, Any]:
            whole = document(Path(place) / name)
            return whole | {"grid": whole["grid"] | {"data.end": ENDS[:windows]}}

        begin = time.process_time()
        told = plan_sweep(under("plan")).as_dict()
        collected = time.process_time() - begin
        cells = told["cells"]
        if told["to_ask"]:
            sweep(under("asked") | {"grid": {"data.end": ENDS[:windows]}}, workers=1)
        one, many = measured(under("one"), 1), measured(under("many"), workers)
        folders = one.result.folder, many.result.folder
        if any((folders[0] / name).read_bytes() != (folders[1] / name).read_bytes() for name in SAME):
            raise SystemExit(f"{workers} workers wrote other bytes than one")
    seconds_alone, seconds_shared = (sum(each.seconds for each in took.parts) for took in (one, many))
    yield Figure("cells", cells, "cells")
    yield Figure("questions for a thousand decisions", 1000 * told["questions"] / told["decisions"], "questions")
    yield Figure("collecting the questions of a cell (processor)", 1000 * collected / cells, "ms")
    yield Figure("trading a cell (processor)", 1000 * seconds_alone / cells, "ms")
    yield Figure("cells a second in one process (clock)", cells / one.trading, "cells/s")
    yield Figure(f"cells a second in {workers} (clock)", cells / many.trading, "cells/s")
    efficiency = one.trading / many.trading / workers
    yield Figure(f"efficiency of {workers} against 1 (clock)", efficiency, "x", aim=0.9, least=True)
    yield Figure("the same by the processor", seconds_alone / seconds_shared, "x")
    yield Figure("peak memory of a worker", max(each.memory for each in many.parts), "MB")
    yield Figure("the whole sweep in one process, everything on record (clock)", one.whole, "s")
    yield Figure(f"the same in {workers} (clock)", many.whole, "s")


SAME = ("sweep.json", "cells.parquet", "returns.parquet")


if __name__ == "__main__":
    main()
