"""The question about a plan, and how its answer is read: which of the analytics that are offered tell most about a
market. What can be chosen stands first and is the same at every close; the market stands last."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from llm_strategy.advice.contract import parse_object
from llm_strategy.advice.planning.moment import Planning
from llm_strategy.advice.written_prompt import render
from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Message, Request, Slot
from llm_strategy.llm.structured.answer_text import LARGEST_ANSWER, unwrap
from llm_strategy.llm.structured.probabilities import probabilities_of

KEY = "analytics"
_OPENING = "Most telling:"
_SENTENCE = "The numbers are "


class PlanQuestion(ABC):
    """One way to ask for a plan of at most ``choose`` analytics, and to read the answer."""

    repairs = True
    """Whether an answer that cannot be read is asked for once more, with what was wrong with it."""

    def __init__(self, choose: int) -> None:
        self.choose = choose

    @abstractmethod
    def request(self, planning: Planning, defaults: Request) -> Request:
        """The request, which starts from ``defaults``."""

    @abstractmethod
    def read(self, planning: Planning, answer: str) -> tuple[str, ...]:
        """The names in an answer as they stand there, the best first; raises ``ContractError``."""

    def _about(self, planning: Planning, defaults: Request, form: str, *, numbered: bool = False) -> Request:
        menu = tuple(planning.offer.descriptions.items())
        messages = (
            Message("system", _system(menu, form, self._most(planning), numbered)),
            Message("user", render("advise_bar.j2", market=planning.line)),
        )
        return replace(defaults, messages=messages, form=(), json_mode=False, json_schema="")

    def _most(self, planning: Planning) -> int:
        return min(self.choose, len(planning.offer.names))


@lru_cache(maxsize=64)
def _system(menu: tuple[tuple[str, str], ...], form: str, choose: int, numbered: bool) -> str:
    marks = [f"{number}." if numbered else "-" for number in range(1, len(menu) + 1)]
    lines = [f"{mark} {name}: {description}" for mark, (name, description) in zip(marks, menu, strict=True)]
    return render("plan_system.j2", menu="\n".join(lines), form=render(form, choose=choose, numbered=numbered))


class ScoredPlan(PlanQuestion):
    """Every name is scored as the one that tells most, in one request: the likeliest are the best."""

    repairs = False

    def request(self, planning: Planning, defaults: Request) -> Request:
        """No sampler plays a part in a score."""
        request = self._about(planning, defaults, "plan_scored.j2")
        choices = _as_choices(planning.offer.names)
        return replace(request, opening=_OPENING, choices=choices, temperature=0.0, seed=None, max_tokens=1)

    def read(self, planning: Planning, answer: str) -> tuple[str, ...]:
        """The names by their probabilities; those of equal ones in the order of the list."""
        choices = _as_choices(planning.offer.names)
        try:
            found = probabilities_of(choices, answer)
        except ContractError as problem:
            raise ContractError("plan", f"{problem.field} {problem.problem}") from None
        return tuple(choice.strip() for choice in sorted(choices, key=found.__getitem__, reverse=True))


class FormPlan(PlanQuestion):
    """The program writes the list and the model its entries: names in JSON, or with ``numbered`` their numbers in a
    sentence, which an engine without a grammar is held to by a pattern. Small models begin a quoted or bracketed value
    with a word, and a number in a sentence with a digit (measured)."""

    def __init__(self, choose: int, *, numbered: bool) -> None:
        super().__init__(choose)
        self._numbered = numbered

    def request(self, planning: Planning, defaults: Request) -> Request:
        """A slot for each analytic that may be chosen."""
        request = self._about(planning, defaults, "plan_values.j2", numbered=self._numbered)
        names, most = planning.offer.names, self._most(planning)
        before, between, after = (_SENTENCE, ", ", ".") if self._numbered else (f'{{"{KEY}": ["', '", "', '"]}')
        form: list[str | Slot] = [before]
        for place in range(1, most + 1):
            form.append(self._slot(f"analytic_{place}", names, after if place == most else between))
            form.append(after if place == most else between)
        return replace(request, form=tuple(form))

    def _slot(self, name: str, names: Sequence[str], then: str) -> Slot:
        if self._numbered:
            return Slot(name, max_tokens=3, stop=then[0], pattern=numbers_up_to(len(names)))
        return Slot(name, max_tokens=max(map(len, names)), choices=tuple(names))  # in tokens they are shorter

    def read(self, planning: Planning, answer: str) -> tuple[str, ...]:
        """The names in the slots, or those of the numbers there."""
        names = planning.offer.names
        if not self._numbered:
            return _known(_listed(answer), names)
        if not (written := _numbers(answer)):
            raise ContractError("plan", "is no list of numbers")
        numbers = {str(number): name for number, name in enumerate(names, 1)}
        wrong = next((each for each in written if each not in numbers), None)
        if wrong is not None:
            raise ContractError("plan", f"names {wrong!r:.60}, and the analytics have the numbers 1 to {len(names)}")
        return tuple(numbers[each] for each in written)


class WrittenPlan(PlanQuestion):
    """The model writes the JSON object with the list of names."""

    def request(self, planning: Planning, defaults: Request) -> Request:
        """Held to a schema whose enum is what is offered."""
        request = self._about(planning, defaults, "plan_json.j2")
        return replace(request, json_mode=True, json_schema=_schema(planning.offer.names, self._most(planning)))

    def read(self, planning: Planning, answer: str) -> tuple[str, ...]:
        """The names in the list."""
        return _known(_listed(answer), planning.offer.names)


@lru_cache(maxsize=64)
def _schema(names: tuple[str, ...], most: int) -> str:
    items = {"type": "array", "items": {"enum": list(names)}, "minItems": 1, "maxItems": most, "uniqueItems": True}
    return json.dumps({"type": "object", "properties": {KEY: items}, "required": [KEY], "additionalProperties": False})


@lru_cache(maxsize=64)
def _as_choices(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names as they are scored, none of them the beginning of another."""
    begins = any(other != name and other.startswith(name) for name in names for other in names)
    return tuple(f" {name}\n" if begins else f" {name}" for name in names)


