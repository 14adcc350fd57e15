"""How much of an account hangs on its costs, its years, a bar's delay and the day of its start, beside the market over
the same bars, and the file that holds it (``robustness.json``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, StrictBool, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from simulator.evaluation.cash import CashRate
from simulator.evaluation.metrics import returns, sharpe_ratio
from simulator.evaluation.sharpe import FEWEST_BARS
from simulator.folder.evidence import ROBUSTNESS, round_digits
from simulator.folder.record_check import read_json_file

MULTIPLES = (0.0, 1.0, 2.0, 4.0)
"""Of the costs of the run."""
HIGHEST_MULTIPLE = 16.0
"""No break-even is looked for beyond."""
PARTS = 4
"""Parts of equal length into which a run is cut."""
FEWEST_OF_A_PART = 5
"""Bars of a part below which a run is not cut."""
WHOLE_YEAR = 0.9
"""Share of the bars of a year from which a calendar year counts as whole."""
_REFINEMENTS = 3
"""Accounts at most, beside those of ``MULTIPLES``, by which a break-even is narrowed down."""
_CLOSE_ENOUGH = 1e-4
"""Difference of annual Sharpe ratios that is none."""

_Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False, strict=True)]
_Count = Annotated[int, Field(ge=0, le=10**12, strict=True)]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=_STRICT)
class Outcome:
    """What an account and the market came to over the same bars: total returns (fractions) and annual Sharpe ratios,
    None where there is none."""

    total_return: _Number | None = None
    sharpe: _Number | None = None
    market_return: _Number | None = None
    market_sharpe: _Number | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class AtCosts:
    """The account with so many times the costs."""

    multiple: _Number
    outcome: Outcome


@dataclass(frozen=True, slots=True, config=_STRICT)
class Window:
    """A part of the run: a calendar year, or a part by its number, of so many ``bars``."""

    number: _Count
    bars: _Count
    whole: StrictBool
    """Whether a year is there from its beginning to its end."""
    outcome: Outcome


@dataclass(frozen=True, slots=True, config=_STRICT)
class LaterStart:
    """The account that begins so many bars ``later``."""

    later: _Count
    outcome: Outcome


@dataclass(frozen=True, slots=True, config=_STRICT)
class Robustness:
    """The recorded decisions of one arm, traded again. ``left_out`` says why they were not, where they were not."""

    left_out: Literal["", "failed", "long", "short"] = ""
    own: Outcome = Field(default_factory=Outcome)
    """As the run was."""
    costs: list[AtCosts] = Field(default_factory=list)
    break_even: _Number | None = None
    """Multiple of the costs at which the Sharpe ratio is the market's."""
    never: Literal["", "below", "above", "flat"] = ""
    """Why there is no break-even: below the market without any costs, above it at ``HIGHEST_MULTIPLE``, or without a
    Sharpe ratio."""
    years: list[Window] = Field(default_factory=list)
    parts: list[Window] = Field(default_factory=list)
    late: Outcome | None = None
    """Each decision acted upon one bar later."""
    starts: list[LaterStart] = Field(default_factory=list)
    ungated: Outcome | None = None
    """All the cash of a symbol while the advice is long there, else none; no limits, stops and targets."""

    def as_dict(self) -> dict[str, Any]:
        """As ``robustness.json`` holds it: figures of 12 digits, and no key for what was not measured."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


_FILE = TypeAdapter(dict[Annotated[str, Field(max_length=80)], Robustness])


def read_robustness(folder: Path) -> dict[str, Robustness]:
    """What ``robustness.json`` of a run folder holds by arm, nothing where there is none; ``RunFolderError`` for a file
    that no run writes."""
    return read_json_file(folder / ROBUSTNESS, _of_json) or {}


def _of_json(content: object) -> dict[str, Robustness]:
    try:
        return _FILE.validate_python(content)
    except ValidationError as problem:
        wrong = problem.errors()[0]
        place = ".".join(map(str, wrong["loc"]))[:80]
        raise ValueError(f"{place or 'it'}: {wrong['msg']}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items() if held is not None and held not in ("", [])}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return round_digits(value) if isinstance(value, float) else value


def compare_outcomes(account: pd.Series, market: pd.Series, bars_per_year: float, cash_rate: CashRate = 0.0) -> Outcome:
    """Total returns and Sharpe ratios of two accounts (equity by time), from the first to the last time of both. Below
    ``FEWEST_BARS`` returns there is no ratio: a year made of a few bars says nothing."""
    both = account.index.intersection(market.index)
    figures: list[float | None] = []
    for one in (account.loc[both], market.loc[both]):
        moves = returns(one)
        ratio = sharpe_ratio(returns(one, cash_rate)) if len(moves) >= FEWEST_BARS else None
        figures.append(float(one.iloc[-1] / one.iloc[0] - 1) if len(moves) else None)
        figures.append(None if ratio is None else ratio * float(np.sqrt(bars_per_year)))
    return Outcome(*figures)


def calendar_years(
    account: pd.Series, market: pd.Series, bars_per_year: float, cash_rate: CashRate = 0.0
) -> list[Window]:
    """Each calendar year of an account beside the market in it, from the last bar of the year before."""
    years = pd.DatetimeIndex(account.index).year
    found = []
    for year in sorted(set(years)):
        inside = np.flatnonzero(years == year)
        first = max(0, int(inside[0]) - 1)
        part = account.iloc[first : int(inside[-1]) + 1]
        if len(part) > 1:
            bars = len(part) - 1
            outcome = compare_outcomes(part, market, bars_per_year, cash_rate)
            found.append(Window(int(year), bars, bars >= WHOLE_YEAR * bars_per_year, outcome))
    return found


def equal_parts(account: pd.Series, market: pd.Series, bars_per_year: float, cash_rate: CashRate = 0.0) -> list[Window]:
    """The run in ``PARTS`` of equal length, in order; none of a run with fewer than ``FEWEST_OF_A_PART`` bars each."""
    bars = len(account) - 1
    if bars < PARTS * FEWEST_OF_A_PART:
        return []
    ends = [round(number * bars / PARTS) for number in range(PARTS + 1)]
    return [
        Window(
            number, end - begin, True, compare_outcomes(account.iloc[begin : end + 1], market, bars_per_year, cash_rate)
        )
        for number, (begin, end) in enumerate(pairwise(ends), start=1)
    ]


def break_even(
    known: Mapping[float, float | None], market: float | None, sharpe_at: Callable[[float], float | None]
) -> tuple[float | None, Literal["", "below", "above", "flat"]]:
    """The multiple of the costs at which a Sharpe ratio falls to that of the market, or why there is none.

    ``known`` are the ratios at some multiples, ``sharpe_at`` trades at another one. Between two multiples the ratio is
    taken for a straight line, which is narrowed down a few times.
    """
    ratios = dict(known)
    if market is None or ratios.get(0.0) is None:
        return None, "flat"

    def gap(multiple: float) -> float | None:
        if multiple not in ratios:
            ratios[multiple] = sharpe_at(multiple)
        found = ratios[multiple]
        return None if found is None else found - market

    if (gap(0.0) or 0.0) <= 0:
        return None, "below"
    low, high = 0.0, None
    for multiple in _ascending(ratios):
        here = gap(multiple)
        if here is not None and here <= 0:
            high = multiple
            break
        low = low if here is None else multiple
    if high is None:
        return None, "above"
    for _ in range(_REFINEMENTS):
        middle = _crossing(low, high, gap)
        here = gap(middle)
        if here is None or abs(here) < _CLOSE_ENOUGH:
            return middle, ""
        low, high = (middle, high) if here > 0 else (low, middle)
    return _crossing(low, high, gap), ""


def _ascending(ratios: Mapping[float, float | None]) -> Iterator[float]:
    """The known multiples above 0 and, where they did not suffice, the highest one."""
    yield from sorted(multiple for multiple in ratios if multiple > 0)
    yield HIGHEST_MULTIPLE


def _crossing(low: float, high: float, gap: Callable[[float], float | None]) -> float:
    above, below = gap(low) or 0.0, gap(high) or 0.0
    return high if above == below else low + (high - low) * above / (above - below)
