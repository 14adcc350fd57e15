"""The worst losses of the account from a peak, and what was advised at the beginning and at the bottom of each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from llm_strategy.trading.decision_lines import Entry
from simulator.evaluation.drawdowns import Drawdown, underwater, worst_drawdowns
from simulator.evaluation.measures import measure
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import (
    Block,
    Column,
    Figure,
    Heading,
    Paragraph,
    Quoted,
    Table,
    Text,
    on_page,
)
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, MARKET, Band, Layer, Shades
from simulator.reporting.charts.scale import Numbers, Times, milliseconds
from simulator.reporting.facts.benchmark import account_of, beside
from simulator.reporting.facts.fact import Facts, FactTable, Value
from simulator.reporting.facts.run import day, subject_arm
from simulator.reporting.facts.terms import Unit

_ENDS = {"peak": "beginning", "bottom": "bottom"}
_OPEN = "not yet"


def facts(table: FactTable, record: Record) -> None:
    """Add depth, dates and length of each of the worst drawdowns, and what the market did from peak to bottom."""
    arm, account = subject_arm(record).name, account_of(record)
    other = beside(record)
    for number, one in enumerate(worst_drawdowns(account.to_numpy(dtype=np.float64)), start=1):
        words = f"of drawdown {number} of {arm}"
        values: dict[str, tuple[Value, Unit, str]] = {
            "number": (number, Unit.COUNT, f"rank {words}"),
            "depth": (one.depth, Unit.FRACTION, f"depth {words}"),
            "peak": (day(account.index[one.peak]), Unit.TEXT, f"peak before the loss {words}"),
            "bottom": (day(account.index[one.bottom]), Unit.TEXT, f"bottom {words}"),
            "end": (_OPEN if one.end is None else day(account.index[one.end]), Unit.TEXT, f"end {words}"),
            "bars": (one.bars, Unit.BARS, f"bars from the peak to the end {words}"),
            "down": (one.bottom - one.peak, Unit.BARS, f"bars from the peak to the bottom {words}"),
        }
        if other is not None:
            moved = float(other.values[one.bottom] / other.values[one.peak] - 1)
            values["market"] = (moved, Unit.FRACTION, f"return of {other.words} from the peak to the bottom {words}")
        for metric, (value, unit, label) in values.items():
            table.add(arm, f"drawdown.{number}.{metric}", value, unit, label)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row each, the picture, and the quotes."""
    subject, account = subject_arm(record), account_of(record)
    arm = subject.name
    found = worst_drawdowns(account.to_numpy(dtype=np.float64))
    yield Heading("The worst drawdowns", "drawdowns", level=3)
    if not found:
        yield Paragraph(f"The account of {arm} was never below an earlier value.")
        return
    yield on_page(Figure(_figure(arm, account, found)))
    other = beside(record)
    heads = {
        "number": "", "depth": "Depth", "peak": "From", "bottom": "Bottom", "end": "Made good", "bars": "Bars",
        "down": "Of these down",
    } | ({} if other is None else {"market": f"{other.heading}, to the bottom"})  # fmt: skip
    rows = [[f"{{{arm}.drawdown.{number}.{metric}}}" for metric in heads] for number in range(1, len(found) + 1)]
    yield Table([*heads.values()], rows, label=f"Worst drawdowns of {arm}")
    if quoted := _quotes(subject, account, found):
        columns = [Column("Close of"), Column("Drawdown"), Column("Label and action"), Column("What was said", "long")]
        yield on_page(
            Paragraph("What was advised at the beginning and at the bottom of each:"),
            Table(columns, quoted, look="quoted", label="Advice at the worst drawdowns"),
        )


def _quotes(arm: ArmRecord, account: pd.Series, found: Sequence[Drawdown]) -> list[list[Text]]:
    """The decision that stood at each peak and bottom, a row each; none where nothing was decided."""
    times = {
        (number, metric): account.index[getattr(one, metric)]
        for number, one in enumerate(found, start=1)
        for metric in _ENDS
    }
    wanted = {place: _decision_at(arm, time) for place, time in times.items()}
    said = {
        (entry.decision.snapshot.time, entry.decision.snapshot.symbol): entry
        for entry in arm.decisions.at({time for time, _ in filter(None, wanted.values())})
    }
    rows: list[list[Text]] = []
    for (number, metric), place in wanted.items():
        entry = None if place is None else said.get(place)
        if entry is not None:
            rows.append(
                [
                    f"{{{arm.name}.drawdown.{number}.{metric}}}",
                    (f"{_ENDS[metric]} of ", f"{{{arm.name}.drawdown.{number}.number}}"),
                    *_said(entry, several=len(measure(arm).decisions) > 1),
                ]
            )
    return rows


def _said(entry: Entry, *, several: bool) -> list[Text]:
    """Label and action, and the rationale, or that there was no advice."""
    decision = entry.decision
    whose = f"{decision.snapshot.symbol}: " if several else ""
    if decision.advice is None:
        why = "" if decision.abstention is None else f"{decision.abstention.reason}: {decision.abstention.detail}"
        return [Quoted(f"{whose}no advice"), Quoted(why)]
    advice = decision.advice
    return [
        (Quoted(whose), Quoted(str(advice.regime.label), "swatch"), Quoted(f", {advice.action.type.value}")),
        Quoted(advice.rationale, "q") if advice.rationale else "",
    ]


def _decision_at(arm: ArmRecord, time: pd.Timestamp) -> tuple[str, str] | None:
    """Time and symbol of the last decision up to a close: on the symbol of which most was held, or else on the first;
    None before the first decision."""
    made = measure(arm).decisions
    largest = [_most_held(arm, time)] if len(made) > 1 else []
    for symbol in (*largest, *made):
        if symbol in made and (place := bisect_right(made[symbol].times, time.isoformat())):
            return made[symbol].times[place - 1], symbol
    return None


def _most_held(arm: ArmRecord, time: pd.Timestamp) -> str:
    """The symbol of the largest position at a close, by its value at the entry; empty where nothing was held."""
    held = arm.trades[(arm.trades["entered"] <= time) & (arm.trades["exited"] > time)]
    value = (held["size"].abs() * held["entry_price"]).to_numpy(dtype=np.float64)
    return str(held["symbol"].iloc[int(value.argmax())]) if len(value) else ""


def _figure(arm: str, account: pd.Series, found: Sequence[Drawdown]) -> Chart:
    times, loss = milliseconds(account.index), 100 * underwater(account.to_numpy(dtype=np.float64))
    spans = [(times[one.peak], times[one.peak + one.bars]) for one in found]
    low = float(loss.min())
    layers: list[Layer] = [
        Shades("the worst", spans, MARKET),
        Band("", times, loss, np.zeros(len(loss)), ARM[0]),
    ]
    return Chart(
        "underwater",
        f"How far {arm} was below its highest value so far",
        "Shaded: the worst drawdowns from their peak until they were made good. The figures are in the table below.",
        [Panel(layers, Times(times[0], times[-1]), Numbers(1.04 * low, 0.0, "%"), height=180)],
    )
