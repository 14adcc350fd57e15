"""The kind ``yfinance:``: prices of Yahoo Finance as they stream, or asked for again and again where they do not.

The stream's address and the form of its messages are those of ``yfinance.WebSocket``; the connection is ours, as that
class leaves a broken one to its caller and forgets what it subscribed to. What Yahoo streams is the last price at a
moment, not every trade: the size of a tick is what was traded since the one before, and a bar made of them may miss
extremes. Bars that are asked for (``?poll``) are Yahoo's own, not adjusted, and come some seconds later. Where the
stream is lost and cannot be reached again they are asked for meanwhile.
"""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.prices.sources.yahoo import INTERVALS, Request, quiet, reason_of, table_from_frame
from simulator.prices.table import COLUMNS
from simulator.watch.feed import Feed, FeedBar, FeedKind, FeedRequest, FeedTrouble, Tick
from simulator.watch.feeds.websocket import connection_to, frames
from simulator.watch.live_feed import ConnectionLost, LiveFeed, PolledFeed, symbols_by_name
from simulator.watch.messages import message_of

POLL_FOR_S = 300.0
"""Seconds for which bars are asked for where the stream cannot be reached, before it is tried again."""
SUBSCRIBE_EVERY_S = 15.0
"""Yahoo forgets who does not ask again; as often as ``yfinance.AsyncWebSocket`` does."""
_POLL = "?poll"


class YahooStream(LiveFeed):
    """Listens to Yahoo's stream; ``symbols`` are those of the experiment by Yahoo's names. Where it was lost and cannot
    be reached again, ``polled`` is asked for bars meanwhile."""

    def __init__(
        self, url: str, symbols: dict[str, str], request: FeedRequest, polled: YahooPolled | None = None
    ) -> None:
        super().__init__("Yahoo's stream")
        self._url = url
        self._symbols = symbols
        self._timeframe = request.timeframe
        self._volumes: dict[str, float] = {}
        self._heard_at: dict[str, datetime] = {}
        self._polled = polled
        self._asks = False

    def reach(self) -> None:
        """Connect once, and let go; raises as ``listen``."""
        with connection_to(self._url, self._name, known=False):
            pass

    def listen(self) -> None:
        """As of ``LiveFeed``."""
        was_up = False
        try:
            with connection_to(self._url, self._name, known=True) as connection:
                self._volumes.clear()
                asked = 0.0
                for frame in frames(connection, self):
                    if time.monotonic() - asked >= SUBSCRIBE_EVERY_S or not asked:
                        asked = time.monotonic()
                        connection.send(json.dumps({"subscribe": sorted(self._symbols)}))
                        was_up, self._asks, self.grace_s = True, False, 0.0
                        self.connected()
                    if frame is not None:
                        self.read(frame)
        except (ConnectionLost, OSError) as problem:
            if was_up or self._polled is None or not self.was_connected:
                raise  # it is made again at once
            self._ask(self._polled, str(problem) or type(problem).__name__)

    def _ask(self, polled: YahooPolled, why: str) -> None:
        """Ask for bars for a while; raises as ``fetch``."""
        if not self._asks:
            for name, symbol in self._symbols.items():
                if symbol in self._heard_at:  # the bar that was being made is asked for whole
                    polled.ask_from(name, self._heard_at[symbol] - polled.step)
        until = time.monotonic() + POLL_FOR_S
        while not self.closing and time.monotonic() < until:
            bars = polled.ask()
            if not self._asks:
                self._asks, self.grace_s = True, polled.grace_s
                text = f"{self._name} cannot be reached ({why.rstrip('.')[:200]}): bars are asked for every "
                self._put(FeedTrouble("back", f"{text}{polled.poll_s:.0f} s meanwhile."))
            for bar in bars:
                self.hear(bar)
            self.wait(polled.poll_s)

    def read(self, frame: bytes) -> None:
        """Hear the price in a frame."""
        from google.protobuf.message import DecodeError
        from yfinance.pricing_pb2 import PricingData

        pricing = PricingData()
        try:
            document = json.loads(frame)
            pricing.ParseFromString(base64.b64decode(document["message"], validate=True))
        except (ValueError, KeyError, TypeError, RecursionError, DecodeError):
            self.pass_over("it is no price in Yahoo's form")
            return
        symbol = self._symbols.get(pricing.id)
        if symbol is None:
            self.pass_over("it is about a symbol that was not asked for")
            return
        try:
            message = message_of(self._document(symbol, pricing), self._timeframe)
        except ValueError as problem:
            self.pass_over(str(problem))
            return
        if self.hear(message) and isinstance(message, Tick):
            self._heard_at[symbol] = message.time

    def _document(self, symbol: str, pricing: Any) -> dict[str, Any]:
        """The tick: its price as the shortest number that 32 bits tell from others, as Yahoo rounds to them."""
        day, before = float(pricing.day_volume), self._volumes.get(symbol)
        self._volumes[symbol] = day
        size = day - before if before is not None and day >= before else float(pricing.last_size)
        price = float(f"{pricing.price:.7g}")
        return {"symbol": symbol, "time": pricing.time, "price": price, "size": size}


