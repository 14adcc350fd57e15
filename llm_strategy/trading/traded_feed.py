"""One traded symbol as the book and the gate see it, whoever sends its orders."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence

import backtrader as bt
import numpy as np

from llm_strategy.costs.costs import NO_COSTS
from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.risk import Market
from llm_strategy.support.outside_text import LONGEST_SYMBOL
from llm_strategy.trading.bar_check import last_close
from llm_strategy.trading.broker import costs_of

CORRELATION_BARS = 60
FEWEST_COMMON_BARS = 20
"""Returns on common bars below which a correlation counts as not known."""


class TradedFeed(ABC):
    """The feed that trades (``data``) and the feed whose bars count time (``decisions``), often the same.

    ``tick_volume`` says that its volume counts ticks, not shares, so that no size can be a share of it.
    """

    def __init__(
        self,
        data: bt.AbstractDataBase,
        decisions: bt.AbstractDataBase,
        *,
        symbol: str,
        group: str,
        tick_volume: bool = False,
    ) -> None:
        self.data = data
        self.decisions = decisions
        self.symbol = symbol
        self.group = group
        self._trading_clock, self._decision_clock = data.lines.datetime, decisions.lines.datetime
        self._close, self._volume = data.lines.close, data.lines.volume
        self._bars_seen = 0
        self._tick_volume = tick_volume
        self._has_volume = False
        self._stopped_at: int | None = None
        self._entered_at = 0

    @property
    @abstractmethod
    def position(self) -> float:
        """Signed shares that the strategy's own fills have come to."""

    @property
    @abstractmethod
    def entering(self) -> float:
        """Signed shares of entries that wait for their fill."""

    @property
    @abstractmethod
    def exposure(self) -> float:
        """Signed currency: the position at the close, and entries that wait at their worst price."""

    @property
    @abstractmethod
    def reserved(self) -> float:
        """Currency (positive) that entries that wait may need."""

    @property
    @abstractmethod
    def firm(self) -> bool:
        """Whether a position is held and no order waits that would change it."""

    @property
    def stop_price(self) -> float | None:
        """Where the live stop of the position stands, currency; ``None`` where the feed's strategy keeps it itself."""
        return None

    @property
    def stop_pct(self) -> float | None:
        """Distance of the stop from the fill that opened the position (fraction)."""
        return None

    def has_new_bar(self) -> bool:
        """Whether a trading bar has closed since the last call; backtrader calls at the times of every feed."""
        bars = self._trading_clock.lencount  # what len() asks for, without its way through backtrader
        if bars == self._bars_seen:
            return False
        self._bars_seen = bars
        if not self._has_volume:
            self._has_volume = self._volume[0] > 0 and not self._tick_volume
        return True

    @property
    def bars(self) -> int:
        """Decision bars that have closed so far."""
        return int(self._decision_clock.lencount)

    def market(self, broker: bt.brokers.BackBroker | None) -> Market:
        """What the gate is told of this symbol; costs only with the ``broker`` of an entry, because they take time."""
        volume = self._volume[0] if self._has_volume else None
        costs = NO_COSTS if broker is None else costs_of(broker, self.data)
        return Market(self.price, costs, volume)

    @property
    def price(self) -> float:
        """The close, or where this bar has none that is a price, the last one before it."""
        close = self._close[0]
        return close if 0 < close < math.inf else last_close(self.data)

    def stopped(self) -> None:
        """A stop was hit in the bar that has closed."""
        self._stopped_at = len(self._decision_clock)

    @property
    def bars_since_stop(self) -> int | None:
        """Decision bars since the last stop."""
        return None if self._stopped_at is None else len(self._decision_clock) - self._stopped_at

    def entered(self) -> None:
        """An entry was filled in the bar that has closed."""
        self._entered_at = len(self._decision_clock)

    @property
    def bars_held(self) -> int | None:
        """Decision bars since the position was opened; ``None`` without one."""
        return len(self._decision_clock) - self._entered_at if self.position else None

    def correlation(self, other: TradedFeed) -> float:
        """Correlation of the returns of the last bars that both symbols have; 1 where they are too few."""
        mine, theirs = self._recent_returns(), other._recent_returns()
        common = sorted(mine.keys() & theirs.keys())
        if len(common) < FEWEST_COMMON_BARS:
            return 1.0
        pairs = np.array([(mine[time], theirs[time]) for time in common])
        if not pairs.std(axis=0).all():
            return 1.0
        return float(np.corrcoef(pairs, rowvar=False)[0, 1])

    def _recent_returns(self) -> dict[float, float]:
        bars = min(CORRELATION_BARS + 1, len(self.decisions), len(self.decisions.close.array))
        times, closes = self.decisions.datetime.get(size=bars), self.decisions.close.get(size=bars)
        return {
            time: close / before - 1
            for time, before, close in zip(list(times)[1:], list(closes)[:-1], list(closes)[1:], strict=True)
            if 0 < before < math.inf and 0 < close < math.inf
        }


def feed_names(datas: Sequence[bt.AbstractDataBase]) -> dict[bt.AbstractDataBase, str]:
    """The name of every feed of a Cerebro; one without a name is called after its place: ``data0``, ``data1``."""
    return {data: str(data._name or f"data{place}") for place, data in enumerate(datas)}


def find_feed(name: str, names: Mapping[bt.AbstractDataBase, str]) -> bt.AbstractDataBase:
    """The feed of this name. Raises ``ConfigurationError`` where there is none, or more than one."""
    found = [data for data, its_name in names.items() if its_name == name]
    if not found:
        raise ConfigurationError(f"There is no feed named {name!r}{did_you_mean(name, list(names.values()))}")
    if len(found) > 1:
        raise _double(name)
    return found[0]


def traded_of(trade: Sequence[str] | str | None, names: Mapping[bt.AbstractDataBase, str]) -> list[bt.AbstractDataBase]:
    """The feeds that ``trade`` means: those of these names or of this one, ``"all"``, or without it the first."""
    if trade is None:
        return list(names)[:1]
    if trade == "all":
        return list(names)
    return [find_feed(name, names) for name in ([trade] if isinstance(trade, str) else trade)]


def symbols_of(names: Mapping[bt.AbstractDataBase, str]) -> dict[bt.AbstractDataBase, str]:
    """The names of traded feeds as symbols, no longer than the contract allows.

    Raises ``ConfigurationError`` where two are the same.
    """
    symbols = {data: name[:LONGEST_SYMBOL] for data, name in names.items()}
    for name, count in Counter(symbols.values()).items():
        if count > 1:
            raise _double(name)
    return symbols


def _double(name: str) -> ConfigurationError:
    return ConfigurationError(
        f'Two feeds are called {name!r} and cannot be told apart: cerebro.adddata(feed, name="...") gives each its own.'
    )
