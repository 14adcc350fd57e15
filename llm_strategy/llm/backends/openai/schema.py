"""A JSON Schema as OpenAI's strict mode wants it, which other servers understand as well."""

from __future__ import annotations

from typing import Any

NOT_PERMITTED = frozenset({
    "$id", "$schema", "default", "maxLength", "maxProperties", "minLength", "minProperties", "patternProperties",
    "uniqueItems",
})  # fmt: skip
"""Keywords that strict mode answers with a refusal. They bound an answer, and the contract checks it all the same."""


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """The field of a request that holds an answer to this schema; strictly, where the schema leaves nothing open.

    Strict mode wants an object with every property required, none besides them, and a ``type`` wherever values are
    listed.
    """
    strict = schema.get("type") == "object" and _leaves_nothing_open(schema)
    described = {"name": "answer", "strict": strict, "schema": _permitted(schema) if strict else schema}
    return {"type": "json_schema", "json_schema": described}


def _leaves_nothing_open(schema: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    if schema.get("type") == "object" and (
        set(schema.get("required", ())) != set(properties) or schema.get("additionalProperties") is not False
    ):
        return False
    inner = [*properties.values(), *(part for part in (schema.get("items"),) if isinstance(part, dict))]
    return all(_leaves_nothing_open(part) for part in inner)


def _permitted(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in schema.items() if name not in NOT_PERMITTED}
    if "enum" in kept and "type" not in kept:
        kept = {"type": _type_of(kept["enum"]), **kept}
    if "properties" in kept:
        kept["properties"] = {name: _permitted(part) for name, part in kept["properties"].items()}
    if isinstance(kept.get("items"), dict):
        kept["items"] = _permitted(kept["items"])
    return kept


def _type_of(values: list[Any]) -> str | list[str]:
    names = {bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object", list: "array"}
    found = sorted({names.get(type(value), "string") for value in values})
    return found[0] if len(found) == 1 else found
