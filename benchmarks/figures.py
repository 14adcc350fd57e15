"""Figures of a benchmark beside what they were and what they are meant to be, as a table, JSON, or a page."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_COLUMNS = ("figure", "now", "before", "aim")
_PLACES = {"x": 2, "s": 2, "ms": 1}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    ``before`` is what was measured ahead of the changes of 0.2.0, ``aim`` the most it is meant to be, or the least
    where ``least`` says so.
    """

    name: str
    value: float
    unit: str
    before: float | None = None
    aim: float | None = None
    least: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached, as far as it is shown; None without one."""
        if self.aim is None:
            return None
        value = round(self.value, _PLACES.get(self.unit, 0))
        return value >= self.aim if self.least else value <= self.aim

    def cells(self) -> tuple[str, str, str, str]:
        """Name, value, what it was, and the aim with whether it is reached."""
        before = "" if self.before is None else _written(self.before, self.unit)
        aim = "" if self.aim is None else f"{'at least' if self.least else 'at most'} {_written(self.aim, self.unit)}"
        told = {True: ": reached", False: ": missed", None: ""}[self.reached]
        return self.name, _written(self.value, self.unit), before, aim + told


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part of the benchmarks gave: figures, or lines that it printed, or a sentence that says why neither."""

    part: str
    title: str
    figures: tuple[Figure, ...] = ()
    lines: tuple[str, ...] = ()
    failed: str = ""
    seconds: float = 0.0
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with whether each aim is reached."""
        return asdict(self) | {"figures": [asdict(one) | {"reached": one.reached} for one in self.figures]}


def _written(value: float, unit: str) -> str:
    digits = f"{value:,.{_PLACES.get(unit, 0)}f}"
    return f"{digits}{unit}" if unit in ("x", "%") else f"{digits} {unit}"


def machine() -> str:
    """The processor, how many of it, and the load of the last minute."""
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    return f"{os.cpu_count()} processors ({name}), Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def print_part(name: str, measure: Callable[[], Iterable[Figure]]) -> None:
    """Measure a part in this process, and print it."""
    begin = time.perf_counter()
    print_result(PartResult(name, name, tuple(measure()), seconds=time.perf_counter() - begin))


def print_result(result: PartResult) -> None:
    """A part on the console."""
    console = Console()
    table = Table(*_COLUMNS[:1], show_edge=False)
    for column in _COLUMNS[1:]:
        table.add_column(column, justify="right")
    for one in result.figures:
        table.add_row(*one.cells())
    console.print(result.title, style="bold", markup=False, highlight=False)
    if result.figures:
        console.print(table)
    for line in result.lines:
        console.print(f"  {line}", markup=False, highlight=False)
    if result.failed:
        console.print(f"  {result.failed}", markup=False)
    console.print(f"  ({result.part}: {result.seconds:.0f} s by the clock, load {result.load:.1f})\n", markup=False)


def page(results: Sequence[PartResult], told: str) -> str:
    """The page of the documentation."""
    head = (
        "# How fast it is\n\n"
        "Written by `make bench`, which prints the same; a part alone: `python -m benchmarks PART` (`--list` names "
        "them). Ratios are taken within one process, in turns: they hold on other machines, where seconds do not. "
        "*Processor* means seconds of all processors together, which other work on the machine changes little; *clock* "
        "is right on an idle machine alone. *Before* was measured ahead of the changes of 0.2.0.\n\n"
        f"Measured on {datetime.now(UTC).date()}: {told} at the beginning.\n"
    )
    return head + "".join(_section(result) for result in results)


def _section(result: PartResult) -> str:
    lines = [f"\n## {result.title}\n\n"]
    if result.failed:
        lines.append(f"{result.failed}\n\n")
    if result.figures:
        lines.append(f"| {' | '.join(_COLUMNS)} |\n|:--|--:|--:|:--|\n")
        lines += [f"| {' | '.join(one.cells())} |\n" for one in result.figures]
    if result.lines:
        lines.append("\n```text\n" + "".join(f"{line}\n" for line in result.lines) + "```\n")
    lines.append(f"\n`python -m benchmarks {result.part}`, {result.seconds:.0f} s, load {result.load:.1f}.\n")
    return "".join(lines)


def missed(results: Iterable[PartResult]) -> list[str]:
    """The names of the figures that miss their aims."""
    return [one.name for result in results for one in result.figures if one.reached is False]