def numbers_up_to(count: int) -> str:
    """A pattern that accepts the numbers from 1 to ``count``, of at most 99, and each beginning of one."""
    tens, ones = divmod(min(count, 99), 10)
    if not tens:
        return f"[1-{ones}]"
    smaller = [f"[1-{tens - 1}][0-9]?"] if tens > 1 else []
    larger = [f"[{tens + 1}-9]"] if tens < 9 else []
    return f"(?:{'|'.join([*smaller, f'{tens}[0-{ones}]?', *larger])})"


def _numbers(answer: str) -> tuple[str, ...]:
    """The numbers in the sentence of an answer; none in any other."""
    found = answer.startswith(_SENTENCE) and answer.endswith(".")
    return tuple(answer.removeprefix(_SENTENCE).removesuffix(".").split(", ")) if found else ()


def _listed(answer: str) -> tuple[str, ...]:
    """The texts in the list of an answer."""
    body, _, thought_alone = unwrap(answer, LARGEST_ANSWER)
    if thought_alone:
        raise ContractError("plan", "holds thoughts and no JSON object behind them")
    try:
        document = parse_object(body)
    except ContractError as problem:
        raise ContractError("plan", f"{problem.field} {problem.problem}") from None
    listed = document.get(KEY)
    if document.keys() != {KEY} or not isinstance(listed, list) or not listed:
        raise ContractError("plan", f'is no object with the one key "{KEY}" and a list of names')
    if wrong := next((each for each in listed if not isinstance(each, str)), None):
        raise ContractError("plan", f"lists {wrong!r:.60}, which is no name")
    return tuple(listed)


def _known(written: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    wrong = next((each for each in written if each not in names), None)
    if wrong is not None:
        raise ContractError("plan", f"names {wrong!r:.60}, which is none of the analytics that are offered")
    return written


class Dropped(NamedTuple):
    """What of an answer about a plan was not run: entries that stood there ``twice``, and those ``left_out`` because
    the tokens left did not suffice for them, or the list was longer than it may be."""

    twice: int
    left_out: int


def dropped(answer: str, chosen: Sequence[str]) -> Dropped:
    """What of an answer that was read, and of which these were ``chosen``, was not run. Scores have no list: left out
    are the names ahead of the last one that was chosen."""
    numbers = _numbers(answer)
    document = {KEY: list(numbers)} if numbers else json.loads(unwrap(answer, LARGEST_ANSWER)[0])
    if isinstance(listed := document.get(KEY), list):
        distinct = len({str(each) for each in listed})
        return Dropped(len(listed) - distinct, distinct - len(chosen))
    ranked = [name.strip() for name in sorted(document, key=document.__getitem__, reverse=True)]
    places = [ranked.index(name) for name in chosen if name in ranked]
    return Dropped(0, max(places, default=-1) + 1 - len(places))
