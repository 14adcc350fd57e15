"""Commented starter files, written by ``btllm init``; the demo runs the experiment as it stands."""

import ast
import inspect
import json
import re
import textwrap
from dataclasses import fields
from importlib.resources import files


def starter_text(name: str = "experiment.yaml") -> str:
    """The text of a starter: ``experiment.yaml``, or ``llm.yaml`` for the settings of the model runtime.

    A setting of an experiment that the file does not show stands in the text all the same, commented out, and so does
    a choice.
    """
    text = (files(__name__) / name).read_text(encoding="utf-8")
    return with_all_settings(text) if name == "experiment.yaml" else text


def with_all_settings(text: str) -> str:
    """The text of an experiment with each setting that it does not name, at the end of its section, commented out, and
    with each choice that it does not name behind those of its setting."""
    from simulator.experiment.configuration import SECTIONS
    from simulator.experiment.schema import section_schema

    for section, kind in SECTIONS.items():
        head, start, rest = text.partition(f"\n{section}:")
        body, end, others = rest.partition("\n\n")
        missing = [field for field in fields(kind) if field.compare and f" {field.name}:" not in body]
        about = _docstrings(kind) if missing else {}
        for field in missing:
            usual = json.dumps(field.metadata.get("usual", field.default), default=str)
            first_line, *others_of_it = textwrap.wrap(f"{field.name}: {usual}  # {about.get(field.name, '')}", 114)
            body += "".join(f"\n  # {line}" for line in (first_line, *(f"  # {line}" for line in others_of_it)))
        for name, setting in section_schema(kind)["properties"].items():
            choices = (*setting.get("enum", ()), *setting.get("else", {}).get("enum", ()))
            body = _with_choices(body, name, [str(choice) for choice in choices if choice is not None])
        text = head + start + body + end + others
    return text


def _with_choices(body: str, name: str, choices: list[str]) -> str:
    """A section's text in which the entry of a setting names all of its choices."""
    entry = re.search(rf"(?ms)^  (?:# )?{name}: .*?(?=\n  (?:# )?\w+: |\Z)", body)
    missing = [choice for choice in choices if entry and choice not in re.findall(r"\w+", entry[0])]
    if entry is None or not missing:
        return body
    return f"{body[: entry.end()]}\n{' ' * 30}# | {' | '.join(missing)}{body[entry.end() :]}"


def _docstrings(kind: type) -> dict[str, str]:
    """What the source of a dataclass says under its fields."""
    source = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    definition = next(node for node in ast.walk(source) if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(field.target)] = " ".join(str(below.value.value).split())
    return found
