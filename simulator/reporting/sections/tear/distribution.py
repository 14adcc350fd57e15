"""How the returns of the account are spread from bar to bar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.evaluation.distribution import FEWEST_BARS, Distribution, distribution_of
from simulator.evaluation.metrics import returns
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Figure, Heading, Paragraph, on_page
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, FAINT, Bars, Layer, Upright
from simulator.reporting.charts.scale import Numbers, numbers_around
from simulator.reporting.facts.benchmark import account_of
from simulator.reporting.facts.fact import Facts, FactTable, Value
from simulator.reporting.facts.run import day, subject_arm
from simulator.reporting.facts.terms import Unit


def facts(table: FactTable, record: Record) -> None:
    """Add shape and ends of the returns a bar of the account that the page is about."""
    arm, account = subject_arm(record).name, account_of(record)
    table.add("run", "fewest_spread", FEWEST_BARS, Unit.BARS, "returns below which their distribution is not told")
    moves = returns(account)
    found = distribution_of(moves)
    if found is None:
        return
    times = account.index[1:]
    values: dict[str, tuple[Value, Unit, str]] = {
        "skewness": (found.skewness, Unit.RATIO, f"skewness of the returns a bar of {arm}"),
        "kurtosis": (found.kurtosis, Unit.RATIO, f"kurtosis of the returns a bar of {arm}, raw"),
        "best": (float(moves[found.best]), Unit.FRACTION, f"return of the best bar of {arm}"),
        "best_at": (day(times[found.best]), Unit.TEXT, f"best bar of {arm}"),
        "worst": (float(moves[found.worst]), Unit.FRACTION, f"return of the worst bar of {arm}"),
        "worst_at": (day(times[found.worst]), Unit.TEXT, f"worst bar of {arm}"),
        "fifth": (found.fifth, Unit.FRACTION, f"return of {arm} that one bar of twenty is below"),
        "still": (found.still, Unit.BARS, f"bars on which the account of {arm} did not move"),
        "normal": (3.0, Unit.RATIO, "kurtosis of a normal distribution"),
    }
    for metric, (value, unit, label) in values.items():
        text = "3" if metric == "normal" else None
        table.add(arm, f"spread.{metric}", value, unit, label, text)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Two sentences and the histogram; one sentence where there is too little to tell."""
    arm = subject_arm(record).name
    yield Heading("How the returns are spread", "distribution", level=3)
    if f"{arm}.spread.best" not in facts:
        yield Paragraph("Fewer than {run.fewest_spread} returns have no distribution.")
        return
    found = distribution_of(returns(account_of(record)))
    if found is None or found.skewness is None:
        yield Paragraph(f"The account of {arm} did not move, so its returns have no distribution.")
        return
    said = [
        f"The best bar was {{{arm}.spread.best_at}} ({{{arm}.spread.best}}), the worst {{{arm}.spread.worst_at}} "
        f"({{{arm}.spread.worst}}); one bar of twenty was below {{{arm}.spread.fifth}}.",
        f"Skewness {{{arm}.spread.skewness}}, kurtosis {{{arm}.spread.kurtosis}} (a normal distribution has "
        f"{{{arm}.spread.normal}}).",
    ]
    if found.still:
        said.append(f"The {{{arm}.spread.still}} bars without any return are left out of the picture.")
    yield Paragraph(said)
    yield on_page(Figure(_figure(arm, found)))


def _figure(arm: str, found: Distribution) -> Chart:
    edges = 100 * found.edges
    colours = [ARM[0] if right > 0 else ARM[1] for right in (edges[1:] + edges[:-1]) / 2]
    layers: list[Layer] = [
        Bars("", edges[:-1], edges[1:], np.zeros(len(found.counts)), found.counts, colours),
        Upright(0.0, colour=FAINT, dash=""),
    ]
    return Chart(
        "spread",
        f"Returns a bar of {arm}",
        "Bars: how often returns of this size came. The figures are in the text above.",
        [
            Panel(
                layers, numbers_around(edges, "%"), Numbers(0.0, 1.04 * float(found.counts.max()), ""), height=180,
                y_name="bars",
            )
        ],
    )  # fmt: skip
