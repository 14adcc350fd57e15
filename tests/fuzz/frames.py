"""What servers of live prices send: a frame of JSON lines, of Alpaca's messages, of Yahoo's prices."""

from __future__ import annotations

import base64
import json
from functools import cache

from feed_server import request_of
from yfinance.pricing_pb2 import PricingData

from llm_strategy.errors import MarketDataError
from simulator.watch.feeds.alpaca import AlpacaFeed
from simulator.watch.feeds.websocket import WebSocketFeed
from simulator.watch.feeds.yahoo import YahooStream
from simulator.watch.live_feed import ConnectionLost

from .target import Target
from .watched import MESSAGES, MINUTE

NOWHERE = "ws://127.0.0.1:1"
TRADE = {"T": "t", "S": "AAA", "i": 7, "x": "V", "p": 100.5, "s": 3, "t": "2026-01-05T14:30:02.123456789Z"}
BAR = {"T": "b", "S": "AAA", "o": 10, "h": 12, "l": 9, "c": 11, "v": 70, "t": "2026-01-05T14:30:00Z"}


@cache
def _request():
    return request_of("replay:", "AAA")


def _feeds():
    yield WebSocketFeed(NOWHERE, ("AAA",), {}, MINUTE)
    yield AlpacaFeed(NOWHERE, "", "", {"AAA": "AAA"}, _request())
    yield YahooStream(NOWHERE, {"AAA": "AAA"}, _request())


def _frames():
    price = PricingData(id="AAA", price=590.12, time=1767623400500, day_volume=10, last_size=3)
    told = [json.dumps([TRADE, BAR]), json.dumps([{"T": "error", "code": 406, "msg": "connection limit exceeded"}])]
    told.append(json.dumps({"type": "pricing", "message": base64.b64encode(price.SerializeToString()).decode()}))
    return [one.encode() for one in ("\n".join(map(json.dumps, MESSAGES)), *told)]


def _read_frame(data, folder):
    refused = None
    for feed in _feeds():
        try:
            feed.read(data)
        except ConnectionLost:
            continue  # as a frame of Alpaca's wished
        except MarketDataError as problem:
            refused = problem
    if refused is not None:
        raise refused


TARGETS = [Target("feed_frame", _frames, _read_frame, (MarketDataError,))]
