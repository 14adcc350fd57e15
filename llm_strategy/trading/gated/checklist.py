"""The checklist before the entries of somebody else's strategy, whose bars nobody reads as snapshots."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

import backtrader as bt
import numpy as np

from llm_strategy.market.feature import COLUMNS, IN_SNAPSHOT, all_bars
from llm_strategy.market.features import DEFAULT_LOOKBACKS, Lookbacks, market_features
from llm_strategy.market.snapshot import iso_time, timeframe_of
from llm_strategy.risk import Account
from llm_strategy.risk.checklist import Checklist, Firing
from llm_strategy.trading.checklist_inputs import ChecklistInputs, lookback
from llm_strategy.trading.gated.feed import GatedFeed
from llm_strategy.types import Snapshot, Window

_FEATURES = tuple(feature.name for feature in market_features() if feature.name in IN_SNAPSHOT)


class GatedChecklist:
    """Tells a checklist the closes of a strategy's feeds, and which items fire before an order.

    ``first_bars`` is by name of a feed the number of its bars from which on closes count; all do where it is absent.
    Nothing is known of an advice, so that what looks at one does not fire.
    """

    def __init__(
        self,
        checklist: Checklist,
        lookbacks: Lookbacks = DEFAULT_LOOKBACKS,
        first_bars: Mapping[str, int] | None = None,
    ) -> None:
        self._inputs = ChecklistInputs(checklist)
        self._lookbacks = lookbacks
        self._kept = bars_kept(checklist, lookbacks)
        self._first_bars = first_bars or {}
        self._taken: dict[bt.AbstractDataBase, int] = {}

    def take(self, feed: GatedFeed) -> None:
        """Take the close of the bars by which a feed counts time, where there is a new one; behind a bar that cannot be
        true, as a feed may have that is only looked at, its past begins anew."""
        data = feed.decisions
        bars = len(data)
        if bars and bars != self._taken.get(data) and bars >= self._first_bars.get(str(data._name), 0):
            self._taken[data] = bars
            if _are_prices({name: (getattr(data.lines, name)[0],) for name in ("high", "low", "close")}):
                self._inputs.take(_snapshot(feed, {}))
            else:
                self._inputs.forget(feed.symbol)

    def firings(self, feed: GatedFeed, account: Account, price: float) -> tuple[Firing, ...]:
        """The items that fire before an order at this price (currency)."""
        self.take(feed)
        data = feed.decisions
        kept = min(self._kept, len(data), len(data.lines.close.array))
        columns = {name: np.array(getattr(data.lines, name).get(size=kept)) for name in ("datetime", *COLUMNS)}
        snapshot = _snapshot(feed, self._features(columns), _window(columns, self._inputs.window))
        return self._inputs.firings(snapshot, account, price)

    def _features(self, columns: Mapping[str, Any]) -> dict[str, float]:
        """The features of the last bar; none where nobody looks at them, the bars are too few, or one has no price."""
        if (
            not self._inputs.measures
            or len(columns["close"]) < self._lookbacks.longest.bars
            or not _are_prices(columns)
        ):
            return {}
        longest = self._lookbacks.longest.bars
        bars = {name: array("d", columns[name][-longest:]) for name in COLUMNS}
        values: dict[str, array[float]] = {}
        for feature in market_features(self._lookbacks):
            values[feature.name] = all_bars(feature, bars, values)
        return {name: values[name][-1] for name in _FEATURES}


def bars_kept(checklist: Checklist, lookbacks: Lookbacks = DEFAULT_LOOKBACKS) -> int:
    """Bars of every feed that a checklist looks back on, features included."""
    return max(lookbacks.longest.bars, lookback(checklist))


def _snapshot(feed: GatedFeed, features: Mapping[str, float], window: Window | None = None) -> Snapshot:
    data = feed.decisions
    values: dict[str, Any] = {name: features.get(name, math.nan) for name in _FEATURES}
    time, close = iso_time(data.lines.datetime[0]), data.lines.close[0]
    return Snapshot(feed.symbol, timeframe_of(data), time, close, **values, window=window)


def _window(columns: Mapping[str, Any], bars: int) -> Window | None:
    """The last bars; None where they are too few."""
    if len(columns["close"]) < bars or not bars:
        return None
    last = {name: column[-bars:] for name, column in columns.items()}
    for column in last.values():
        column.setflags(write=False)
    times = [iso_time(float(day)) for day in last["datetime"]]
    opens, highs, lows, closes, volumes = (last[name] for name in COLUMNS)
    return Window(opens, highs, lows, closes, volumes, times, _are_prices(last))


def _are_prices(columns: Mapping[str, Any]) -> bool:
    prices = np.array([columns[name] for name in ("high", "low", "close")])
    return bool(((prices > 0) & (prices < math.inf)).all())
