"""The program's own sentences. A figure stands in them as ``{fact id}``, so that no number is ever typed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from simulator.evaluation.advice import Life
from simulator.evaluation.measures import arm_remarks
from simulator.evaluation.sharpe import FEWEST_BARS
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import Facts
from simulator.reporting.facts.roles import advised_arm, benchmark_arms, subject_arm
from simulator.reporting.facts.table import NOT_AVAILABLE
from simulator.reporting.sections.costs import fill_sentence
from simulator.reporting.sections.noise import noise_headline

_VERDICTS = {
    "adds": "The advice added to the annual Sharpe ratio against every benchmark.",
    "subtracts": "The advice took away from the annual Sharpe ratio against at least one benchmark.",
    "no detectable effect": "Nothing here shows that the advice added anything.",
    "inconclusive": "This run cannot settle whether the advice added anything.",
    "below the noise floor": "What the advice seems to add or to take away is no more than asking the model again "
    "changes: it is not to be believed.",
    "dead advisor": "So the advice added nothing: what follows is the account of a constant answer.",
    "failed": "Whether the advice added anything is open.",
    "not compared": "One arm ran alone: what its advice added shows only beside the baselines of a comparison.",
}


UNREAL_FILLS = (
    "These results could not have been had.",
    "Every market order filled at the very close that decided it, at a price that is known only when nobody can trade "
    "at it any more. This was asked for (orders.fill: same_close) and serves to compare engines. Take no figure here "
    "for what the advice or a rule would have earned.",
)
"""What stands above everything else where orders filled at the same close: in bold, and the rest."""


def headline(record: Record, facts: Facts) -> list[str]:
    """The first paragraph: failures, arms that stopped trading and a dead advisor first, then the verdict, then what it
    rests on."""
    advised = advised_arm(record)
    said = _failures(record, facts) + _killed(record, facts) + _untraded(record, facts)
    if advised is None:
        return said + _rules_only(record, facts)
    said += _other_models(advised.name, facts) + _life(advised.name, facts)
    said.append(_VERDICTS[str(facts["run.verdict"].value)])
    said += [_difference(record, advised.name, other, facts) for other in benchmark_arms(record)]
    return said + noise_headline(record, facts)


def caveats(record: Record, facts: Facts) -> list[str]:
    """What the figures cannot say, for what this record holds."""
    subject, advised = subject_arm(record).name, advised_arm(record)
    said = []
    if advised is not None:
        said += [
            "A model may know the period: it may have been trained on text that was written after these bars. The "
            "figures cannot tell memory from skill.",
            _mask(advised),
            "A recorded answer is not a new one: the {model.questions} questions of {model.decisions} decisions were "
            "{model.distinct} distinct ones, and equal questions get equal answers.",
        ]
    markets = "{run.symbols} symbols" if len(record.prices) > 1 else "one market"
    said.append(f"This is one path: {{run.years}} years of {markets}. Another stretch gives other figures.")
    if facts["run.comparisons"].value:
        said.append(
            "Where no arm is better than another, luck alone makes {run.false_alarms} of the comparisons stand out on "
            "average ({run.comparisons} of them, at {run.confidence_level})."
        )
    said += [
        f"Trades of {subject} still open at the end: {{{subject}.open_at_end}}. An open trade is valued at the last "
        "close and left out of the profits and rates of trades.",
        f"A stop wakes on the bar after its entry. Entry bars of {subject} that went through their own stop, which the "
        f"simulated broker could not fill: {{{subject}.entry_bar_breaches}}. Where stop and target were touched in one "
        "bar, the stop is taken; a gap through a stop fills at the open.",
        fill_sentence(facts),
        "Cash earns no interest, and Sharpe ratios take no risk-free rate off. Dividends count only where the prices "
        "hold them. There are no taxes.",
    ]
    return said


def interval(pair: str, facts: Facts) -> str:
    """The interval of a Sharpe difference, or that there is none."""
    return f"{{{pair}.low}}" if facts[f"{pair}.low"].value == NOT_AVAILABLE else f"{{{pair}.low}} to {{{pair}.high}}"


def _failures(record: Record, facts: Facts) -> list[str]:
    if facts["run.status"].value != "failed":
        return []
    part = len(record.arms) > 1 and facts["run.failed_arms"].value != NOT_AVAILABLE
    what = "Failed arms: {run.failed_arms}." if part else "This run failed."
    return [what, "{run.problem}", "What follows covers only what was recorded before that."]


def _killed(record: Record, facts: Facts) -> list[str]:
    """The arms of this page's verdict that the kill switch took out of the market for good."""
    names = dict.fromkeys([subject_arm(record).name, *benchmark_arms(record)])
    out = [name for name in names if facts[f"{name}.kill_switch_for_good"].value == "yes"]
    return [
        f"The kill switch took {name} out of the market for good on {{{name}.kill_switch}}: it held nothing on "
        f"{{{name}.kill_switch_bars_out}} of the bars since, and its figures are of what came before."
        for name in out
    ]


