"""The page of every setting of an experiment and of the model runtime, from their fields and the starter's comments."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import yaml

from documentation.markdown import cell, code, table
from llm_strategy.llm.backends.sections import SECTIONS as BACKENDS
from llm_strategy.llm.settings import LlmSettings
from simulator.experiment.configuration import OPTIONAL_SECTIONS, SECTIONS, Experiment
from simulator.experiment.schema import experiment_schema
from simulator.experiment.starters import starter_text

_KEY = re.compile(r"^(?P<indent> *)(?:# )?(?P<key>[a-z_]+):(?: .*?)?(?:\s{2,}|\s)# (?P<told>\S.*)$")
_GOES_ON = re.compile(r"^ *#\s+(?P<told>\S.*)$")
_HEAD = re.compile(r"^(?:# )?(?P<key>[a-z_]+):")
KINDS: dict[str, type] = SECTIONS | OPTIONAL_SECTIONS
"""The sections of an experiment that have a table of their own."""
_WORDS = {"exclusiveMinimum": "above", "minimum": "from", "maximum": "to", "exclusiveMaximum": "below"}


def experiment_settings() -> str:
    """The page of ``experiment.yaml``: a table for each section, in the order of the schema."""
    schema = experiment_schema()["properties"]
    told = comments(starter_text())
    parts = [
        "# Settings of an experiment",
        "Every key of `experiment.yaml`; all may be left out. Written from the fields that the program reads and from "
        "the comments of the starter that `btllm init` writes. Fractions are 1.0 for 100 percent. What is not a key "
        'here is refused with a "did you mean". The same as a JSON Schema: `contracts/experiment.schema.json`.',
        "## At the top",
        _rows(Experiment, {key: part for key, part in schema.items() if key not in KINDS}, told.get("", {})),
    ]
    for section, kind in KINDS.items():
        parts += [f"## {section}", _rows(kind, schema[section]["properties"], told.get(section, {}))]
    return "\n\n".join(parts) + "\n"


def runtime_settings() -> str:
    """The page of ``configs/llm.yaml`` and its variables."""
    starter = starter_text("llm.yaml")
    told = comments(re.sub(r"(?m)^# ( *[a-z_]+:)", r"\1", starter))
    docs = field_docstrings(LlmSettings)
    rows = [
        (code(name), code(_variable(name)), _default(field.default), cell(docs.get(name, "")))
        for name, field in LlmSettings.model_fields.items()
        if name != "sections"
    ]
    parts = [
        "# Settings of the model runtime",
        "`configs/llm.yaml` is read first, then `.env`, then the environment; each goes before what was read earlier. "
        "In an experiment `advisors: {NAME: {backend: ..., options: {...}}}` goes before all of them.",
        table(("key", "variable", "if absent", "what"), rows),
        "## Options of single backends",
        "They stand under the name of the backend in `configs/llm.yaml`, or in `options` of an advisor.",
    ]
    for name, kind in BACKENDS.items():
        said = told.get(name, {})
        fields = [
            (
                code(field.alias or key),
                _default(field.default),
                cell(said.get(key) or field.description or ""),
            )
            for key, field in kind.model_fields.items()
        ]
        parts += [f"### {name}", table(("key", "if absent", "what"), fields) if fields else "No options."]
    parts += [
        "## The starter",
        "What `btllm init` writes into `configs/llm.yaml`.",
        f'```yaml title="configs/llm.yaml"\n{starter.rstrip()}\n```',
    ]
    return "\n\n".join(parts) + "\n"


def comments(starter: str) -> dict[str, dict[str, str]]:
    """What a starter file says behind its keys: by section (``""`` for the top) and key. A comment that goes on in the
    next lines is joined."""
    found: dict[str, dict[str, str]] = {}
    section, going_on = "", None
    for line in starter.splitlines():
        head = _HEAD.match(line)
        if match := _KEY.match(line):
            inner = bool(match["indent"])
            where = found.setdefault(section if inner else "", {})
            where[match["key"]] = match["told"]
            going_on = (where, match["key"])
            section = section if inner else match["key"]
            continue
        if going_on and (more := _GOES_ON.match(line)) and line.index("#") >= 20:
            where, key = going_on
            where[key] += " " + more["told"]
            continue
        going_on = None
        if head and not line.startswith("#"):
            section = head["key"]
    return found


def field_docstrings(kind: type) -> dict[str, str]:
    """The text below each field of a class, its base classes included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is object or base.__module__.startswith(("pydantic", "builtins")):
            continue
        try:
            (made,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError):
            continue
        body = made.body if isinstance(made, ast.ClassDef) else []
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                value = getattr(text.value, "value", None)
                if isinstance(value, str):
                    found[field.target.id] = " ".join(value.split())
    return found


def _rows(kind: type, properties: Mapping[str, Any], told: Mapping[str, str]) -> str:
    docs = field_docstrings(kind)
    defaults = _defaults(kind)
    rows = []
    for key, schema in properties.items():
        words = told.get(key) or docs.get(key) or schema.get("description", "")
        rows.append((code(key), _default(defaults.get(key)), _allowed(schema), cell(words)))
    return table(("key", "if absent", "allowed", "what"), rows)


def _defaults(kind: type) -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(kind):
        if "usual" in field.metadata:
            found[field.name] = field.metadata["usual"]
        elif field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found


def _default(value: Any) -> str:
    """A default as it would be written in YAML; nothing for one that is a section of its own."""
    if value is None or repr(value) in ("PydanticUndefined", "''", "()", "{}", "[]"):
        return ""
    if isinstance(value, str | bool | int | float):
        return code(yaml.safe_dump(value).splitlines()[0])
    if isinstance(value, tuple | list) and all(isinstance(one, str) for one in value):
        return code("[" + ", ".join(value) + "]")
    return ""


def _allowed(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(code(json_word(one)) for one in schema["enum"])
    kinds = schema.get("type", "")
    words = [" or ".join(kinds) if isinstance(kinds, list) else kinds]
    words += [f"{word} {schema[key]:g}" for key, word in _WORDS.items() if key in schema]
    return cell(" ".join(filter(None, words)).replace("null", "nothing"))


def json_word(value: Any) -> str:
    """A value of a list of choices as it is written in YAML."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _variable(name: str) -> str:
    return "LOG_LEVEL" if name == "log_level" else f"LLM_{name.upper()}"
