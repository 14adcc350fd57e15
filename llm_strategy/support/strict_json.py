"""JSON as its definition has it: every key of an object once, and numbers that a float holds."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class RepeatedKey(ValueError):
    """A ``key`` stands twice in one object."""

    def __init__(self, key: str, keys: list[str]) -> None:
        super().__init__(f"one of {', '.join(dict.fromkeys(keys))} stands twice")
        self.key = key


class NoNumber(ValueError):
    """``digits`` (``NaN``, ``Infinity``, ``1e999``) stand where a number must be; ``is_word`` for the first two."""

    def __init__(self, digits: str, *, is_word: bool) -> None:
        super().__init__(f"{digits} is no JSON number")
        self.digits, self.is_word = digits, is_word


def parse_json(text: str, *, repeated: bool = False, words: bool = False, beyond: bool = False) -> Any:
    """The value of a JSON text.

    Raises ``json.JSONDecodeError`` where it is none, ``RepeatedKey`` unless keys may be ``repeated``, ``NoNumber`` for
    ``NaN`` and infinities unless such ``words`` may stand for numbers, and for digits that no float holds (``1e999``)
    unless numbers may go ``beyond``; another ``ValueError`` for an integer of thousands of digits, and
    ``RecursionError`` for endless nesting.
    """
    return json.loads(
        text,
        object_pairs_hook=None if repeated else _every_key_once,
        parse_constant=None if words else _refuse_word,
        parse_float=None if beyond else _finite,
    )


def _every_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        raise RepeatedKey(next(key for key in keys if keys.count(key) > 1), keys)
    return document


def _refuse_word(word: str) -> NoReturn:
    raise NoNumber(word, is_word=True)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NoNumber(digits, is_word=False)
    return value
