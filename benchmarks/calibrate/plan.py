"""Which advisors are studied: the lines of the tables, and the order in which their advisors are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.calibrate.bars import Cell
from benchmarks.calibrate.study import NULL, RULE, Advisor

_FEW, _MORE = 39, 199
"""Placebos of advisors without skill, and of those with skill. The p-value of an advisor without skill is at most 0.05
in one of twenty whatever their number; skill is found more often with more of them."""


_ON_THE_SAME_BARS = 5
"""Advisors without skill that trade the same bars: what chance makes of each of them is its own."""


class Line(NamedTuple):
    """So many advisors of one kind on runs of one kind, drawn by the seeds from 0 on."""

    cell: Cell
    advisor: Advisor
    number: int
    placebos: int
    together: int = 1
    """How many of them trade the same bars."""

    @property
    def advisors(self) -> list[tuple[int, Advisor]]:
        """Each of them with its seed."""
        places = (divmod(place, self.together) for place in range(self.number))
        return [(seed, self.advisor._replace(number=number)) for seed, number in places]

    @property
    def name(self) -> str:
        """The line in words."""
        cell, advisor = self.cell, self.advisor
        kinds = {
            "none": "no skill",
            "rule": "the rule itself",
            "signs": f"right sign of {advisor.horizon} bars in {advisor.dose:.0%}",
            "falls": f"out in {advisor.dose:.0%} of the falls",
            "follows": "follows prices",
            "fades": "fades prices",
        }
        symbols = "1 symbol" if cell.symbols == 1 else f"{cell.symbols} symbols"
        return f"{kinds[advisor.kind]}, {cell.bars}, {cell.years} years, {symbols}"


class Table(NamedTuple):
    """Lines under a title."""

    title: str
    lines: tuple[Line, ...]
    summed: bool = False
    """Whether all lines together mean anything."""


class Task(NamedTuple):
    """Advisors that are studied together, because they trade the same bars."""

    cell: Cell
    advisors: tuple[Advisor, ...]
    placebos: int
    seed: int


def without_skill(symbols: int = 1) -> Table:
    """1,008 advisors: 888 on one symbol, 120 on eight."""
    counts = {3: 170, 5: 170, 10: 104} if symbols == 1 else dict.fromkeys((3, 5, 10), 20)
    lines = [
        Line(Cell(bars, years, symbols), NULL, count, _FEW, _ON_THE_SAME_BARS)
        for bars in ("synthetic", "real")
        for years, count in counts.items()
    ]
    return Table("Without skill", tuple(lines), summed=True)


def reads_prices() -> Table:
    """Advisors that follow or fade prices where these foretell nothing: without skill, but not without the bars."""
    lines = [
        Line(Cell("synthetic", years, 1), Advisor(kind), 48, _FEW, _ON_THE_SAME_BARS)
        for kind in ("follows", "fades")
        for years in (3, 5, 10)
    ]
    return Table("Without skill, by the prices that are traded", tuple(lines), summed=True)


def with_skill() -> Table:
    """Skill that must be found, skill of another kind, and the rule against itself."""
    five = {bars: Cell(bars, 5, 1) for bars in ("synthetic", "real")}
    signs = [
        Line(cell, Advisor("signs", dose, horizon), count, _MORE)
        for cell in five.values()
        for horizon, dose, count in ((5, 0.65, 32), (20, 0.7, 64))
    ]
    out = [Line(cell, Advisor("falls", dose), 12, _MORE) for cell in five.values() for dose in (0.25, 0.5, 0.75)]
    return Table("Planted skill", (*signs, *out, *(Line(cell, RULE, 32, _MORE) for cell in five.values())))


def power() -> Table:
    """How often skill is found, by dose and years."""
    counts = {3: 16, 5: 20, 10: 12}
    doses = (0.55, 0.6, 0.65, 0.7, 0.75)
    known = {line_of(line) for line in with_skill().lines}
    lines = [
        Line(Cell("synthetic", years, 1), Advisor("signs", dose, horizon), count, _MORE)
        for horizon in (5, 20)
        for dose in doses
        for years, count in counts.items()
    ]
    return Table("Power", tuple(line for line in lines if line_of(line) not in known))


def line_of(line: Line) -> tuple[Cell, Advisor]:
    """What a line is about."""
    return line.cell, line.advisor


def tasks(*groups: tuple[Table, ...]) -> Iterator[Task]:
    """The tables of the first group, then those of the next; within a group all lines grow evenly, so that a study that
    was cut off has a part of each."""
    for tables in groups:
        lines = [line for table in tables for line in table.lines]
        due = [
            ((place + 0.5) / line.number, number, seed, advisor)
            for number, line in enumerate(lines)
            for place, (seed, advisor) in enumerate(line.advisors)
        ]
        found: dict[tuple[Cell, int, int], list[Advisor]] = {}
        for _, number, seed, advisor in sorted(due):
            found.setdefault((lines[number].cell, lines[number].placebos, seed), []).append(advisor)
        for (cell, placebos, seed), advisors in found.items():
            yield Task(cell, tuple(advisors), placebos, seed)
