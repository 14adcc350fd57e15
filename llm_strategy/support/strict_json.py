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


def parse_json(text: str, *, once: bool = True, finite: bool = True) -> Any:
    """The value of a JSON text. Raises ``json.JSONDecodeError`` where it is none, ``NoNumber`` for ``NaN`` and
    infinities (``1e999`` among them where numbers must be ``finite``), ``RepeatedKey`` where keys must stand ``once``,
    another ``ValueError`` for an integer of thousands of digits, and ``RecursionError`` for endless nesting."""
    return json.loads(
        text,
        object_pairs_hook=_every_key_once if once else None,
        parse_constant=_refuse_word,
        parse_float=_finite if finite else None,
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
