"""What an item of a checklist was worth: an account with it against the same advice without it, and against that item
at other times.

Both accounts saw the same advice at the same closes, so their returns are resampled together. The item at other times
keeps its runs: when it held is moved around the run as a whole, so that what it avoided by its timing shows against
what it avoided by holding back entries as often.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from simulator.evaluation.metrics import Floats
from simulator.evaluation.resampling import Estimate, Resampling
from simulator.evaluation.sharpe import Effect, compare_sharpe
from simulator.folder.evidence import CHECKLIST, round_digits
from simulator.folder.record_check import read_json_file

FEWEST_FIRINGS = 10
"""Entries at which an item must have fired before anything is said of what it was worth."""
PLACEMENTS = 19
"""How often an item is moved to other times: of so many and the real one, the best is so by chance in 5 of 100."""
_NO_INTERVAL = 50.0
"""Wider than this an interval of annual Sharpe ratios comes from resamples in which an account hardly moved."""
_LEAST_MOVE = 20
"""A twentieth of the run: moved by less it would be about where it was."""


@dataclass(frozen=True, slots=True)
class ItemWorth:
    """One item over the run of one arm. Returns are fractions, Sharpe ratios annual; differences are the account with
    the item minus that without it. None where it was not measured."""

    name: str
    do: str
    kind: str
    """``when``, ``preset`` or ``ask``."""
    closes: int
    """Decisions at which it held, whatever was advised."""
    fired: int
    """Entries that were proposed while it held."""
    total_return: float | None = None
    total_return_low: float | None = None
    total_return_high: float | None = None
    sharpe: float | None = None
    sharpe_low: float | None = None
    sharpe_high: float | None = None
    p_value: float | None = None
    """Two-sided, of no difference of the Sharpe ratios."""
    detectable: float | None = None
    """Smallest difference of Sharpe ratios that the test would find with probability 0.8."""
    effect: str | None = None
    placed: int = 0
    """How often it was measured at other times."""
    percentile: float | None = None
    """Share of the placements that earned less than the item where it stood, ties counted half (fraction)."""

    @property
    def is_told(self) -> bool:
        """Whether it fired often enough for its effect to be told."""
        return self.fired >= FEWEST_FIRINGS


@dataclass(frozen=True, slots=True)
class ChecklistWorth:
    """The items of a checklist over the run of one ``arm``, of ``closes`` decisions and ``entries`` that were proposed
    while nothing was held. ``measured`` is False for a run that is too long to be traded again."""

    arm: str
    closes: int
    entries: int
    items: tuple[ItemWorth, ...]
    measured: bool = True

    def as_dict(self) -> dict[str, Any]:
        """As ``checklist.json`` holds it: figures of 12 digits, and no key for what was not measured."""
        items = {item.name: _plain(asdict(item), "name") for item in self.items}
        return _plain(asdict(self), "items") | {"items": items}


def _plain(values: Mapping[str, Any], *without: str) -> dict[str, Any]:
    return {
        name: round_digits(value) if isinstance(value, float) else value
        for name, value in values.items()
        if value is not None and name not in without
    }


def read_worth(folder: Path) -> ChecklistWorth | None:
    """What ``checklist.json`` of a run folder holds, None where there is none; ``RunFolderError`` for a file that no
    run writes."""
    return read_json_file(folder / CHECKLIST, _worth)


def _worth(content: dict[str, Any]) -> ChecklistWorth:
    items = tuple(_item(name, values) for name, values in content["items"].items())
    found = ChecklistWorth(**(content | {"items": items}))
    if not isinstance(found.arm, str) or not _are_counts(found.closes, found.entries):
        raise ValueError("a count is none")
    if not isinstance(found.measured, bool):
        raise ValueError("measured is neither true nor false")
    return found


_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST = 10**12
_TEXTS = ("name", "do", "kind", "effect")
_COUNTS = ("closes", "fired", "placed")


def _item(name: str, values: Mapping[str, Any]) -> ItemWorth:
    if not _NAME.fullmatch(name):
        raise ValueError(f"an item is called {name!r:.60}")
    for key, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (isinstance(value, str) if key in _TEXTS else is_number) or (key in _COUNTS and not _are_counts(value)):
            raise ValueError(f"{name}.{key} is {value!r:.40}")
    if values.get("effect", Effect.ADDS) not in tuple(Effect):
        raise ValueError(f"{name}.effect is {values['effect']!r:.40}")
    return ItemWorth(name, **values)


def _are_counts(*values: Any) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST for value in values)


def compare_accounts(
    with_item: Sequence[float],
    without: Sequence[float],
    bars_per_year: float,
    how: Resampling,
    cash: Floats | float = 0.0,
) -> dict[str, Any]:
    """The differences of two accounts on the same bars, by the names of ``ItemWorth``; both are equity at each close
    (currency), and ``cash`` is what cash returned from each to the next (fraction)."""
    first, second = _returns(with_item), _returns(without)
    total = _difference_of_returns(first, second, how)
    ratios = compare_sharpe(
        first - cash,
        second - cash,
        bars_per_year,
        confidence_level=how.confidence_level,
        samples=how.samples,
        seed=how.seed,
    )
    if ratios.low is None or ratios.high is None or ratios.high - ratios.low > _NO_INTERVAL:
        ratios = replace(ratios, low=None, high=None, p_value=None, effect=Effect.INCONCLUSIVE)
    return {
        "total_return": total.value,
        "total_return_low": total.low,
        "total_return_high": total.high,
        "sharpe": ratios.sharpe_difference,
        "sharpe_low": ratios.low,
        "sharpe_high": ratios.high,
        "p_value": ratios.p_value,
        "detectable": ratios.detectable,
        "effect": str(ratios.effect),
    }


def _returns(equity: Sequence[float]) -> Floats:
    account = np.asarray(equity, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns: Floats = account[1:] / account[:-1] - 1
    return returns


def _difference_of_returns(first: Floats, second: Floats, how: Resampling) -> Estimate:
    """First total return minus the second, resampled together; without a value where an account was ruined."""
    if not (np.isfinite(first).all() and np.isfinite(second).all() and min(first.min(), second.min(), 0.0) > -1):
        return Estimate(None)
    growth = np.log1p(np.column_stack([first, second]))

    def difference(sums: Floats) -> Floats:
        found: Floats = np.expm1(sums[..., 0]) - np.expm1(sums[..., 1])
        return found

    return how.estimate(growth, difference, np.array([1.0, -1.0]))


def percentile_of(real: float, placed: Sequence[float]) -> float | None:
    """Share of the placed values below the real one, ties counted half; None where there are none."""
    below = sum(value < real for value in placed) + sum(value == real for value in placed) / 2
    return below / len(placed) if placed else None


def moves(closes: int, seed: int) -> tuple[int, ...]:
    """Closes by which an item is moved around a run of so many, each once; none where the run is too short for so many
    different ones."""
    least = max(1, closes // _LEAST_MOVE)
    possible = np.arange(least, closes - least + 1)
    if len(possible) < PLACEMENTS:
        return ()
    return tuple(map(int, np.random.default_rng(seed).choice(possible, PLACEMENTS, replace=False)))
