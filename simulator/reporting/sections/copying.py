"""How much of the advice stood in its prompt, and what copying it without a model earned."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.evaluation.copying import CopyShares, copy_of
from simulator.evaluation.given_bars import calibration_origin, labels_origin
from simulator.evaluation.mask import mask_of
from simulator.experiment import COPY_ARM
from simulator.folder.later_bars import Origin
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Heading, Paragraph, Table
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.run import advisor_arms
from simulator.reporting.facts.terms import Term, Unit
from simulator.reporting.sections.pairs import interval

COPY_TERMS = {
    "decisions": Term(Unit.COUNT, "decisions that the model itself made"),
    "with_example": Term(Unit.COUNT, "decisions behind an example in the prompt"),
    "nearest_share": Term(Unit.FRACTION, "share of decisions with the label of the nearest example in the prompt"),
    "state_share": Term(Unit.FRACTION, "share of decisions whose very market stood in the prompt with an answer"),
    "rule_share": Term(Unit.FRACTION, "share of decisions with the label of the causal rule"),
    "confidence_share": Term(Unit.FRACTION, "share of decisions with a confidence that an example in the prompt had"),
}
"""Figures of ``CopyShares``; the fact of one is ``ARM.copy.KEY``."""
REPEATS, READS, NOTHING, UNKNOWN = "repeats its prompt", "differs from its prompt", "no examples", "not known"
"""What ``ARM.copy.verdict`` may say."""
_LABELLED = {
    "rule": "the causal rule labelled them",
    "followed": "what had followed them labelled them",
    "own": "a file of the user labelled them",
}
_SAY_NOTHING = "their labels were exchanged among them, so that they say nothing"


def facts(table: FactTable, record: Record) -> None:
    """Add what of each model's advice stood in its prompt, and what its prompts gave away of the market."""
    for arm in advisor_arms(record):
        found = copy_of(arm)
        if found is None:
            continue
        for name, term in COPY_TERMS.items():
            table.add(arm.name, f"copy.{name}", getattr(found, name), term.unit, f"{term.words} of {arm.name}")
        words = f"whether answers of the causal rule stood in the prompts of {arm.name}"
        table.add(arm.name, "copy.rule_in_prompt", "yes" if found.in_prompt else "no", Unit.TEXT, words)
        words = f"whether the advice of {arm.name} is a copy of its prompt"
        table.add(arm.name, "copy.verdict", copy_verdict(found), Unit.TEXT, words)
        _add_origins(table, arm)
        words = f"share of bars that the text shown to {arm.name} singles out"
        table.add(arm.name, "mask.recognisable", mask_of(arm).recognisable, Unit.FRACTION, words)


def _add_origins(table: FactTable, arm: ArmRecord) -> None:
    """Add from which bars a calibration and a person's labels were made, where there are any."""
    later = False
    for metric, words, origin in (
        ("calibration_bars", "calibration", calibration_origin(arm)),
        ("label_bars", "labels of the examples", labels_origin(arm)),
    ):
        later |= origin is Origin.LATER
        if origin is not None:
            table.add(arm.name, metric, str(origin), Unit.TEXT, f"where the {words} of {arm.name} came from")
    label = f"whether a calibration or labels of {arm.name} are of bars that it decided on"
    table.add(arm.name, "later_bars", "yes" if later else "no", Unit.TEXT, label)


