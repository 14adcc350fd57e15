"""Forms and JSON Schemas, each made of the other: for engines without a grammar, and for servers that know no forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from llm_strategy.llm.requests import Form, Request, Slot

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


_FIRST_NUMBER = 739_153_001
"""Digits that stand for a slot outside of quotes; no form of ours holds them."""


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def requested_schema(request: Request) -> dict[str, Any] | None:
    """The JSON Schema that the answer to a request has to keep: its form's, else its own; ``None`` without either."""
    if request.form:
        return form_schema(request.form)
    own: dict[str, Any] | None = json.loads(request.json_schema) if request.json_mode and request.json_schema else None
    return own


def form_schema(form: Form) -> dict[str, Any] | None:
    """The JSON Schema of what the form yields; ``None`` where the form is not JSON.

    Keys keep their order; a slot in quotes is a string, one of its ``choices`` where it has some; a slot outside of
    quotes is a number; what the program writes itself is a constant.
    """
    sample = _sample(form)
    return None if sample is None else _schema(sample, _slots(form))


def form_values(form: Form, text: str) -> dict[str, str]:
    """What stands in each slot of an answer that was written as a whole; empty where it does not fit the form."""
    try:
        document = _read(text)
    except (ValueError, RecursionError):
        return {}
    return dict(_values(_sample(form), document, _slots(form)))


def _slots(form: Form) -> dict[str, Slot]:
    """The slots by the text that stands for each in the sample."""
    slots = [part for part in form if isinstance(part, Slot)]
    return {_stand_in(number, slot): slot for number, slot in enumerate(slots)}


def _stand_in(number: int, slot: Slot) -> str:
    return f"\u27e6{number}\u27e7" if slot.stop == '"' else str(_FIRST_NUMBER + number)


def _sample(form: Form) -> Any:
    stand_ins = iter(_slots(form))
    try:
        return _read("".join(part if isinstance(part, str) else next(stand_ins) for part in form))
    except ValueError:
        return None


def _read(text: str) -> Any:
    return json.loads(text, parse_float=_Number, parse_int=_Number)


def _schema(sample: Any, slots: dict[str, Slot]) -> dict[str, Any]:
    if isinstance(sample, dict):
        properties = {name: _schema(value, slots) for name, value in sample.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    slot = _slot_in(sample, slots)
    if isinstance(sample, _Number):
        return {"type": "number"} if slot else {"type": "number", "enum": [json.loads(sample)]}
    if slot is None:
        return {"enum": [sample]}
    choices = slots[slot].choices if sample == slot else ()
    return {"type": "string", "enum": list(choices)} if choices else {"type": "string"}


def _slot_in(sample: Any, slots: dict[str, Slot]) -> str | None:
    return next((stand_in for stand_in in slots if isinstance(sample, str) and stand_in in sample), None)


def _values(sample: Any, document: Any, slots: dict[str, Slot]) -> Iterator[tuple[str, str]]:
    if isinstance(sample, dict) and isinstance(document, dict):
        for name in sample.keys() & document.keys():
            yield from _values(sample[name], document[name], slots)
    slot = _slot_in(sample, slots)
    if slot is not None and isinstance(document, str) and isinstance(document, _Number) == isinstance(sample, _Number):
        before, _, after = sample.partition(slot)
        yield slots[slot].name, document.removeprefix(before).removesuffix(after)
