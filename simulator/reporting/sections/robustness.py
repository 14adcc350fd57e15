"""The recorded actions again under other costs, in parts of the time, later, and without a gate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.evaluation.robustness import HIGHEST_MULTIPLE, Outcome, Robustness, Window, read_robustness
from simulator.evaluation.sharpe import FEWEST_BARS
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Details, Figure, Heading, Paragraph, Table, Text, on_page
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, Level, Line
from simulator.reporting.charts.scale import Steps, numbers_around
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.terms import Term, Unit

OUTCOME_TERMS = {
    "total_return": Term(Unit.FRACTION, "total return", "Return"),
    "sharpe": Term(Unit.RATIO, "annual Sharpe ratio", "Sharpe"),
    "market_return": Term(Unit.FRACTION, "total return of the market over the same bars", "Market: return"),
    "market_sharpe": Term(Unit.RATIO, "annual Sharpe ratio of the market over the same bars", "Market: Sharpe"),
}
"""Figures of each account; a fact is ``ARM.robust.ACCOUNT.KEY``."""
WHY_NOT = {
    "failed": "The arm {} failed, so its decisions were not traded again.",
    "long": "The run has too many bars for the decisions of {} to be traded again.",
    "short": "The run is too short for the decisions of {} to be traded again.",
}
_HEADS: list[Column | str] = [Column("Account"), *(term.heading for term in OUTCOME_TERMS.values())]


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of every account of each advised arm, none where the folder holds none."""
    for arm, robust in read_robustness(record.folder).items():
        if not robust.left_out:
            _add_accounts(table, arm, robust)


def _add_accounts(table: FactTable, arm: str, robust: Robustness) -> None:
    def add(account: str, outcome: Outcome | None, words: str) -> None:
        for key, term in OUTCOME_TERMS.items() if outcome is not None else ():
            value = getattr(outcome, key)
            table.add(arm, f"robust.{account}.{key}", value, term.unit, f"{term.words}, {arm} {words}")

    def number(name: str, value: float | None, unit: Unit, words: str, look: str = "") -> None:
        table.add(arm, f"robust.{name}", value, unit, f"{words} of {arm}", format(value, look) if look else None)

    add("own", robust.own, "as the run was")
    for step in robust.costs:
        add(_costs_name(step.multiple), step.outcome, f"at {step.multiple:g} times the costs")
        number(f"{_costs_name(step.multiple)}.multiple", step.multiple, Unit.RATIO, "multiple of the costs", "g")
    if (taken := doubling(robust)) is not None:
        number("doubling", taken, Unit.RATIO, "what doubling the costs takes off the annual Sharpe ratio")
    number("break_even", robust.break_even, Unit.RATIO, "multiple of the costs that brings the market's Sharpe ratio")
    number("highest_multiple", HIGHEST_MULTIPLE, Unit.RATIO, "largest multiple of the costs tried", "g")
    for kind, windows in (("year", robust.years), ("part", robust.parts)):
        for window in windows:
            add(f"{kind}.{window.number}", window.outcome, f"in {kind} {window.number}")
            number(f"{kind}.{window.number}.bars", window.bars, Unit.BARS, f"bars in {kind} {window.number}")
            number(
                f"{kind}.{window.number}.number", window.number, Unit.COUNT, f"number of {kind} {window.number}", "d"
            )
        known = [window for window in windows if window.whole and is_ahead(window) is not None]
        number(f"{kind}s", len(windows) if kind == "part" else len(known), Unit.COUNT, f"whole {kind}s")
        ahead = sum(bool(is_ahead(window)) for window in known)
        number(f"{kind}s_ahead", ahead, Unit.COUNT, f"whole {kind}s with a higher return than the market's")
    number("fewest", FEWEST_BARS, Unit.BARS, "bars below which no Sharpe ratio is told")
    add("late", robust.late, "with each decision one bar late")
    add("ungated", robust.ungated, "without the gate, on all the cash")
    _add_starts(table, arm, robust)


