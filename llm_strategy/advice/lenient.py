"""Values that a model wrote otherwise than the contract wants them, where they can mean one thing alone: by choice."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

Repairs: TypeAlias = Literal["strict", "lenient"]
"""Whether values that break the contract are errors, or read where they can mean one thing alone."""

AS_TEXT = "number as text"
PERCENT = "percentage"
NULL = "null"

_OPTIONAL_AT_THE_TOP = ("version", "intent", "symbol", "timeframe")
"""What the program fills in."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?")


def made_lenient(document: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document with numbers for numbers in quotes, confidences above 1 and up to 100 or with a percent sign read as
    percentages, and no optional value that is null; and the kinds of what was changed."""
    kinds: list[str] = []
    read = _without_nulls(document, _OPTIONAL_AT_THE_TOP, kinds)
    if isinstance(regime := read.get("regime"), dict):
        read["regime"] = _with_confidence(_without_nulls(regime, ("confidence",), kinds), kinds)
    if isinstance(action := read.get("action"), dict):
        action = _with_confidence(_without_nulls(action, ("constraints",), kinds), kinds)
        if isinstance(constraints := action.get("constraints"), dict):
            kept = _without_nulls(constraints, tuple(constraints), kinds)
            action["constraints"] = {name: _number(value, kinds) for name, value in kept.items()}
        read["action"] = action
    return read, tuple(dict.fromkeys(kinds))


def _without_nulls(section: dict[str, Any], optional: tuple[str, ...], kinds: list[str]) -> dict[str, Any]:
    kept = {name: value for name, value in section.items() if value is not None or name not in optional}
    if len(kept) < len(section):
        kinds.append(NULL)
    return kept


def _with_confidence(section: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
    if "confidence" not in section:
        return section
    return section | {"confidence": _fraction(section["confidence"], kinds)}


def _fraction(value: Any, kinds: list[str]) -> Any:
    """A confidence as a fraction; ``value`` itself where it is none."""
    signed = isinstance(value, str) and value.strip().endswith("%")
    number = _number(value.strip().removesuffix("%") if signed else value, kinds)
    if not isinstance(number, int | float) or isinstance(number, bool):
        return value
    if 1 < number <= 100:
        kinds.append(PERCENT)
        return number / 100
    return value if signed else number


def _number(value: Any, kinds: list[str]) -> Any:
    """The number that a text spells; any other value as it is."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return value
    kinds.append(AS_TEXT)
    return float(value)
