"""Print how often the verdict is right, by kind of run.

``python -m benchmarks.calibrate [--record FILE] [--processes N] [--out FILE]``

Without skill at most 5% may be told that they add, and as many that they subtract; planted skill must be found. Every
advisor is drawn by a seed of its own, so that any line can be made again. The placebos of an advisor end as soon as
further ones could not bring its p-value down to 0.05: the answer is that of all of them.

Each advisor is on record as soon as it is judged. The same command goes on where one was cut off, and beside one that
is at work; with no process it makes the tables of what there is. In ``FILE`` of ``--out`` what stands above the tables
is kept.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.calibrate.plan import Task, power, reads_prices, tasks, with_skill, without_skill
from benchmarks.calibrate.record import Key, Known, read, work_on
from benchmarks.calibrate.tables import curve, other_words, text_of
from simulator.folder.provenance import provenance

RECORD = Path("build/calibration.jsonl")
MARK = "<!-- What follows is written by make calibrate. -->"


def all_tasks() -> list[Task]:
    """What the study must show first, then what takes long and what shows more."""
    return list(tasks((without_skill(), with_skill()), (without_skill(8), reads_prices(), power())))


def page(known: Mapping[Key, Known]) -> Iterator[str]:
    """The tables, with the version that judged."""
    yield MARK
    yield f"\n{len(known):,} advisors; backtrader-llm {version('backtrader-llm')}."
    whole = without_skill()._replace(lines=without_skill().lines + without_skill(8).lines)
    for table in (whole, reads_prices(), with_skill()):
        yield from text_of(table, known)
    yield f"\n{other_words(one.outcome for one in known.values())}"
    yield "\n## Told that they add, by dose and years\n"
    signs = [line for table in (with_skill(), power()) for line in table.lines if line.advisor.kind == "signs"]
    yield from curve([line for line in signs if line.cell.bars == "synthetic"], known)


def main() -> None:
    """Work on what is missing, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, default=RECORD, help="the file that a line of each advisor is put into")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many work on it; 0 for none")
    parser.add_argument("--out", type=Path, help="the file that the tables are written to")
    asked = parser.parse_args()
    git = provenance()["git"] or {"commit": "unknown"}
    commit = git["commit"][:12] + (" with changes" if git.get("changed") else "")
    if others := sorted({one.commit for one in read(asked.record).values()} - {commit}):
        print(
            f"{asked.record} holds advisors that other versions judged ({', '.join(others)}) and are not judged again: "
            "delete it to judge all of them by this one.",
            file=sys.stderr,
        )
    workers = [
        multiprocessing.get_context("spawn").Process(target=work_on, args=(asked.record, all_tasks(), commit))
        for _ in range(asked.processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    text = "\n".join(page(read(asked.record))) + "\n"
    if asked.out is None:
        print(text, end="")
    else:
        above = asked.out.read_text(encoding="utf-8").partition(MARK)[0] if asked.out.exists() else ""
        asked.out.write_text(above + text, encoding="utf-8")


if __name__ == "__main__":
    main()
