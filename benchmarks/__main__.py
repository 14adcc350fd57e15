"""Measure everything, the quick parts first: ``python -m benchmarks [PART ...]``.

Each part runs in a process of its own, so that none measures what another left behind, and one that fails or is cut off
is told and takes no other with it.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import subprocess
import sys
import time
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import Figure, PartResult, machine, missed, page, print_result

MINUTES = 15.0
_CHILD = "--in-this-process"


class Part(NamedTuple):
    """What is measured, and the function that gives its figures, or prints lines, by module and name."""

    title: str
    module: str
    function: str = "figures"

    @property
    def exists(self) -> bool:
        """Whether its module is there."""
        return find_spec(f"benchmarks.{self.module}") is not None


PARTS = {
    "help": Part("The start of the command", "demo", "figures_of_help"),
    "endpoints": Part("Questions over several addresses of a model that takes 100 ms", "endpoints"),
    "demo": Part("btllm demo, all answers on record", "demo"),
    "warm": Part("A run from the record, with its journal, over the same orders (processor)", "warm"),
    "choices": Part("Scoring label and action over writing JSON, the prompt's prefix kept", "choices"),
    "cold": Part("Six years of daily bars with an empty record", "cold"),
    "portfolio": Part("20 symbols, 10 years, 7 arms over the same orders (processor)", "warm", "figures_of_many"),
    "sweep": Part("A sweep of limits, costs and windows", "sweep"),
    "minutes": Part("Bars of a minute: memory, page and time", "minutes"),
}
"""Measured together, in this order."""
MORE = {
    "ahead": Part("Questions side by side", "asking_ahead", "print_asking_ahead"),
    "documents": Part("Texts of documents", "documents", "print_documents"),
    "analytics": Part("Analytics", "analytics", "print_analytics"),
    "checklists": Part("Checklists", "checklists", "print_checklists"),
    "charts": Part("Charts", "charts", "print_charts"),
    "kills": Part("A watched day with the embedded model, killed fifty times", "kills"),
    "sweep_kills": Part("A sweep that is killed, and one that loses a worker", "sweep_kills"),
    "validity": Part("What the embedded model answers", "model", "print_validity"),
}
"""Measured where they are named, or with ``--all``."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join([*PARTS, *MORE])}; the first ones if absent"
    )
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page of the documentation")
    parser.add_argument("--list", action="store_true", help="the parts, and what each measures")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"stop after so many ({MINUTES:.0f})")
    parser.add_argument(_CHILD, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    known = {name: part for name, part in (PARTS | MORE).items() if part.exists}
    if unknown := [name for name in given.parts if name not in known]:
        parser.error(f"there is no part {unknown[0]}: choose of {', '.join(known)}.")
    if given.list:
        print("\n".join(f"{name:12}{part.title}" for name, part in known.items()))
        return
    names = list(dict.fromkeys(given.parts)) or [name for name in known if given.all or name in PARTS]
    if given.in_this_process:
        print(json.dumps(_measure(known[names[0]])))
        return
    told, end, results = machine(), time.monotonic() + given.minutes * 60, []
    if not given.json:
        print(told, flush=True)
    for name in names:
        results.append(_run(name, known[name], end - time.monotonic()))
        if not given.json:
            print_result(results[-1])
    if given.json:
        print(json.dumps({"machine": told, "parts": [result.as_dict() for result in results]}, indent=2))
    else:
        print("missed: " + ("; ".join(missed(results)) or "no aim"))
    if given.write is not None:
        given.write.write_text(page(results, told), encoding="utf-8")
    if any(result.failed for result in results):
        raise SystemExit(1)


def _measure(part: Part) -> dict[str, list[object]]:
    """The part's figures and the lines that it printed, as plain data."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        given = getattr(importlib.import_module(f"benchmarks.{part.module}"), part.function)()
        figures = [[one.name, one.value, one.unit, one.before, one.aim, one.least] for one in given or ()]
    return {"figures": [*figures], "lines": [*printed.getvalue().splitlines()]}


def _run(name: str, part: Part, seconds: float) -> PartResult:
    """The part in a process of its own, which has so many seconds."""
    begin, failed = time.perf_counter(), ""
    found: dict[str, list[Any]] = {"figures": [], "lines": []}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", name, _CHILD], capture_output=True, text=True, timeout=max(seconds, 1)
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            failed = f"It failed: {last}"
        else:
            found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        failed = "It was cut off when the time of all parts was over: run it alone, or raise --minutes."
    figures = tuple(Figure(*row) for row in found["figures"])
    return PartResult(name, part.title, figures, tuple(found["lines"]), failed, time.perf_counter() - begin)


if __name__ == "__main__":
    main()
