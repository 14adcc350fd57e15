"""The program's own sentences: what has to be told, worded and grouped so that it reads as text.

A model that chooses facts and relations is given its sentences by the same words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from simulator.reporting.explanation.relations import Claim, kind_of
from simulator.reporting.facts.fact import Fact, Facts, listed_names
from simulator.reporting.facts.terms import ARM_TERMS

ALSO = -1
"""The turn of a sentence on a figure that was told before."""
MOST_TOGETHER = 3
"""Figures of one arm that share a sentence."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to tell: a claim that holds, or a ``template`` of one's own with facts as ``{id}``; it is told where
    all of its ``facts`` are.

    ``due`` is told by the program wherever the model leaves it out; so is what is ``adverse``: a loss, a failure or a
    doubt, which a reader must not miss.
    """

    facts: tuple[str, ...]
    claim: Claim | None = None
    template: str = ""
    adverse: bool = False
    due: bool = False

    @property
    def must_be_told(self) -> bool:
        """Whether a page may not do without it."""
        return self.adverse or self.due


def item_of(claim: Claim, *, adverse: bool = False, due: bool = False) -> Item:
    """A claim as something to tell."""
    return Item(claim.facts, claim, adverse=adverse, due=due)


def word(items: Sequence[Item], facts: Facts, told: Collection[str] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The sentences for these items, in their order, each with the facts that it tells; neighbours that say the like of
    one figure share a sentence, and one that was ``told`` is not told again. The same items give the same words."""
    turn = 0
    for key, group in groupby(items, key=lambda item: _group(item, facts)):
        members = list(group)
        if key[0] == "own":
            yield from ((item.template, facts_in(item.template)) for item in members)
            continue
        claims = [item.claim for item in members if item.claim is not None]
        most = MOST_TOGETHER if key[0] == "is" else len(claims)
        for begin in range(0, len(claims), most):
            some = claims[begin : begin + most]
            template = _WORDED[key[0]](some, facts, ALSO if some[0].facts[0] in told else turn)
            yield template, facts_in(template)
        turn += 1


def facts_in(template: str) -> tuple[str, ...]:
    """The ids of the facts in a template."""
    return tuple(dict.fromkeys(re.findall(r"\{([^{}]+)\}", template)))


def _group(item: Item, facts: Facts) -> tuple[str, ...]:
    """What neighbours have to share for one sentence to tell them."""
    claim = item.claim
    if claim is None:
        return ("own", item.template)
    first = facts[claim.facts[0]]
    if claim.relation in ("not distinguishable", "distinguishable"):
        return (
            claim.relation,
            first.subject.partition("-")[0] if claim.relation == "not distinguishable" else first.id,
        )
    if claim.relation == "is":
        return ("is", first.subject)
    if len(claim.facts) == 2 and claim.relation not in ("rose", "fell"):
        return ("beside", first.id)
    return ("alone", first.id, claim.relation)


_BESIDE = {
    "higher than": "higher than", "lower than": "lower than", "better than": "better than",
    "worse than": "worse than", "equal to": "the same as",
}  # fmt: skip


def _beside(claims: Sequence[Claim], facts: Facts, turn: int) -> str:
    """One figure beside those of others, by relation."""
    first = facts[claims[0].facts[0]]
    sides = []
    for relation, worded in _BESIDE.items():
        others = [facts[claim.facts[1]] for claim in claims if claim.relation == relation]
        if others:
            named = [f"{each.subject} ({{{each.id}}})" for each in others]
            alike = kind_of(first.metric) == first.metric and all(each.metric == first.metric for each in others)
            that = "that of " if alike else ""
            named = named if alike else [f"{_the(each)} ({{{each.id}}})" for each in others]
            sides.append(f"{worded} {that}{listed_names(named)}")
    said, figure = listed_names(sides), f"{{{first.id}}}"
    phrase = ARM_TERMS[first.metric].phrase if first.metric in ARM_TERMS else ""
    if turn == ALSO:
        return f"{_upper(_the(first))} is also {said}."
    if turn % 2 == 0 and phrase:
        return f"{first.subject} {phrase.format(figure)}, {said}."
    return f"{_upper(_the(first))}, {figure}, is {said}."


def _is(claims: Sequence[Claim], facts: Facts, turn: int) -> str:
    """Several figures of one arm."""
    told = [facts[claim.facts[0]] for claim in claims]
    phrased = [(fact, ARM_TERMS[fact.metric].phrase) for fact in told if _phrase(fact)]
    pieces = []
    for number, (fact, phrase) in enumerate(phrased):
        said = phrase.format(f"{{{fact.id}}}")
        pieces.append(said.removeprefix("had ") if number and phrased[number - 1][1].startswith("had ") else said)
    sentences = [f"{phrased[0][0].subject} {listed_names(pieces)}."] if phrased else []
    plain = [f"{fact.label}: {{{fact.id}}}" for fact in told if not _phrase(fact)]
    if plain:
        sentences.append(f"{_upper('; '.join(plain))}.")
    return " ".join(sentences)


_OF_ALL = {
    "highest": "the highest of all arms", "lowest": "the lowest of all arms", "largest": "the largest of all arms",
    "smallest": "the smallest of all arms", "best": "the best of all arms", "worst": "the worst of all arms",
    "positive": "which is positive", "negative": "which is negative", "rose": "rising", "fell": "falling",
}  # fmt: skip


def _alone(claims: Sequence[Claim], facts: Facts, turn: int) -> str:
    claim = claims[0]
    first = facts[claim.facts[0]]
    if len(claim.facts) == 2:
        later = facts[claim.facts[1]]
        return (
            f"From the {first.label} to the {later.label}, it {claim.relation} from {{{first.id}}} to {{{later.id}}}."
        )
    return f"{_upper(_the(first))} is {{{first.id}}}, {_OF_ALL.get(claim.relation, claim.relation)}."


def _within_luck(claims: Sequence[Claim], facts: Facts, turn: int) -> str:
    """The differences that luck alone can explain."""
    one = facts[claims[0].facts[0]].subject
    arm = one.partition("-")[0]
    named = []
    for claim in claims:
        low = facts[claim.facts[0]]
        other = low.subject.removeprefix(f"{arm}-")
        difference = f"{low.subject}.sharpe_difference"
        told = f"{{{difference}}}, interval " if difference in facts else ""
        named.append(f"{other} ({told}{{{claim.facts[0]}}} to {{{claim.facts[1]}}})")
    each = "the interval" if len(named) == 1 else "each interval"
    return (
        f"Luck alone can explain how the Sharpe ratio of {arm} differs from that of {listed_names(named)}: zero lies "
        f"within {each}."
    )


def _beyond_luck(claims: Sequence[Claim], facts: Facts, turn: int) -> str:
    """One difference that luck alone does not explain."""
    low, high = (facts[name] for name in claims[0].facts)
    arm, _, other = low.subject.partition("-")
    side = "higher" if isinstance(low.value, int | float) and low.value > 0 else "lower"
    return (
        f"The Sharpe ratio of {arm} is {side} than that of {other} by more than luck makes it: the interval of the "
        f"difference is {{{low.id}}} to {{{high.id}}}, and zero lies outside."
    )


_WORDED = {
    "beside": _beside, "is": _is, "alone": _alone, "not distinguishable": _within_luck, "distinguishable": _beyond_luck,
}  # fmt: skip


def _phrase(fact: Fact) -> bool:
    return fact.metric in ARM_TERMS and bool(ARM_TERMS[fact.metric].phrase)


def _the(fact: Fact) -> str:
    return f"the {fact.label}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
