"""The kind ``ccxt:``: bars of a crypto exchange, asked for by ``ccxt`` as they close.

Only public market data is asked for: no key is taken, and nothing here can place an order. Bars are the exchange's own
and are never made of trades here; some exchanges give none for a period without a trade, others a flat one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from llm_strategy.support.secrets import redact
from simulator.watch.feed import FeedBar, FeedKind, FeedRequest
from simulator.watch.live_feed import ConnectionLost, PolledFeed, symbols_by_name

INSTALL = 'pip install "backtrader-llm[ccxt]"'
_TIMEOUT_MS = 10_000


class CcxtFeed(PolledFeed):
    """Asks an ``exchange`` of ccxt for closed bars; ``symbols`` are those of the experiment by the exchange's names."""

    def __init__(self, exchange: Any, symbols: dict[str, str], request: FeedRequest) -> None:
        super().__init__(str(exchange.name), symbols, request)
        self._exchange = exchange
        self._timeframe = str(request.timeframe)

    def fetch(self, name: str, since: datetime) -> list[FeedBar]:
        """As of ``PolledFeed``."""
        import ccxt

        try:
            markets = self._exchange.load_markets()
            if name not in markets:
                raise MarketDataError(f"{self._name} has no {name!r:.60}{did_you_mean(name, list(markets))}")
            rows = self._exchange.fetch_ohlcv(name, self._timeframe, since=int(since.timestamp() * 1000))
        except (ccxt.AuthenticationError, ccxt.NotSupported) as problem:
            why = redact(str(problem))[:200].rstrip(".")
            raise MarketDataError(f"{self._name} does not tell its bars ({why}): name another exchange.") from None
        except ccxt.BaseError as problem:
            raise ConnectionLost(str(problem)) from None
        bars = []
        for row in rows:
            if len(row) < 6 or None in row[:5]:
                self.pass_over("a bar has no prices")
                continue
            start = datetime.fromtimestamp(row[0] / 1000, UTC)
            opens, high, low, close, volume = row[1:6]
            bars.append(FeedBar(self._symbols[name], start, start + self.step, opens, high, low, close, volume or 0.0))
        return bars


def open_ccxt(request: FeedRequest) -> CcxtFeed:
    """Ask the exchange behind the colon for the symbols behind the slash."""
    kind, _, names = request.name.partition("/")
    if not names:
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}: write exchange and symbols, as in ccxt:kraken/BTC/USD,ETH/USD."
        )
    try:
        import ccxt
    except ModuleNotFoundError:
        raise ConfigurationError(f"watch.feed is {request.text!r:.80}, and ccxt is not installed: {INSTALL}") from None
    if kind not in ccxt.exchanges:
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}, whose exchange is unknown{did_you_mean(kind, ccxt.exchanges)}"
        )
    exchange = getattr(ccxt, kind)({"enableRateLimit": True, "timeout": _TIMEOUT_MS})
    if not exchange.has["fetchOHLCV"]:
        raise ConfigurationError(f"watch.feed is {request.text!r:.80}, an exchange that tells no bars: name another.")
    if str(request.timeframe) not in (exchange.timeframes or {}):
        raise ConfigurationError(
            f"data.timeframe is {request.timeframe}, and {exchange.name} has no such bars: set one of "
            f"{', '.join(exchange.timeframes or {})}."
        )
    return CcxtFeed(exchange, symbols_by_name(request, names), request)


CCXT = FeedKind("ccxt", open_ccxt, "ccxt:EXCHANGE/SYMBOL,...  bars of a crypto exchange")
