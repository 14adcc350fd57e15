"""Commented starter files, written by ``btllm init``; the demo runs the experiment as it stands."""

import ast
import inspect
import json
import textwrap
from dataclasses import fields
from importlib.resources import files


def starter_text(name: str = "experiment.yaml") -> str:
    """The text of a starter: ``experiment.yaml``, or ``llm.yaml`` for the settings of the model runtime.

    A setting of an experiment that the file does not show stands in the text all the same, commented out.
    """
    text = (files(__name__) / name).read_text(encoding="utf-8")
    return with_all_settings(text) if name == "experiment.yaml" else text


def with_all_settings(text: str) -> str:
    """The text of an experiment with each setting that it does not name, at the end of its section, commented out."""
    from simulator.experiment.configuration import SECTIONS

    for section, kind in SECTIONS.items():
        head, start, rest = text.partition(f"\n{section}:")
        body, end, others = rest.partition("\n\n")
        missing = [field for field in fields(kind) if f" {field.name}:" not in body]
        about = _docstrings(kind) if missing else {}
        for field in missing:
            usual = json.dumps(field.metadata.get("usual", field.default), default=str)
            first_line, *others_of_it = textwrap.wrap(f"{field.name}: {usual}  # {about.get(field.name, '')}", 114)
            body += "".join(f"\n  # {line}" for line in (first_line, *(f"  # {line}" for line in others_of_it)))
        text = head + start + body + end + others
    return text


def _docstrings(kind: type) -> dict[str, str]:
    """What the source of a dataclass says under its fields."""
    source = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    definition = next(node for node in ast.walk(source) if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(field.target)] = " ".join(str(below.value.value).split())
    return found
