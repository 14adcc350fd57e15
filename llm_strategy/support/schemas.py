"""JSON Schemas of ``contracts/``, each compiled once, and how a violation is told."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match

from llm_strategy.errors import ConfigurationError, did_you_mean, nearest

_FOLDER = files("llm_strategy.contracts")


@cache
def validator(name: str) -> Draft202012Validator:
    """The compiled validator of ``contracts/NAME.schema.json``."""
    schema = json.loads((_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def violation(schema: str | dict[str, Any] | Draft202012Validator, document: Any) -> tuple[str, str] | None:
    """The first thing wrong with a document as (field, problem), or ``None``; a text names a schema of ``contracts/``,
    and a validator is one that is compiled already.

    The field is a dotted path; an unknown key is answered by the closest known one.
    """
    if isinstance(schema, Draft202012Validator):
        compiled = schema
    else:
        compiled = validator(schema) if isinstance(schema, str) else Draft202012Validator(schema)
    if compiled.is_valid(document):  # several times faster than collecting errors
        return None
    error = best_match(compiled.iter_errors(document))
    return None if error is None else _tell(error)


def require(schema: str | dict[str, Any], document: Any, where: str) -> None:
    """Raise ``ConfigurationError``, which begins with ``where``, for the first thing wrong with a person's document."""
    if wrong := violation(schema, document):
        field, problem = wrong
        if problem.startswith("unknown key") and (section := _section_of(field, schema)):
            problem = f"unknown key there: write it under {section}."
        verb = f"is an {problem}" if problem.startswith("unknown") else problem
        raise ConfigurationError(f"{where}: {field} {verb}{'' if verb.endswith(('?', '.')) else '.'}")


def schemas_sha256() -> dict[str, str]:
    """sha256 of every schema by file name, for manifests."""
    return {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in sorted(_FOLDER.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json")
    }


def _section_of(field: str, schema: str | dict[str, Any]) -> str:
    """The sections of a document that have the key which ``field`` ends in, where it stands in another section or above
    them; empty where none has it, and for a key that stands deeper."""
    *path, key = field.split(".")
    if len(path) > 1 and path[0] != "advisors":
        return ""
    whole: Any = validator(schema).schema if isinstance(schema, str) else schema
    sections: dict[str, Any] = whole.get("properties", {})
    return " or ".join(name for name, section in sections.items() if key in section.get("properties", {}))


def _tell(error: ValidationError) -> tuple[str, str]:
    path = [str(part) for part in error.absolute_path]
    rule = str(error.validator)
    value: Any = error.instance
    allowed: Any = error.validator_value
    if rule == "additionalProperties" and isinstance(value, dict):
        schema: Any = error.schema
        known = list(schema["properties"])
        unknown = next(key for key in value if key not in known)
        return ".".join([*path, str(unknown)]), f"unknown key{did_you_mean(unknown, known)}"
    if rule == "required":
        missing = next(key for key in allowed if key not in value)
        return ".".join([*path, missing]), "is missing"
    field = ".".join(path) or "the document"
    shown = json.dumps(value, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    if rule == "enum":
        schema = error.schema
        other = f", or {schema['description']}" if "description" in schema else ""
        return field, f"is {shown}, it must be one of {', '.join(map(str, allowed))}{other}{nearest(value, allowed)}"
    about: Any = error.schema
    if rule in ("anyOf", "oneOf") and "description" in about:
        words = [word for part in allowed for word in part.get("enum", ())]
        return field, f"is {shown}, it must be {about['description']}{nearest(value, words)}"
    if rule == "pattern":
        schema = error.schema
        return field, f"is {shown}, it must be {schema.get('description', 'of the form ' + allowed)}"
    bounds = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
        "const": "exactly",
        "type": "of type",
    }
    if rule in bounds:
        wanted = " or ".join(allowed) if isinstance(allowed, list) else allowed
        return field, f"is {shown}, it must be {bounds[rule]} {wanted}"
    return field, f"is {shown}: {error.message}" if len(
        error.message
    ) < 120 else f"is {shown}, against {rule} {allowed}"
