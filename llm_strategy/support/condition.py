"""A condition over measured values, such as ``trend_strength.adx > 25``: written, checked and decided."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from llm_strategy.errors import ConfigurationError, did_you_mean, shown

Value: TypeAlias = float | str | None
"""A measured value: a number, a word, or None where it is not known."""
Unit: TypeAlias = Literal["fraction", "ratio", "count", "bars", "days", "word"]
"""What a value is in: 1.0 for 100 percent, a plain number, a whole number, bars, days, or one of some words."""
Direction: TypeAlias = Literal["", "change", "mean", "rank"]
"""What it says that a value lies above or below its middle: that something rose or fell (a return), that it is above or
below its mean (a fraction over it, or a ratio to it), that it is higher or lower than usual (a share of earlier ones
that were lower); nothing."""
Operator: TypeAlias = Literal[">", ">=", "<", "<=", "is", "is not"]
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
}
_EQUALITIES = ("is", "is not")
_WRITTEN = re.compile(r"\s*(?P<field>[a-z]\w*\.\w+)\s+(?P<operator>>=|<=|>|<|is not|is)\s+(?P<value>\S+)\s*", re.ASCII)


class Quantity(NamedTuple):
    """What is measured: its unit, what it is in a few words and, where it is a word, the words that it may be;
    ``direction`` is what a value above or below the middle says."""

    unit: Unit
    description: str
    words: tuple[str, ...] = ()
    direction: Direction = ""

    @property
    def middle(self) -> float:
        """The value that is neither above nor below."""
        if self.direction == "rank":
            return 0.5
        return 1.0 if self.direction == "mean" and self.unit == "ratio" else 0.0


Vocabulary: TypeAlias = Mapping[str, Quantity]
"""What conditions may speak of, by ``NAME.OUTPUT``."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a measured value, by its name in a vocabulary (``NAME.OUTPUT``), compares so with another."""

    field: str
    operator: Operator
    value: float | str

    @classmethod
    def parse(cls, text: Any, vocabulary: Vocabulary, where: str) -> Condition:
        """A condition as a person writes it; raises ``ConfigurationError``, which begins with ``where``, for one that
        cannot be read, and for a field, operator or word that this vocabulary does not have."""
        found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ConfigurationError(
                f"{where} is {shown(text)!r}: write a field, an operator and a value, as in market.drawdown < -0.1."
            )
        field, operator, value = found["field"], found["operator"], found["value"]
        if field not in vocabulary:
            raise ConfigurationError(f"{where} names the field {field!r}{did_you_mean(field, vocabulary)}")
        quantity = vocabulary[field]
        if quantity.unit == "word":
            if operator not in _EQUALITIES:
                raise ConfigurationError(f"{where}: {field} is a word, which {operator} cannot compare: write is.")
            if value not in quantity.words:
                raise ConfigurationError(f"{where}: {field} is never {value!r}{did_you_mean(value, quantity.words)}")
            return cls(field, operator, value)  # type: ignore[arg-type]
        try:
            number = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            number = math.nan
        if operator in _EQUALITIES or not math.isfinite(number):
            raise ConfigurationError(
                f"{where}: {field} is a number and cannot be compared by {operator} {value!s:.40}: write one of "
                f"{', '.join(_COMPARISONS)} and a number."
            )
        return cls(field, operator, number)  # type: ignore[arg-type]

    def holds(self, value: Value) -> bool | None:
        """Whether it holds for a value of its field; None where that is not known."""
        if value is None or value != value:
            return None
        if isinstance(value, str) or isinstance(self.value, str):
            return (value == self.value) is (self.operator == "is")
        return _COMPARISONS[self.operator](value, self.value)

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else f"{self.value:.12g}"
        return f"{self.field} {self.operator} {value}"


def show_value(value: Value, unit: Unit) -> str:
    """A value as text: percent with one decimal, ratios with two, whole numbers, words; empty where it is not known."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return value
    if unit == "fraction":
        return f"{round(100 * value, 1) + 0.0:+.1f}%"
    return f"{round(value, 2) + 0.0:.2f}" if unit == "ratio" else f"{round(value) + 0:d}"
