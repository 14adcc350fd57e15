"""What ``placebos.json`` of a comparison holds: by advised arm its account among those of its placebos."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np

from simulator.evaluation.metrics import Floats
from simulator.evaluation.placebo import FEWEST_CLOSES, FEWEST_RUNS, Method
from simulator.evaluation.timing import Timing, timing
from simulator.folder.evidence import PLACEBOS, round_digits
from simulator.folder.record_check import read_json_file

FEWEST_PLACEBOS = 199
"""Fewer, where the run is too long for more, say too little."""
MOST_CLOSES = 20_000_000
"""Closes that the placebos of one set go through in all: some quarter of an hour of one processor."""
MOST_CLOSES_AT_ONCE = 200_000_000
"""The same where accounts are traded all at once, without a broker: some minutes."""
_MOST = 10**9
RANGES: tuple[Literal["annual_return", "total_return", "max_drawdown"], ...] = (
    "annual_return",
    "total_return",
    "max_drawdown",
)


class Unmeasured(StrEnum):
    """Why an arm has no placebos."""

    OFF = "off"
    """The experiment wants none."""
    FAILED = "failed"
    FEW_CLOSES = "few_closes"
    FEW_RUNS = "few_runs"
    TOO_LONG = "too_long"
    """So few could be traded that none would stand out."""


@dataclass(frozen=True, slots=True)
class Range:
    """Of the placebos: their mean, and between which values lie all but the outermost, half on each side."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """The accounts of the placebos over time, as multiples of their value at the first decision; times ISO 8601."""

    time: list[str]
    mean: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class PlaceboSet:
    """One arm's account among its placebos, or why there are none."""

    closes: int
    """From the first decision on."""
    runs: int
    """Stretches that were, or would have been, moved."""
    unmeasured: Unmeasured | None = None
    seed: int = 0
    method: Method = "shuffle"
    own_sharpe: float = 0.0
    sharpe: tuple[float, ...] = ()
    """Of each placebo, annual."""
    annual_return: Range | None = None
    """Mean return a bar times the bars of a year."""
    total_return: Range | None = None
    max_drawdown: Range | None = None
    band: Band | None = None

    def timing(self, confidence_level: float) -> Timing | None:
        """Where the account stands; None where there are no placebos."""
        if self.unmeasured is not None or not self.sharpe:
            return None
        return timing(self.own_sharpe, self.sharpe, self.runs, confidence_level)

    def as_dict(self) -> dict[str, Any]:
        """As the file holds it: figures of 12 digits."""
        if self.unmeasured is not None:
            return {"unmeasured": str(self.unmeasured), "closes": self.closes, "runs": self.runs}
        ranges = {name: getattr(self, name) for name in RANGES}
        assert self.band is not None  # noqa: S101 - it is measured
        return {
            "closes": self.closes,
            "runs": self.runs,
            "seed": self.seed,
            "method": self.method,
            "own_sharpe": round_digits(self.own_sharpe),
            "sharpe": [*map(round_digits, self.sharpe)],
            **{
                name: {end: round_digits(value) for end, value in asdict(found).items()}
                for name, found in ranges.items()
            },
            "band": {
                "time": self.band.time,
                **{name: [*map(round_digits, getattr(self.band, name))] for name in ("mean", "low", "high")},
            },
        }


@dataclass(frozen=True, slots=True)
class ArmPlacebos:
    """The placebos of one arm: all of its advice at other moments, and its deviations from the causal rule alone."""

    timing: PlaceboSet
    beyond_rule: PlaceboSet

    def as_dict(self) -> dict[str, Any]:
        """As the file holds it."""
        return {"timing": self.timing.as_dict(), "beyond_rule": self.beyond_rule.as_dict()}


def why_unmeasured(*, number: int, failed: bool, closes: int, runs: int) -> Unmeasured | None:
    """Why no placebos are made of an arm; None where they are."""
    if number == 0:
        return Unmeasured.OFF
    if failed:
        return Unmeasured.FAILED
    if closes < FEWEST_CLOSES:
        return Unmeasured.FEW_CLOSES
    return Unmeasured.FEW_RUNS if runs < FEWEST_RUNS else None


def affordable(number: int, closes: int, most: int = MOST_CLOSES) -> int:
    """How many of so many placebos are traded in a run with these closes of all symbols; 0 where too few could be.
    ``most`` are the closes that they go through in all."""
    possible = most // max(1, closes)
    return number if number <= possible else possible if possible >= FEWEST_PLACEBOS else 0


def range_of(values: Floats, confidence_level: float) -> Range:
    """The range of these values."""
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return Range(float(values.mean()), float(low), float(high))


def band_of(times: list[str], curves: Floats, confidence_level: float) -> Band:
    """The band of accounts (rows) over times, each as a multiple of its first value."""
    grown = curves / curves[:, :1]
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(grown, (tail, 1 - tail), axis=0)
    return Band(times, grown.mean(axis=0).tolist(), low.tolist(), high.tolist())


def read_placebos(folder: Path) -> dict[str, ArmPlacebos]:
    """The placebos of a run folder by arm, none where it has no such file; ``RunFolderError`` for a file that no run
    writes."""
    return read_json_file(folder / PLACEBOS, _read) or {}


def _read(content: dict[str, Any]) -> dict[str, ArmPlacebos]:
    return {arm: ArmPlacebos(_set(of["timing"]), _set(of["beyond_rule"])) for arm, of in content.items()}


def _set(values: Mapping[str, Any]) -> PlaceboSet:
    closes, runs = _count(values["closes"]), _count(values["runs"])
    if "unmeasured" in values:
        return PlaceboSet(closes, runs, Unmeasured(values["unmeasured"]))
    if values["method"] not in ("shuffle", "shift"):
        raise ValueError(f"method is {values['method']!r:.40}")
    band, times = values["band"], values["band"]["time"]
    lines = {name: [*map(_number, band[name])] for name in ("mean", "low", "high")}
    if {len(line) for line in lines.values()} != {len(times)} or not all(isinstance(time, str) for time in times):
        raise ValueError("the band has no time for each value")
    return PlaceboSet(
        closes,
        runs,
        None,
        _count(values["seed"]),
        values["method"],
        _number(values["own_sharpe"]),
        tuple(map(_number, values["sharpe"])),
        band=Band(times, **lines),
        **{name: Range(**{end: _number(value) for end, value in values[name].items()}) for name in RANGES},
    )


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise ValueError(f"a count is {value!r:.40}")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"a figure is {value!r:.40}")
    return float(value)
