"""The first lines: what was run, what failed, the verdict and what it rests on, and notes on the prices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from simulator.evaluation.advice import Life
from simulator.evaluation.measures import arm_remarks
from simulator.evaluation.sharpe import FEWEST_BARS
from simulator.folder.record import Record
from simulator.reporting.blocks import Banner, Block, Heading, Items, Paragraph, Quoted
from simulator.reporting.facts.advisors import AS_WELL, NOTHING_SHARED, pair_subject
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.run import (
    NOTE,
    advised_arm,
    advisor_arms,
    benchmark_arms,
    null_arms,
    own_rule_arms,
    same_close,
    strategy_arms,
    subject_arm,
    ungated_arms,
)
from simulator.reporting.sections.advisors import sharpe_interval
from simulator.reporting.sections.noise import noise_headline
from simulator.reporting.sections.pairs import interval

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


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """Warning, title, what was run, the first paragraph, and notes."""
    if same_close(record):
        yield Banner(*UNREAL_FILLS)
    comparison = record.manifest["kind"] == "comparison"
    what = "Comparison of {run.arms} arms" if comparison else f"Run of the arm {subject_arm(record).name}"
    longer = ", decided on {run.decide_on}" if facts["run.decide_on"].value != facts["run.timeframe"].value else ""
    yield Heading(Quoted(record.manifest["name"]), level=1)
    yield Paragraph(
        f"{what} on {{run.symbol}} ({{run.timeframe}}{longer}), {{run.decision_bars}} bars from {{run.first_decision}} "
        "to {run.last_bar}, {run.years} years. Simulation only.",
        "quiet",
    )
    yield Paragraph(headline(record, facts), "verdict")
    if lines := advisor_lines(record, facts):
        yield Paragraph("This is about {run.subject}, the first of {run.advisors} arms that ask a model. The others:")
        yield Items(lines)
    if notes := [f"{{{name}}}" for name in facts if name.startswith(f"run.{NOTE}")]:
        yield Items(notes, "Before you read on:", "Notes on prices and limits")


def headline(record: Record, facts: Facts) -> list[str]:
    """The first paragraph: failures, arms that stopped trading and a dead advisor first, then the verdict, then what it
    rests on."""
    advised = advised_arm(record)
    sentences = _failures(record, facts) + _killed(record, facts) + _untraded(record, facts)
    if advised is None:
        return sentences + _rules_only(record, facts)
    of_advisor = [*_other_models(advised.name, facts), *_life(advised.name, facts)]
    of_advisor.append(_VERDICTS[str(facts["run.verdict"].value)])
    sentences += [_of(advised.name, said) for said in of_advisor] if "run.advisors" in facts else of_advisor
    others = dict.fromkeys([*benchmark_arms(record), *strategy_arms(record), *own_rule_arms(record)])
    sentences += [_difference(record, advised.name, other, facts) for other in others]
    return sentences + noise_headline(record, facts)


def _of(arm: str, sentence: str) -> str:
    """A sentence on the advice, or the model or advisor behind it, as one on that of this arm among several."""
    return re.sub(r"\b([Tt]he (?:advice|advisor|model))\b", rf"\1 of {arm}", sentence, count=1)


def _failures(record: Record, facts: Facts) -> list[str]:
    if facts["run.status"].value != "failed":
        return []
    part = len(record.arms) > 1 and facts["run.failed_arms"].value != NOT_AVAILABLE
    what = "Failed arms: {run.failed_arms}." if part else "This run failed."
    covered = "What follows of them" if part and "run.advisors" in facts else "What follows"
    return [what, "{run.problem}", f"{covered} covers only what was recorded before that."]


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
    sentences = []
    if f"{name}.other_builds" in facts and facts[f"{name}.other_builds"].value:
        sentences.append(
            f"The model was not the same throughout: its server named {{{name}.builds}} builds of it. From the close "
            f"of {{{name}.other_build_first}} on, {{{name}.other_builds}} of the decisions rest on another build than "
            "the first."
        )
    if f"{name}.events.model_changed" in facts:
        sentences.append(
            "The server answered as another model than the one it named at first; questions whose answers were not "
            f"taken for that: {{{name}.events.model_changed}}."
        )
    return sentences


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
    said = (
        f"Against {other} the annual Sharpe ratio differs by {{{pair}.sharpe_difference}} ({{run.confidence_level}} "
        f"interval {interval(pair, facts)}, p {{{pair}.p_value}}): {{{pair}.verdict}}."
    )
    if "run.advisors" in facts:  # there is more to say, and the table of differences says it
        return said
    return f"{said} The run could not have seen less than {{{pair}.detectable}}."


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
        return [f"No model was asked: this is {_what(record, record.arms[0].name)} alone."]
    best = [arm.name for arm in record.arms if facts[f"{arm.name}.sharpe_rank"].value == 1]
    others = strategy_arms(record) or ungated_arms(record)
    sentences = [f"No model was asked{'.' if others else ': the {run.arms} arms are rules.'}"]
    if best:
        sentences.append(f"The best annual Sharpe ratio is that of {best[0]}, {{{best[0]}.sharpe}}.")
    return sentences


def _what(record: Record, name: str) -> str:
    """Who decided in an arm without a model."""
    if name in strategy_arms(record):
        return f"the strategy {name}"
    return f"{name}, without a gate," if name in ungated_arms(record) else f"the rule {name}"


def advisor_lines(record: Record, facts: Facts) -> list[list[str]]:
    """How each further advisor compares with the primary one, a line each; empty with one advisor."""
    primary, nulls = advised_arm(record), null_arms(record)
    lines: list[list[str]] = []
    for arm in advisor_arms(record)[1:] if primary is not None else ():
        assert primary is not None  # noqa: S101 - the first of them
        lines.append([f"*{arm.name}* ({{{arm.name}.model}}):", *_advisor_line(primary.name, arm.name, nulls, facts)])
    return lines


def _advisor_line(primary: str, name: str, nulls: dict[str, str], facts: Facts) -> list[str]:
    pair, decisions = f"{primary}-{name}", pair_subject(primary, name)
    said = [
        f"{{{name}.verdict}}, annual Sharpe ratio {{{name}.sharpe}}, valid advice on {{{name}.valid_share}} of its "
        "decisions."
    ]
    if facts[f"{name}.life"].value == Life.DEAD:
        said.append(f"It is dead: {{{name}.constant_share}} of its advice is the same, whatever it was shown.")
    if facts[f"{decisions}.verdict"].value == NOTHING_SHARED:
        said.append(f"It decided at no close at which {primary} did.")
    else:
        said.append(
            f"Same label as {primary} on {{{decisions}.label_agreement}} of the decisions, same action on "
            f"{{{decisions}.action_agreement}}."
        )
    if facts[f"{pair}.low"].value == facts[f"{pair}.high"].value == 0:
        said.append("Both accounts earned the same on every bar.")
    elif facts[f"{pair}.sharpe_difference"].value != NOT_AVAILABLE:
        said.append(f"{primary} minus {name}: {sharpe_interval(pair, facts)}, {{{pair}.verdict}}.")
    if name in nulls:
        known = ", as far as this run can tell" if facts[f"{name}.null_verdict"].value == AS_WELL else ""
        said.append(f"It is the null of {nulls[name]} ({{{name}.null}}): {{{name}.null_verdict}}{known}.")
    return said
