"""A sweep of 1,000 cells (limits x costs x windows) with the embedded model on record: ``python -m benchmarks.sweep``.

Prints cells a second, the efficiency of two workers against one, questions against decisions, and the peak memory of a
worker. Two workers are held against one by the processor time that a cell takes in each, which other work on the
machine leaves alone, and by the clock, which is right on an idle one. What is not on record is asked before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed

from llm_strategy.support.strict_yaml import parse_yaml
from simulator.experiment.starters import starter_text
from simulator.sweeps.result import SweepResult
from simulator.sweeps.sweep import plan_sweep, sweep

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


def worker_seconds() -> tuple[int, float, float]:
    """Process number, processor seconds so far, and peak memory (MB) of the process that this runs in."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(0.05)  # so that each worker has one
    return os.getpid(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def workers_now(workers: int) -> dict[int, tuple[float, float]]:
    """Processor seconds and peak memory of each worker by its process number."""
    pool = Parallel(workers, backend="loky", batch_size=1, idle_worker_timeout=20)
    found = pool(delayed(worker_seconds)() for _ in range(4 * workers))
    return {number: (seconds, memory) for number, seconds, memory in found}


def seconds_of_cells(result: SweepResult) -> float:
    """What trading the cells took by the clock."""
    manifest = json.loads((result.folder / "manifest.json").read_text(encoding="utf-8"))
    return float(manifest["seconds"]["cells"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    wanted = parser.parse_args().workers
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("BTLLM_DATA_DIR", place)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        begin = time.process_time()
        plan = plan_sweep(document(Path(place)))
        told = plan.as_dict()
        print(
            f"{told['cells']:,} cells, {told['decisions']:,} decisions, {told['questions']:,} questions: "
            f"{told['questions'] / told['decisions']:.4%} of the decisions; {told['to_ask']:,} to ask; "
            f"collected in {time.process_time() - begin:.1f} s of a processor"
        )
        if told["to_ask"]:
            sweep(document(Path(place) / "asked") | {"grid": {"data.end": ENDS}}, workers=1, progress=True)
        begin = time.process_time()
        one = sweep(document(Path(place) / "one"), workers=1)
        used = time.process_time() - begin
        alone = seconds_of_cells(one)
        print(f"1 process: {told['cells'] / alone:.1f} cells a second by the clock, {used:.1f} s of a processor in all")
        before = workers_now(wanted)
        many = sweep(document(Path(place) / "many"), workers=wanted)
        after = workers_now(wanted)
        shared = seconds_of_cells(many)
        in_workers = sum(seconds - before.get(number, (0.0, 0.0))[0] for number, (seconds, _) in after.items())
        same = all((one.folder / name).read_bytes() == (many.folder / name).read_bytes() for name in SAME)
        print(f"{wanted} workers: {told['cells'] / shared:.1f} cells a second by the clock, the same bytes: {same}")
        print(
            f"efficiency of {wanted} workers against one: {alone / shared / wanted:.2f} by the clock, "
            f"{alone_share(used, in_workers):.2f} by processor time in the cells"
        )
        print(f"peak memory of a worker: {max(memory for _, memory in after.values()):.0f} MB")


SAME = ("sweep.json", "cells.parquet", "returns.parquet")


def alone_share(used: float, in_workers: float) -> float:
    """Processor seconds of one process over those of all workers: what working together costs."""
    return used / in_workers


if __name__ == "__main__":
    main()
