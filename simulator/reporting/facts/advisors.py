"""Facts of several advisors: what each one used, how the decisions of any two compare, and whether a null does as well.

A comparison with one advisor has none of them: there the figures of its arm and of the model are all.
"""

from __future__ import annotations

from itertools import combinations

from simulator.evaluation.advice import valid_share
from simulator.evaluation.measures import measure
from simulator.evaluation.pairs import HORIZON, PairedDecisions, compare_decisions
from simulator.evaluation.resampling import Estimate, Resampling
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts import pairs
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable, Value
from simulator.reporting.facts.run import advisor_arms, day, null_arms
from simulator.reporting.facts.terms import ADVISOR_TERMS, DECISION_TERMS, Unit

NOTHING_SHARED = "no decision in common"
SAME, DIFFERENT = "same decisions", "different decisions"
WITHIN_NOISE, BEYOND_NOISE = "no more than asking again changes", "more than asking again changes"
"""What may be said of the decisions of two advisors; the last two where several draws were made."""
ADDS, AS_WELL, BETTER_NULL = "adds to its null", "the null does as well", "the null is better"
NOT_TOLD, OPEN = "results cannot be told apart", "cannot be tested"
"""What may be said of an advisor beside its null."""


def pair_subject(first: str, second: str) -> str:
    """The subject of the facts of the decisions of two advisors."""
    return f"pair.{first}.{second}"


def decide_alike(facts: Facts, one: str, other: str) -> bool:
    """Whether not one decision of two advisors differs, and neither abstained where the other did not."""
    first = pair_subject(one, other)
    subject = first if f"{first}.verdict" in facts else pair_subject(other, one)
    return facts[f"{subject}.verdict"].value == SAME and not any(
        facts[f"{subject}.{side}_alone"].value for side in ("first", "second")
    )


def decision_pairs(record: Record) -> list[tuple[ArmRecord, ArmRecord]]:
    """Any two of the advisors, those with the primary one first."""
    return list(combinations(advisor_arms(record), 2))


def add_advisors(table: FactTable, record: Record) -> None:
    """Add what each of several advisors used, and how the decisions of any two compare."""
    advisors = advisor_arms(record)
    if len(advisors) < 2:
        return
    table.add("run", "advisors", len(advisors), Unit.COUNT, "arms that ask a model")
    table.add("pair", "horizon", HORIZON, Unit.BARS, "bars of the horizon over which what followed is measured")
    for arm in advisors:
        usage = arm.manifest["usage"]
        values: dict[str, Value] = {
            "model": str((arm.manifest["model"] or {}).get("name", "")),
            "valid_share": valid_share(measure(arm).advice),
            **{f"usage.{name}": count for name, count in usage.items()},
        }
        for metric, term in ADVISOR_TERMS.items():
            table.term(arm.name, metric, term, values.get(metric, 0))
    evaluation = record.manifest["experiment"]["evaluation"]
    how = Resampling(evaluation["bootstrap_samples"], evaluation["seed"], evaluation["confidence_level"])
    for first, second in decision_pairs(record):
        made = compare_decisions(measure(first).decisions, measure(second).decisions, record.prices, how)
        _add_decisions(table, first.name, second.name, made)


def add_estimate(table: FactTable, subject: str, metric: str, value: Value | Estimate, unit: Unit, words: str) -> None:
    """Add a figure, with the ends of its interval under ``METRIC_low`` and ``METRIC_high`` where it is an estimate."""
    if not isinstance(value, Estimate):
        table.add(subject, metric, value, unit, words)
        return
    table.add(subject, metric, value.value, unit, words)
    for end, words_of_end in (("low", "lower"), ("high", "upper")):
        label = f"{words_of_end} end of the interval for the {words}"
        table.add(subject, f"{metric}_{end}", getattr(value, end), unit, label)


def _add_decisions(table: FactTable, first: str, second: str, made: PairedDecisions) -> None:
    subject = pair_subject(first, second)

    def add(metric: str, value: Value | Estimate) -> None:
        term = DECISION_TERMS[metric]
        add_estimate(table, subject, metric, value, term.unit, term.words.format(first, second))

    for metric in ("bars", "both", "first_alone", "second_alone", "same"):
        add(metric, getattr(made, metric))
    add("differing", 1 - made.same / made.both if made.both else None)
    for metric in ("label_agreement", "label_kappa", "action_agreement", "action_kappa"):
        add(metric, getattr(made, metric))
    for side, followed in (("first_long", made.first_long), ("second_long", made.second_long)):
        add(f"{side}_bars", followed.bars)
        add(f"{side}_spells", followed.spells)
        add(f"{side}_next", followed.next_return)
        add(f"{side}_later", followed.later_return)
    add("next_difference", made.next_difference)
    add("later_difference", made.later_difference)
    parted = made.partings[0] if made.partings else None
    add("first_parting", None if parted is None else f"{day(parted.time)} ({parted.symbol})")
    add("verdict", _told_apart(table, first, second, made))


def _told_apart(table: FactTable, first: str, second: str, made: PairedDecisions) -> str:
    """Whether two advisors decide differently, and by more than each of them does when it is asked again."""
    if not made.both:
        return NOTHING_SHARED
    if made.same == made.both:
        return SAME
    for name, measured in (("label", made.label_agreement), ("action", made.action_agreement)):
        flips = [_known(table, f"{arm}.noise.{name}_flips_by_bars") for arm in (first, second)]
        if None in flips or measured.high is None:
            return DIFFERENT  # how far asking one of them again would part it from itself, nobody knows
        if 1 - measured.high > max(flip or 0.0 for flip in flips):
            return BEYOND_NOISE
    return WITHIN_NOISE


def _known(table: FactTable, identity: str) -> float | None:
    return table.number(identity) if identity in table.facts else None


def add_nulls(table: FactTable, record: Record) -> None:
    """Add what may be said of each advisor that has a null."""
    for null, whole in null_arms(record).items():
        word = str(record.arm(null).manifest.get("null") or "null").replace("_", " ")
        table.add(null, "null", word, Unit.TEXT, f"what {null} is the null of {whole} by")
        table.add(null, "null_of", whole, Unit.TEXT, f"the arm that {null} is the null of")
        label = f"whether {whole} does better than its null {null}"
        table.add(null, "null_verdict", beside_null(table, whole, null), Unit.TEXT, label)


def beside_null(table: FactTable, whole: str, null: str) -> str:
    """What the difference of the Sharpe ratios of an advisor and its null allows to say."""
    pair = f"{whole}-{null}"
    if decide_alike(table.facts, whole, null):
        return AS_WELL
    if table.facts[f"{pair}.sharpe_difference"].value == NOT_AVAILABLE:
        return OPEN
    match table.facts[f"{pair}.verdict"].value:
        case pairs.BETTER:
            return ADDS
        case pairs.WORSE:
            return BETTER_NULL
        case pairs.INCONCLUSIVE:
            return NOT_TOLD
        case _:
            return AS_WELL