def _add_starts(table: FactTable, arm: str, robust: Robustness) -> None:
    starts = [start for start in robust.starts if start.outcome.sharpe is not None]
    table.add(arm, "robust.starts", len(starts), Unit.COUNT, f"later starts of {arm} that were measured")
    if not starts:
        return
    latest = max(start.later for start in starts)
    table.add(arm, "robust.latest_start", latest, Unit.BARS, f"bars by which the latest start of {arm} is later")
    for key in ("total_return", "sharpe"):
        values = [value for start in starts if (value := getattr(start.outcome, key)) is not None]
        for end, value in (("lowest", min(values)), ("highest", max(values))):
            term = OUTCOME_TERMS[key]
            table.add(arm, f"robust.start_{end}.{key}", value, term.unit, f"{end} {term.words} of {arm} by its start")


def doubling(robust: Robustness) -> float | None:
    """What doubling the costs takes off the annual Sharpe ratio; None where one of the two has none."""
    ratios = {step.multiple: step.outcome.sharpe for step in robust.costs}
    once, twice = ratios.get(1.0), ratios.get(2.0)
    return None if once is None or twice is None else once - twice


def is_ahead(window: Window) -> bool | None:
    """Whether the account earned more than the market; None where one of them is not known."""
    ours, market = window.outcome.total_return, window.outcome.market_return
    return None if ours is None or market is None else ours > market


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """What the costs take, the other accounts and the years; nothing where none was measured."""
    found = read_robustness(record.folder)
    if not found:
        return
    yield Heading("Costs, years and starts", "robustness")
    for number, (arm, robust) in enumerate(found.items()):
        shown = [*_arm(arm, robust, facts, several=len(found) > 1)]
        if number and not robust.left_out:
            yield Details(f"The same of {arm}", shown)
        else:
            yield from shown


def _arm(arm: str, robust: Robustness, facts: Facts, *, several: bool) -> Iterator[Block]:
    if robust.left_out:
        yield Paragraph(WHY_NOT[robust.left_out].format(arm))
        return
    yield Paragraph([*_costs_in_words(arm, robust)], "strong")
    yield Paragraph(
        f"The recorded decisions of {arm} were traded again through the same gate and broker, and no model was asked. "
        "Beside each account stands the market over the same bars, bought once without a gate."
    )
    yield Table(_HEADS, [*_accounts(arm, robust)], label=f"The decisions of {arm} traded again")
    yield Paragraph([*_notes(arm, robust)], "note")
    if (figure := _figure(arm, robust)) is not None:
        yield on_page(figure)
    yield from _windows(arm, robust, facts)


def _costs_in_words(arm: str, robust: Robustness) -> Iterator[Text]:
    taken = doubling(robust)
    if taken is None:
        yield f"What the costs take from {arm} cannot be told: its account has no Sharpe ratio at one of them."
    elif taken > 0:
        yield f"Doubling the costs takes {{{arm}.robust.doubling}} off the Sharpe ratio of {arm}."
    else:
        yield (
            f"Doubling the costs takes nothing off the Sharpe ratio of {arm}: it goes from "
            f"{{{arm}.robust.costs_1.sharpe}} to {{{arm}.robust.costs_2.sharpe}}."
        )
    if robust.break_even is not None:
        yield f"By that ratio it breaks even with the market at {{{arm}.robust.break_even}} times the costs."
    elif robust.never == "below":
        yield "Even without any costs it is below the market's, so that no costs break even."
    elif robust.never == "above":
        yield f"At {{{arm}.robust.highest_multiple}} times the costs it is still above the market's."
    else:
        yield "Without a Sharpe ratio of both there is no break-even with the market."


