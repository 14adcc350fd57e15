"""A person's own ``bt.Strategy``: found by its reference, checked, and told in one sentence where it fails."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import backtrader as bt

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, did_you_mean, exception_line
from llm_strategy.support.plugins import find_plugin, source_sha256
from llm_strategy.trading.gated.strategy import Gated
from llm_strategy.trading.strategy import AdvisedStrategy

GROUP = "backtrader_llm.strategies"
"""Entry points of installed packages that are strategies, by name."""
_BETWEEN_BARS = ("prenext_open", "nextstart_open", "next_open")
Params = Mapping[str, Any]


def find_strategy(name: str, reference: str | type, params: Params, sha256: str = "") -> type[bt.Strategy]:
    """The class of the arm ``name``, by its reference (or itself), which takes these params.

    With ``sha256`` its file must be the one of that hash. Raises ``ConfigurationError`` where it cannot be found, has
    changed, is no plain ``bt.Strategy``, needs cheat-on-open, or has no such param.
    """
    subject = subject_of(name, reference)
    if isinstance(reference, str):
        now = strategy_sha256(reference)
        if now and sha256 and now != sha256:
            raise ConfigurationError(
                f"{subject} has changed: its file has the sha256 {now[:12]}, and that asked for is {sha256:.12}: "
                "restore the file, or leave sha256 out."
            )
        kind = find_plugin("strategy", reference, GROUP, {})
    else:
        kind = reference
    if not (isinstance(kind, type) and issubclass(kind, bt.Strategy)):
        raise ConfigurationError(f"{subject} is no bt.Strategy: derive a class from backtrader.Strategy, and name it.")
    if issubclass(kind, (Gated, AdvisedStrategy)):
        raise ConfigurationError(
            f"{subject} has a gate of its own, and an arm trades behind that of the experiment (risk): name the plain "
            "strategy."
        )
    for hook in _BETWEEN_BARS:
        if getattr(kind, hook) is not getattr(bt.Strategy, hook):
            raise ConfigurationError(
                f"{subject} has {hook}, which runs with cheat-on-open alone: decide in next, orders fill at the open "
                "after it."
            )
    known = _known_params(kind)
    for key in params:
        if known is not None and key not in known:
            raise ConfigurationError(f"{subject} has no param {key!r}{did_you_mean(key, known)}")
    return kind


def strategy_sha256(reference: str) -> str:
    """sha256 of the file of a strategy, not of what that imports; empty where there is none that can be read."""
    return source_sha256(reference, GROUP)


def typed_params(kind: type[bt.Strategy], params: Params) -> dict[str, Any]:
    """The params in the types of their defaults: 20.0 is a whole number in YAML, too."""
    usual = kind.params()._getkwargs()
    return {
        key: type(usual[key])(value)
        if isinstance(value, float) and type(usual.get(key)) is int and value.is_integer()
        else value
        for key, value in params.items()
    }


def subject_of(name: str, reference: str | type) -> str:
    """How sentences begin that tell of the strategy of an arm."""
    told = reference if isinstance(reference, str) else reference.__qualname__
    return f"The strategy {name!r} ({told})"


def as_one_sentence(subject: str, problem: BaseException, kind: type, when: str) -> BacktraderLLMError:
    """What a strategy raised, as an error that names it, the bar and the line in its file."""
    if isinstance(problem, BacktraderLLMError):
        return problem
    return ConfigurationError(
        f"{subject} fails {when}{_line_of(problem, kind)} ({exception_line(problem)}): correct it there."
    )


def _line_of(problem: BaseException, kind: type) -> str:
    try:
        file = inspect.getfile(kind)
    except (TypeError, OSError):
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == file]
    return f", line {lines[-1]} of {Path(file).name}" if lines else ""


def _known_params(kind: type[bt.Strategy]) -> list[str] | None:
    """What a strategy can be given; ``None`` where it takes anything."""
    taken = list(inspect.signature(kind.__init__).parameters.values())[1:]
    if kind.__init__ is not bt.Strategy.__init__ and any(each.kind is each.VAR_KEYWORD for each in taken):
        return None
    named = [each.name for each in taken if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    return [*kind.params._getkeys(), *named]
