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
from joblib import Parallel, delayed

from benchmarks.figures import Figure, print_part
from llm_strategy.support.strict_yaml import parse_yaml
from simulator.experiment.starters import starter_text
from simulator.sweeps import sweep as module
from simulator.sweeps.result import SweepResult
from simulator.sweeps.shelf import Shelf
from simulator.sweeps.sweep import plan_sweep, sweep
from simulator.sweeps.trade import trade_cells
from simulator.sweeps.workers import Part, Traded

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
    """What a part took in the process that traded it: its number, processor seconds, and peak memory so far (MB)."""

    process: int
    seconds: float
    memory: float


def work_on(key: str, cells: Any, files: Any) -> tuple[str, Any, Worked]:
    """Trade a part, and measure it."""
    begin = time.process_time()
    outcomes = trade_cells(cells, files)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return key, outcomes, Worked(os.getpid(), time.process_time() - begin, peak)


def measured(document: dict[str, Any], workers: int) -> tuple[SweepResult, list[Worked], float]:
    """A sweep in so many processes, what each part took in them, and how long all of them took by the clock."""
    took: list[Worked] = []
    clock = 0.0

    def traded(parts: Sequence[Part], shelf: Shelf, trade: object) -> Iterator[Traded]:
        nonlocal clock
        by_key = {part.key: part for part in parts}
        tasks = [delayed(work_on)(part.key, part.cells, shelf.paths(part.files)) for part in parts]
        pool = Parallel(workers, backend="loky", return_as="generator_unordered", batch_size=1)
        for _ in pool(delayed(os.getpid)() for _ in range(workers)):
            pass  # the processes are there
        begin = time.monotonic()
        for key, outcomes, worked in pool(tasks):
            took.append(worked)
            yield by_key[key], outcomes
        clock = time.monotonic() - begin

    with mock.patch.object(module, "trade_parts", traded):
        return sweep(document, workers=workers), took, clock


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
        one, alone, clock_alone = measured(under("one"), 1)
        many, shared, clock_shared = measured(under("many"), workers)
        if any((one.folder / name).read_bytes() != (many.folder / name).read_bytes() for name in SAME):
            raise SystemExit(f"{workers} workers wrote other bytes than one")
    seconds_alone, seconds_shared = (sum(each.seconds for each in took) for took in (alone, shared))
    yield Figure("cells", cells, "cells")
    yield Figure("questions for a thousand decisions", 1000 * told["questions"] / told["decisions"], "questions")
    yield Figure("collecting the questions of a cell (processor)", 1000 * collected / cells, "ms")
    yield Figure("trading a cell (processor)", 1000 * seconds_alone / cells, "ms")
    yield Figure("cells a second in one process (clock)", cells / clock_alone, "cells/s")
    yield Figure(f"cells a second in {workers} (clock)", cells / clock_shared, "cells/s")
    efficiency = clock_alone / clock_shared / workers
    yield Figure(f"efficiency of {workers} against 1 (clock)", efficiency, "x", aim=0.9, least=True)
    yield Figure("the same by the processor", seconds_alone / seconds_shared, "x")
    yield Figure("peak memory of a worker", max(each.memory for each in shared), "MB")


SAME = ("sweep.json", "cells.parquet", "returns.parquet")


if __name__ == "__main__":
    main()
