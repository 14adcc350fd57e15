"""The first lines: what was run, what failed, the verdict and what it rests on, and notes on the prices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from simulator.evaluation.advice import Life
from simulator.evaluation.measures import arm_remarks
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Banner, Block, Chips, Heading, Items, Paragraph, Quoted
from simulator.reporting.facts.advisors import AS_WELL, NOTHING_SHARED, pair_subject
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.run import (
    NOTE,
    advised_arm,
    advisor_arms,
    benchmark_arms,
    main_arms,
    market_arms,
    null_arms,
    own_rule_arms,
    same_close,
    strategy_arms,
    subject_arm,
    ungated_arms,
)
from simulator.reporting.facts.verdict import benchmarks_of
from simulator.reporting.first_screen import opening
from simulator.reporting.sections.advisors import sharpe_interval
from simulator.reporting.sections.noise import noise_headline
from simulator.reporting.sections.pairs import interval
from simulator.reporting.verdict_words import chips, measured_lines, untested, verdict_sentences

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
    advised = advised_arm(record)
    if advised is not None:
        yield from opening(record, advised, facts)
        if lines := rests_on(record, facts):
            yield Items(lines, look="rests")
        if labels := chips(record, advised, facts):
            yield Chips(labels)
    if others := advisor_lines(record, facts):
        yield Paragraph(
            "This is about {run.subject}, the primary one of {run.advisors} arms that ask a model. The others:"
        )
        yield Items(others)
    if notes := [f"{{{name}}}" for name in facts if name.startswith(f"run.{NOTE}")]:
        yield Items(notes, "Before you read on:", "Notes on prices and limits")


def headline(record: Record, facts: Facts) -> list[str]:
    """The first paragraph: the verdict in a word or two, then failures and arms that were stopped, then why, then arms
    that traded next to nothing."""
    advised = advised_arm(record)
    problems, idle = _failures(record, facts) + _killed(record, facts), _untraded(record, facts)
    if advised is None:
        return problems + idle + _rules_only(record, facts)
    of_advisor = [*_other_models(advised.name, facts), *_life(advised.name, facts)]
    of_advisor += verdict_sentences(record, advised, facts)
    if "run.advisors" in facts:
        of_advisor = [_of(advised.name, said) for said in of_advisor]
    return [f"{_capitalised(facts['run.verdict'].text)}.", *problems, *of_advisor, *idle]


def rests_on(record: Record, facts: Facts) -> list[str]:
    """What the verdict on the primary arm rests on, a line each."""
    advised = advised_arm(record)
    if advised is None:
        return []
    lines = measured_lines(record, advised, facts)
    lines += [_difference(record, advised.name, other, facts) for other in _further(record, advised)]
    return lines + noise_headline(record, facts)


def _further(record: Record, advised: ArmRecord) -> list[str]:
    """Arms that are held against the advice beside those that its verdict rests on: a person's own, and where there is
    neither market nor rule, what there is."""
    of_verdict = benchmarks_of(record, advised).values()
    own = [*strategy_arms(record), *own_rule_arms(record)]
    others = dict.fromkeys(own if of_verdict else [*benchmark_arms(record), *own])
    return [name for name in others if name not in of_verdict]


def _capitalised(words: str) -> str:
    return words[0].upper() + words[1:]


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
        return f"Against {other} there is nothing to test: {untested(record, name, other, facts)}."
    return (
        f"Against {other} the annual Sharpe ratio differs by {{{pair}.sharpe_difference}} ({{run.confidence_level}} "
        f"interval {interval(pair, facts)}, p {{{pair}.p_value}}): {{{pair}.verdict}}."
    )


def _rules_only(record: Record, facts: Facts) -> list[str]:
    if len(record.arms) == 1:
        return [f"No model was asked: this is {_what(record, record.arms[0].name)} alone."]
    ranks = {arm.name: facts[f"{arm.name}.sharpe_rank"].value for arm in main_arms(record)}
    best = sorted((rank, name) for name, rank in ranks.items() if not isinstance(rank, str))
    markets = market_arms(record)
    others = [name for name in (*strategy_arms(record), *ungated_arms(record)) if name not in markets]
    kinds = "all arms but the market are rules" if markets else "the {run.arms} arms are rules"
    sentences = [f"No model was asked{'.' if others else f': {kinds}.'}"]
    if best:
        sentences.append(f"The best annual Sharpe ratio is that of {best[0][1]}, {{{best[0][1]}.sharpe}}.")
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
