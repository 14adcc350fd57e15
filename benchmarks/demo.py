"""What ``btllm demo`` takes with every answer on record, stage by stage, in one process and in two: ``python -m
benchmarks.demo``.

Seconds of the processor (of this process, and of all) and by the clock, and how many times as long as ``python -c
pass`` takes beside it. Where other programs share the processors the clock says little: the seconds of the first
process are the least that a run takes. What the model was never asked is asked in a run before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from benchmarks.figures import Figure, print_part
from benchmarks.timing import interleaved
from simulator.cli.late_talib import import_talib_late
from simulator.progress.stages import Progress

ROUNDS = 5
_CHILD = "--stages"


class _Clock(Progress):
    """Seconds of the processor and by the clock at which each stage began."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[tuple[str, float, float]] = []

    @property
    def shows(self) -> bool:
        """As on a terminal, where questions are counted before they are asked."""
        return True

    def begin(self, name: str, *rest: object, **how: object) -> None:
        """Another stage; the arms are one."""
        self.mark("trading the arms" if name.startswith("trading ") else name)

    def mark(self, name: str) -> None:
        """From now on it is this."""
        if not self.marks or self.marks[-1][0] != name:
            self.marks.append((name, time.process_time(), time.time()))


def main() -> None:
    """Measure and print."""
    if _CHILD in sys.argv:
        _run_demo(float(sys.argv[-1]))
    else:
        print_part("demo", figures)


def figures() -> Iterator[Figure]:
    """The demo once to have its answers, then in two processes and in one."""
    with tempfile.TemporaryDirectory() as folder:
        _stages(folder, 1)
        measured = {processes: _stages(folder, processes) for processes in (2, 1)}
    (nothing,) = interleaved(ROUNDS, lambda: _call("-c", "pass"))
    for processes, (stages, everywhere) in measured.items():
        processor, clock = (sum(stage[place] for stage in stages) for place in (1, 2))
        named = "one process" if processes == 1 else f"{processes} processes"
        aims = (11, 4) if processes == 2 else (None, None)
        yield Figure(f"in {named}, from the record to the page (clock)", clock, "s", *aims)
        yield Figure("over python -c pass (clock)", clock / nothing, "x")
        yield Figure("seconds of the first process", processor, "s")
        yield Figure("seconds of all processes", everywhere, "s")
    for name, spent, _ in measured[1][0]:
        yield Figure(f"of it {name} (processor)", spent, "s", 3 if name == "imports" else None)


def figures_of_help() -> Iterator[Figure]:
    """The start of the command."""
    nothing, told = interleaved(ROUNDS, lambda: _call("-c", "pass"), lambda: _call("-m", "simulator", "--help"))
    yield Figure("btllm --help (clock)", told, "s", aim=0.3)
    yield Figure("over python -c pass (clock)", told / nothing, "x")


def _stages(folder: str, processes: int) -> tuple[list[tuple[str, float, float]], float]:
    """Name, seconds of the processor and by the clock of each stage of a demo; seconds of all its processes."""
    from simulator.runs.placebos.processes import VARIABLE  # the child's imports are its own

    command = [sys.executable, "-m", "benchmarks.demo", _CHILD, folder, str(time.time())]
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = known | {VARIABLE: str(processes), "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    told = json.loads(done.stdout.splitlines()[-1])
    pairs = pairwise(told["marks"])
    stages = [(name, later[1] - processor, later[2] - clock) for (name, processor, clock), later in pairs]
    return stages, told["everywhere"]


def _run_demo(began: float) -> None:
    progress = _Clock()
    progress.marks.append(("imports", 0.0, began))
    import_talib_late()  # as the command does
    from simulator.experiment.configuration import Experiment
    from simulator.runs.compare import compare

    os.chdir(Path(sys.argv[-2]))
    result = compare(Experiment.starter(), progress=progress)
    progress.mark("the lines on the console")
    from simulator.cli.console import print_result

    print_result(result, as_json=False, quiet=False)
    progress.mark("end")
    print(json.dumps({"marks": progress.marks, "everywhere": sum(os.times()[:4])}))


def _call(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main()
