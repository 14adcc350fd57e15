"""The decision modes by name, and which of them a setting means for a backend."""

from __future__ import annotations

from typing import Literal, get_args

from llm_strategy.advice.modes.choices import Choices
from llm_strategy.advice.modes.json import Json
from llm_strategy.advice.modes.mode import Abilities, Mode
from llm_strategy.advice.modes.slots import Slots
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError, did_you_mean

DecisionMode = Literal["auto", "json", "slots", "choices"]
MODE_NAMES: tuple[str, ...] = get_args(DecisionMode)

MODES: dict[str, type[Mode]] = {mode.name: mode for mode in (Json, Slots, Choices)}
"""From the one that every backend can do to the one that asks most of it: ``auto`` is the last that it can do."""


def mode_for(name: str, able: Abilities) -> type[Mode]:
    """The mode of this name, and for ``auto`` the last that a backend can do; raises ``ConfigurationError`` for an
    unknown name."""
    if name == "auto":
        return next(mode for mode in reversed(MODES.values()) if mode.possible(able))
    for mode in MODES.values():
        if mode.name == name:
            return mode
    raise ConfigurationError(f"advisor.mode is {name!r}{did_you_mean(name, MODE_NAMES)}")


def complete_options(options: PromptOptions, able: Abilities) -> PromptOptions:
    """The options without ``auto``, for what a backend can do; raises ``ConfigurationError`` where it cannot do the
    mode, or the mode cannot follow an option."""
    mode = mode_for(options.mode, able)
    if not mode.possible(able):
        can = " or ".join(other.name for other in MODES.values() if other.possible(able))
        raise ConfigurationError(
            f"advisor.mode is {mode.name}, which backend {able.backend!r} cannot do: choose {can}, or auto."
        )
    return mode.complete(options, able)
