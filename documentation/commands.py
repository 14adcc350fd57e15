"""The page of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from documentation.markdown import cell, code, prose, table
from simulator.cli.main import app


def command_line() -> str:
    """The page: each command with its arguments and options."""
    root = typer.main.get_command(app)
    parts = ["# Command line", cell(root.help or ""), cell(root.epilog or "")]
    for name, command in commands(root):
        parts += [f"## btllm {name}", prose(inspect.cleandoc(command.help or "")), *_parameters(command)]
    return "\n\n".join(parts) + "\n"


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, those of groups included."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


def _parameters(command: Any) -> Iterator[str]:
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        yield table(("argument or option", "if absent", "what"), rows)


def _row(parameter: Any) -> tuple[str, str, str]:
    option = parameter.param_type_name == "option"
    name = ", ".join(sorted(parameter.opts, key=len)) if option else parameter.name.upper()
    usual = parameter.default
    shown = "" if callable(usual) or usual in (None, "", False, ()) or str(usual) == "." else str(usual)
    return code(name), code(shown), cell(getattr(parameter, "help", "") or "")
