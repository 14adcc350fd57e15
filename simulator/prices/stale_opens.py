"""Opens that only repeat the close before them: a fill there is a fill at the close that decided, which nobody had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

WORTH_TELLING = 0.10
"""Share of repeated opens from which on a person must know of them: real opens repeat a close on 1 day in 100."""
MOST = 0.50
"""Share of a year's opens from which on most of them repeat a close."""
ROUNDING = 1e-12
"""Of a price: what scaling to an adjusted close makes of two equal ones."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StaleOpens:
    """How many opens repeat the close before them.

    ``opens`` are the first ones after a break in trading, of all symbols, ``repeated`` those of them that equal the
    last close, and ``by_year`` the share in each year. Within a session an open that equals the last close is a price
    like any other, and is not counted; nor are those of a market that never closes.
    """

    opens: int
    repeated: int
    by_year: Mapping[int, float]

    @property
    def share(self) -> float:
        """Share of the opens that repeat a close; 0 where none came after a break."""
        return self.repeated / self.opens if self.opens else 0.0

    @property
    def until(self) -> int | None:
        """The last year in which most opens repeated a close; ``None`` for none."""
        return max((year for year, share in self.by_year.items() if share >= MOST), default=None)

    @property
    def matters(self) -> bool:
        """Whether there are so many that figures rest on them."""
        return self.share >= WORTH_TELLING


def stale_opens(prices: Mapping[str, pd.DataFrame], decided: Mapping[str, npt.ArrayLike] | None = None) -> StaleOpens:
    """Count the opens that repeat the close before them, in the prices of each symbol (columns open and close over
    time); with ``decided`` (times of decisions by symbol) those alone that a decision fills at, and then the share is
    of all decisions."""
    years: list[npt.NDArray[np.int64]] = []
    repeats: list[npt.NDArray[np.bool_]] = []
    for symbol, table in prices.items():
        times = pd.DatetimeIndex(table.index)
        opens, closes = table["open"].to_numpy()[1:], table["close"].to_numpy()[:-1]
        counted = _after_break(times)
        repeated = counted & (np.abs(opens - closes) <= ROUNDING * closes)
        if decided is not None:
            bars = np.searchsorted(
                times.to_numpy(), np.asarray(decided.get(symbol, ()), dtype="datetime64[us]"), "right"
            )
            counted = np.zeros(len(counted), dtype=bool)
            counted[bars[(bars > 0) & (bars < len(times))] - 1] = True
        years.append(times.year.to_numpy()[1:][counted])
        repeats.append(repeated[counted])
    year, repeat = np.concatenate([[], *years]).astype(int), np.concatenate([[], *repeats]).astype(bool)
    shares = {int(one): float(repeat[year == one].mean()) for one in np.unique(year)}
    return StaleOpens(len(repeat), int(repeat.sum()), shares)


def _after_break(times: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
    """For each bar after the first, whether trading had stopped since the bar before it."""
    if len(times) < 2:
        return np.zeros(0, dtype=bool)
    steps = np.diff(times.to_numpy())
    lengths, counts = np.unique(steps, return_counts=True)
    usual = pd.Timedelta(lengths[counts.argmax()]).to_pytimedelta()
    if usual < _DAY:
        return np.asarray(steps > np.timedelta64(usual))
    days = set(times.day_of_week)
    return np.full(len(steps), usual > _DAY or not {5, 6} <= days)


def stale_note(symbol: str, table: pd.DataFrame) -> str | None:
    """One sentence on the opens of a symbol in these bars, where so many repeat a close that figures rest on them."""
    found = stale_opens({symbol: table})
    if not found.matters:
        return None
    until = "" if found.until is None else f", most of them until {found.until}"
    return (
        f"{symbol}: {100 * found.share:.0f}% of the opens only repeat the close before them{until}: a fill there is at "
        "the very close that decided, which nobody could have had."
    )
