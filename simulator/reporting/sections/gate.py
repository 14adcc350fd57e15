"""What the risk gate did to each arm, and what the worst advice could have done: figures of ``harm.json``, where a run
folder holds one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from llm_strategy.errors import RunFolderError
from simulator.experiment import MARKET_ARM
from simulator.folder.evidence import HARM
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Details, Heading, Items, Paragraph, Table, in_markdown, on_page
from simulator.reporting.facts.fact import Facts, FactTable, kinds_of
from simulator.reporting.facts.run import ungated_arms
from simulator.reporting.facts.terms import Term, Unit, listed
from simulator.reporting.sections.arms import table_of_gated

HARM_TERMS = {
    "worst_return": Term(Unit.FRACTION, "total return of the worst advice"),
    "worst_drawdown": Term(Unit.FRACTION, "largest drawdown of the worst advice"),
    "bound": Term(Unit.FRACTION, "largest drawdown that the limits allow"),
}
"""Figures of ``harm.json``."""

UNBOUNDED = 0.999
"""A bound above this share of equity bounds nothing."""


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of the folder, none where it holds none; ``RunFolderError`` for a file that cannot be read."""
    path = record.folder / HARM
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values = {name: float(content[name]) for name in HARM_TERMS}
        if not all(math.isfinite(value) for value in values.values()):
            raise ValueError("a figure is not finite")
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): run the experiment again.") from None
    for name, term in HARM_TERMS.items():
        table.add("harm", name, values[name], term.unit, term.words)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Cuts, refusals and exits of each arm, and the worst case."""
    yield Heading("What the risk gate did", "gate")
    yield table_of_gated(record, listed("gate"))
    arms = [arm.name for arm in record.arms if arm.name not in ungated_arms(record)]
    limits = [(arm, _kinds(arm, "clamps", facts), _kinds(arm, "refusals", facts)) for arm in arms]
    limits = [(arm, cut, refused) for arm, cut, refused in limits if cut or refused]
    if limits:
        table = Table(["Arm", "Cut by", "Refused by"], limits, look="limits")
        yield on_page(Details("Cuts and refusals by limit", [table]))
        yield in_markdown(Items([_limits(*each) for each in limits]))
    yield on_page(
        Paragraph(
            "Cut and refused count decisions, stopped and timed out count trades. The kill switch column is the close "
            "at which it fired first; out since, the bars from then on that closed without a position. Breaches are "
            "entry bars that went through their own stop, which a simulated broker cannot fill. Carry is what borrowed "
            "shares and borrowed cash cost.",
            "note",
        )
    )
    yield in_markdown(
        Paragraph(
            "Cut and refused count decisions, stopped and timed out count trades. *Out since* counts the bars without "
            "a position after the kill switch fired first. Breaches are entry bars that went through their own stop."
        )
    )
    if harm := harm_sentences(facts):
        yield Heading("What the worst advice could have done", "harm", level=3)
        yield Paragraph(harm)


def _kinds(arm: str, metric: str, facts: Facts) -> str:
    return ", ".join(f"{kind} {{{name}}}" for kind, name in kinds_of(arm, metric, facts))


def _limits(arm: str, cut: str, refused: str) -> str:
    parts = [f"{done} by {limits}" for done, limits in (("cut", cut), ("refused", refused)) if limits]
    return f"{arm}: {'; '.join(parts)}"


def harm_sentences(facts: Facts) -> list[str]:
    """The section in plain words, ids of facts in braces; empty where nothing was measured."""
    if "harm.bound" not in facts:
        return []
    sentences = [
        "Suppose the adviser knew the next bar and chose the worst action at every close. Through the same limits and "
        "costs the account would have returned {harm.worst_return} and lost {harm.worst_drawdown} from its highest "
        "value."
    ]
    if f"{MARKET_ARM}.total_return" in facts:
        sentences.append(
            f"Under the same limits {MARKET_ARM} returned {{{MARKET_ARM}.total_return}} and lost "
            f"{{{MARKET_ARM}.max_drawdown}} from its highest value."
        )
    sentences.append(
        "These limits bound no loss over the whole period: the kill switch re-arms and as much may be lost again, or "
        "an exit may take any number of bars."
        if _number(facts, "bound") > UNBOUNDED
        else "No advice at all could have lost more than {harm.bound} on these prices: there the kill switch closes "
        "everything, the largest adverse move that it cannot foresee included."
    )
    if _number(facts, "worst_drawdown") > _number(facts, "bound"):
        sentences.append("The worst adviser lost more than that: the limits did not hold, trust no figure of this run.")
    return sentences


def _number(facts: Facts, name: str) -> float:
    value = facts[f"harm.{name}"].value
    return math.nan if isinstance(value, str) else float(value)
