"""How far the price went against each trade and with it while it was held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.evaluation.excursions import Excursions, measure_excursions
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Figure, Heading, Paragraph, Table, on_page
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, FAINT, INK, Layer, Line, Marks
from simulator.reporting.charts.scale import Numbers
from simulator.reporting.facts.fact import Facts, FactTable, Value
from simulator.reporting.facts.run import subject_arm
from simulator.reporting.facts.terms import Unit

MOST_DRAWN = 1_000
"""Trades of a picture; of more those with the largest results are drawn."""
_KINDS = {"won": "trades that won", "lost": "trades that lost"}


def facts(table: FactTable, record: Record) -> None:
    """Add the median excursions of the closed trades that won and of those that lost."""
    arm = subject_arm(record)
    found = measure_excursions(arm.trades, record.prices)
    if found is None:
        return
    for kind, chosen in (("won", found.result > 0), ("lost", found.result <= 0)):
        chosen = chosen & ~found.is_open
        words = f"{_KINDS[kind]} of {arm.name}"
        values: dict[str, tuple[Value, Unit, str]] = {
            "trades": (int(chosen.sum()), Unit.COUNT, f"closed {words}"),
            "adverse": (_median(found.adverse[chosen]), Unit.FRACTION, f"median adverse excursion of {words}"),
            "favourable": (_median(found.favourable[chosen]), Unit.FRACTION, f"median favourable excursion of {words}"),
            "adverse_most": (_largest(found.adverse[chosen]), Unit.FRACTION, f"largest adverse excursion of {words}"),
            "result": (_median(found.result[chosen]), Unit.FRACTION, f"median result of {words}"),
        }
        for metric, (value, unit, label) in values.items():
            table.add(arm.name, f"excursion.{kind}.{metric}", value, unit, label)
    table.add(arm.name, "excursion.drawn", MOST_DRAWN, Unit.COUNT, "trades that a picture of excursions holds at most")


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None


def _largest(values: np.ndarray) -> float | None:
    return float(values.max()) if len(values) else None


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row for winners and losers, and a mark a trade; a sentence where there is nothing to measure."""
    arm = subject_arm(record)
    yield Heading("How far trades went against it, and with it", "excursions", level=3)
    found = measure_excursions(arm.trades, record.prices)
    if found is None:
        yield Paragraph(
            f"{arm.name} made no trades."
            if arm.trades.empty
            else "The prices of this folder lack a bar of its trades, so nothing can be said of their course."
        )
        return
    heads = {"trades": "Trades", "adverse": "Against it", "adverse_most": "Farthest against it",
             "favourable": "With it", "result": "What came of it"}  # fmt: skip
    rows = [
        (words[0].upper() + words[1:], *(f"{{{arm.name}.excursion.{kind}.{metric}}}" for metric in heads))
        for kind, words in _KINDS.items()
    ]
    yield Table(["Closed trades, medians", *heads.values()], rows, label=f"Excursions of the trades of {arm.name}")
    said = [
        "Shares of the entry price, by the highs and lows of the bars from the entry to the exit; of the last bar the "
        "exit counts alone. What came of it is after commission.",
    ]
    if found.by_closes:
        said.append("These prices have one value a bar alone: what happened within a bar is not in them.")
    if len(arm.trades) > MOST_DRAWN:
        said.append(f"Drawn are the {{{arm.name}.excursion.drawn}} trades with the largest results.")
    yield Paragraph(said, "note")
    yield on_page(Figure(_figure(arm.name, found)))


def _figure(arm: str, found: Excursions) -> Chart:
    drawn = np.sort(np.argsort(-np.abs(found.result), kind="stable")[:MOST_DRAWN])
    against, with_it = 100 * found.adverse[drawn], 100 * found.favourable[drawn]
    is_open, won = found.is_open[drawn], found.result[drawn] > 0
    across, up = (1.05 * max(float(values.max()), 0.1) for values in (against, with_it))
    kinds = (
        ("won", "up", ARM[2], won & ~is_open),
        ("lost", "down", ARM[1], ~won & ~is_open),
        ("still held", "dot", INK, is_open),
    )
    size = 8.0 if len(drawn) <= 150 else 6.0
    layers: list[Layer] = [
        Line("", np.array([0.0, min(across, up)]), np.array([0.0, min(across, up)]), FAINT, named_at_end=False),
        *(
            Marks(name, against[chosen], with_it[chosen], shape, colour, size)
            for name, shape, colour, chosen in kinds
            if chosen.any()
        ),
    ]
    return Chart(
        "excursions-figure",
        f"Trades of {arm}: how far the price went against each (to the right) and with it (upwards)",
        "A mark is a trade. Above the line it went farther with it than against it. The medians are in the table.",
        [
            Panel(
                layers, Numbers(-0.02 * across, across, "%"), Numbers(-0.02 * up, up, "%"),
                height=280, x_name="against it", y_name="with it",
            )
        ],
    )  # fmt: skip
