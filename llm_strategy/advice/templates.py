"""Prompts are files in ``prompts/``; a variable that a template needs and nobody gave is an error by name."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

import jinja2

from llm_strategy.errors import ConfigurationError

_FOLDER = files("llm_strategy.prompts")


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(lambda name: (_FOLDER / name).read_text(encoding="utf-8"))
    return jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - prompts are plain text, not markup
    )


def render(name: str, **variables: object) -> str:
    """The text of ``prompts/NAME`` with its variables filled in.

    Raises ``ConfigurationError`` naming the variable that is missing.
    """
    try:
        return _environment().get_template(name).render(**variables).strip()
    except FileNotFoundError:
        known = ", ".join(sorted(entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".j2")))
        raise ConfigurationError(f"There is no prompt {name!r}; the prompts are {known}.") from None
    except jinja2.UndefinedError as problem:
        raise ConfigurationError(f"Prompt {name!r} needs a variable that was not given: {problem}.") from None


def prompts_sha256() -> dict[str, str]:
    """sha256 of every prompt file by name, for manifests."""
    return {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in sorted(_FOLDER.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith((".j2", ".yaml"))
    }
