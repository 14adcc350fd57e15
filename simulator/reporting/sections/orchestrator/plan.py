"""What a model chose to look at before it advised, in which regime, and what that was worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llm_strategy.types import RegimeLabel
from simulator.evaluation.plans import PlanUse, plan_use
from simulator.folder.manifest import advisor_settings
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Quoted, Table, Text
from simulator.reporting.facts.advisors import pair_subject
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.run import advisor_arms
from simulator.reporting.facts.terms import Term, Unit

PLAN_TERMS = {
    "decisions": Term(Unit.COUNT, "decisions with a plan", "Decisions"),
    "none": Term(Unit.COUNT, "decisions without a valid plan", "Without a plan"),
    "repaired": Term(Unit.COUNT, "plans that were asked for twice", "Asked twice"),
    "distinct": Term(Unit.COUNT, "different plans", "Different plans"),
    "changes": Term(Unit.COUNT, "changes of the plan from one decision to the next", "Changes"),
    "run": Term(Unit.RATIO, "analytics run at a decision", "Analytics a decision"),
    "tokens": Term(Unit.RATIO, "tokens of results at a decision, about", "Tokens a decision, about"),
    "twice": Term(Unit.COUNT, "analytics named twice in a plan", "Named twice"),
    "left_out": Term(Unit.COUNT, "analytics left out for the budget of tokens", "Left out"),
}
"""Figures of an arm's plans by field of ``PlanUse``, each a fact ``ARM.plan_FIELD``."""
MAKERS = {"model": "the model", "all": "nobody: all are run", "fixed": "nobody: the first ones", "random": "chance"}
_WHEN = {
    "bar": ", before each advice",
    "run": ", once a run for each symbol",
    "regime": ", at each change of the causal rule's label",
}
MOST_LISTED = 15
"""Analytics with a row of their own."""


def facts(table: FactTable, record: Record) -> None:
    """Add the figures of each arm that plans."""
    for arm, use in _plans(record):
        for field, term in PLAN_TERMS.items():
            table.term(arm.name, f"plan_{field}", term, getattr(use, field))
        table.add(arm.name, "plan_offered", len(use.chosen), Unit.COUNT, f"analytics that ever were run, of {arm.name}")
        for kind, counts in (("causal", _causal(use)), ("label", _own(arm, use))):
            by = "by the causal rule" if kind == "causal" else f"by {arm.name}"
            for label, count in counts.items():
                words = f"decisions of {arm.name} labelled {label} {by}"
                table.add(arm.name, f"plan_{kind}.{label}", count, Unit.COUNT, words)
        for name in _listed(use):
            of = f"of {arm.name}"
            share = use.chosen[name] / use.decisions
            table.add(
                arm.name, f"plan.{name}", share, Unit.FRACTION, f"share of decisions at which {name} was run {of}"
            )
            for kind, labels, chosen in (("causal", use.causal, use.by_causal), ("label", use.labels, use.by_label)):
                by = "by the causal rule" if kind == "causal" else of
                for label, count in labels.items():
                    table.add(
                        arm.name,
                        f"plan.{name}.{kind}.{label}",
                        chosen[label].get(name, 0) / count,
                        Unit.FRACTION,
                        f"share of decisions labelled {label} {by} at which {name} was run {of}",
                    )


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A row an arm, what each chose by regime, and what a plan was worth beside its nulls; nothing without a plan."""
    plans = _plans(record)
    if not plans:
        return
    yield Heading("What the model chose to look at", "plan")
    yield Paragraph(
        [
            f"{_moment(plans)}, and the program ran them: their results stood in the question for the advice.",
            "A plan that could not be read, after one repair, left the decision without an advice. What asking for the "
            "plans took is part of the questions, time and tokens of each arm under Models and cache.",
        ]
    )
    yield Table(
        [Column("Arm"), Column("Who chose", "text"), *(Column(term.heading) for term in PLAN_TERMS.values())],
        [
            [Quoted(arm.name), MAKERS[_maker(arm)], *(f"{{{arm.name}.plan_{field}}}" for field in PLAN_TERMS)]
            for arm, _ in plans
        ],
        label="Plans by arm",
    )
    for arm, use in plans:
        if _maker(arm) == "model" and use.chosen:
            yield from _choices(arm, use, several=len(plans) > 1)
    yield from _worth(plans, facts)


def _choices(arm: ArmRecord, use: PlanUse, *, several: bool) -> Iterator[Block]:
    """What one arm chose, by the causal rule's label and by its own."""
    subject = arm.name
    yield Heading(f"What {subject} chose" if several else "What was chosen", f"plan-{subject}", level=3)
    if use.distinct == 1:
        yield Paragraph(
            "It made the same choice at every decision, whatever the market: a fixed list would have shown the same.",
            "strong",
        )
    names = _listed(use)
    columns = [Column("Analytic"), Column("All decisions")]
    causal, own = list(_causal(use)), list(_own(arm, use))
    columns += [Column(f"{label} by the rule") for label in causal]
    columns += [Column(f"{label} by {subject}") for label in own]
    yield Table(
        columns,
        [
            [
                "Decisions",
                f"{{{subject}.plan_decisions}}",
                *(f"{{{subject}.plan_causal.{label}}}" for label in causal),
                *(f"{{{subject}.plan_label.{label}}}" for label in own),
            ],
            *(
                [
                    Quoted(name),
                    f"{{{subject}.plan.{name}}}",
                    *(f"{{{subject}.plan.{name}.causal.{label}}}" for label in causal),
                    *(f"{{{subject}.plan.{name}.label.{label}}}" for label in own),
                ]
                for name in names
            ),
        ],
        label=f"Analytics that {subject} chose",
    )
    some = len(use.chosen) > len(names)
    more = f"Of {{{subject}.plan_offered}} that were ever run the most frequent are listed. " if some else ""
    yield Paragraph(
        f"{more}Shares are of the decisions at closes that the causal rule labels so, and of those that the advice "
        "then labelled so. Which analytics a model prefers depends on the order of the list, too: a preference is no "
        "evidence that they tell more.",
        "note",
    )