class YahooPolled(PolledFeed):
    """Asks Yahoo for closed bars; ``why`` tells of a stream that could not be reached."""

    def __init__(self, symbols: dict[str, str], request: FeedRequest, why: str = "") -> None:
        super().__init__("Yahoo", symbols, request)
        self._timeframe = request.timeframe
        if why:
            text = f"Yahoo's stream cannot be reached ({why}): bars are asked for every {self.poll_s:.0f} s instead."
            self._put(FeedTrouble("lost", text))

    def fetch(self, name: str, since: datetime) -> list[FeedBar]:
        """As of ``PolledFeed``."""
        import yfinance

        wanted = Request(name, self._timeframe, since.date(), (datetime.now(UTC) + timedelta(days=1)).date())
        with quiet(yfinance) as messages:
            try:
                frame = yfinance.download(name, **wanted.arguments())
            except Exception as problem:  # yfinance lets errors of its parsers and of several HTTP clients through
                raise ConnectionLost(reason_of([repr(problem)])) from None
        if frame is None or frame.empty:
            if messages:
                raise ConnectionLost(reason_of(messages))
            return []
        table = table_from_frame(frame.dropna(), wanted)
        bars = []
        times = pd.DatetimeIndex(table.index).to_pydatetime()
        for moment, *values in zip(times, *(table[column].tolist() for column in COLUMNS), strict=True):
            start = moment.replace(tzinfo=UTC)
            bars.append(FeedBar(self._symbols[name], start, start + self.step, *values))
        return bars


def open_yahoo(request: FeedRequest) -> Feed:
    """Listen to the symbols behind the colon, or with ``?poll``, and where the stream cannot be reached now, ask."""
    import yfinance

    names = request.name.removesuffix(_POLL)
    if "?" in names or any(" " in name.strip() for name in names.split(",")):
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}: write yfinance:SYMBOL,SYMBOL, and {_POLL} behind them at most."
        )
    symbols = symbols_by_name(request, names)
    why = ""
    if names == request.name:
        polled = YahooPolled(symbols, request) if str(request.timeframe) in INTERVALS else None
        stream = YahooStream(yfinance.WebSocket(verbose=False).url, symbols, request, polled)
        try:
            stream.reach()
        except (ConnectionLost, MarketDataError, OSError) as problem:
            why = str(problem).rstrip(".")[:200]
        else:
            return stream
    if str(request.timeframe) not in INTERVALS:
        more = f", and its stream cannot be reached ({why})" if why else ""
        raise ConfigurationError(
            f"data.timeframe is {request.timeframe}, and Yahoo has no such bars{more}: set one of "
            f"{', '.join(INTERVALS)}."
        )
    return YahooPolled(symbols, request, why)


YAHOO = FeedKind("yfinance", open_yahoo, "yfinance:SYMBOL,...[?poll]  Yahoo Finance, streamed or asked for")
