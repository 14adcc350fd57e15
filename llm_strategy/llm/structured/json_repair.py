"""The JSON of an answer: without what models write around it, with near misses of a choice put right, and closed where
the answer was cut off."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import replace
from typing import TypeAlias

from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Form, Generation, Slot, fill
from llm_strategy.llm.structured.answer_text import LARGEST_WITH_THOUGHTS, THOUGHT_ALONE, unwrap
from llm_strategy.support.strict_json import parse_json
from llm_strategy.types import Event, EventKind

_CLOSERS = {"{": "}", "[": "]"}
_HALF_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{0,3})?\Z")
_LAST_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{0,4})?\Z")
_HALF_WORD = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|-|\.|[eE][+-]?")
_SCALAR = re.compile(r"[^\s,\[\]{}\":]+")
_LAST_PLACES = 4
"""Places looked at from the end: behind the last complete value there can be its comma, a key and a bracket alone."""

_Open: TypeAlias = "tuple[str, _Open] | None"
"""The brackets that are open, the innermost first, each as the one that closes it."""


def close_json(text: str) -> str | None:
    """The JSON text that begins as this one, with open texts and brackets closed; None where it cannot be.

    A text that was cut keeps what is there. A number, a word or a key that was cut is left out with its key, since its
    rest would have made another value of it. Nothing is put right but the end.
    """
    opened: _Open = None
    places: deque[tuple[int, _Open]] = deque(maxlen=_LAST_PLACES)  # ends of values and keys
    at, cut_text = 0, False
    while at < len(text):
        sign = text[at]
        if sign == '"':
            end = _text_end(text, at)
            if end is None:
                cut_text = True
                break
            at = end
        elif sign in _CLOSERS:
            opened = _CLOSERS[sign], opened
            at += 1
        elif sign in "}]":
            if opened is None or opened[0] != sign:
                return None
            opened = opened[1]
            at += 1
        elif found := _SCALAR.match(text, at):
            if found.end() == len(text):
                break
            at = found.end()
        else:
            at += 1
            continue
        places.append((at, opened))
    if cut_text:
        closed = _HALF_ESCAPE.sub(_kept_of_escape, text) + '"' + _closers(opened)
        if _is_json(closed):
            return closed
    ended = (text[:end] + _closers(inside) for end, inside in reversed(places))
    return next(filter(_is_json, ended), None)


def _closers(opened: _Open) -> str:
    written: list[str] = []
    while opened is not None:
        written.append(opened[0])
        opened = opened[1]
    return "".join(written)


def can_become_json(text: str) -> bool:
    """Whether something can be written behind the text that makes it JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as problem:
        rest = text[problem.pos :]
        if problem.msg.startswith("Invalid control"):
            return False
        half = _HALF_WORD.fullmatch(rest) or _LAST_ESCAPE.search(text)
        return not rest.strip() or bool(half) or problem.msg.startswith("Unterminated")
    except (RecursionError, ValueError):  # brackets without end, or an integer of thousands of digits
        return False
    return True


def _text_end(text: str, begin: int) -> int | None:
    at = begin + 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == '"':
            return at + 1
        else:
            at += 1
    return None


def _kept_of_escape(found: re.Match[str]) -> str:
    """Nothing of an escape that was cut; a backslash that is itself escaped stays."""
    before = found.string[: found.start()]
    escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    return found.group() if escaped else ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def repair_json(answer: Generation, form: Form, max_tokens: int) -> Generation:
    """The answer with its JSON for its text; events tell what was put right. Raises ``ContractError`` where it holds
    no JSON."""
    return _with_json_alone(_closed(_as_listed(answer, form), max_tokens))


def _with_json_alone(answer: Generation) -> Generation:
    """The answer with its JSON for its text, and an event that names what was taken off."""
    text, kinds = _json_of(answer.text)
    told = (Event(EventKind.REPAIRED, ", ".join(kinds)),) if kinds else ()
    return replace(answer, text=text, events=(*answer.events, *told))


def _as_listed(answer: Generation, form: Form) -> Generation:
    """The answer, where a value is one of its slot's choices in other letters (Bull for bull) with the choice in its
    place, which an event tells."""
    values, events = dict(answer.values), list[Event]()
    for slot in form:
        if isinstance(slot, Slot) and slot.choices and (said := values.get(slot.name, "")) not in slot.choices:
            meant = [choice for choice in slot.choices if choice.casefold() == said.strip().casefold()]
            if len(meant) == 1:
                values[slot.name] = meant[0]
                events.append(Event(EventKind.REPAIRED, f"{slot.name} was written {said!r} and is {meant[0]!r}."))
    if not events:
        return answer
    return replace(answer, text=fill(form, values), values=values, events=(*answer.events, *events))


def _closed(answer: Generation, max_tokens: int) -> Generation:
    """The answer, where it was cut off with its JSON closed, which an event tells."""
    if answer.finish != "length" or len(answer.text) > LARGEST_WITH_THOUGHTS:
        return answer
    begun = answer.text.strip().removeprefix("```json").removeprefix("```").lstrip()
    closed = close_json(begun)
    if closed is None or closed == begun:
        return answer
    why = "cut off: raise LLM_MAX_TOKENS"
    if answer.tokens_out < max_tokens:
        why = "cut off where it left JSON: use a larger model, or llama_cpp, which holds a model to a grammar"
    told = f"After {answer.tokens_out} tokens the answer was closed, as it was {why}."
    return replace(answer, text=closed, events=(*answer.events, Event(EventKind.REPAIRED, told)))


def json_text(answer: str) -> str:
    """The JSON text of an answer, what stands around it (``answer_text``) taken off; ``ContractError`` where it is not
    JSON, or holds several objects."""
    return _json_of(answer)[0]


def _json_of(answer: str) -> tuple[str, tuple[str, ...]]:
    """The JSON text of an answer, and what stood around it, by kind."""
    if len(answer) > LARGEST_WITH_THOUGHTS:
        raise ContractError("answer", f"has {len(answer)} characters, at most {LARGEST_WITH_THOUGHTS} are read as JSON")
    text, kinds, thought_alone = unwrap(answer.strip(), len(answer))
    if thought_alone:
        raise ContractError("answer", "holds thoughts and no JSON behind them", THOUGHT_ALONE)
    try:
        parse_json(text, repeated=True, beyond=True)
    except (ValueError, RecursionError) as problem:
        raise ContractError(
            "answer",
            f"the model wrote invalid JSON ({problem}); "
            "raise LLM_MAX_TOKENS, lower LLM_TEMPERATURE or use a larger model.",
        ) from None
    return text, kinds