def _worth(plans: list[tuple[ArmRecord, PlanUse]], facts: Facts) -> Iterator[Block]:
    """The planned arms beside arms whose plans nobody makes."""
    made = [arm for arm, _ in plans if _maker(arm) == "model"]
    nulls = [arm for arm, _ in plans if _maker(arm) != "model"]
    rows: list[list[Text]] = [
        [f"{arm.name} and {null.name}", MAKERS[_maker(null)], *_compared(arm.name, null.name, facts)]
        for arm in made
        for null in nulls
    ]
    if not rows:
        return
    yield Heading("What choosing was worth", "plan-worth", level=3)
    yield Table(
        [
            Column("Arms"),
            Column("Who chose in the second", "text"),
            Column("Kappa of labels"),
            Column("Return difference"),
            Column("Sharpe difference"),
            Column("Interval"),
        ],
        rows,
        label="Planned arms beside their nulls",
    )
    yield Paragraph(
        "Differences are the first arm minus the second. All analytics at once are the ceiling of what a plan can "
        "show, the first of the list and random ones are what it must beat: where the interval holds zero, choosing "
        "was worth nothing that this run could see.",
        "note",
    )


def _compared(first: str, second: str, facts: Facts) -> list[Text]:
    def there(identity: str) -> str:
        return f"{{{identity}}}" if identity in facts else NOT_AVAILABLE

    either = (pair_subject(first, second), pair_subject(second, first))
    decisions = next((each for each in either if f"{each}.label_kappa" in facts), "")
    pair = f"{first}-{second}"
    low, high = f"{pair}.low", f"{pair}.high"
    interval = f"{{{low}}} to {{{high}}}" if low in facts and facts[low].value != NOT_AVAILABLE else NOT_AVAILABLE
    return [
        there(f"{decisions}.label_kappa"),
        there(f"{pair}.return_difference"),
        there(f"{pair}.sharpe_difference"),
        interval,
    ]


def _plans(record: Record) -> list[tuple[ArmRecord, PlanUse]]:
    """The arms that plan, with what their plans came to."""
    planned = [arm for arm in advisor_arms(record) if _settings(arm)]
    found = ((arm, plan_use(arm.entries)) for arm in planned)
    return [(arm, use) for arm, use in found if use is not None]


def _settings(arm: ArmRecord) -> Mapping[str, object]:
    plan = advisor_settings(arm.manifest).get("plan")
    return plan if isinstance(plan, Mapping) else {}


def _maker(arm: ArmRecord) -> str:
    by = str(_settings(arm).get("by", "model"))
    return by if by in MAKERS else "model"


def _causal(use: PlanUse) -> dict[str, int]:
    """Decisions by the causal rule's label, in the order of the labels."""
    return {label: use.causal[label] for label in map(str, RegimeLabel) if label in use.causal}


def _own(arm: ArmRecord, use: PlanUse) -> dict[str, int]:
    """Decisions by the label that the arm gave, in the order of its labels."""
    return {label: use.labels[label] for label in arm.regimes.names if label in use.labels}


def _moment(plans: list[tuple[ArmRecord, PlanUse]]) -> str:
    """Who chose, and when."""
    moments = {str(_settings(arm).get("when", "bar")) for arm, _ in plans if _maker(arm) == "model"}
    if not moments:
        return "Before each advice no model chose which analytics to run"
    when = _WHEN.get(moments.pop(), "") if len(moments) == 1 else ""
    return f"The model chose from a list which analytics to run{when}"


def _listed(use: PlanUse) -> list[str]:
    return list(use.chosen)[:MOST_LISTED]