def copy_verdict(found: CopyShares) -> str:
    """Whether advice is a copy of its prompt, in a few words."""
    if not found.known:
        return UNKNOWN
    if not found.with_example:
        return NOTHING
    return REPEATS if found.repeats else READS


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Shares, and the arm that copies; nothing where only rules ran."""
    advisors = advisor_arms(record)
    if not advisors:
        return
    yield Heading("What stood in its prompt", "copying")
    for arm in advisors:
        if (found := copy_of(arm)) is not None:
            yield Paragraph(copy_sentences(arm.name, found, named=len(advisors) > 1))
    known = [arm.name for arm in advisors if facts[f"{arm.name}.copy.verdict"].value in (REPEATS, READS)]
    if known:
        yield _shares(known)
    if copied := copy_arm_sentences(record, advisors[0].name, facts, several=len(advisors) > 1):
        yield Paragraph(copied)
    for arm in advisors:
        if told := origin_sentences(arm.name, facts):
            yield Paragraph(told)


def copy_sentences(arm: str, found: CopyShares, *, named: bool) -> list[str]:
    """What the shares of one advisor mean, the plainest first."""
    whose = f"{arm}: " if named else ""
    alike = f"Its label was that of the causal rule on {{{arm}.copy.rule_share}} of its decisions"
    if found.rule is None or not found.decisions:
        alike = ""
    if not found.known:
        said = f"{whose}How far the advice is a copy of its prompt is not known: {found.unknown}."
        return [said, f"{alike}."] if alike else [said]
    if not found.decisions:
        return [f"{whose}The model made no decision itself, so that there is nothing to compare with its prompt."]
    if not found.with_example:
        said = f"{whose}No example with an answer stood in its prompt, so that there was nothing to copy."
        return [said, f"{alike}, whose answers it was not shown."] if alike else [said]
    sentences = [
        f"{whose}On {{{arm}.copy.nearest_share}} of its decisions the model gave the label of the nearest example in "
        f"its prompt ({_LABELLED.get(found.labels, _SAY_NOTHING)})."
    ]
    if found.in_prompt:
        sentences.append(
            "The rule's own answer to this very state of the market stood in the prompt on "
            f"{{{arm}.copy.state_share}} of them."
        )
    else:
        sentences.append(
            f"This very state of the market stood in the prompt with an answer on {{{arm}.copy.state_share}} of them."
        )
    if found.repeats:
        sentences.append("That is a copy: what the model adds of its own is what it does on the few other bars.")
    if alike:
        merit = ", which is no merit where the rule's answers stood in the prompt" if found.in_prompt else ""
        sentences.append(f"{alike}{merit}.")
    if found.confidence is not None:
        sentences.append(confidence_sentence(arm, found))
    return sentences


def confidence_sentence(arm: str, found: CopyShares) -> str:
    """Whose a confidence is that examples show, too."""
    said = (
        f"On {{{arm}.copy.confidence_share}} of the decisions of {arm} its confidence was one that an example in the "
        "prompt had"
    )
    copied = (found.confidence_share or 0.0) >= 0.5
    return f"{said}: it was copied, and says nothing of how sure the model is." if copied else f"{said}."


def origin_sentences(arm: str, facts: Facts) -> list[str]:
    """That a calibration or labels of examples rest on bars which the decisions should not have known."""
    sentences = []
    for metric, words in (("calibration_bars", "The calibration"), ("label_bars", "The labels of the examples")):
        fact = facts.get(f"{arm}.{metric}")
        if fact is None or fact.value not in (Origin.LATER, Origin.UNKNOWN):
            continue
        verb = "was" if metric == "calibration_bars" else "were"
        said = f"{words} of {arm} {verb} made {{{arm}.{metric}}}"
        if fact.value == Origin.UNKNOWN:
            sentences.append(f"{said}: that they are earlier than the first decision cannot be known.")
        else:
            sentences.append(
                f"{said} than the first decision: whoever made them may have known what followed, so that the result "
                "is not attributable to the advice."
            )
    return sentences


def copy_arm_sentences(record: Record, primary: str, facts: Facts, *, several: bool) -> list[str]:
    """What the arm earned that copies without a model; nothing where it did not run."""
    pair = f"{primary}-{COPY_ARM}"
    if COPY_ARM not in [arm.name for arm in record.arms] or f"{pair}.sharpe_difference" not in facts:
        return []
    of = f" of {primary}, the first advisor," if several else ""
    sentences = [
        f"The arm {COPY_ARM} gives the answer of the nearest example{of} without a model, through the same gate and "
        f"costs: its annual Sharpe ratio was {{{COPY_ARM}.sharpe}}, that of {primary} {{{primary}.sharpe}}."
    ]
    if facts[f"{pair}.sharpe_difference"].value != NOT_AVAILABLE:
        sentences.append(
            f"The model differs from its copy by {{{pair}.sharpe_difference}} ({{run.confidence_level}} interval "
            f"{interval(pair, facts)})."
        )
    return sentences


def _shares(arms: list[str]) -> Table:
    heads = {
        "decisions": "Its decisions", "with_example": "Behind an example", "nearest_share": "Label of the nearest",
        "state_share": "Same state in the prompt", "rule_share": "Label of the rule",
        "confidence_share": "Confidence of an example",
    }  # fmt: skip
    rows = [(name, *(f"{{{name}.copy.{metric}}}" for metric in heads)) for name in arms]
    return Table(["Advisor", *heads.values()], rows, label="What of the advice stood in its prompt")
