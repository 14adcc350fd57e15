"""The facts of a memory audit: every figure that its page or the terminal shows."""

from __future__ import annotations

from simulator.evaluation.memory import DIRECTIONAL, SIZE
from simulator.evaluation.memory_power import POWER
from simulator.memory.result import Audit
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.terms import Unit

SUBJECT = "memory"
NOT_STATED = "not stated"


def slug(name: str) -> str:
    """The name of a probe or a level as it stands in the id of a fact."""
    return name.replace(" ", "_")


def audit_facts(audit: Audit) -> Facts:
    """All facts of an audit by id."""
    table = FactTable()

    def add(metric: str, value: float | int | str | None, unit: Unit, words: str, text: str | None = None) -> None:
        table.add(SUBJECT, metric, value, unit, words, text)

    add("verdict", audit.judgement.call.value, Unit.TEXT, "verdict of the memory audit")
    add("model", audit.model, Unit.TEXT, "model")
    add("advisor", audit.advisor, Unit.TEXT, "advisor")
    add("shows", ", ".join(audit.shows) or "none of them", Unit.TEXT, "what the advisor shows of the period")
    add("knowledge_until", audit.knowledge_until or NOT_STATED, Unit.TEXT, "stated knowledge cutoff of the model")
    add("first", audit.first, Unit.TEXT, "first date that was asked about")
    add("last", audit.last, Unit.TEXT, "last date that was asked about")
    add("dates", audit.dates, Unit.COUNT, "dates that were asked about")
    add("horizon", audit.horizon, Unit.BARS, "bars behind a date whose outcome counts")
    add("windows", audit.windows, Unit.COUNT, "masked windows")
    add("questions", audit.questions, Unit.COUNT, "questions of the audit")
    add("unanswered", audit.unanswered, Unit.COUNT, "questions without an answer that could be taken")
    add("size", SIZE, Unit.FRACTION, "share of models without memory that are called contaminated, at most", "5%")
    add("power", POWER, Unit.FRACTION, "share of audits that would have found the dose", f"{100 * POWER:g}%")
    add("dose", audit.dose, Unit.FRACTION, "share of remembered dates or windows that would have been found")
    add("singled_out", audit.singled_out, Unit.FRACTION, "share of closes whose masked text stands at no other close")
    for probe in audit.probes:
        name, of = f"probe.{slug(probe.name)}", f"of the probe: {probe.name}"
        add(f"{name}.dates", probe.dates, Unit.COUNT, f"dates {of}")
        add(f"{name}.value", probe.value, Unit.RATIO, f"measure {of}")
        add(f"{name}.p_value", probe.p_value, Unit.RATIO, f"p-value {of}", _p(probe.p_value))
        adjusted = audit.judgement.adjusted.get(probe.name)
        add(f"{name}.adjusted", adjusted, Unit.RATIO, f"p-value after Holm's correction {of}", _p(adjusted))
    _add_twins(table, audit)
    _add_recall(table, audit)
    if (changed := audit.mirage) is not None:
        words = "when the path is exchanged under the same name"
        add("mirage.consistency", changed.consistency, Unit.FRACTION, f"share of decisions that stay the same {words}")
        add("mirage.divergence", changed.divergence, Unit.RATIO, f"mean divergence of the probabilities {words}")
        add("mirage.confidence", changed.confidence, Unit.RATIO, f"likeness of the confidence of those {words}")
    for each in audit.recognitions:
        name, of = f"recognition.{each.question}.{slug(each.level)}", f"of the {each.question}, window {each.level}"
        add(f"{name}.windows", each.windows, Unit.COUNT, f"windows {of}")
        add(f"{name}.share", each.share, Unit.FRACTION, f"share recognised {of}")
        add(f"{name}.low", each.low, Unit.FRACTION, f"lower end of the interval of that share {of}")
        add(f"{name}.high", each.high, Unit.FRACTION, f"upper end of the interval of that share {of}")
        add(f"{name}.chance", 1 / each.choices, Unit.FRACTION, f"share by guessing {of}")
        add(f"{name}.mean", each.mean_probability, Unit.FRACTION, f"mean probability of the true choice {of}")
        add(f"{name}.p_value", each.p_value, Unit.RATIO, f"p-value of guessing {of}", _p(each.p_value))
    return table.facts


def _add_twins(table: FactTable, audit: Audit) -> None:
    twins = audit.twins
    if twins is None:
        return
    for metric, value, words in (
        ("named_sharpe", twins.named_sharpe, "annual Sharpe ratio of the advisor as it is"),
        ("masked_sharpe", twins.masked_sharpe, "annual Sharpe ratio of its twin under the mask"),
        ("sharpe_difference", twins.difference, "difference of the two Sharpe ratios"),
        ("sharpe_low", twins.low, "lower end of the interval of that difference"),
        ("sharpe_high", twins.high, "upper end of the interval of that difference"),
    ):
        table.add(SUBJECT, f"twin.{metric}", value, Unit.RATIO, words)
    table.add(SUBJECT, "twin.changed", twins.changed, Unit.FRACTION, "share of decisions that the mask changes")
    table.add(SUBJECT, "twin.noise", twins.noise, Unit.FRACTION, "share of decisions that asking again changes")


def _add_recall(table: FactTable, audit: Audit) -> None:
    found = audit.recall
    directional = "mean probability of up or down"
    for metric, value, unit, words in (
        ("directional", found.directional, Unit.FRACTION, f"{directional} on dates of the window"),
        ("beyond", found.beyond, Unit.FRACTION, f"{directional} on days that nobody can know"),
        ("answered", found.answered, Unit.COUNT, "dates on which the model says up or down"),
        ("accuracy", found.accuracy, Unit.FRACTION, "share of these answers that are right"),
        ("low", found.low, Unit.FRACTION, "lower end of the interval of that share"),
        ("high", found.high, Unit.FRACTION, "upper end of the interval of that share"),
        ("chance", found.chance, Unit.FRACTION, "share that would be right at other dates"),
        ("threshold", DIRECTIONAL, Unit.FRACTION, "probability from which a date counts as known"),
    ):
        table.add(SUBJECT, f"recall.{metric}", value, unit, words)
    table.add(SUBJECT, "recall.cutoff", found.cutoff or "none", Unit.TEXT, "empirical knowledge cutoff")


def _p(value: float | None) -> str | None:
    """A probability with three places, and a small one as such."""
    return None if value is None else "below 0.001" if value < 0.001 else f"{value:.3f}"
