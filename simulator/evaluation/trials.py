"""How many configurations were tried on the same bars, and what so many would show by luck.

The number comes from the ledger of the machine on which a run was made (``trials.json`` in its folder), so it is a
smallest number: what was tried elsewhere, or before there was a ledger, is in none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from simulator.folder.evidence import TRIALS
from simulator.folder.record import Record
from simulator.folder.record_check import read_json_file

FORMAT = 1
_MOST = 10**9
_REACH = 12.0
"""Standard deviations beyond which no best of any number of trials lies."""


@dataclass(frozen=True, slots=True)
class SealedTail:
    """The last bars of an experiment, which were neither run nor shown: from the ``first`` one on (ISO 8601), so many
    decision ``bars``."""

    first: str
    bars: int


@dataclass(frozen=True, slots=True)
class Opening:
    """A run on bars that had been sealed: the ``number`` of this opening, 0 where no ledger tells, and how many
    configurations had been ``tried`` before on any of them."""

    number: int
    tried: int


@dataclass(frozen=True, slots=True)
class TrialCount:
    """What the ledger of trials said of the bars of a run, after the run itself was entered."""

    same: int = 1
    """Distinct configurations (seed and draws aside) that were evaluated on exactly these bars of these prices."""
    overlapping: int = 1
    """Those whose bars overlap with these on any symbol, the former included."""
    problem: str = ""
    """Why the ledger could not be used, one sentence; empty where it was whole."""
    entries: Mapping[str, str] = field(default_factory=dict)
    """By arm, the hash of its entry in the ledger; what of these is of the wall clock stands in the manifest."""
    sealed: SealedTail | None = None
    opened: Opening | None = None

    @property
    def number(self) -> int:
        """Distinct configurations that were tried on these bars, at least: what a p value is corrected for."""
        return max(1, self.same, self.overlapping)

    @property
    def is_known(self) -> bool:
        """Whether a whole ledger told the number; it is a smallest one all the same."""
        return not self.problem

    def as_document(self) -> dict[str, Any]:
        """As ``trials.json`` holds it, without what there is nothing of."""
        return {"format": FORMAT} | {name: value for name, value in asdict(self).items() if value not in (None, "")}


def trials_of(record: Record) -> TrialCount | None:
    """The count of a run folder; None where there is none, as in that of one arm of a comparison, in folders of earlier
    versions, and where nothing was tried but usual rules."""
    return read_trials(record.folder)


def read_trials(folder: Path) -> TrialCount | None:
    """The same by the folder; raises ``RunFolderError`` for a file that no run writes."""
    return read_json_file(folder / TRIALS, _trials)


def _trials(document: Any) -> TrialCount:
    content = dict(document)
    if content.pop("format") != FORMAT:
        raise ValueError(f"it is of another format than {FORMAT}")
    parts = {name: kind(**content.pop(name)) for name, kind in _PARTS.items() if name in content}
    found = TrialCount(**content, **parts)
    for part in (found, *parts.values()):
        for each in fields(part):
            _check(getattr(part, each.name), each.name)
    return found


_PARTS: dict[str, Any] = {"sealed": SealedTail, "opened": Opening}


def _check(value: Any, name: str) -> None:
    """Raise ``ValueError`` for a value that no run writes."""
    if name == "entries":
        if not all(isinstance(each, str) for each in value.values()):
            raise ValueError("a hash of an entry is none")
    elif (
        isinstance(value, bool)
        or (isinstance(value, int) and not 0 <= value <= _MOST)
        or not isinstance(value, str if name in ("problem", "first") else (int, SealedTail, Opening, type(None)))
    ):
        raise ValueError(f"{name} is {value!r:.40}")


def sidak(p_value: float, trials: int) -> float:
    """The probability that the best of so many independent trials without skill has a p value as small as this."""
    if p_value >= 1:
        return 1.0
    return -math.expm1(trials * math.log1p(-p_value))


def placebos_needed(trials: int, size: float) -> int:
    """How many placebos the smallest p value of timing needs to come down to ``size`` as the best of so many trials."""
    best = -math.expm1(math.log1p(-size) / trials)
    number = max(1, math.ceil(2 / best - 1) - 1)
    while sidak(least_p(number), trials) > size:
        number += 1
    return number


def least_p(placebos: int) -> float:
    """The smallest two-sided p value among so many placebos, by the plus-one rule."""
    return min(1.0, 2 / (placebos + 1))


@lru_cache(maxsize=256)
def expected_best(trials: float) -> float:
    """The expected largest of so many independent standard normal values, exactly: what the best of as many trials
    without skill shows, in standard deviations. Trials that hang together are worth fewer, and no whole number."""
    if trials <= 1:
        return 0.0
    from scipy.integrate import quad  # both take longer to load than most runs to measure
    from scipy.special import log_ndtr

    def beyond(value: float) -> float:
        """Above 0 the largest lies beyond the value with this probability, below 0 within it (E = int P(M > x) dx)."""
        return float(-math.expm1(trials * log_ndtr(value)) - math.exp(trials * log_ndtr(-value)))

    return float(quad(beyond, 0.0, _REACH, epsabs=1e-12, epsrel=1e-12, limit=200)[0])
