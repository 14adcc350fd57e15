"""JSON that was cut off in the middle, closed where it can be."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TypeAlias

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
