"""The six parts of an explanation: what each may tell, what it has to tell, and the words by which arms go in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.experiment import COPY_ARM, HOLDER_ARM, REFERENCE_ARM
from simulator.reporting.explanation.relations import NO_QUANTITIES, Claim, Known
from simulator.reporting.explanation.wording import Item, facts_in, item_of
from simulator.reporting.facts.fact import NOT_AVAILABLE, Fact, Facts, listed_names
from simulator.reporting.facts.terms import ARM_TERMS

MOST_FACTS = 24
"""Facts of a part that a model is shown."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an explanation: its name, what it is for, the facts that may be cited in it, and what is to be told.

    ``about`` is the arm that it is about, ``names`` are the words by which arms go, and ``states`` says whether it
    holds hypotheses, and no sentences of the model.
    """

    name: str
    aim: str
    known: Known
    items: tuple[Item, ...]
    about: str
    names: Mapping[str, str] = field(default_factory=dict)
    states: bool = False

    @property
    def is_of_market(self) -> bool:
        """Whether it tells the condition of a market, and not the results of a run."""
        return bool(self.known.quantities)

    @property
    def facts(self) -> Facts:
        """The facts that may be cited."""
        return self.known.cited


def parts(facts: Facts) -> list[Part]:
    """The parts that these facts allow, in the order of the explanation; none where no account was measured."""
    arms = [fact.subject for fact in facts.values() if fact.metric == "sharpe" and "." not in fact.subject]
    if not arms:
        return []
    told = facts.get("run.subject")
    arm = str(told.value) if told and told.value in arms else arms[0]
    others = _others(facts, arms, arm)
    names = names_of(arms, arm)
    made = []
    for name, aim, items, more in (
        (
            "What happened",
            "what the account of {0} did",
            _happened(facts, arm),
            [f"{arm}.{each}" for each in ("volatility", "hit_rate", "turnover")],
        ),
        ("Against what", "how {0} compares with the other arms", _against(facts, arm, others), ()),
        (
            "Why it cannot be more than that",
            "what may be concluded, and what not",
            _doubts(facts, arm, others),
            [f"{arm}-{other}.sharpe_difference" for other in others],
        ),
        (
            "Where it lost",
            "losses, drawdowns, costs and failures of {0}",
            _losses(facts, arm, others),
            [f"{arm}.average_loss"],
        ),
        ("What the gate did", "what the risk gate cut and refused", _gate(facts, arm), ()),
    ):
        found = tuple(sorted(items, key=lambda item: not item.must_be_told))
        ids = dict.fromkeys([*(name for item in found for name in (*item.facts, *facts_in(item.template))), *more])
        cited = {each: facts[each] for each in ids if each in facts and facts[each].value != NOT_AVAILABLE}
        if found:
            made.append(Part(name, aim.format(arm), Known(cited, facts, NO_QUANTITIES), found, arm, names))
    made.append(Part("What one would test next", "what to test on other bars", Known({}, facts), (), arm, names, True))
    return made


def names_of(arms: Iterable[str], about: str) -> dict[str, str]:
    """The words by which arms go in a sentence, in lower case, and the arm that each means."""
    known = list(dict.fromkeys(arms))
    names = {spelled: arm for arm in known for spelled in (arm.lower(), re.sub(r"[_-]", " ", arm.lower()))}
    called = {"the market": "market", "the rule": REFERENCE_ARM, "the causal rule": REFERENCE_ARM, "the copy": COPY_ARM,
              "the holder": HOLDER_ARM}  # fmt: skip
    names |= {phrase: arm for phrase, arm in called.items() if arm in known}
    return names | dict.fromkeys(("the advice", "the advisor", "the model", "the strategy"), about)


def _others(facts: Facts, arms: list[str], arm: str) -> list[str]:
    """The arms beside the one that is explained: the market first, and no holder behind the gate where there is one."""
    market = str(facts["run.market"].value) if "run.market" in facts else None
    others = [other for other in arms if other != arm and (market is None or other != HOLDER_ARM)]
    return sorted(others, key=lambda other: other != market)


def _own(
    facts: Facts, template: str, *, tells: Iterable[str] = (), adverse: bool = False, due: bool = False
) -> Iterator[Item]:
    """A sentence of the program's own, where all its facts are there; it is told where those are that it ``tells``:
    all, where none is named."""
    ids = facts_in(template)
    if all(name in facts and facts[name].value != NOT_AVAILABLE for name in ids):
        yield Item(tuple(tells) or ids, template=template, adverse=adverse, due=due)


def _first(*choices: Iterable[Item]) -> Iterator[Item]:
    """The items of the first choice that has any."""
    for items in map(list, choices):
        if items:
            yield from items
            return


def _happened(facts: Facts, arm: str) -> Iterator[Item]:
    yield from _own(facts, f"The account of {arm} ran from {{run.first_decision}} to {{run.last_bar}}.", due=True)
    for metric in ("total_return", "sharpe", "max_drawdown", "exposure", "trades", "costs"):
        value = _number(facts, f"{arm}.{metric}")
        if value is not None:
            lost = value < 0 and ARM_TERMS[metric].better > 0
            yield item_of(Claim("is", (f"{arm}.{metric}",)), adverse=lost, due=True)
    yield from _life(facts, arm)
    yield from _failures(facts, arm)


def _life(facts: Facts, arm: str) -> Iterator[Item]:
    """That the advisor answers the same whatever it is shown."""
    if _value(facts, f"{arm}.life") == "dead":
        said = f"of its advice is the same, whatever it was shown: the advisor of {arm} is {{{arm}.life}}."
        yield from _own(facts, f"{{{arm}.constant_share}} {said}", adverse=True)


def _failures(facts: Facts, arm: str) -> Iterator[Item]:
    failed = [f"{arm}.statuses.{status}" for status in ("abstained", "repaired")]
    if any(_number(facts, name) for name in failed):
        yield from _own(
            facts,
            f"Of the {{{arm}.decisions}} decisions of {arm} {{{failed[0]}}} were abstentions, and {{{failed[1]}}} came "
            "from an answer that had to be repaired.",
            tells=failed,
            adverse=True,
        )
    for kind, words in (
        ("abstentions", f"Abstentions of {arm} by reason:"),
        ("repairs", f"Answers of {arm} repaired, by kind:"),
    ):
        yield from _counted(facts, arm, kind, words)


def _counted(facts: Facts, arm: str, kind: str, words: str, *, adverse: bool = True) -> Iterator[Item]:
    """Counts by kind, in one sentence."""
    prefix = f"{arm}.{kind}."
    found = [name for name in facts if name.startswith(prefix) and _number(facts, name)]
    if found:
        named = [f"{name.removeprefix(prefix).replace('.', ' ').replace('_', ' ')} ({{{name}}})" for name in found]
        yield from _own(facts, f"{words} {listed_names(named)}.", adverse=adverse)


def _against(facts: Facts, arm: str, others: Sequence[str]) -> Iterator[Item]:
    for metric in ("sharpe", "total_return", "exposure"):
        yield from _beside(facts, metric, arm, others if metric != "exposure" else others[:1])
    advisors = [fact.subject for fact in facts.values() if fact.metric == "usage.asked"]
    for other in (each for each in advisors if each != arm):
        yield from _life(facts, other)
        yield from _agreeing(facts, arm, other)
        yield from _beside_null(facts, other)


def _beside(facts: Facts, metric: str, arm: str, others: Iterable[str]) -> Iterator[Item]:
    """A figure beside that of each other arm."""
    value, merit = _number(facts, f"{arm}.{metric}"), ARM_TERMS[metric].better
    if value is None:
        return
    for other in others:
        beside = _number(facts, f"{other}.{metric}")
        if beside is None:
            continue
        ids = (f"{arm}.{metric}", f"{other}.{metric}")
        same = facts[ids[0]].text == facts[ids[1]].text
        relation = "equal to" if same else "lower than" if value < beside else "higher than"
        adverse = (not same and merit * (value - beside) < 0) or (merit > 0 and value < 0)
        yield item_of(Claim(relation, ids), adverse=adverse)


def _agreeing(facts: Facts, first: str, second: str) -> Iterator[Item]:
    """How alike two advisors decide, and whether their decisions can be told apart."""
    pair = f"pair.{first}.{second}"
    alike = _value(facts, f"{pair}.verdict") in ("same decisions", "no more than asking again changes")
    yield from _own(
        facts,
        f"{first} and {second} gave the same label on {{{pair}.label_agreement}} and the same action on "
        f"{{{pair}.action_agreement}} of the decisions that both made: {{{pair}.verdict}}.",
        adverse=alike,
    )


def _beside_null(facts: Facts, null: str) -> Iterator[Item]:
    """Whether an advisor does better than its null."""
    verdict = _value(facts, f"{null}.null_verdict")
    known = ", as far as this run can tell" if verdict == "the null does as well" else ""
    said = f"{{{null}.null_of}} beside its null {null}: {{{null}.null_verdict}}{known}."
    yield from _own(facts, said, adverse=verdict != "adds to its null")


STALE = 0.1
"""Share of fills at the deciding close that has to be told."""
ONE_PATH = Item(
    (),
    template="All arms traded one path of prices in one period, which the model may have met in its training: a result "
    "here says nothing certain about another period.",
    adverse=True,
)


def _doubts(facts: Facts, arm: str, others: Sequence[str]) -> Iterator[Item]:
    verdict = _value(facts, f"{arm}.verdict")
    yield from _own(facts, f"The verdict on the advice of {arm} is: {{{arm}.verdict}}.", adverse=verdict != "adds")
    label = "the model gave the label of the nearest example in its prompt"
    copied = f"On {{{arm}.copy.nearest_share}} of the decisions of {arm} {label}"
    ruled = _value(facts, f"{arm}.copy.rule_in_prompt") == "yes"
    yield from _first(
        _own(facts, f"{copied}, on {{{arm}.copy.rule_share}} that of the causal rule.", adverse=True) if ruled else (),
        _own(facts, f"{copied}.", adverse=True),
    )
    chance = _number(facts, f"{arm}.timing.p")
    yield from _own(
        facts,
        f"Of accounts with the same holding times at other moments {{{arm}.timing.percentile}} did worse (p "
        f"{{{arm}.timing.p}}).",
        adverse=chance is not None and chance > 0.05,
    )
    yield from _intervals(facts, arm, others)
    unseen = [
        f"{{{arm}-{other}.detectable}} against {other}"
        for other in others
        if _number(facts, f"{arm}-{other}.detectable")
    ]
    if unseen:
        words = "The true difference in Sharpe ratio that a run of this length would find in four runs of five is"
        yield from _own(facts, f"{words} {listed_names(unseen)}.", adverse=True)
    if _value(facts, "noise.sharpe_lowest") != _value(facts, "noise.sharpe_highest"):
        words = f"Asked everything again, the annual Sharpe ratio of {arm} came to"
        yield from _own(facts, f"{words} {{noise.sharpe_lowest}} to {{noise.sharpe_highest}}.", adverse=True)
    stale = _number(facts, "run.stale_opens")
    if stale is not None and stale >= STALE:
        words = "Behind {run.stale_opens} of the decisions the next open, at which they fill, only repeats the close."
        yield from _own(facts, words, adverse=True)
    yield from _own(
        facts,
        f"To see a difference of {{run.worthwhile}} in the Sharpe ratio takes {{{arm}.worth.years}} years; this run "
        "has {run.years}.",
        due=True,
    )
    yield ONE_PATH


def _intervals(facts: Facts, arm: str, others: Iterable[str]) -> Iterator[Item]:
    """Whether luck alone can explain each difference: those that it can explain first."""
    found = []
    for other in others:
        ids = (f"{arm}-{other}.low", f"{arm}-{other}.high")
        low, high = (_number(facts, name) for name in ids)
        if low is None or high is None:
            continue
        relation = "not distinguishable" if low <= 0 <= high else "distinguishable"
        found.append(item_of(Claim(relation, ids), adverse=low <= 0, due=True))
    yield from sorted(found, key=lambda item: item.claim is not None and item.claim.relation)


def _losses(facts: Facts, arm: str, others: Sequence[str]) -> Iterator[Item]:
    own = _number(facts, f"{arm}.max_drawdown")
    ahead = [other for other in others if own is not None and (_number(facts, f"{other}.max_drawdown") or own) < own]
    if ahead:
        yield from _beside(facts, "max_drawdown", arm, ahead)
    else:
        yield from _beside(facts, "max_drawdown", arm, others[:1])
    yield from _own(
        facts,
        f"The largest drawdown of {arm} kept it under water for {{{arm}.drawdown_bars}} bars.",
        adverse=bool(_number(facts, f"{arm}.drawdown_bars")),
    )
    yield from _own(
        facts,
        f"The worst trade of {arm} came to {{{arm}.worst_trade}}.",
        adverse=(_number(facts, f"{arm}.worst_trade") or 0) < 0,
    )
    for metric in ("costs", "volatility"):
        yield from _beside(facts, metric, arm, others[:1])
    bad = [
        (name.split(".")[2], name)
        for name in facts
        if re.fullmatch(rf"{re.escape(arm)}\.regime\.[^.]+\.mean_return", name) and (_number(facts, name) or 0) < 0
    ]
    if bad:
        named = listed_names([f"{label} ({{{name}}})" for label, name in bad])
        yield from _own(facts, f"Measured over a year, prices fell after decisions labelled {named}.")


def _gate(facts: Facts, arm: str) -> Iterator[Item]:
    cut, refused = (_number(facts, f"{arm}.{name}") for name in ("cut", "refused"))
    yield from _own(
        facts,
        f"The gate cut {{{arm}.cut}} of the {{{arm}.decisions}} decisions of {arm}, and refused {{{arm}.refused}}.",
        tells=(f"{arm}.cut", f"{arm}.refused"),
        adverse=bool(cut or refused),
        due=True,
    )
    yield from _counted(facts, arm, "clamps", "The limits that cut:")
    yield from _counted(facts, arm, "refusals", "The limits that refused:")
    denied = [f"{arm}.verdicts.{name}" for name in ("deny", "review")]
    if any(_number(facts, name) for name in denied):
        words = f"The policy denied {{{denied[0]}}} answers of {arm}, and marked {{{denied[1]}}} for review."
        yield from _own(facts, words, adverse=True)
    yield from _own(
        facts,
        f"Of the trades of {arm} {{{arm}.exits.stop}} ended by stop, {{{arm}.exits.target}} by target and "
        f"{{{arm}.exits.time}} by time.",
        due=True,
    )
    if _value(facts, f"{arm}.kill_switch") not in (None, "never"):
        yield from _own(facts, f"The kill switch fired on {{{arm}.kill_switch}}.", adverse=True)
    alone = _number(facts, f"{arm}.steps.gate")
    words = f"To a holder of the market the gate alone adds {{{arm}.steps.gate}} a year."
    yield from _own(facts, words, adverse=alone is not None and alone < 0)


def _number(facts: Facts, name: str) -> float | None:
    fact: Fact | None = facts.get(name)
    return None if fact is None or isinstance(fact.value, str) else float(fact.value)


def _value(facts: Facts, name: str) -> object:
    return facts[name].value if name in facts else None