def _untraded(record: Record, facts: Facts) -> list[str]:
    """The arms that traded nothing or next to nothing, and why."""

    def number(arm: str) -> Callable[[str, int], str]:
        return lambda metric, value: f"{{{arm}.{metric}}}" if f"{arm}.{metric}" in facts else f"{value:,}"

    return arm_remarks(record.arms, number, details=False)


def _other_models(name: str, facts: Facts) -> list[str]:
    """That the server went over to another build, or to another model, while it answered."""
    said = []
    if f"{name}.other_builds" in facts and facts[f"{name}.other_builds"].value:
        said.append(
            f"The model was not the same throughout: its server named {{{name}.builds}} builds of it. From the close "
            f"of {{{name}.other_build_first}} on, {{{name}.other_builds}} of the decisions rest on another build than "
            "the first."
        )
    if f"{name}.events.model_changed" in facts:
        said.append(
            "The server answered as another model than the one it named at first; questions whose answers were not "
            f"taken for that: {{{name}.events.model_changed}}."
        )
    return said


def _life(name: str, facts: Facts) -> list[str]:
    shown = f"over {{{name}.distinct_prompts}} distinct prompts"
    match facts[f"{name}.life"].value:
        case Life.DEAD:
            return [
                f"The advisor is dead: whatever it was shown, it answered {{{name}.constant_label}} and "
                f"{{{name}.constant_action}}, on {{{name}.constant_share}} of its decisions {shown}."
            ]
        case Life.LABEL_CONSTANT:
            return [f"The advisor is nearly dead: its label was always {{{name}.constant_label}}, {shown}."]
        case Life.ACTION_CONSTANT:
            return [f"The advisor is nearly dead: its action was always {{{name}.constant_action}}, {shown}."]
        case _:
            return []


def _difference(record: Record, name: str, other: str, facts: Facts) -> str:
    pair = f"{name}-{other}"
    if facts[f"{pair}.low"].value == facts[f"{pair}.high"].value == 0:
        return f"Against {other} nothing differs: both accounts earned the same on every bar."
    if facts[f"{pair}.sharpe_difference"].value == NOT_AVAILABLE:
        return f"Against {other} there is nothing to test: {_untested(record, name, other, facts)}."
    return (
        f"Against {other} the annual Sharpe ratio differs by {{{pair}.sharpe_difference}} ({{run.confidence_level}} "
        f"interval {interval(pair, facts)}, p {{{pair}.p_value}}): {{{pair}.verdict}}. The run could not "
        f"have seen less than {{{pair}.detectable}}."
    )


def _untested(record: Record, name: str, other: str, facts: Facts) -> str:
    """The one cause for which two arms could not be compared."""
    arms = record.arm(name), record.arm(other)
    failed = [arm.name for arm in arms if arm.manifest["status"] == "failed"]
    if failed:
        return f"{' and '.join(failed)} failed"
    if len(arms[0].equity.index.intersection(arms[1].equity.index)) <= FEWEST_BARS:
        return "the two have too few bars in common"
    still = [arm for arm in arms if facts[f"{arm.name}.sharpe"].value == NOT_AVAILABLE]
    if still:
        never = "never traded" if all(arm.trades.empty for arm in still) else "never moved its account"
        return f"{' and '.join(arm.name for arm in still)} {never}"
    return "the accounts moved on so few bars that no interval can be drawn"


def _rules_only(record: Record, facts: Facts) -> list[str]:
    if len(record.arms) == 1:
        return [f"No model was asked: this is the rule {record.arms[0].name} alone."]
    best = [arm.name for arm in record.arms if facts[f"{arm.name}.sharpe_rank"].value == 1]
    said = ["No model was asked: the {run.arms} arms are rules."]
    if best:
        said.append(f"The best annual Sharpe ratio is that of {best[0]}, {{{best[0]}.sharpe}}.")
    return said


def _mask(arm: ArmRecord) -> str:
    """Judged by the prompts themselves, not by what was configured."""
    found, prompts = Counter[str](), 0
    for decision in arm.decisions:
        if prompt := decision["prompt"]:
            prompts += 1
            found["the symbol"] += _holds(prompt, decision["snapshot"]["symbol"])
            found["the date"] += _holds(prompt, decision["time"][:10])
            found["the price level"] += _holds(prompt, f"{decision['snapshot']['close']:g}")
    seen = [
        what for what, times in found.items() if 2 * times > prompts
    ]  # a rounded figure may equal the price by chance
    if seen:
        return f"The model was shown {', '.join(seen)}: it may have recognised the period."
    return "The model was shown no symbol, date or price level; it may still recognise a famous episode by its shape."


def _holds(text: str, word: str) -> bool:
    """Whether a word stands in a text, and not as a part of a longer word, number or percentage."""
    return word in text and re.search(rf"(?<![\w.]){re.escape(word)}(?![a-z\d%]|\.\d)", text) is not None
