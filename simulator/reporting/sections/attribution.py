"""What earned the account's return: exposure, the gate, the causal rule and the advice, by year and by regime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simulator.experiment import HOLDER_ARM, REFERENCE_ARM
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Column, Details, Heading, Link, Paragraph, Quoted, Table, Text
from simulator.reporting.facts.contributions import add_contributions
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import advised_arm, market_arms, subject_arm

_ALL = "earned.all"


def facts(table: FactTable, record: Record) -> None:
    """Add the parts of the return of the account that the page is about."""
    add_contributions(table, record)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A sentence, and a row for the run, each year and each regime; nothing where there is no market line."""
    arm = subject_arm(record)
    if not market_arms(record) or arm.name in market_arms(record):
        return
    yield Heading("What earned it", "attribution")
    if f"{arm.name}.earned.steps" not in facts:
        yield Paragraph(
            f"The return of {arm.name} cannot be taken apart: its account or the market's failed, was ruined, lacks a "
            "bar that the other has, or is too short."
        )
        return
    steps = str(facts[f"{arm.name}.earned.steps"].value).split(", ")
    yield Paragraph(_sentence(arm.name, steps, advised=advised_arm(record) is not None))
    heads = _heads(steps, advised=advised_arm(record) is not None)
    yield Table(["", *heads.values()], _rows(arm.name, heads, facts), look="matrix", label=f"What earned {arm.name}")
    yield Details(
        "How it is taken apart", [Paragraph(_how(steps), "note"), Paragraph(_limits(facts, arm.name), "note")]
    )


def _heads(steps: Sequence[str], *, advised: bool) -> dict[str, Column]:
    """The columns by the end of their facts' ids; a part that stands for two names both."""
    gate = "Gate" if "gate" in steps else ""
    rule = "Causal rule" if gate else "Gate and causal rule"
    alone = "The advice" if advised else "Its choices"
    last = alone if "rule" in steps else alone if gate else f"Gate and {alone[0].lower()}{alone[1:]}"
    names = {"exposure": "Exposure alone", "gate": gate, "rule": rule, "advice": last}
    columns = {step: Column(names[step]) for step in steps}
    return columns | {
        "compounding": Column("Compounding"), "total": Column("Its return"), "market": Column("The market")
    }  # fmt: skip


def _rows(arm: str, heads: dict[str, Column], facts: Facts) -> list[list[Text]]:
    prefix = f"{arm}.earned."
    names = [
        name.removeprefix(prefix).removesuffix(".total")
        for name in facts
        if name.startswith(prefix) and name.endswith(".total")
    ]

    def row(head: Text, name: str) -> list[Text]:
        return [head, *(f"{{{prefix}{name}.{metric}}}" for metric in heads)]

    rows = [row("The run", "all")]
    for name in names:
        kind, _, what = name.partition(".")
        if kind == "year":
            rows.append(row(f"{{{arm}.calendar.{what}.year}}", name))
        elif kind == "regime":
            rows.append(row(("after ", Quoted(what, "swatch")), name))
    return rows


def _sentence(arm: str, steps: Sequence[str], *, advised: bool) -> list[str]:
    """The run in one sentence."""
    told = {
        "exposure": f"its mean exposure to the market alone earned {{{arm}.{_ALL}.exposure}}",
        "gate": f"the gate made {{{arm}.{_ALL}.gate}} of difference",
        "rule": f"the moments of the causal rule {{{arm}.{_ALL}.rule}}"
        if "gate" in steps
        else f"the gate and the moments of the causal rule {{{arm}.{_ALL}.rule}}",
        "advice": f"{'the advice' if advised else 'its own choices'} {{{arm}.{_ALL}.advice}}"
        + (" beyond them" if "rule" in steps else ""),
    }
    parts = [told[step] for step in steps]
    return [
        f"Of the {{{arm}.{_ALL}.total}} that {arm} returned, {', '.join(parts)}, and {{{arm}.{_ALL}.compounding}} is "
        "compounding."
    ]


def _how(steps: Sequence[str]) -> list[str]:
    said = [
        "*Exposure alone*: the market held all the time at the account's mean exposure, the rest in cash. What an "
        "account earned beyond its own mean exposure is what its moments were worth."
    ]
    if "gate" in steps:
        said.append(f"*Gate*: that of {HOLDER_ARM}, which always wants to hold: what limits and stops alone do.")
    if "rule" in steps:
        said.append(
            f"*Causal rule*: that of {REFERENCE_ARM}, less the part before it. *The advice*: that of the account, less "
            "that of the rule."
        )
    said.append(
        "Each part is the sum of what it was at every bar, after costs, and all parts of a row add up to the return."
    )
    return said


def _limits(facts: Facts, arm: str) -> list[Text]:
    """What the rows are and are not."""
    said: list[Text] = [
        "*Compounding* is what remains, because returns follow upon each other and do not only add. The parts of the "
        "years add up to those of the run, and so do those of the regimes where every bar has one; returns and "
        "compounding do not.",
        "A regime is what the causal rule calls the close before a bar, which is known then.",
        (
            "None of these sums is a test: whether the moments could be chance is told under ",
            Link("timing", "timing"),
            ", alpha and beta stand under ",
            Link("beside the market", "beside-market"),
            ".",
        ),
    ]
    if f"{arm}.robust.own.sharpe" in facts:
        said.append(("What other costs would leave stands under ", Link("costs, years and starts", "robustness"), "."))
    return said