def _accounts(arm: str, robust: Robustness) -> Iterator[list[Text]]:
    for step in robust.costs:
        words = {0.0: "without costs", 1.0: "as the run was"}.get(step.multiple)
        name = _costs_name(step.multiple)
        yield _row(arm, name, words or f"costs times {{{arm}.robust.{name}.multiple}}")
    if robust.late is not None:
        yield _row(arm, "late", "each decision one bar late")
    if robust.ungated is not None:
        yield _row(arm, "ungated", "without the gate")
    if any(start.outcome.sharpe is not None for start in robust.starts):
        for end in ("lowest", "highest"):
            ends = [f"{{{arm}.robust.start_{end}.{key}}}" for key in ("total_return", "sharpe")]
            yield [f"later starts: {end}", *ends, "", ""]


def _notes(arm: str, robust: Robustness) -> Iterator[Text]:
    yield (
        "Without the gate all the cash of a symbol is in it while the advice is long, and none else: no limits, stops "
        "and targets, and an advice to be short stands in cash."
    )
    if any(start.outcome.sharpe is not None for start in robust.starts):
        yield (
            f"Later starts: {{{arm}.robust.starts}} accounts that begin up to {{{arm}.robust.latest_start}} bars "
            "later, with cash. The farther their ends are apart, the more of the result is the day it began."
        )
    else:
        yield "Later starts have no Sharpe ratio: the run has too few bars, or nothing moved."


def _windows(arm: str, robust: Robustness, facts: Facts) -> Iterator[Block]:
    years, parts = robust.years, robust.parts
    if f"{arm}.robust.years" in facts and facts[f"{arm}.robust.years"].value:
        yield Paragraph(
            f"{arm} earned more than the market in {{{arm}.robust.years_ahead}} of {{{arm}.robust.years}} whole years."
        )
    partial = any(not window.whole for window in years)
    rows = [_window(arm, "year", one, "" if one.whole else " (part)") for one in years]
    rows += [_window(arm, "part", one, f" of {{{arm}.robust.parts}}") for one in parts]
    if not rows:
        return
    heads: list[Column | str] = [Column("Time"), *_HEADS[1:]]
    note = [
        "Returns are those of the time itself and not of a year"
        + ("; a year that the run holds only a part of is marked." if partial else "."),
        f"Below {{{arm}.robust.fewest}} bars no Sharpe ratio is told.",
        "The parts cut the run into pieces of equal length." if parts else "",
    ]
    yield Details(
        "Each year and each part of the run",
        [Table(heads, rows, label=f"Years and parts of {arm}"), Paragraph(note, "note")],
    )


def _window(arm: str, kind: str, window: Window, after: str) -> list[Text]:
    before = "" if kind == "year" else f"{kind} "
    account = f"{kind}.{window.number}"
    return _row(arm, account, f"{before}{{{arm}.robust.{account}.number}}{after}")


def _row(arm: str, account: str, words: str) -> list[Text]:
    return [words, *(f"{{{arm}.robust.{account}.{key}}}" for key in OUTCOME_TERMS)]


def _costs_name(multiple: float) -> str:
    return f"costs_{multiple:g}".replace(".", "_")


def _figure(arm: str, robust: Robustness) -> Figure | None:
    """The Sharpe ratio by the multiple of the costs, and that of the market."""
    ladder = [(step.multiple, step.outcome.sharpe) for step in robust.costs if step.outcome.sharpe is not None]
    market = robust.own.market_sharpe
    if len(ladder) < 2 or market is None:
        return None

    multiples, ratios = (np.array(part) for part in zip(*ladder, strict=True))
    layers = (Level(market, "the market", dash="6 2"), Line(arm, multiples, ratios, ARM[0], 2.2, dots=True))
    room = 0.05 * (multiples.max() - multiples.min())
    return Figure(
        Chart(
            f"costs-{arm}",
            f"Annual Sharpe ratio of {arm} by the multiple of its costs",
            f"Lines: {arm}, and the market. The figures are in the table above.",
            [
                Panel(
                    layers,
                    Steps(float(multiples.min()) - room, float(multiples.max()) + room, tuple(multiples.tolist()), "x"),
                    numbers_around([*ratios.tolist(), market]),
                    height=200,
                )
            ],
        )
    )
