"""A JSON Schema as a form: the program writes the object and the model its values, for engines without a grammar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from llm_strategy.llm.requests import Form, Slot

TEXT_TOKENS = 48
"""Bound of a text; a schema's ``maxLength`` may make it shorter."""
_WHOLE = r"-?[0-9]{0,9}"
_BROKEN = r"-?[0-9]{0,9}(\.[0-9]{0,4})?"
_SHARE_DIGITS = r"[0-9]{1,2}"


class _NoForm(Exception):
    """The schema leaves open what the program would have to write."""


def schema_form(schema: dict[str, Any], *, lists: bool) -> Form:
    """The form of an answer that keeps to the schema; empty where there is none.

    Of a property that may be left out nothing is written, but where none is required. A list, where ``lists`` says so,
    has as many items as it must, at least one.
    """
    try:
        return _joined(_parts(schema, "answer", lists))
    except _NoForm:
        return ()


def _parts(schema: dict[str, Any], name: str, lists: bool) -> Iterator[str | Slot]:
    if "const" in schema:
        yield json.dumps(schema["const"])
    elif "enum" in schema:
        yield from _one_of(schema["enum"], name)
    elif "anyOf" in schema:
        real = [part for part in schema["anyOf"] if part.get("type") != "null"]
        if len(real) != 1:
            raise _NoForm
        yield from _parts(real[0], name, lists)
    elif schema.get("type") == "object":
        yield from _object(schema, name, lists)
    elif schema.get("type") == "array" and lists and isinstance(schema.get("items"), dict):
        count = max(1, schema.get("minItems", 1))
        for position in range(count):
            yield ", " if position else "["
            yield from _parts(schema["items"], f"{name}.{position}", lists)
        yield "]"
    elif schema.get("type") == "string":
        longest = schema.get("maxLength")
        yield '"'
        yield Slot(name, TEXT_TOKENS if longest is None else max(1, min(TEXT_TOKENS, longest // 2)))
        yield '"'
    elif schema.get("type") == "number" and _is_share(schema):
        yield "0."
        yield Slot(name, 2, stop="}", pattern=_SHARE_DIGITS)
    elif schema.get("type") in ("number", "integer"):
        yield Slot(name, 12, stop="}", pattern=_WHOLE if schema["type"] == "integer" else _BROKEN)
    else:
        raise _NoForm


def _object(schema: dict[str, Any], name: str, lists: bool) -> Iterator[str | Slot]:
    properties = schema.get("properties", {})
    if not properties:
        raise _NoForm
    written = [key for key in properties if key in schema.get("required", ())] or list(properties)
    for position, key in enumerate(written):
        yield f"{', ' if position else '{'}{json.dumps(key)}: "
        yield from _parts(properties[key], f"{name}.{key}", lists)
    yield "}"


def _one_of(values: list[Any], name: str) -> Iterator[str | Slot]:
    if not all(isinstance(value, str) for value in values):
        raise _NoForm
    yield '"'
    yield Slot(name, TEXT_TOKENS // 2, choices=tuple(values))
    yield '"'


def _is_share(schema: dict[str, Any]) -> bool:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
    highest = schema.get("maximum", schema.get("exclusiveMaximum"))
    return lowest == 0 and highest == 1


def _joined(parts: Iterator[str | Slot]) -> Form:
    """The parts with neighbouring texts made one."""
    form: list[str | Slot] = []
    for part in parts:
        if isinstance(part, str) and form and isinstance(form[-1], str):
            form[-1] += part
        else:
            form.append(part)
    return tuple(form)
