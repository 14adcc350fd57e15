"""What each label was followed by, and how far the advised arm and the causal rule label alike."""

from __future__ import annotations

from collections.abc import Iterator

from llm_strategy.types import ActionType
from simulator.evaluation.regimes import LABELS
from simulator.experiment import REFERENCE_ARM
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import (
    Block,
    Column,
    Details,
    Heading,
    Paragraph,
    Quoted,
    Table,
    Text,
    in_markdown,
    on_page,
)
from simulator.reporting.charts.labels import label_colours
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.run import advised_arm, advisor_arms, strategy_arms, subject_arm, ungated_arms
from simulator.reporting.facts.terms import REGIME_TERMS


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Shares, returns and volatilities by label, what labels of the experiment's own mean, and the labels of two arms
    against each other."""
    subject, shown = subject_arm(record), labelled_arms(record)
    arm = subject.name
    if not shown:
        return
    yield Heading("Regimes", "regimes")
    if not subject.regimes.are_usual:
        yield from _own_labels(subject)
    yield on_page(_table(shown, facts, grouped=True))
    yield in_markdown(_table(shown, facts, grouped=False))
    yield from _further(record, facts)
    each = " on each symbol" if len(record.prices) > 1 else ""
    yield Paragraph(
        [
            f"{one.name} changed its label {{{one.name}.flips_per_year}} times a year{each}; {{{one.name}.unlabelled}} "
            "of its decisions carry no label."
            for one in shown
            if len(advisor_arms(record)) < 2 or one.manifest["model"] is None  # each advisor has its row above
        ]
    )
    pair = f"{arm}-{REFERENCE_ARM}"
    alike = (
        f"{arm} and the causal rule gave the same label on {{{pair}.label_agreement}} of {{{pair}.label_bars}} bars%s "
        f"a Cohen's kappa of {{{pair}.label_kappa}}."
    )
    scored = (
        "A label is scored on what its symbol did until the close of the next decision, which the advisor had not seen"
    )
    compared = f"{pair}.label_kappa" in facts
    yield on_page(
        Paragraph(
            f"{scored}. Returns are means of one such step times the steps in a year, before costs; from a handful of "
            "steps none is shown.",
            "note",
        ),
        *([Paragraph(alike % "; beyond chance that is"), _confusion(arm, pair)] if compared else ()),
    )
    yield in_markdown(
        *([Paragraph(alike % ",")] if compared else ()),
        Paragraph(f"{scored}; from a handful of decisions no figure is shown."),
    )


def _further(record: Record, facts: Facts) -> Iterator[Block]:
    """Each of several advisors in a row, and the labels of the further ones folded away."""
    advisors = advisor_arms(record)
    names = [arm.name for arm in advisors]
    if len(names) < 2:
        return
    columns, metrics = ["Changes of label a year", "Without a label"], ["{}.flips_per_year", "{}.unlabelled"]
    if any(f"{name}-{REFERENCE_ARM}.label_kappa" in facts for name in names):
        columns = ["Same label as the rule", "Cohen's kappa", *columns]
        metrics = [f"{{}}-{REFERENCE_ARM}.{metric}" for metric in ("label_agreement", "label_kappa")] + metrics
    found = {name: [metric.format(name) for metric in metrics] for name in names}
    rows = [(name, *(f"{{{metric}}}" if metric in facts else "" for metric in found[name])) for name in names]
    yield Table(["Advisor", *columns], rows, label="Labels of each advisor", marked=names[0])
    labelled = _table(advisors[1:], facts, grouped=True)
    yield on_page(Details("Labels of the further advisors, and what followed them", [labelled]))


def labelled_arms(record: Record) -> list[ArmRecord]:
    """The model's arm beside the causal rule; rules alone label alike, so one of them is enough. Strategies and what
    trades without a gate label nothing."""
    without = (*strategy_arms(record), *ungated_arms(record))
    names = [arm.name for arm in record.arms if arm.name not in without]
    shown = [name for name in dict.fromkeys((subject_arm(record).name, REFERENCE_ARM)) if name in names]
    return [record.arm(name) for name in (shown if advised_arm(record) else shown[-1:])]


def _own_labels(arm: ArmRecord) -> Iterator[Block]:
    """What a person's own labels mean, and what cannot be said of them."""
    coloured = any(kind.colour for kind in arm.regimes.kinds.values())
    rows: list[tuple[Text, ...]] = [
        (
            Quoted(name, "swatch", colour),
            Quoted(kind.meaning),
            "any" if set(kind.actions) == set(ActionType) else ", ".join(kind.actions),
            *([Quoted(kind.colour or "chosen by the page", "small")] if coloured else ()),
        )
        for (name, kind), colour in zip(arm.regimes.kinds.items(), label_colours(arm.regimes).values(), strict=True)
    ]
    columns = ["Label", Column("Meaning", "long"), "Actions that agree", *(["Colour"] if coloured else ())]
    yield Table(columns, rows, look="rows", label="Labels of the experiment")
    yield Paragraph(
        f"These labels are the experiment's own, and the causal rule has others ({', '.join(LABELS)}), with other "
        "meanings: how far the two agree cannot be measured, so no kappa and no table of both is shown."
    )


def _table(arms: list[ArmRecord], facts: Facts, *, grouped: bool) -> Table:
    rows: list[tuple[Text, ...]] = [
        (
            arm.name if not (grouped and number) else "",
            Quoted(label, "swatch", colour),
            *(_with_interval(f"{arm.name}.regime.{label}.{metric}", facts) for metric in REGIME_TERMS),
        )
        for arm in arms
        for number, (label, colour) in enumerate(label_colours(arm.regimes).items())
    ]
    columns: list[Column | str] = [
        "Seen by",
        Column("Label", "text"),
        *(term.heading for term in REGIME_TERMS.values()),
    ]
    return Table(columns, rows, look="matrix")


def _with_interval(name: str, facts: Facts) -> str:
    return f"{{{name}}} ({interval(name, facts)})" if f"{name}_low" in facts else f"{{{name}}}"


def interval(name: str, facts: Facts) -> str:
    """The two ends of the interval of a fact, where it has one."""
    return f"{{{name}_low}} to {{{name}_high}}" if f"{name}_low" in facts else NOT_AVAILABLE


def _confusion(arm: str, pair: str) -> Details:
    rows = [(one, *(f"{{{pair}.labels.{one}.{other}}}" for other in LABELS)) for one in LABELS]
    table = Table([arm, *(f"rule: {label}" for label in LABELS)], rows, look="matrix", label="Labels of both")
    return Details(f"Labels of {arm} against labels of the rule, in bars", [table])
