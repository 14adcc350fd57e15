"""The regime labels that an advisor chooses from: their names, what each means, and what may be done about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from llm_strategy.errors import ConfigurationError
from llm_strategy.types import ActionType, RegimeLabel

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


@dataclass(frozen=True, slots=True)
class RegimeKind:
    """One label: its one-line ``meaning`` in neutral words, the ``actions`` that agree with it, and its ``colour`` on
    the page (empty where the page chooses)."""

    meaning: str
    actions: tuple[ActionType, ...]
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Regimes:
    """The labels of an experiment by name, in their order. Raises ``ConfigurationError`` for fewer than two, and for a
    name or action that cannot be."""

    kinds: Mapping[str, RegimeKind] = field(hash=False)

    def __post_init__(self) -> None:
        if len(self.kinds) < 2:
            raise ConfigurationError("regimes: name at least two labels, each with a meaning.")
        for name in self.kinds:
            if not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"regimes: {name!r:.60} is no label: write at most 30 small letters, digits and underscores, a "
                    "letter the first of them."
                )

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(self.kinds)

    @property
    def are_usual(self) -> bool:
        """Whether they are those of the causal rule, which an advisor's labels can be compared with."""
        return self.names == tuple(RegimeLabel)


USUAL_REGIMES = Regimes(
    {
        RegimeLabel.BULL.value: RegimeKind("prices rise over many bars", (ActionType.ENTER_LONG, ActionType.HOLD)),
        RegimeLabel.BEAR.value: RegimeKind(
            "prices fall over many bars", (ActionType.EXIT, ActionType.ENTER_SHORT, ActionType.HOLD)
        ),
        RegimeLabel.SIDEWAYS.value: RegimeKind("prices move without a direction", (ActionType.HOLD, ActionType.EXIT)),
        RegimeLabel.TURBULENT.value: RegimeKind("prices swing widely, up and down", (ActionType.EXIT, ActionType.HOLD)),
    }
)
"""The labels where an experiment names none of its own."""
