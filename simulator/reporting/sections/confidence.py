"""How undecided the model was, and whether it is right as often as it says."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.confidence import BARS, Entropies, Reliability, measure_confidence
from simulator.evaluation.measures import measure
from simulator.evaluation.resampling import Estimate, Resampling
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Details, Heading, Paragraph, Table, Text
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable, Value
from simulator.reporting.facts.run import advisor_arms
from simulator.reporting.facts.terms import Unit
from simulator.reporting.sections.regimes import interval


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of each advised arm, none where it was asked too little."""
    evaluation = record.manifest["experiment"]["evaluation"]
    how = Resampling(evaluation["bootstrap_samples"], evaluation["seed"], evaluation["confidence_level"])
    for arm in advisor_arms(record):
        entropies, reliability = measure_confidence(measure(arm).decisions, record.prices, how)
        if entropies is not None:
            _add_entropies(table, arm.name, entropies)
        if reliability is not None:
            _add_reliability(table, arm.name, reliability)


def _add_entropies(table: FactTable, arm: str, found: Entropies) -> None:
    values: dict[str, tuple[Value, Unit, str]] = {
        "decisions": (found.decisions, Unit.COUNT, f"decisions of {arm} whose labels were scored"),
        "mean": (found.mean, Unit.FRACTION, f"mean entropy of the scored labels of {arm}, of the highest"),
        "lowest": (found.lowest, Unit.FRACTION, f"lowest entropy of the scored labels of {arm}, of the highest"),
        "highest": (found.highest, Unit.FRACTION, f"highest entropy of the scored labels of {arm}, of the highest"),
    }
    for name, (value, unit, words) in values.items():
        table.add(arm, f"entropy.{name}", value, unit, words)
    words = f"share right of {arm} in the half with the lower entropies minus that in the other half"
    _add_estimate(table, arm, "entropy.gap", found.gap, Unit.FRACTION, words)


def _add_reliability(table: FactTable, arm: str, found: Reliability) -> None:
    values: dict[str, tuple[Value, Unit, str]] = {
        "bars": (BARS, Unit.BARS, f"bars over which an action of {arm} turns out right or wrong"),
        "actions": (found.actions, Unit.COUNT, f"actions of {arm} that point up or down"),
        "values": (found.values, Unit.COUNT, f"different confidences of {arm}"),
        "mean": (found.confidence, Unit.FRACTION, f"mean confidence of {arm}"),
        "right": (found.right, Unit.FRACTION, f"share of the actions of {arm} that were right"),
    }
    if found.bins:
        values |= {
            "brier": (found.brier, Unit.RATIO, f"Brier score of {arm}"),
            "base_brier": (found.base_brier, Unit.RATIO, f"Brier score of the base rate of {arm}"),
            "ece": (found.ece, Unit.FRACTION, f"expected calibration error of {arm}"),
        }
    for name, (value, unit, words) in values.items():
        table.add(arm, f"confidence.{name}", value, unit, words)
    if found.skill is None:
        return
    words = f"Brier skill of {arm} against its base rate"
    _add_estimate(table, arm, "confidence.skill", found.skill, Unit.RATIO, words)
    for number, one in enumerate(found.bins, start=1):
        words = f"of the confidences of {arm} in group {number}"
        table.add(arm, f"confidence.bin.{number}.actions", one.actions, Unit.COUNT, f"actions {words}")
        table.add(arm, f"confidence.bin.{number}.mean", one.confidence, Unit.FRACTION, f"mean {words}")
        table.add(arm, f"confidence.bin.{number}.right", one.right, Unit.FRACTION, f"share right {words}")


def _add_estimate(table: FactTable, arm: str, name: str, found: Estimate, unit: Unit, words: str) -> None:
    table.add(arm, name, found.value, unit, words)
    if found.low is not None:
        table.add(arm, f"{name}_low", found.low, unit, f"lower end of the interval of the {words}")
        table.add(arm, f"{name}_high", found.high, unit, f"upper end of the interval of the {words}")


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Entropy first, then confidence against what came; nothing where no model was asked often enough."""
    told = [arm.name for arm in advisor_arms(record) if f"{arm.name}.confidence.actions" in facts]
    told += [arm.name for arm in advisor_arms(record) if f"{arm.name}.entropy.mean" in facts and arm.name not in told]
    if not told:
        return
    yield Heading("How sure the model was, and how often right", "confidence")
    for number, arm in enumerate(told):
        shown = [*_arm(arm, facts)]
        if number:
            yield Details(f"The same of {arm}", shown)
        else:
            yield from shown


def _arm(arm: str, facts: Facts) -> Iterator[Block]:
    if f"{arm}.entropy.mean" in facts:
        yield Paragraph([*_entropy_in_words(arm, facts)])
    if f"{arm}.confidence.actions" not in facts:
        yield Paragraph("Too few of its actions point up or down to tell how often it was right.")
        return
    yield Paragraph(
        f"Of {{{arm}.confidence.actions}} actions that point up or down {{{arm}.confidence.right}} were right over the "
        f"next {{{arm}.confidence.bars}} bars; {arm} was {{{arm}.confidence.mean}} sure of them on average. Up is "
        "entering long, down is leaving or entering short."
    )
    if f"{arm}.confidence.skill" not in facts:
        yield Paragraph(
            "All of them have the same confidence, so that there is nothing to hold against what came, and sizing must "
            "not use it."
        )
        return
    yield Paragraph([*_skill_in_words(arm, facts)])
    rows: list[list[Text]] = []
    while f"{arm}.confidence.bin.{len(rows) + 1}.mean" in facts:
        name = f"{arm}.confidence.bin.{len(rows) + 1}"
        rows.append([f"{{{name}.mean}}", f"{{{name}.right}}", f"{{{name}.actions}}"])
    yield Table(["How sure", "Right", "Actions"], rows, look="matrix", label=f"Confidence of {arm} against what came")


def _entropy_in_words(arm: str, facts: Facts) -> Iterator[Text]:
    yield (
        f"Over {{{arm}.entropy.decisions}} scored decisions the scores of {arm} were spread over the labels by "
        f"{{{arm}.entropy.mean}} of the most that is possible ({{{arm}.entropy.lowest}} to {{{arm}.entropy.highest}}): "
        "nothing is certainty, all of it is no idea."
    )
    if facts[f"{arm}.entropy.gap"].text == NOT_AVAILABLE:
        yield "Whether it is right more often when it is less undecided cannot be told."
        return
    yield (
        f"Its actions were right more often by {{{arm}.entropy.gap}} in the half in which it was less undecided "
        f"(interval: {interval(f'{arm}.entropy.gap', facts)})."
    )


def _skill_in_words(arm: str, facts: Facts) -> Iterator[Text]:
    low = facts.get(f"{arm}.confidence.skill_low")
    yield (
        f"Its Brier score is {{{arm}.confidence.brier}}, that of its base rate, said every time, "
        f"{{{arm}.confidence.base_brier}}: a skill of {{{arm}.confidence.skill}} (interval: "
        f"{interval(f'{arm}.confidence.skill', facts)}). It misses the share that was right by "
        f"{{{arm}.confidence.ece}} on average."
    )
    if low is not None and isinstance(low.value, float) and low.value > 0:
        yield "Its confidence says more than its base rate does."
    else:
        yield "Until that skill is above zero with its whole interval, sizing must not use the confidence."
