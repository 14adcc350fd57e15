"""The JSON Schema of an experiment, written from its fields: ``make contracts`` after one has changed.

A field's type, its bounds (``Annotated[int, Field(ge=1)]``) and its default are the schema. ``Field(description=...)``
stands in the sentence about a wrong value, and ``WithJsonSchema`` says what a type cannot.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from llm_strategy.market.context.features import Features
from llm_strategy.market.context.registry import NONE
from llm_strategy.market.context.source import ContextSource

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_BOUNDS = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def experiment_schema() -> dict[str, Any]:
    """The whole of ``contracts/experiment.schema.json``."""
    from simulator.experiment.configuration import Experiment

    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:backtrader-llm:experiment:1.0.0",
        "title": "Experiment",
        "description": "experiment.yaml: which prices, which advisor, which limits and costs, and what it is compared "
        "with. Fractions are 1.0 for 100 percent.",
    }
    return head | section_schema(Experiment)


@cache
def section_schema(kind: type) -> dict[str, Any]:
    """The schema of a dataclass: an object with a property for each field that is compared."""
    hints = get_type_hints(kind, include_extras=True)
    fields = [field for field in dataclasses.fields(kind) if field.compare]
    required = [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {field.name: _schema(hints[field.name], field.metadata.get("schema", {})) for field in fields},
    }


def keywords_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """The schema of the settings that a function or a class is made with: an object with a property for each."""
    signature = inspect.signature(function, eval_str=True)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _schema(keyword.annotation, {}) for name, keyword in signature.parameters.items()},
    }


def source_schema(kind: type[ContextSource]) -> dict[str, Any]:
    """The schema of the options of a source of context, which may be null, with the null that every source has."""
    schema = keywords_schema(kind) | {"type": ["object", "null"]}
    if kind is Features:
        return schema
    nulls = schema["properties"].get("null", {}).get("enum", (None,))
    return schema | {"properties": schema["properties"] | {"null": {"enum": [*nulls, NONE]}}}


def whole_numbers(kind: type) -> set[str]:
    """The fields of a dataclass that hold whole numbers."""
    properties = section_schema(kind)["properties"]
    return {name for name, schema in properties.items() if schema.get("type") in ("integer", ["integer", "null"])}


def _schema(hint: Any, more: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type, with keywords that go before its own."""
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        for mark in marks:
            if isinstance(mark, WithJsonSchema):
                return (mark.json_schema or {}) | more
            if isinstance(mark, FieldInfo):
                more = _bounds(mark) | more
        return _schema(hint, more)
    if "enum" in more:
        return dict(more)
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (part for part in get_args(hint) if part is not types.NoneType)
        schema = _schema(inner, more)
        if "enum" in schema:
            return schema | {"enum": [*schema["enum"], None]}
        return schema | {"type": [schema["type"], "null"]}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        section = dict(section_schema(hint))
        properties = section.pop("properties")
        return section | more | {"properties": properties}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))} | more
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0], {})} | more
    return {"type": _TYPES[hint]} | more


def _bounds(field: FieldInfo) -> dict[str, Any]:
    """What an annotation says beside the type."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    bounds = {
        keyword: getattr(bound, name)
        for bound in field.metadata
        for name, keyword in _BOUNDS.items()
        if getattr(bound, name, None) is not None
    }
    return {**bounds, **extra} | ({"description": field.description} if field.description else {})


if __name__ == "__main__":
    sys.stdout.write(json.dumps(experiment_schema(), indent=2, ensure_ascii=False) + "\n")
