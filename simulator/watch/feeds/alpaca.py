"""The kind ``alpaca:``: trades or minutes of Alpaca's market data stream, in the JSON form that it documents.

The connection is that of ``websocket:``; Alpaca's own client stands on a part of ``websockets`` that is to be removed,
and asks for ever with a key that is refused. Only the address of market data is ever spoken to: nothing here can place
an order. The key (``APCA_API_KEY_ID``) and its secret (``APCA_API_SECRET_KEY``) come from the environment or ``.env``.
Bars of one minute are Alpaca's own; an updated one counts until the minute is closed here. Others are made of trades.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from llm_strategy.support.outside_text import visible_line
from llm_strategy.support.strict_json import parse_json
from simulator.watch.feed import FeedKind, FeedRequest
from simulator.watch.feeds.websocket import OPEN_TIMEOUT_S, connection_to, frames
from simulator.watch.live_feed import ConnectionLost, LiveFeed, from_environment, symbols_by_name
from simulator.watch.messages import message_of

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

ADDRESS = "wss://stream.data.alpaca.markets"
KEY, SECRET = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"
FEEDS = ("iex", "sip", "delayed_sip")
_INCURABLE = (400, 401, 402, 403, 404, 405, 409, 410)
"""Codes of errors that no waiting cures: a refused key, a subscription without right."""
_OPTION = "?feed="


class AlpacaFeed(LiveFeed):
    """Listens to a stream of Alpaca; ``symbols`` are those of the experiment by Alpaca's names."""

    def __init__(self, url: str, key: str, secret: str, symbols: Mapping[str, str], request: FeedRequest) -> None:
        super().__init__("Alpaca's stream")
        self._url = url
        self._key, self._secret = key, secret
        self._symbols = symbols
        self._timeframe = request.timeframe
        self._minutes = str(request.timeframe) == "1m"
        self.grace_s = 5.0 if self._minutes else 0.0  # a minute's bars come one by one, some seconds behind its end

    def listen(self) -> None:
        """As of ``LiveFeed``."""
        with connection_to(self._url, self._name, known=self.was_connected) as connection:
            self._expect(connection, "connected")
            connection.send(json.dumps({"action": "auth", "key": self._key, "secret": self._secret}))
            self._expect(connection, "authenticated")
            channels = ("bars", "updatedBars") if self._minutes else ("trades",)
            connection.send(json.dumps({"action": "subscribe"} | {name: list(self._symbols) for name in channels}))
            self.connected()
            for frame in frames(connection, self):
                if frame is not None:
                    self.read(frame)

    def read(self, frame: bytes) -> None:
        """Hear what stands in a frame; raises for an error of theirs."""
        for message in self._messages(frame):
            self._take(message)

    def _expect(self, connection: ClientConnection, what: str) -> None:
        try:
            answer = connection.recv(timeout=OPEN_TIMEOUT_S, decode=False)
        except TimeoutError:
            raise ConnectionLost(f"it does not say that one is {what}") from None
        for message in self._messages(answer):
            self._refuse(message)
            if message.get("T") == "success" and message.get("msg") == what:
                return
        raise ConnectionLost(f"it does not say that one is {what}")

    def _messages(self, frame: bytes) -> list[dict[str, Any]]:
        try:
            found = parse_json(frame.decode())
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.pass_over("it is no list of messages")
            return []
        return found

    def _refuse(self, message: Mapping[str, Any]) -> None:
        """Raise for an error of theirs."""
        if message.get("T") != "error":
            return
        said = visible_line(str(message.get("msg")), 100)
        if message.get("code") in _INCURABLE:
            raise MarketDataError(
                f"Alpaca refuses ({said}, code {message['code']}): check {KEY} and {SECRET}, and what your "
                "subscription holds."
            )
        raise ConnectionLost(said)

    def _take(self, message: Mapping[str, Any]) -> None:
        self._refuse(message)
        kind = message.get("T")
        if kind not in ("t", "b", "u"):
            return  # news of the subscription, corrections of trades that were told already
        symbol = self._symbols.get(str(message.get("S")))
        if symbol is None:
            self.pass_over("it is about a symbol that was not asked for")
            return
        document: dict[str, Any] = {"symbol": symbol, "time": message.get("t")}
        if kind == "t":
            named = f"{message.get('x', '')}-{message['i']}" if "i" in message else None
            document |= {"price": message.get("p"), "size": message.get("s"), "id": named}
        else:
            names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
            document |= {name: message.get(short) for name, short in names.items()}
        try:
            self.hear(message_of(document, self._timeframe))
        except ValueError as problem:
            self.pass_over(str(problem))


def open_alpaca(request: FeedRequest, address: str = ADDRESS) -> AlpacaFeed:
    """Listen to the symbols behind the colon, shares or pairs such as ``BTC/USD``."""
    names, option, feed = request.name.partition(_OPTION)
    if option and feed not in FEEDS:
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}, whose feed is unknown{did_you_mean(feed, list(FEEDS))}"
        )
    symbols = symbols_by_name(request, names)
    pairs = sum("/" in name for name in symbols)
    if pairs not in (0, len(symbols)) or (pairs and option):
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}: shares and pairs of currencies have streams of their own, and "
            f"{_OPTION}iex is for shares: watch one kind of them."
        )
    value = from_environment(request)
    path = "v1beta3/crypto/us" if pairs else f"v2/{feed or 'iex'}"
    return AlpacaFeed(f"{address}/{path}", value(KEY), value(SECRET), symbols, request)


ALPACA = FeedKind("alpaca", open_alpaca, "alpaca:SYMBOL,...[?feed=sip]  Alpaca's market data, with your key")
