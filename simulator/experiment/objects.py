"""Parts that a program gives as objects: by a reference where they can be imported, and else known to this process
alone."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from llm_strategy.advice.rules import BASELINES, Rule
from llm_strategy.errors import ConfigurationError

PROGRAM = "defined_in_program"
"""In place of the module of an object that cannot be imported: no other process finds it."""


def entry_of(name: str, given: Any) -> Any:
    """The entry of an arm for a ``Rule`` (class or instance), a function or a ``bt.Strategy`` class; any other entry as
    it is. Raises ``ConfigurationError`` for an object that decides nothing."""
    if isinstance(given, Mapping):
        return {
            key: reference_of(name, part) if key in ("strategy", "rule") and callable(part) else part
            for key, part in given.items()
        }
    if given is None or isinstance(given, (str, int, float, list, tuple)):
        return given
    if _is_strategy(given):
        return {"strategy": reference_of(name, given)}
    if isinstance(given, Rule):
        return _rule_entry(name, given)
    if (isinstance(given, type) and issubclass(given, Rule)) or inspect.isroutine(given):
        ours = next((rule for rule, kind in BASELINES.items() if kind is given), None)
        return {"rule": ours or reference_of(name, given)}
    raise ConfigurationError(
        f"arms.{name} is {given!r:.60}: give a mapping, a Rule or its class, a function, or a class of bt.Strategy."
    )


def reference_of(name: str, part: Any, source: str = "") -> str:
    """``package.module:name`` where that finds the part again, and else a name that this process knows it by, which is
    another for another ``source``."""
    module, qualified = getattr(part, "__module__", ""), getattr(part, "__qualname__", "")
    found = getattr(sys.modules.get(module), qualified, None) if module != "__main__" else None
    if found is part and not module.startswith(PROGRAM):
        return f"{module}:{qualified}"
    known = sys.modules.setdefault(PROGRAM, ModuleType(PROGRAM))
    own = f"{name}_{hashlib.sha256((source or _source(part)).encode()).hexdigest()[:8]}"
    setattr(known, own, part)
    return f"{PROGRAM}:{own}"


def is_of_program(reference: object) -> bool:
    """Whether a reference names an object that was given to one process alone."""
    return isinstance(reference, str) and reference.startswith(f"{PROGRAM}:")


def is_there(reference: str) -> bool:
    """Whether this process was given the object of such a reference."""
    return hasattr(sys.modules.get(PROGRAM), reference.partition(":")[2])


def _rule_entry(name: str, rule: Rule) -> dict[str, Any]:
    """A rule that was made: its class where it has no settings, else as it is."""
    kept = dict(vars(rule))
    if not kept:
        return {"rule": reference_of(name, type(rule))}

    def begin(self: Any) -> None:
        vars(self).update(kept)

    again = type(type(rule).__name__, (type(rule),), {"__init__": begin, "__module__": PROGRAM})
    return {"rule": reference_of(name, again, f"{_source(type(rule))}{sorted(kept.items())}")}


def _source(part: Any) -> str:
    """The source of a part, or else what is never the same again."""
    try:
        return inspect.getsource(part)
    except (OSError, TypeError):
        return os.urandom(16).hex()


def _is_strategy(given: Any) -> bool:
    """Whether it is a class of ``bt.Strategy``, which is not imported for it."""
    kinds = given.__mro__ if isinstance(given, type) else ()
    return any(kind.__name__ == "Strategy" and kind.__module__.startswith("backtrader.") for kind in kinds)
