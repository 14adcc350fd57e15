"""What cash earns: dated rates, each of which stands from its day until the next one."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Any

from llm_strategy.errors import ConfigurationError, shown

LOWEST, HIGHEST = -0.05, 0.5
"""Fractions a year: banks have charged for cash, and half of it a year was earned nowhere that figures are kept of."""
LONGEST_DAYS = 400
"""Days that a rate stands at most: an older one is taken for a series that has ended, or has a hole."""
MOST_RATES = 50_000
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
DAYS_A_YEAR = 365
"""By which a rate of a year is divided for one night."""


@dataclass(frozen=True)
class CashRates:
    """Rates by day (ISO dates), each a fraction a year (0.05 is 5 percent), and what they were read from.

    A rate is known on its day and stands until the next one, so that nothing later is looked at. Raises
    ``ConfigurationError`` for rates that cannot be: out of order, out of bounds, with a hole.
    """

    rates: Mapping[str, float]
    source: str = "dated rates"

    def __post_init__(self) -> None:
        if not isinstance(self.rates, Mapping) or not 1 <= len(self.rates) <= MOST_RATES:
            raise ConfigurationError(
                f"costs.cash_rate, {self.source}: give from 1 to {MOST_RATES:,} rates, each by its day."
            )
        read = [(_day(day, self.source), _rate(rate, day, self.source)) for day, rate in self.rates.items()]
        for (before, _), (after, _) in pairwise(read):
            if after <= before:
                raise ConfigurationError(
                    f"costs.cash_rate, {self.source}: {after} comes after {before}: sort the rates by day, each day "
                    "once."
                )
            if (after - before).days > LONGEST_DAYS:
                raise ConfigurationError(
                    f"costs.cash_rate, {self.source}: there is no rate from {before} to {after}: fill the hole, or "
                    "repeat at least once a year a rate that has not changed."
                )
        rates = {day.isoformat(): rate for day, rate in read}
        object.__setattr__(self, "rates", rates)  # the one way to give a frozen instance its normal form

    @cached_property
    def _days(self) -> tuple[date, ...]:
        return tuple(map(date.fromisoformat, self.rates))

    @cached_property
    def _values(self) -> tuple[float, ...]:
        return tuple(self.rates.values())

    def on(self, day: date) -> float:
        """The rate that stands on a day, a fraction a year; 0 before the first one."""
        at = bisect_right(self._days, day)
        return self._values[at - 1] if at else 0.0

    def check(self, first: date, last: date) -> None:
        """Raise ``ConfigurationError`` unless there is a rate for every day from the first to the last one."""
        if first < self._days[0]:
            raise ConfigurationError(
                f"costs.cash_rate, {self.source}: its first rate is of {self._days[0]}, and the first decision of "
                f"{first}: begin the rates earlier, or set data.start to {self._days[0]}."
            )
        if (last - self._days[-1]).days > LONGEST_DAYS:
            raise ConfigurationError(
                f"costs.cash_rate, {self.source}: its last rate is of {self._days[-1]}, and the last bar of {last}: "
                "bring the rates up to date, or set data.end."
            )


def interest(cash: float, rate: float, days: float) -> float:
    """What cash earns at a rate (fraction a year) in so many calendar days, currency; borrowed cash earns nothing."""
    return max(0.0, cash) * rate * days / DAYS_A_YEAR


def check_rate(rate: float) -> None:
    """Raise ``ConfigurationError`` for a rate that is no fraction a year."""
    if not LOWEST <= rate <= HIGHEST:
        raise ConfigurationError(
            f"costs.cash_rate is {shown(rate)}: it must be {LOWEST:g} to {HIGHEST:g}, a fraction a year (0.05 is 5 "
            "percent)."
        )


def _day(text: Any, source: str) -> date:
    try:
        if not _DAY.fullmatch(str(text)):
            raise ValueError
        return date.fromisoformat(str(text))
    except ValueError:
        raise ConfigurationError(
            f"costs.cash_rate, {source}: {shown(text)} is no day: write it as in 2020-03-16."
        ) from None


def _rate(rate: Any, day: Any, source: str) -> float:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or rate != rate:
        raise ConfigurationError(f"costs.cash_rate, {source}: the rate of {day} is {shown(rate)}: it must be a number.")
    if not LOWEST <= rate <= HIGHEST:
        raise ConfigurationError(
            f"costs.cash_rate, {source}: the rate of {day} is {shown(rate)}: it must be {LOWEST:g} to {HIGHEST:g}, a "
            "fraction a year (0.05 is 5 percent; a file of percents says so with ?unit=percent)."
        )
    return float(rate)
