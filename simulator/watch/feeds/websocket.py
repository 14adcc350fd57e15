"""The kind ``websocket:``: a server that sends ticks, bars or times as JSON (``simulator.watch.messages``).

On each connection one message goes to the server, ``{"subscribe": ["AAA"], "timeframe": "1m", "since": {"AAA":
"2026-01-05T14:30:00+00:00"}}``: which symbols are wanted, and from which moment on they are not known yet. A server
that can tell earlier ones begins there. Nothing else is ever sent. A frame holds one message, or several, each on a
line of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.prices.sessions import Timeframe
from simulator.watch.feed import FeedBar, FeedKind, FeedRequest, FeedTime, Tick
from simulator.watch.live_feed import ConnectionLost, LiveFeed, with_variables
from simulator.watch.messages import read_message
from simulator.watch.periods import INSTALL

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

OPEN_TIMEOUT_S = 10.0
_LOOK_S = 0.3
"""Seconds after which a silent connection looks whether anybody still listens."""
_MOST_BYTES = 1 << 20
"""Of a frame; a connection that sends a longer one is cut by the library."""
_PATIENT = (408, 425, 429)
"""HTTP statuses of 400 to 499 which waiting cures."""


@contextmanager
def connection_to(url: str, name: str, *, known: bool) -> Iterator[ClientConnection]:
    """A WebSocket connection; ``name`` is how the server is called where it is told of, and ``known`` whether it let us
    in before. Raises ``ConnectionLost``, and ``MarketDataError`` where it refuses who comes."""
    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync.client import connect

    try:
        with connect(url, open_timeout=OPEN_TIMEOUT_S, close_timeout=1, max_size=_MOST_BYTES) as connection:
            yield connection
    except InvalidStatus as problem:
        status = problem.response.status_code
        if not known and 400 <= status < 500 and status not in _PATIENT:
            raise MarketDataError(
                f"{name} refuses the connection (HTTP status {status}): check address, symbols and key."
            ) from None
        raise ConnectionLost(f"HTTP status {status}") from None
    except WebSocketException as problem:
        raise ConnectionLost(str(problem)) from None


def frames(connection: ClientConnection, feed: LiveFeed) -> Iterator[bytes | None]:
    """What the server sends, frame by frame, and None again and again while it is silent; until the feed is closed."""
    while not feed.closing:
        try:
            yield connection.recv(timeout=_LOOK_S, decode=False)
        except TimeoutError:
            yield None


class WebSocketFeed(LiveFeed):
    """Listens to a server of the JSON form; ``symbols`` and ``since`` are what it is asked for."""

    def __init__(self, url: str, symbols: tuple[str, ...], since: dict[str, datetime], timeframe: Timeframe) -> None:
        super().__init__(urlsplit(url).hostname or "The server")
        self._url = url
        self._symbols = symbols
        self._since = since
        self._timeframe = timeframe

    def listen(self) -> None:
        """As of ``LiveFeed``."""
        with connection_to(self._url, self._name, known=self.was_connected) as connection:
            since = {symbol: moment.isoformat() for symbol, moment in self._since.items()}
            wanted = {"subscribe": list(self._symbols), "timeframe": str(self._timeframe), "since": since}
            connection.send(json.dumps(wanted))
            self.connected()
            for frame in frames(connection, self):
                if frame is not None:
                    self.read(frame)

    def read(self, frame: bytes) -> None:
        """Hear what stands in a frame."""
        for line in frame.split(b"\n"):
            if not line.strip():
                continue
            try:
                message = read_message(line.decode(), self._timeframe, self._symbols[0] if self._is_single else "")
            except UnicodeDecodeError:
                self.pass_over("it is no text in UTF-8")
            except ValueError as problem:
                self.pass_over(str(problem))
            else:
                if self.hear(message):
                    self._remember(message)

    @property
    def _is_single(self) -> bool:
        return len(self._symbols) == 1

    def _remember(self, message: Tick | FeedBar | FeedTime) -> None:
        """Where to begin after a loss."""
        if isinstance(message, FeedTime) or message.symbol not in self._symbols:
            return
        moment = message.time if isinstance(message, Tick) else message.end
        self._since[message.symbol] = max(self._since.get(message.symbol, moment), moment)


def open_websocket(request: FeedRequest) -> WebSocketFeed:
    """Listen to the address behind the colon; ``${NAME}`` in it is taken from the environment."""
    try:
        from websockets.exceptions import InvalidURI
        from websockets.uri import parse_uri
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}, and websockets is not installed: {INSTALL}"
        ) from None

    url = with_variables(request.name, request)
    try:
        parse_uri(url)
    except (InvalidURI, ValueError):
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}: write the address of a server, as in websocket:wss://HOST/PATH or "
            "websocket:ws://127.0.0.1:9000."
        ) from None
    return WebSocketFeed(url, request.symbols, dict(request.since), request.timeframe)


WEBSOCKET = FeedKind("websocket", open_websocket, "websocket:URL  a server that sends ticks or bars as JSON")
