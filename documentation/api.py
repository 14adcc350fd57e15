"""The page of the Python API: the public names of each package with signature and docstring."""

from __future__ import annotations

import dataclasses
import enum
import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from documentation.markdown import cell, code, prose, table
from documentation.settings import field_docstrings

LONGEST = 100
"""Letters of a call that stands in one line."""
PACKAGES = ("llm_strategy", "simulator", "llm_strategy.llm")


def python_api() -> str:
    """The page: the names of ``__all__`` of each package, in their order."""
    parts = ["# Python API", "What may be imported. Names that do not stand here are the program's own and may change."]
    for package in PACKAGES:
        module = import_module(package)
        parts += [f"## {package}", prose(_without_examples(inspect.getdoc(module) or ""))]
        for name in module.__all__:
            parts += [f"### {name}", *_described(name, getattr(module, name))]
    return "\n\n".join(parts) + "\n"


def _described(name: str, value: Any) -> Iterator[str]:
    if not callable(value):
        yield f"`{type(value).__name__}`: {', '.join(map(code, sorted(value)))}." if value else ""
        return
    if not (isinstance(value, type) and issubclass(value, enum.Enum)):
        yield f"```text\n{name}{_signature(value)}\n```"
    yield prose(_without_examples(inspect.getdoc(value) or ""))
    if isinstance(value, type):
        yield from _members(value)


def _signature(value: Any) -> str:
    """The call in one line, or with a line for each argument where it is long."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    given = [_argument(one) for one in signature.parameters.values()]
    places = [one.kind for one in signature.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL not in places and inspect.Parameter.KEYWORD_ONLY in places:
        given.insert(places.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returned = "" if isinstance(value, type) else f" -> {_plain(signature.return_annotation)}"
    line = f"({', '.join(given)}){returned}"
    return line if len(line) <= LONGEST else "(\n    " + ",\n    ".join(given) + f",\n){returned}"


def _argument(one: inspect.Parameter) -> str:
    """One argument with its type and default; a default that no text can tell is dots."""
    star = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    kind = "" if one.annotation is one.empty else f": {_plain(one.annotation)}"
    text = str(one.default) if isinstance(one.default, enum.Enum) else repr(one.default)
    usual = "" if one.default is one.empty else f"{' = ' if kind else '='}{'...' if '<' in text else text}"
    return f"{star}{one.name}{kind}{usual}"


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _members(kind: type) -> Iterator[str]:
    if issubclass(kind, enum.Enum):
        yield ", ".join(code(str(one.value)) for one in kind) + "."
        return
    docs = field_docstrings(kind)
    if dataclasses.is_dataclass(kind) and docs:
        rows = [(code(field.name), cell(docs[field.name])) for field in dataclasses.fields(kind) if field.name in docs]
        yield table(("field", "what"), rows)
    rows = [
        (code(name), cell((inspect.getdoc(member) or "").split("\n\n")[0]))
        for name, member in vars(kind).items()
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)) and member.__doc__
    ]
    if rows:
        yield table(("member", "what"), rows)


def _without_examples(text: str) -> str:
    """A docstring without the lines of its interactive examples."""
    return "\n".join(line for line in text.splitlines() if not line.startswith((">>>", "..."))).strip()
