"""Months and years of the account, each year beside the market."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from simulator.evaluation.calendar_returns import Period, monthly_returns, yearly_returns
from simulator.evaluation.robustness import WHOLE_YEAR
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Cell, Column, Heading, Paragraph, Table, Text, in_markdown, on_page
from simulator.reporting.facts.benchmark import account_of, beside
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import bars_a_year, subject_arm
from simulator.reporting.facts.terms import Unit

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TINTS = 4
"""Shades of a cell on each side of zero."""
_STRONG = 0.9
"""Share of the months that are below the strongest shade."""


def facts(table: FactTable, record: Record) -> None:
    """Add the return of each month and year of the account that the page is about, and what stood beside each year."""
    arm, account = subject_arm(record).name, account_of(record)
    months, years = monthly_returns(account), yearly_returns(account)
    if not months:
        return
    other = beside(record)
    compared = [] if other is None else yearly_returns(pd.Series(other.values, account.index))
    for month in months:
        name = _name(month)
        table.add(arm, f"calendar.{name}", month.total_return, Unit.FRACTION, f"return of {arm} in {name}")
    for number, year in enumerate(years):
        name = f"calendar.{year.number}"
        table.add(arm, f"{name}.year", str(year.number), Unit.TEXT, "calendar year")
        table.add(arm, f"{name}.total", year.total_return, Unit.FRACTION, f"return of {arm} in {year.number}")
        if compared and other is not None:
            beyond = year.total_return - compared[number].total_return
            label = f"return of {other.words} in {year.number}"
            table.add(arm, f"{name}.market", compared[number].total_return, Unit.FRACTION, label)
            label = f"return of {arm} in {year.number} minus that of {other.words}"
            table.add(arm, f"{name}.beyond", beyond, Unit.POINTS, label)
    _add_months(table, arm, months)


def _add_months(table: FactTable, arm: str, months: Sequence[Period]) -> None:
    table.add(arm, "calendar.months", len(months), Unit.COUNT, f"calendar months of {arm}, also those in part")
    rose = sum(month.total_return > 0 for month in months)
    table.add(arm, "calendar.months_up", rose, Unit.COUNT, f"calendar months in which {arm} rose")
    ordered = sorted(months, key=lambda month: month.total_return)
    for name, month in (("worst", ordered[0]), ("best", ordered[-1])):
        table.add(arm, f"calendar.{name}", month.total_return, Unit.FRACTION, f"return of the {name} month of {arm}")
        table.add(arm, f"calendar.{name}_month", _dated(month), Unit.TEXT, f"{name} month of {arm}")


def _name(month: Period) -> str:
    """The end of a month's id: year and number, such as 2001.03."""
    return f"{month.number // 12}.{month.number % 12 + 1:02d}"


def _dated(month: Period) -> str:
    return f"{MONTHS[month.number % 12]} {month.number // 12}"


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A sentence, and a row a year; a sentence alone where the account has no returns."""
    arm = subject_arm(record).name
    yield Heading(f"Tear sheet of {arm}", "tear-sheet")
    if f"{arm}.calendar.months" not in facts:
        yield Paragraph(f"The account of {arm} has no returns, so there is nothing to tell by month and year.")
        return
    moved = facts[f"{arm}.calendar.best"].value or facts[f"{arm}.calendar.worst"].value
    yield Paragraph(
        f"It rose in {{{arm}.calendar.months_up}} of {{{arm}.calendar.months}} months. The best was "
        f"{{{arm}.calendar.best_month}} ({{{arm}.calendar.best}}), the worst {{{arm}.calendar.worst_month}} "
        f"({{{arm}.calendar.worst}})."
        if moved
        else f"The account of {arm} did not move in any of its {{{arm}.calendar.months}} months."
    )
    yield from _tables(record, arm, facts)


def _tables(record: Record, arm: str, facts: Facts) -> Iterator[Block]:
    account, other = account_of(record), beside(record)
    months = {_name(month): month for month in monthly_returns(account)}
    years = yearly_returns(account)
    whole = WHOLE_YEAR * bars_a_year(record)
    strong = _strong([month.total_return for month in months.values()])
    last = [Column("Return")] if other is None else [
        Column("Return"), Column(other.heading), Column("Beyond it")
    ]  # fmt: skip
    parts = ("total",) if other is None else ("total", "market", "beyond")
    rows: list[list[Text | Cell]] = []
    short: list[list[Text | Cell]] = []
    for year in years:
        name = f"{arm}.calendar.{year.number}"
        head = f"{{{name}.year}}" + ("" if year.bars >= whole else " (part)")
        ends = [f"{{{name}.{part}}}" for part in parts]
        cells = [_cell(arm, months.get(f"{year.number}.{month:02d}"), strong) for month in range(1, 13)]
        rows.append([head, *cells, *ends])
        short.append([head, *ends])
    label = f"Returns of {arm} by month and year"
    yield on_page(Table([Column(""), *map(Column, MONTHS), *last], rows, look="months", label=label))
    yield in_markdown(Table([Column("Year"), *last], short, label=label))
    marked = " A year that the run holds only a part of is marked." if any(year.bars < whole for year in years) else ""
    shades = " The stronger its shade, the farther a month is from zero; no cell is a month without a bar."
    yield on_page(Paragraph(f"After costs, compounded.{shades}{marked}", "note"))
    yield in_markdown(Paragraph(f"After costs, compounded.{marked}", "note"))


def _strong(values: Sequence[float]) -> float:
    """The return from which a month has the strongest shade."""
    return float(np.quantile(np.abs(values), _STRONG)) if len(values) else 0.0


def _cell(arm: str, month: Period | None, strong: float) -> Text | Cell:
    if month is None:
        return ""
    shade = 0 if not strong else min(TINTS, round(TINTS * abs(month.total_return) / strong))
    return Cell(f"{{{arm}.calendar.{_name(month)}}}", tint=shade if month.total_return >= 0 else -shade)
