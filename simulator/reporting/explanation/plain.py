"""Plain sentences made from facts: what the program says where the model says nothing that facts back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simulator.evaluation.metrics import MERIT
from simulator.reporting.facts.fact import Fact, Facts


@dataclass(frozen=True, slots=True)
class PlainSentence:
    """A sentence, the ids of its facts, and whether a reader must not miss it: a loss, a failure, a doubt."""

    text: str
    facts: tuple[str, ...]
    adverse: bool = False


COMPARED = {
    "sharpe": "had an annual Sharpe ratio of {}",
    "total_return": "had a total return of {}",
    "max_drawdown": "had a largest drawdown of {}",
    "volatility": "had an annual volatility of {}",
    "costs": "paid costs of {}",
    "trades": "had a number of trades of {}",
    "exposure": "had a mean exposure of {}",
}
"""Figures in which arms are compared, and how a sentence tells one."""

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
    value, words, merit = _number(own), COMPARED[metric], MERIT.get(metric, 0)
    measured = [fact for other in others if _number(fact := facts.get(f"{other}.{metric}")) is not None and fact]
    if value is None or not measured:
        yield figure(own, adverse=value is None)
        return
    for other in measured:
        difference = value - (_number(other) or 0.0)
        same = own.text == other.text
        relation = "the same as" if same else "lower than" if difference < 0 else "higher than"
        adverse = (not same and merit * difference < 0) or (merit > 0 and value < 0)
        text = f"{arm} {words.format(own.text)}, {relation} the {other.text} of {other.subject}."
        yield PlainSentence(text, (own.id, other.id), adverse)


def ahead(facts: Facts, metric: str, arm: str, others: Iterable[str]) -> Iterator[PlainSentence]:
    """The other arms that did better in this figure."""
    own = facts.get(f"{arm}.{metric}")
    value, merit = _number(own), MERIT.get(metric, 0)
    found = [facts[f"{other}.{metric}"] for other in others if f"{other}.{metric}" in facts]
    better = [fact for fact in found if value is not None and ((_number(fact) or value) - value) * merit > 0]
    if own is not None and better:
        listed = _listed([f"{fact.subject} ({fact.text})" for fact in better])
        text = f"Better than {arm} by {own.label.removesuffix(f' of {arm}')} ({own.text}): {listed}."
        yield PlainSentence(text, (own.id, *(fact.id for fact in better)), adverse=True)


def interval(facts: Facts, arm: str, other: str) -> Iterator[PlainSentence]:
    """The difference of the Sharpe ratios, its interval, and whether that contains zero."""
    pair = f"{arm}-{other}"
    found = [facts.get(f"{pair}.{metric}") for metric in ("sharpe_difference", "low", "high")]
    told = [fact for fact in found if fact is not None]
    if len(told) < 3:
        return
    ids = tuple(fact.id for fact in told)
    low, high = _number(told[1]), _number(told[2])
    if low is None or high is None:
        yield PlainSentence(
            f"The difference of the Sharpe ratios of {arm} and {other} could not be measured.", ids, True
        )
        return
    zero = "contains zero" if low <= 0 <= high else "does not contain zero"
    yield PlainSentence(
        f"The Sharpe difference of {arm} minus {other} is {told[0].text}; its interval ranges from {told[1].text} to "
        f"{told[2].text} and {zero}.",
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
        text = f"Luck alone can explain the difference in Sharpe ratio between {arm} and {_listed(within)}: "
        yield PlainSentence(f"{text}zero lies within the interval.", tuple(ids), adverse=True)
    if unseen:
        text = f"The smallest difference in Sharpe ratio that this run could have seen is {_listed(unseen)}."
        yield PlainSentence(text, tuple(unseen_ids), adverse=True)


def below_noise(facts: Facts, arm: str, others: Iterable[str]) -> Iterator[PlainSentence]:
    """From which arms the difference is no larger than what asking the model again has changed."""
    floor = facts.get("noise.sharpe_floor")
    judged = {other: facts.get(f"{arm}-{other}.sharpe_noise") for other in others}
    below = {other: fact for other, fact in judged.items() if fact and fact.value == "below the noise floor"}
    if floor is not None and below:
        text = f"Asking the model again moved the annual Sharpe ratio of {arm} by up to {floor.text}, no less than its "
        ids = (floor.id, *(fact.id for fact in below.values()))
        yield PlainSentence(f"{text}difference from {_listed(list(below))}.", ids, adverse=True)


def _number(fact: Fact | None) -> float | None:
    return None if fact is None or isinstance(fact.value, str) else float(fact.value)


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
