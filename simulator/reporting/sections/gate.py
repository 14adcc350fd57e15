"""What the risk gate did to each arm, and what an adviser that wanted to lose could have done: figures of
``harm.json``, where a run folder holds one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from llm_strategy.errors import RunFolderError
from simulator.evaluation.attribution import read_holder
from simulator.experiment import HOLDER_ARM
from simulator.folder.evidence import HARM
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Details, Figure, Heading, Items, Paragraph, Table, in_markdown, on_page
from simulator.reporting.facts.fact import Facts, FactTable, kinds_of
from simulator.reporting.facts.run import advised_arm, holder_arm, market_arms, ungated_arms
from simulator.reporting.facts.terms import Term, Unit, listed
from simulator.reporting.sections.arms import table_of, table_of_gated
from simulator.reporting.sections.charts import draw_accounts
from simulator.reporting.sections.pairs import interval

HARM_TERMS = {
    "worst_return": Term(Unit.FRACTION, "total return of an adviser that knew the next bar and wanted to lose"),
    "worst_drawdown": Term(Unit.FRACTION, "largest drawdown of an adviser that knew the next bar and wanted to lose"),
    "bound": Term(Unit.FRACTION, "largest drawdown that the limits allow"),
}
"""Figures of ``harm.json``."""

HOLDER_TERMS = {
    "total_return": Term(Unit.FRACTION, "total return of a holder behind the gate"),
    "max_drawdown": Term(Unit.FRACTION, "largest drawdown of a holder behind the gate"),
    "sharpe": Term(Unit.RATIO, "annual Sharpe ratio of a holder behind the gate"),
}
"""Figures of ``attribution.json``, of a holder that is no arm: facts of the run."""
UNBOUNDED = 0.999
"""A bound above this share of equity bounds nothing."""


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of the folder, none where it holds none; ``RunFolderError`` for a file that cannot be read."""
    if (held := read_holder(record.folder)) is not None:
        for name, term in HOLDER_TERMS.items():
            table.add("run", f"holder_{name}", getattr(held, name), term.unit, term.words)
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
    yield from _holder(record, facts)
    if harm := harm_sentences(facts):
        yield Heading("What an adviser that knew the next bar and wanted to lose could have done", "harm", level=3)
        yield Paragraph(harm)


def _holder(record: Record, facts: Facts) -> Iterator[Block]:
    """What the gate alone does to a holder, beside the market; nothing without a market line."""
    arm, markets = holder_arm(record), market_arms(record)
    figure = "run.holder_" if arm is None else f"{arm.name}."
    if not markets or f"{figure}total_return" not in facts:
        return
    yield Heading("What the gate alone does to a holder", "holder", level=3)
    who = f"{arm.name}, a holder behind the gate," if arm is not None else "A holder behind the gate"
    yield Paragraph(
        [
            f"{who} returned {{{figure}total_return}} and lost {{{figure}max_drawdown}} from its highest value; the "
            f"market returned {{{markets[0]}.total_return}} and lost {{{markets[0]}.max_drawdown}}. Between them lie "
            "limits of size, stops, and waiting to enter again.",
            "When such a holder stays out depends on the bar at which it began: it is no market, and no verdict rests "
            "on it.",
            *_against_holder(record, facts),
        ]
    )
    if arm is not None:
        yield table_of(record, [markets[0], arm.name], listed("arms"))
        both = [one for one in (arm, record.arm(markets[0])) if len(one.equity) > 1]
        if len(both) > 1:
            title = "A holder behind the gate and the market, as multiples of their value at the first decision"
            yield on_page(Figure(draw_accounts(record, "holder-account", title, both, "Their figures stand above.")))


def _against_holder(record: Record, facts: Facts) -> list[str]:
    advised, arm = advised_arm(record), holder_arm(record)
    pair = "" if advised is None or arm is None else f"{advised.name}-{arm.name}"
    if f"{pair}.sharpe_difference" not in facts:
        return []
    return [
        f"{pair.replace('-', ' minus ', 1)}: annual Sharpe ratio {{{pair}.sharpe_difference}}, "
        f"{{run.confidence_level}} interval {interval(pair, facts)}, {{{pair}.verdict}}."
    ]


def _kinds(arm: str, metric: str, facts: Facts) -> str:
    return ", ".join(
        f"{kind.replace('checklist, ', 'checklist item ')} {{{name}}}" for kind, name in kinds_of(arm, metric, facts)
    )


def _limits(arm: str, cut: str, refused: str) -> str:
    parts = [f"{done} by {limits}" for done, limits in (("cut", cut), ("refused", refused)) if limits]
    return f"{arm}: {'; '.join(parts)}"


def harm_sentences(facts: Facts) -> list[str]:
    """The section in plain words, ids of facts in braces; empty where nothing was measured."""
    if "harm.bound" not in facts:
        return []
    sentences = [
        "Suppose an adviser knew the next bar and wanted to lose: at every close it chose the worst action. No real "
        "adviser knows that much. Through the same limits and costs the account would have returned "
        "{harm.worst_return} and lost {harm.worst_drawdown} from its highest value."
    ]
    if f"{HOLDER_ARM}.total_return" in facts:
        sentences.append(
            f"Under the same limits {HOLDER_ARM} returned {{{HOLDER_ARM}.total_return}} and lost "
            f"{{{HOLDER_ARM}.max_drawdown}} from its highest value."
        )
    sentences.append(
        "These limits bound no loss over the whole period: the kill switch re-arms and as much may be lost again, or "
        "an exit may take any number of bars."
        if _number(facts, "bound") > UNBOUNDED
        else "No advice at all could have lost more than {harm.bound} on these prices: there the kill switch closes "
        "everything, the largest adverse move that it cannot foresee included."
    )
    if _number(facts, "worst_drawdown") > _number(facts, "bound"):
        sentences.append("That adviser lost more than that: the limits did not hold, trust no figure of this run.")
    return sentences


def _number(facts: Facts, name: str) -> float:
    value = facts[f"harm.{name}"].value
    return math.nan if isinstance(value, str) else float(value)
