"""The topics of an explanation: what each paragraph may tell, and the plain sentences, made from facts, that the
program says where the model says nothing that facts back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from simulator.reporting.facts.fact import Fact, Facts, listed_names
from simulator.reporting.facts.terms import ARM_TERMS


@dataclass(frozen=True, slots=True)
class PlainSentence:
    """A sentence, the ids of its facts, and whether a reader must not miss it: a loss, a failure, a doubt."""

    text: str
    facts: tuple[str, ...]
    adverse: bool = False


ONE_PATH = PlainSentence(
    "All arms traded one path of prices in one period, which the model may have met in its training: a result here "
    "says nothing certain about another period.",
    (),
    adverse=True,
)


def compared(facts: Facts, metric: str, arm: str, others: Iterable[str]) -> Iterator[PlainSentence]:
    """The arm against each other arm; its figure alone where there is none to compare with."""
    own = facts.get(f"{arm}.{metric}")
    if own is None:
        return
    value, merit, phrase = _number(own), ARM_TERMS[metric].better, ARM_TERMS[metric].phrase
    measured = [fact for other in others if _number(fact := facts.get(f"{other}.{metric}")) is not None and fact]
    if value is None or not measured:
        yield figure(own, adverse=value is None)
        return
    for other in measured:
        difference = value - (_number(other) or 0.0)
        same = own.text == other.text
        relation = "the same as" if same else "lower than" if difference < 0 else "higher than"
        adverse = (not same and merit * difference < 0) or (merit > 0 and value < 0)
        text = f"{arm} {phrase.format(own.text)}, {relation} the {other.text} of {other.subject}."
        yield PlainSentence(text, (own.id, other.id), adverse)


def ahead(facts: Facts, metric: str, arm: str, others: Iterable[str]) -> Iterator[PlainSentence]:
    """The other arms that did better in this figure."""
    own = facts.get(f"{arm}.{metric}")
    value, merit = _number(own), ARM_TERMS[metric].better
    figures_of_others = [facts[f"{other}.{metric}"] for other in others if f"{other}.{metric}" in facts]
    better = [
        fact for fact in figures_of_others if value is not None and ((_number(fact) or value) - value) * merit > 0
    ]
    if own is not None and better:
        listed = listed_names([f"{fact.subject} ({fact.text})" for fact in better])
        text = f"Better than {arm} by {own.label.removesuffix(f' of {arm}')} ({own.text}): {listed}."
        yield PlainSentence(text, (own.id, *(fact.id for fact in better)), adverse=True)


def interval(facts: Facts, arm: str, other: str) -> Iterator[PlainSentence]:
    """The difference of the Sharpe ratios, its interval, and whether that contains zero."""
    pair = f"{arm}-{other}"
    known = [facts.get(f"{pair}.{metric}") for metric in ("sharpe_difference", "low", "high")]
    measured = [fact for fact in known if fact is not None]
    if len(measured) < 3:
        return
    ids = tuple(fact.id for fact in measured)
    low, high = _number(measured[1]), _number(measured[2])
    if low is None or high is None:
        yield PlainSentence(
            f"The difference of the Sharpe ratios of {arm} and {other} could not be measured.", ids, True
        )
        return
    zero = "contains zero" if low <= 0 <= high else "does not contain zero"
    yield PlainSentence(
        f"The Sharpe difference of {arm} minus {other} is {measured[0].text}; its interval ranges from "
        f"{measured[1].text} to {measured[2].text} and {zero}.",
        ids,
        adverse=low <= 0,
    )


def figure(fact: Fact, adverse: bool = False) -> PlainSentence:
    """One fact by its label."""
    return PlainSentence(f"{fact.label[0].upper()}{fact.label[1:]}: {fact.text}.", (fact.id,), adverse)


def figures(facts: Facts, ids: Iterable[str], adverse: bool = False) -> Iterator[PlainSentence]:
    """Those of the facts that exist, each by its label; adverse only where there is something to tell."""
    for fact in (facts[name] for name in ids if name in facts):
        yield figure(fact, adverse and fact.value != 0)


def dead(facts: Facts, arm: str) -> Iterator[PlainSentence]:
    """That the advisor answers the same whatever it is shown."""
    life, share = facts.get(f"{arm}.life"), facts.get(f"{arm}.constant_share")
    if life is not None and share is not None and life.value == "dead":
        yield PlainSentence(
            f"The advisor of {arm} is dead: {share.text} of its advice is the same, whatever it was shown.",
            (life.id, share.id),
            adverse=True,
        )


def agreeing(facts: Facts, first: str, second: str) -> Iterator[PlainSentence]:
    """How alike two advisors decide, and whether their decisions can be told apart."""
    pair = f"pair.{first}.{second}"
    known = [facts.get(f"{pair}.{metric}") for metric in ("label_agreement", "action_agreement", "verdict")]
    told = [fact for fact in known if fact is not None]
    if len(told) < 3 or None in map(_number, told[:2]):
        return
    labels, actions, verdict = told
    alike = verdict.value in ("same decisions", "no more than asking again changes")
    yield PlainSentence(
        f"{first} and {second} gave the same label on {labels.text} and the same action on {actions.text} of the "
        f"decisions that both made: {verdict.text}.",
        tuple(fact.id for fact in told),
        adverse=alike,
    )


def beside_null(facts: Facts, null: str) -> Iterator[PlainSentence]:
    """Whether an advisor does better than its null."""
    whole, verdict = facts.get(f"{null}.null_of"), facts.get(f"{null}.null_verdict")
    if whole is None or verdict is None:
        return
    ids = [f"{whole.value}-{null}.{metric}" for metric in ("sharpe_difference", "low", "high")]
    backing = tuple(name for name in ids if name in facts)
    known = ", as far as this run can tell" if verdict.value == "the null does as well" else ""
    text = f"{whole.text} beside its null {null}: {verdict.text}{known}."
    yield PlainSentence(text, (whole.id, verdict.id, *backing), adverse=verdict.value != "adds to its null")


def undecided(facts: Facts, arm: str, others: Iterable[str]) -> Iterator[PlainSentence]:
    """Against which arms luck alone could explain the difference, and how small a difference would go unseen."""
    within, ids, unseen, unseen_ids = list[str](), list[str](), list[str](), list[str]()
    for other in others:
        low, high, detectable = (facts.get(f"{arm}-{other}.{metric}") for metric in ("low", "high", "detectable"))
        bottom, top = _number(low), _number(high)
        if low and high and bottom is not None and top is not None and bottom <= 0 <= top:
            within.append(other)
            ids += (low.id, high.id)
        if detectable and _number(detectable) is not None:
            unseen.append(f"{detectable.text} against {other}")
            unseen_ids.append(detectable.id)
    if within:
        text = f"Luck alone can explain the difference in Sharpe ratio between {arm} and {listed_names(within)}: "
        yield PlainSentence(f"{text}zero lies within the interval.", tuple(ids), adverse=True)
    if unseen:
        text = f"The smallest difference in Sharpe ratio that this run could have seen is {listed_names(unseen)}."
        yield PlainSentence(text, tuple(unseen_ids), adverse=True)


def below_noise(facts: Facts, arm: str, others: Iterable[str]) -> Iterator[PlainSentence]:
    """From which arms the difference is no larger than what asking the model again has changed."""
    floor = facts.get("noise.sharpe_floor")
    judged = {other: facts.get(f"{arm}-{other}.sharpe_noise") for other in others}
    below = {other: fact for other, fact in judged.items() if fact and fact.value == "below the noise floor"}
    if floor is not None and below:
        text = f"Asking the model again moved the annual Sharpe ratio of {arm} by up to {floor.text}, no less than its "
        ids = (floor.id, *(fact.id for fact in below.values()))
        yield PlainSentence(f"{text}difference from {listed_names(list(below))}.", ids, adverse=True)


def _number(fact: Fact | None) -> float | None:
    return None if fact is None or isinstance(fact.value, str) else float(fact.value)


MOST_FACTS = 12
"""Facts of a topic that the model reads; the request stays within 600 tokens."""

FAILURES = ("statuses.abstained", "statuses.repaired", "verdicts.deny", "verdicts.review")
COUNTED = ("abstentions.", "repairs.", "clamps.", "refusals.")


@dataclass(frozen=True, slots=True)
class Topic:
    """A name, the facts that sentences on it may tell, and its plain sentences, the adverse ones first."""

    name: str
    facts: Facts
    sentences: tuple[PlainSentence, ...]


def topics(facts: Facts) -> list[Topic]:
    """The topics that these facts allow, in the order of the explanation."""
    arms = [fact.subject for fact in facts.values() if fact.metric == "sharpe"]
    if not arms:
        return []
    known = facts.get("run.subject")
    arm = str(known.value) if known and known.value in arms else arms[0]
    others = [other for other in arms if other != arm]
    advisors = [fact.subject for fact in facts.values() if fact.metric == "usage.asked"]
    ready = [_against(facts, arm, other) for other in others]
    ready += [_advisors(facts, arm, [other for other in advisors if other != arm])]
    ready += [_risk(facts, arm, others), _costs(facts, arm, others), _failures(facts, arm), _doubts(facts, arm, others)]
    return [topic for topic in ready if topic.sentences]


def _against(facts: Facts, arm: str, other: str) -> Topic:
    sentences = chain(
        compared(facts, "sharpe", arm, [other]),
        compared(facts, "total_return", arm, [other]),
        interval(facts, arm, other),
    )
    return _topic(f"{arm} against {other}", facts, sentences, [f"{arm}-{other}.p_value"])


def _advisors(facts: Facts, arm: str, further: list[str]) -> Topic:
    """Each further advisor: whether it is dead, and how it decides beside the first."""
    each = ((*dead(facts, other), *agreeing(facts, arm, other), *beside_null(facts, other)) for other in further)
    return _topic("The advisors beside each other", facts, chain.from_iterable(each))


def _risk(facts: Facts, arm: str, others: list[str]) -> Topic:
    sentences = chain(
        ahead(facts, "max_drawdown", arm, others),
        compared(facts, "max_drawdown", arm, others[:1]),
        compared(facts, "volatility", arm, others[:1]),
        figures(facts, [f"{arm}.worst_trade", f"{arm}.drawdown_bars"], adverse=True),
    )
    return _topic("Risk and drawdown", facts, sentences)


def _costs(facts: Facts, arm: str, others: list[str]) -> Topic:
    sentences = chain.from_iterable(
        compared(facts, metric, arm, others[:1]) for metric in ("costs", "trades", "exposure")
    )
    return _topic("Costs and exposure", facts, sentences)


def _failures(facts: Facts, arm: str) -> Topic:
    failed = [name for name in facts if name.startswith(tuple(f"{arm}.{kind}" for kind in COUNTED))]
    ids = [*(f"{arm}.{metric}" for metric in FAILURES), *failed]
    sentences = chain(figures(facts, ids, adverse=True), figures(facts, [f"{arm}.decisions", "model.distinct"]))
    return _topic("Failures and cuts of the risk gate", facts, sentences)


def _doubts(facts: Facts, arm: str, others: list[str]) -> Topic:
    noise = below_noise(facts, arm, others)
    sentences = chain(dead(facts, arm), undecided(facts, arm, others), noise, [ONE_PATH])
    return _topic("What cannot be concluded", facts, sentences, [f"{arm}-{other}.p_value" for other in others])


def _topic(name: str, facts: Facts, sentences: Iterable[PlainSentence], more: Iterable[str] = ()) -> Topic:
    ready = sorted(sentences, key=lambda sentence: not sentence.adverse)
    ids = dict.fromkeys([*(fact for sentence in ready for fact in sentence.facts), *more])
    known = {name: facts[name] for name in ids if name in facts}
    return Topic(name, known, tuple(ready))
