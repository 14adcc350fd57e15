"""What a hypothesis states: after closes at which its conditions hold, the close changes more, or less, than after all.

The form is fixed, so that a program can test what a model or a person proposes: one to three conditions over the fields
of the analytics, a direction, a horizon, and the smallest difference that is worth having. It is that of
``contracts/hypothesis.schema.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

from llm_strategy.errors import ConfigurationError, shown
from llm_strategy.market.analytics.registry import vocabulary
from llm_strategy.support.condition import Condition, Value
from llm_strategy.support.schemas import require

Direction: TypeAlias = Literal["up", "down"]
"""Whether the close is claimed to change more than usual, or less."""
MOST_CONDITIONS = 3
LONGEST_HORIZON = 250
"""Bars."""
_DIGITS = 12
"""Significant digits of a number: two statements that print alike are one."""
_WORDS = {">": "above", ">=": "at least", "<": "below", "<=": "at most", "is": "", "is not": "not"}


@dataclass(frozen=True)
class Hypothesis:
    """A statement about what follows a market's condition.

    At closes at which all ``conditions`` hold, the mean change of the close over the next ``horizon`` bars (fraction)
    is higher (``up``) or lower (``down``) than after all closes of the same window; ``effect`` is the smallest
    difference worth having (fraction, more than 0). The order of the conditions does not matter, and they are kept
    sorted. Raises ``ConfigurationError`` for what is none of this.
    """

    conditions: tuple[Condition, ...]
    direction: Direction
    horizon: int
    effect: float

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ConfigurationError(f"The hypothesis {problem}")
        kept = (
            Condition(each.field, each.operator, each.value if isinstance(each.value, str) else _rounded(each.value))
            for each in self.conditions
        )
        object.__setattr__(self, "conditions", tuple(sorted(kept, key=str)))
        object.__setattr__(self, "effect", _rounded(self.effect))

    @classmethod
    def from_document(cls, document: Any, where: str, own: Iterable[str] = ()) -> Hypothesis:
        """A hypothesis from plain data, over the fields of the package's analytics and of a person's ``own`` ones
        (their names as an experiment has them).

        ``ConfigurationError`` begins with ``where`` and names what is wrong; a document never names code of its own.
        """
        require("hypothesis", document, where)
        known = vocabulary(own)
        conditions = tuple(
            Condition.parse(text, known, f"{where}, condition {number}")
            for number, text in enumerate(document["conditions"], 1)
        )
        try:
            return cls(conditions, document["direction"], int(document["horizon"]), float(document["effect"]))
        except ConfigurationError as problem:
            raise ConfigurationError(f"{where}: {str(problem)[0].lower()}{str(problem)[1:]}") from None

    def as_document(self) -> dict[str, Any]:
        """The same as plain data, in one form for all that state the same."""
        return {
            "conditions": [str(condition) for condition in self.conditions],
            "direction": self.direction,
            "horizon": self.horizon,
            "effect": self.effect,
        }

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits of the sha256 of its document: equal statements have the same."""
        return statement_id(self.as_document())

    @cached_property
    def sentence(self) -> str:
        """What it states, in plain English."""
        held = " and ".join(map(_told, self.conditions))
        bars = "bar" if self.horizon == 1 else f"{self.horizon} bars"
        more = "higher" if self.direction == "up" else "lower"
        effect = f"{100 * self.effect:.6g} percentage point{'' if self.effect == 0.01 else 's'}"
        return (
            f"After closes with {held}, the mean change of the close over the next {bars} is at least {effect} {more} "
            "than after all closes."
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """What its conditions speak of (``NAME.OUTPUT``), sorted."""
        return tuple(sorted({condition.field for condition in self.conditions}))

    def holds(self, values: dict[str, Value]) -> bool:
        """Whether all conditions hold for the values of its fields; a value that is not known is no event."""
        return all(condition.holds(values[condition.field]) is True for condition in self.conditions)

    def _problem(self) -> str | None:
        if not isinstance(self.conditions, tuple) or not all(isinstance(each, Condition) for each in self.conditions):
            return "has conditions that are none: parse each with Condition.parse."
        if not 1 <= len(self.conditions) <= MOST_CONDITIONS:
            return f"has {len(self.conditions)} conditions: write from 1 to {MOST_CONDITIONS}."
        texts = [str(condition) for condition in self.conditions]
        if twice := next((text for text in texts if texts.count(text) > 1), None):
            return f"has the condition {shown(twice)} twice: write it once."
        if self.direction not in get_args(Direction):
            return f"has the direction {shown(self.direction)!r}: write up or down."
        horizon, effect = self.horizon, self.effect
        if isinstance(horizon, bool) or not isinstance(horizon, int) or not 1 <= horizon <= LONGEST_HORIZON:
            return f"has the horizon {shown(horizon)}: write a whole number of bars from 1 to {LONGEST_HORIZON}."
        if isinstance(effect, bool) or not isinstance(effect, (int, float)) or not 0 < effect <= 1:
            return f"has the effect {shown(effect)}: write a fraction above 0 and at most 1, such as 0.01."
        return None


def statement_id(document: Mapping[str, Any]) -> str:
    """The id of the statement with this document, as ``as_document`` writes it."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}") + 0.0  # and no negative zero


def _told(condition: Condition) -> str:
    """A condition in words, a fraction in percent where its unit is known."""
    analytic, output = condition.field.split(".", 1)
    name = output if output.startswith(analytic) else f"{analytic} {output}"
    name = name.replace("_", " ")
    quantity = vocabulary().get(condition.field)
    value = condition.value
    if isinstance(value, float):
        is_fraction = quantity is not None and quantity.unit == "fraction"
        value = f"{100 * value:.6g}%" if is_fraction else f"{value:.6g}"
    words = _WORDS[condition.operator]
    return f"{name} {words} {value}" if words else f"{name} {value}"
