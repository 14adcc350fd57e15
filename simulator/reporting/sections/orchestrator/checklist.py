"""The items of a checklist: how often each fired, and what that avoided or cost (``checklist.json``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.evaluation.checklists import FEWEST_FIRINGS, ChecklistWorth, ItemWorth, read_worth
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Details, Heading, Paragraph, Quoted, Table, Text
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.terms import Term, Unit

SUBJECT = "checklist"
ITEM_TERMS = {
    "closes": Term(Unit.COUNT, "decisions at which it held"),
    "held": Term(Unit.FRACTION, "share of decisions at which it held"),
    "fired": Term(Unit.COUNT, "proposed entries at which it fired"),
    "share": Term(Unit.FRACTION, "share of proposed entries at which it fired"),
    "verdict": Term(Unit.TEXT, "what may be said of its effect"),
}
"""Figures of every item; the fact of one is ``checklist.ITEM.KEY``."""
WORTH_TERMS = {
    "total_return": Term(Unit.POINTS, "total return with it minus that without it"),
    "total_return_low": Term(Unit.POINTS, "lower end of the interval of that difference of returns"),
    "total_return_high": Term(Unit.POINTS, "upper end of the interval of that difference of returns"),
    "sharpe": Term(Unit.RATIO, "annual Sharpe ratio with it minus that without it"),
    "sharpe_low": Term(Unit.RATIO, "lower end of the interval of that difference of Sharpe ratios"),
    "sharpe_high": Term(Unit.RATIO, "upper end of the interval of that difference of Sharpe ratios"),
    "p_value": Term(Unit.RATIO, "p-value of no difference of the Sharpe ratios"),
    "detectable": Term(Unit.RATIO, "difference of Sharpe ratios that could have been seen"),
}
"""Figures of an item that fired and does more than flag."""
PLACED_TERMS = {
    "placed": Term(Unit.COUNT, "placements of it at other times"),
    "percentile": Term(Unit.FRACTION, "share of the placements that earned less than it did where it stood"),
}
FLAGS, NEVER, NO_ENTRY = "flags alone", "never fired", "held at no proposed entry"
TOO_FEW, NOT_MEASURED = "too few firings to tell", "not measured"


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of each item, none where the folder holds none."""
    worth = read_worth(record.folder)
    if worth is None:
        return
    table.add(SUBJECT, "arm", worth.arm, Unit.TEXT, "arm on which the checklist was measured")
    table.add(SUBJECT, "closes", worth.closes, Unit.COUNT, "decisions behind the checklist")
    if not worth.measured:
        return
    table.add(SUBJECT, "fewest", FEWEST_FIRINGS, Unit.COUNT, "entries from which on the effect of an item is told")
    table.add(SUBJECT, "entries", worth.entries, Unit.COUNT, "entries proposed while nothing was held")
    for item in worth.items:
        of = f"of the item {item.name}"
        values: dict[str, Any] = {
            "closes": item.closes,
            "held": item.closes / worth.closes if worth.closes else None,
            "fired": item.fired,
            "share": item.fired / worth.entries if worth.entries else None,
            "verdict": verdict(item),
        }
        shown = dict(ITEM_TERMS)
        for terms, there in ((WORTH_TERMS, item.effect is not None), (PLACED_TERMS, item.placed > 0)):
            if there:
                shown |= terms
                values |= {name: getattr(item, name) for name in terms}
        for name, term in shown.items():
            table.add(SUBJECT, f"{item.name}.{name}", values[name], term.unit, f"{term.words}, {of}")


