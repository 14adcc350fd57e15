"""What is on record of a study: a line of JSON for each advisor, written as soon as it is judged.

Several processes may work on one record, and a study that was cut off goes on where it was. Which of them works on a
task is told by a lock on a file beside the record, and a lock ends with its process.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.calibrate.bars import Cell
from benchmarks.calibrate.plan import Task
from benchmarks.calibrate.study import Advisor, Outcome, study


class Key(NamedTuple):
    """Which advisor a line is about."""

    cell: Cell
    advisor: Advisor
    placebos: int
    seed: int


class Known(NamedTuple):
    """What is on record of an advisor, and the commit that it was judged with."""

    outcome: Outcome
    commit: str


def read(path: Path) -> dict[Key, Known]:
    """What is on record; a line that a killed process left unfinished is none."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            one = json.loads(line)
        except ValueError:
            continue
        key = Key(Cell(*one["cell"]), Advisor(*one["advisor"]), one["placebos"], one["seed"])
        found[key] = Known(Outcome(**one["outcome"]), one["commit"])
    return found


def work_on(path: Path, tasks: Sequence[Task], commit: str) -> None:
    """Study what is not on record, but for what other processes are at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for place, task in enumerate(tasks):
        with _alone(path, place) as alone:
            missing = _missing(task, read(path)) if alone else ()
            if missing:
                outcomes = study(task.cell, missing, task.placebos, task.seed)
                _append(path, task, dict(zip(missing, outcomes, strict=True)), commit)


def _missing(task: Task, known: Mapping[Key, Known]) -> tuple[Advisor, ...]:
    return tuple(one for one in task.advisors if Key(task.cell, one, task.placebos, task.seed) not in known)


@contextmanager
def _alone(path: Path, place: int) -> Iterator[bool]:
    """Whether no other process is at the task of this place."""
    with path.with_suffix(".lock").open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            yield False
            return
        yield True


def _append(path: Path, task: Task, outcomes: Mapping[Advisor, Outcome], commit: str) -> None:
    lines = [
        json.dumps(
            {
                "cell": task.cell,
                "advisor": advisor,
                "placebos": task.placebos,
                "seed": task.seed,
                "commit": commit,
                "outcome": outcome._asdict(),
            }
        )
        for advisor, outcome in outcomes.items()
    ]
    with path.open("a+b") as file:
        file.seek(0, 2)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":  # a process was killed in the middle of a line
                lines.insert(0, "")
        file.write(("\n".join(lines) + "\n").encode())
