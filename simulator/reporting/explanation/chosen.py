"""A part of an explanation of which a model only chooses what is told: a fact, beside what, and the relation.

So may a model that writes no sentence which stands. What it chooses is checked as what another one writes, and the
program words it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from llm_strategy.advice.choosing import Questions
from llm_strategy.advice.written_prompt import render
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message
from simulator.reporting.explanation.model import Answered, Refused, first_request
from simulator.reporting.explanation.parts import Part
from simulator.reporting.explanation.pieces import stem_of
from simulator.reporting.explanation.prose import Told
from simulator.reporting.explanation.relations import RELATIONS, Claim, UnbackedError, check_claim, is_text
from simulator.reporting.explanation.wording import item_of, word
from simulator.reporting.facts.fact import Fact

CLAIMS = 2
"""What a model chooses for a part."""
MOST_CHOICES = 8
_BESIDE = ("higher than", "lower than", "equal to")
_INTERVALS = ("not distinguishable", "distinguishable")
_PAIRS = (
    ("rose", "fell"), ("above its mean", "below its mean"), ("higher than usual", "lower than usual"),
)  # fmt: skip
"""Relations of a figure that has a direction, of which one can hold."""


class _Figure(NamedTuple):
    """Something that may be told: by what it goes, the ids of the facts, those that it may be compared with, and the
    relations that it may have."""

    text: str
    ids: tuple[str, ...]
    beside: tuple[Fact, ...] = ()
    relations: tuple[str, ...] = ("is",)


def choose_part(part: Part, client: LLMClient, made: Answered) -> None:
    """Let a model choose what is told of the part; raises ``ModelError``, or ``NoChoice``."""
    questions = Questions(client, defaults=first_request(client), asks_again=False)
    claims: list[Claim] = []
    figures = list(_figures(part))[:MOST_CHOICES]
    try:
        for _ in range(CLAIMS):
            asked = len(questions.asked)
            claim = _choose(part, figures, questions, made) if figures else None
            if len(questions.asked) == asked:
                break  # where there is nothing to choose, nothing is the model's
            claims += [claim] if claim is not None else []
    finally:
        made.requests |= questions.answers
        items = [item_of(claim) for claim in claims]
        made.sentences += [Told(template, facts) for template, facts in word(items, part.facts)]


def _figures(part: Part) -> Iterator[_Figure]:
    """The figures among which a model chooses: numbers of the arm that the part is about, and its intervals."""
    arms = sorted(set(part.names.values()))
    for fact in part.facts.values():
        high = f"{fact.subject}.high"
        if fact.metric == "low" and high in part.facts and fact.subject.startswith(f"{part.about}-"):
            yield _Figure(
                f"difference from {fact.subject.removeprefix(f'{part.about}-')}", (fact.id, high), (), _INTERVALS
            )
        elif not is_text(fact) and fact.subject == part.about:
            beside = tuple(each for each in part.facts.values() if each.metric == fact.metric and each.id != fact.id)
            relations = _BESIDE if beside else next(iter(_directions(part, fact)), ("is",))
            yield _Figure(stem_of(fact, arms), (fact.id,), beside, relations)


def _choose(part: Part, figures: list[_Figure], questions: Questions, made: Answered) -> Claim | None:
    """One claim of the model that holds, whose figure is then no more among these; None where it names a relation that
    does not, twice."""
    shown = dict.fromkeys(name for each in figures for name in (*each.ids, *(fact.id for fact in each.beside)))
    facts = [part.facts[name] for name in shown]
    messages = (
        Message("system", render("explain_choose_system.j2", market=part.is_of_market)),
        Message("user", render("explain_choose.j2", part=part, facts=facts)),
    )
    figure = figures.pop(_one_of(questions, "fact", messages, {}, [each.text for each in figures]))
    before, ids = {"fact": figure.text}, figure.ids
    if figure.beside:
        other = figure.beside[_one_of(questions, "beside", messages, before, [each.subject for each in figure.beside])]
        before["beside"], ids = other.subject, (*ids, other.id)
    return _relation(part, ids, list(figure.relations), (questions, messages, before), made)


def _directions(part: Part, fact: Fact) -> Iterator[tuple[str, ...]]:
    """The relations that a figure with a direction may have."""
    for pair in _PAIRS:
        try:
            RELATIONS[pair[0]].holds([fact], part.known)
        except UnbackedError:
            continue
        yield pair


def _relation(
    part: Part,
    ids: tuple[str, ...],
    relations: list[str],
    asking: tuple[Questions, tuple[Message, ...], dict[str, str]],
    made: Answered,
) -> Claim | None:
    """The relation that the model chooses, where it holds; one that does not is asked for once more without it."""
    questions, messages, before = asking
    for turn in range(2):
        chosen = relations[_one_of(questions, "relation", messages, before, relations)]
        claim = Claim(chosen, ids)
        try:
            check_claim(claim, part.known)
        except UnbackedError as problem:
            if turn or len(relations) == 1:
                made.refused.append(Refused(str(claim), str(problem)))
            else:
                made.asked_again += 1
                relations = [relation for relation in relations if relation != chosen]
            continue
        return claim
    return None


def _one_of(
    questions: Questions, about: str, messages: tuple[Message, ...], before: dict[str, str], texts: Sequence[str]
) -> int:
    """Which of the texts the model chooses; where there is one alone it is not asked."""
    return questions.choose(about, messages, before, texts) if len(texts) > 1 else 0