def verdict(item: ItemWorth) -> str:
    """What may be said of an item's effect, in a few words."""
    if not item.fired:
        return NO_ENTRY if item.closes else NEVER
    if item.do == "flag":
        return FLAGS
    if not item.is_told:
        return TOO_FEW
    return item.effect or NOT_MEASURED


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row an item; nothing where there was no checklist."""
    worth = read_worth(record.folder)
    if worth is None:
        return
    yield Heading("What the checklist was worth", "checklist")
    if not worth.measured:
        yield Paragraph(
            "The run has {checklist.closes} decisions, too many to be traded again without each item: how often the "
            "items cut or refused an entry stands with the gate."
        )
        return
    yield Paragraph(
        "Decisions of {checklist.arm}: {checklist.closes}; entries that were proposed while nothing was held: "
        "{checklist.entries}. The same advice was traded again without each item: the differences are the account with "
        "the item minus that without it, so that a positive one is what the item avoided and a negative one what it "
        "cost."
    )
    yield Table(
        [
            Column("Item"),
            Column("Does", "text"),
            Column("Held at"),
            Column("Fired at entries"),
            Column("Return"),
            Column("Interval"),
            Column("Sharpe ratio"),
            Column("Interval"),
            Column("Better than at other times"),
            Column("Effect", "text"),
        ],
        [_row(item) for item in worth.items],
        label="Items of the checklist",
    )
    yield Paragraph(
        [
            "Held at is the share of decisions at which it would have fired, whatever was advised. Intervals come from "
            "resampling both accounts together; differences of returns are in percentage points (pp).",
            "All of this is of {checklist.arm} alone: what the items did to other arms stands with the risk gate."
            if len(record.arms) > 1
            else "",
            f"Better than at other times: when it held was moved around the run as a whole, {_placements(worth)}, and "
            "this share of the placements earned less; near half, its timing was worth nothing.",
            "Of an item that fired at fewer than {checklist.fewest} entries nothing can be told."
            if any(item.fired and not item.is_told and item.do != "flag" for item in worth.items)
            else "",
            *_left_out(worth),
        ],
        "note",
    )
    if told := _contents(record):
        yield Details("What the items are", [Table([Column("Item"), Column("Fires", "long")], told, look="quoted")])


def _left_out(worth: ChecklistWorth) -> Iterator[str]:
    """What was not measured of items that fired often enough, and why."""
    told = [item for item in worth.items if item.is_told and item.do != "flag"]
    if any(item.effect is None for item in told):
        yield (
            "Not measured: the run is too long to be traded again without every item, and those that fired most go "
            "first."
        )
    if unplaced := [item.name for item in told if item.effect is not None and not item.placed]:
        yield (
            f"Not measured at other times: {', '.join(unplaced)}, because the run is too long to be traded again so "
            "often, or too short to move an item to so many other times."
        )


def _placements(worth: ChecklistWorth) -> str:
    placed = next((item.name for item in worth.items if item.placed), None)
    return "where it fired often enough" if placed is None else f"{{checklist.{placed}.placed}} times"


def _row(item: ItemWorth) -> list[Text]:
    def figure(name: str) -> str:
        return f"{{{SUBJECT}.{item.name}.{name}}}"

    def interval(name: str) -> str:
        there = getattr(item, f"{name}_low") is not None
        return f"{figure(f'{name}_low')} to {figure(f'{name}_high')}" if there else NOT_AVAILABLE

    measured = item.effect is not None
    return [
        Quoted(item.name),
        Quoted(item.do),
        figure("held"),
        f"{figure('fired')} ({figure('share')})",
        figure("total_return") if measured else NOT_AVAILABLE,
        interval("total_return"),
        figure("sharpe") if measured else NOT_AVAILABLE,
        interval("sharpe"),
        figure("percentile") if item.percentile is not None else NOT_AVAILABLE,
        figure("verdict"),
    ]


def _contents(record: Record) -> list[list[Text]]:
    """Each item and when it fires, as the experiment has it."""
    checklist = record.manifest["experiment"].get("risk", {}).get("checklist")
    items = checklist.get("items") if isinstance(checklist, dict) else None
    return [[Quoted(name), _content(item)] for name, item in items.items()] if isinstance(items, dict) else []


def _content(item: Mapping[str, Any]) -> Quoted:
    if "ask" in item:
        return Quoted(f"the model says yes to: {item['ask']}")
    if "when" in item:
        return Quoted(" and ".join(map(str, item["when"])))
    options = ", ".join(f"{name} {value}" for name, value in item.items() if name not in ("preset", "do", "events"))
    return Quoted(f"{item.get('preset')}: {options}" if options else str(item.get("preset")))
