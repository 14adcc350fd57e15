"""The most similar past states and what followed them, each over before the decision.

A state is a close. It may be shown at the close of bar t once the bars that followed it have closed: a state of bar i
over a horizon of h from bar i + h on (an embargo by horizon: Lopez de Prado 2018, chapter 7). States whose horizons
overlap are shown once, by the nearest of them, so that five neighbours are not one week.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from llm_strategy.market.context.source import ContextSource
from llm_strategy.market.features import scaled_drawdown, scaled_momentum, scaled_trend
from llm_strategy.shown import Shown
from llm_strategy.support.outside_text import quoted
from llm_strategy.types import Snapshot

PATH_BARS = 20
"""Closes of the path that ``distance: path`` compares."""


class Analogues(ContextSource):
    """The ``k`` past states most similar to a close, and how the close changed over the ``horizon`` bars that followed
    each.

    ``of`` says whose: of its ``own`` symbol, of the ``others`` or of ``all``. ``distance`` is between the ``features``
    that every market has (trend, momentum, volatility, drawdown, range and volume, each in standard deviations of the
    states to choose from; root of the mean square), or between the paths of the last 20 closes, rebased to the last
    (root of the mean square, a fraction). With ``null="random"`` as many states are drawn, whatever their distance.
    """

    name = "analogues"
    nulls = ("random",)

    def __init__(
        self,
        k: Annotated[int, Field(ge=1, le=50)] = 5,
        horizon: Annotated[int, Field(ge=1, le=500)] = 20,
        of: Literal["own", "others", "all"] = "own",
        distance: Literal["features", "path"] = "features",
        null: Literal["random"] | None = None,
    ) -> None:
        self.k, self.horizon, self.of, self.distance, self.null = k, horizon, of, distance, null
        self._pasts: dict[str, _Past] = {}

    @property
    def lookback(self) -> int:
        """Bars of a path, where paths are compared."""
        return PATH_BARS if self.distance == "path" else 0

    def take(self, snapshot: Snapshot) -> None:
        """Add the state of this close."""
        state = self._state(snapshot)
        if snapshot.symbol not in self._pasts:
            self._pasts[snapshot.symbol] = _Past(len(state))
        self._pasts[snapshot.symbol].add(_moment(snapshot), snapshot.close, state)

    def forget(self, symbol: str) -> None:
        """Drop the states of a symbol."""
        self._pasts.pop(symbol, None)

    def show(self, snapshot: Snapshot) -> Shown:
        """The states, the nearest first, with what followed; nothing while fewer than ``k`` are over."""
        known = list(self._known(snapshot))
        if not known:
            return Shown(self.name, "")
        begins, ends, changes = (np.concatenate([past[column] for past in known]) for column in (0, 1, 2))
        distances = self._distances(np.concatenate([past.states for past in known]), self._state(snapshot))
        symbols = np.repeat(np.arange(len(known)), [len(past.begins) for past in known])
        chosen = sorted(self._chosen(snapshot, distances, begins, ends), key=distances.__getitem__)
        if len(chosen) < self.k:
            return Shown(self.name, "")
        told = [
            f"{changes[at]:+.1%} (distance {self._told(distances[at])}"
            f"{self._whence(known[symbols[at]].symbol, begins[at])}), {_direction(changes[at])}"
            for at in chosen
        ]
        rose = sum(bool(changes[at] > 0) for at in chosen)
        kind = "random" if self.null else "most similar"
        return Shown(
            self.name,
            f"{kind} past states, change over the {self.horizon} bars that followed each: {'; '.join(told)}; "
            f"{rose} of {len(chosen)} rose",
        )

    def _known(self, snapshot: Snapshot) -> Iterator[_Known]:
        """The states of each symbol whose horizon is over: of its own symbol at this close, of others before it."""
        now = _moment(snapshot)
        for symbol, past in sorted(self._pasts.items()):
            own = symbol == snapshot.symbol
            if self.of != "all" and own != (self.of == "own"):
                continue
            closed = int(np.searchsorted(past.times, now, "left"))
            times, closes = past.times[:closed], past.closes[:closed]
            if own:
                times, closes = np.append(times, now), np.append(closes, snapshot.close)
            over = len(times) - self.horizon
            if over > 0:
                changes = closes[self.horizon :] / closes[:over] - 1
                yield _Known(times[:over], times[self.horizon :], changes, past.states[:over], symbol)

    def _distances(self, states: Any, state: Any) -> Any:
        apart = states - state
        if self.distance == "features":
            spread = states.std(axis=0)
            apart = apart[:, spread > 0] / spread[spread > 0]  # what never moved tells nothing apart
        # Rounded, so that the order does not hang on the last bits of sums, which machines take in different orders.
        return np.round(np.sqrt((apart**2).mean(axis=1)), 9) if apart.shape[1] else np.zeros(len(states))

    def _chosen(self, snapshot: Snapshot, distances: Any, begins: Any, ends: Any) -> list[int]:
        """Places of up to ``k`` states, those that come first whose horizons do not overlap; of equals the earliest."""
        order = distances
        if self.null == "random":
            seed = hashlib.sha256(f"{snapshot.symbol} {snapshot.time}".encode()).digest()[:8]
            order = np.random.default_rng(int.from_bytes(seed)).random(len(distances))
        left = np.array(order)
        chosen: list[int] = []
        while len(chosen) < self.k:
            at = int(left.argmin())
            if left[at] == np.inf:
                break
            chosen.append(at)
            left[(begins < ends[at]) & (begins[at] < ends)] = np.inf
        return chosen

    def _state(self, snapshot: Snapshot) -> Any:
        if self.distance == "path":
            assert snapshot.window is not None  # noqa: S101 - read for its lookback
            closes = np.array(snapshot.window.close[-PATH_BARS:])
            return closes / closes[-1] - 1
        return np.array(
            [
                scaled_trend(snapshot),
                scaled_momentum(snapshot),
                snapshot.volatility_rank,
                scaled_drawdown(snapshot),
                snapshot.range_position,
                snapshot.volume_ratio,
            ]
        )

    def _told(self, distance: float) -> str:
        return f"{distance:.1%}" if self.distance == "path" else f"{distance:.2f}"

    def _whence(self, symbol: str, begins: float) -> str:
        """Symbol and time of a state, where the mask is lifted."""
        parts = [quoted(symbol)] if "symbol" in self.unmasked else []
        if "date" in self.unmasked:
            parts.append(datetime.fromtimestamp(begins, UTC).replace(tzinfo=None).isoformat())
        return "".join(f", {part}" for part in parts)


class _Known(NamedTuple):
    """The states of one symbol whose horizon is over: when each began and was over, the change of the close in between
    (fraction), and what they are compared by."""

    begins: Any
    ends: Any
    changes: Any
    states: Any
    symbol: str


class _Past:
    """The closes of one symbol in their order, with room for more."""

    def __init__(self, width: int) -> None:
        self._count = 0
        self._rows = np.empty((256, 2 + width))

    def add(self, time: float, close: float, state: Any) -> None:
        """One close."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._count] = (time, close, *state)
        self._count += 1

    @property
    def times(self) -> Any:
        """Seconds since 1970."""
        return self._rows[: self._count, 0]

    @property
    def closes(self) -> Any:
        """Prices."""
        return self._rows[: self._count, 1]

    @property
    def states(self) -> Any:
        """A row a state."""
        return self._rows[: self._count, 2:]


def _moment(snapshot: Snapshot) -> float:
    return datetime.fromisoformat(snapshot.time).replace(tzinfo=UTC).timestamp()


def _direction(change: float) -> str:
    return "rose" if change > 0 else "fell" if change < 0 else "unchanged"
