"""Feeds of Yahoo, Alpaca and the exchanges of ccxt, against servers on this machine that speak as theirs do."""

import base64
import json
import socket
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import yfinance
import yfinance.base
import yfinance.scrapers.history
from feed_server import answering, cut_in_a_message, heard, opened, request_of, serving, until_closed
from watched_day import OPENING
from yfinance.pricing_pb2 import PricingData

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.support.secrets import redact
from simulator.watch import live_feed
from simulator.watch.feed import FeedBar, FeedTrouble, Tick
from simulator.watch.feeds import yahoo
from simulator.watch.feeds.alpaca import open_alpaca
from simulator.watch.feeds.crypto import CcxtFeed
from simulator.watch.feeds.yahoo import YahooPolled, YahooStream

pytestmark = pytest.mark.server
MINUTE = timedelta(minutes=1)
GREETING = json.dumps([{"T": "success", "msg": "connected"}])
AUTHENTICATED = json.dumps([{"T": "success", "msg": "authenticated"}])
KEY, SECRET = "PKTEST0FEEDKEY12", "a-s3cret-0f-the-feed"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Pauses are short, what is malformed is told as it comes, and the key is there."""
    monkeypatch.setattr(live_feed, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(live_feed, "TELL_AFTER_S", 0.0)
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)


def kinds(messages):
    return [message.kind for message in messages if isinstance(message, FeedTrouble)]


def is_named(name):
    return lambda message: getattr(message, "id", "") == name


# Alpaca


def trade(number, second, price=100.5, symbol="SPY"):
    time = f"2026-01-05T14:30:{second:02}.123456789Z"
    return {"T": "t", "S": symbol, "i": number, "x": "V", "p": price, "s": 3, "c": ["@"], "t": time, "z": "B"}


def bar(second, close, kind="b"):
    moment = (OPENING + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")
    return {"T": kind, "S": "SPY", "o": 10, "h": 12, "l": 9, "c": close, "v": 70, "t": moment, "n": 3, "vw": 10.5}


def let_in(connection, *messages):
    connection.send(AUTHENTICATED)
    wanted = json.loads(connection.recv(timeout=10))
    connection.send(json.dumps([{"T": "subscription", **{name: wanted[name] for name in wanted if name != "action"}}]))
    for message in messages:
        connection.send(json.dumps(message))
    return wanted


def test_trades_of_alpaca_become_ticks_and_a_cut_stream_is_come_back_to():
    wanted = []

    def first(connection, asked):
        doubled = [trade(1, 2), trade(1, 2), trade(2, 1)]
        wanted.append(let_in(connection, doubled, [trade(9, 1, symbol="XXX")], {"T": 1}))
        connection.send(json.dumps([trade(3, 3) | {"p": "free"}]))
        cut_in_a_message(connection)

    def second(connection, asked):
        connection.send(json.dumps([{"T": "error", "code": 406, "msg": "connection limit exceeded"}]))

    def third(connection, asked):
        let_in(connection, [trade(4, 4, 101)])
        until_closed(connection)

    request = request_of("alpaca:SPY,QQQ", "AAA", "BBB", timeframe="5m")
    with serving(first, second, third, greeting=GREETING) as (url, asked), open_alpaca(request, url) as feed:
        found = heard(feed, is_named("V-4"))
    assert [message for message in found if isinstance(message, Tick)] == [
        Tick("AAA", OPENING + timedelta(seconds=second, microseconds=123456), price, 3.0, f"V-{number}")
        for number, second, price in ((1, 2, 100.5), (1, 2, 100.5), (2, 1, 100.5), (4, 4, 101.0))
    ]
    assert kinds(found) == ["malformed"] * 3 + ["lost", "back"]
    assert asked == [{"action": "auth", "key": KEY, "secret": SECRET}] * 3
    assert wanted == [{"action": "subscribe", "trades": ["SPY", "QQQ"]}]
    assert redact(f"{KEY} {SECRET}") == "[secret] [secret]"


def test_minutes_of_alpaca_are_its_own_bars_and_corrected_ones_are_heard():
    def script(connection, asked):
        wanted = let_in(connection, [bar(0, 11)], [bar(0, 11.5, "u")])
        connection.send(json.dumps([bar(60, 12)]))
        assert wanted["bars"] == wanted["updatedBars"] == ["SPY"]
        until_closed(connection)

    with serving(script, greeting=GREETING) as (url, _), open_alpaca(request_of("alpaca:", "SPY"), url) as feed:
        assert feed.grace_s == 5
        found = heard(feed, lambda message: isinstance(message, FeedBar) and message.start > OPENING)
    assert [(message.start, message.end, message.close, message.volume) for message in found] == [
        (OPENING, OPENING + MINUTE, 11, 70),
        (OPENING, OPENING + MINUTE, 11.5, 70),
        (OPENING + MINUTE, OPENING + 2 * MINUTE, 12, 70),
    ]


def test_a_key_that_alpaca_refuses_ends_the_watch_and_is_not_shown():
    def script(connection, asked):
        connection.send(json.dumps([{"T": "error", "code": 402, "msg": "auth failed"}]))

    refused = pytest.raises(MarketDataError, match=r"auth failed, code 402.*APCA_API_KEY_ID")
    request = request_of("alpaca:SPY", "SPY")
    with serving(script, greeting=GREETING) as (url, _), open_alpaca(request, url) as feed, refused as told:
        feed.take(10.0)
    assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alpaca:SPY?feed=six", "did you mean 'sip'"),
        ("alpaca:SPY,BTC/USD", "watch one kind"),
        ("alpaca:SPY", "name as many different symbols"),
        ("alpaca:SPY,SPY", "name as many different symbols"),
    ],
    ids=["unknown feed", "two kinds", "too few", "one twice"],
)
def test_what_alpaca_cannot_be_asked_for_is_refused(text, told):
    with pytest.raises(ConfigurationError, match=told):
        opened(text, "AAA", "BBB")


def test_without_a_key_the_variable_is_named(monkeypatch):
    monkeypatch.delenv("APCA_API_SECRET_KEY")
    with pytest.raises(ConfigurationError, match="needs APCA_API_SECRET_KEY, which is not set"):
        opened("alpaca:SPY", "SPY")


# Yahoo


@pytest.fixture(scope="module", autouse=True)
def own_yfinance_cache(tmp_path_factory):
    """Keep yfinance's database of zones and cookies out of the home folder."""
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))


def priced(second, price, day_volume, name="SPY"):
    time = int((OPENING + timedelta(seconds=second)).timestamp() * 1000)
    pricing = PricingData(id=name, price=price, time=time, day_volume=day_volume, last_size=7, market_hours=1)
    return json.dumps({"type": "pricing", "message": base64.b64encode(pricing.SerializeToString()).decode()})


def test_yahoo_streams_prices_whose_sizes_are_what_was_traded_in_between():
    def first(connection, asked):
        for second, price, volume in ((1, 590.12, 1000), (2, 590.2, 1400), (2.5, 590.1, 1300)):
            connection.send(priced(second, price, volume))
        for wrong in ("{}", '{"message": "????"}', priced(3, 1, 1, "XXX"), priced(3, float("nan"), 1400)):
            connection.send(wrong)
        cut_in_a_message(connection)

    def second(connection, asked):
        connection.send(priced(70, 591.0, 1500))
        until_closed(connection)

    with serving(first, second) as (url, asked):
        request = request_of("yfinance:SPY,QQQ", "AAA", "BBB")
        with YahooStream(url, {"SPY": "AAA", "QQQ": "BBB"}, request) as feed:
            found = heard(feed, lambda message: isinstance(message, Tick) and message.price == 591)
    ticks = [message for message in found if isinstance(message, Tick)]
    assert [(tick.price, tick.size) for tick in ticks] == [(590.12, 7), (590.2, 400), (590.1, 7), (591.0, 7)]
    assert {tick.symbol for tick in ticks} == {"AAA"}
    assert ticks[0].time == OPENING + timedelta(seconds=1)
    assert kinds(found) == ["malformed"] * 4 + ["lost", "back"]
    assert asked == [{"subscribe": ["QQQ", "SPY"]}] * 2


@pytest.fixture
def nobody(monkeypatch):
    """Yahoo's stream is an address on which nobody listens, and every address but this machine's is refused."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(yfinance.WebSocket.__init__, "__defaults__", (f"ws://127.0.0.1:{port}", True))


def chart(starts, asked):
    """What Yahoo answers when it is asked for minutes: bars of these starts, the last of which is not over."""

    def answer(path, query):
        assert path == "/v8/finance/chart/SPY"
        asked.append(query["interval"])
        seconds = [int(start.timestamp()) for start in starts]
        prices = {name: [10.0 + value] * 6 for name, value in (("open", 1), ("high", 2), ("low", 0), ("close", 1))}
        meta = {
            "currency": "USD", "symbol": "SPY", "exchangeTimezoneName": "UTC", "instrumentType": "EQUITY",
            "validRanges": ["1d"], "dataGranularity": "1m", "regularMarketTime": seconds[-1], "gmtoffset": 0,
            "firstTradeDate": 728317800, "timezone": "UTC",
            "tradingPeriods": [
                [{"timezone": "UTC", "start": day, "end": day + 86400, "gmtoffset": 0}]
                for day in (seconds[-1] // 86400 * 86400 - 86400, seconds[-1] // 86400 * 86400)
            ],
        }  # fmt: skip
        result = {"meta": meta, "timestamp": seconds, "indicators": {"quote": [prices | {"volume": [100] * 6}]}}
        return 200, {"chart": {"result": [result], "error": None}}

    return answer


@contextmanager
def yahoo_asked(monkeypatch):
    """Minutes of the last six, of which none was traded a minute ago, behind Yahoo's address: their starts, and the
    intervals that were asked for."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    starts, asked = [now - MINUTE * back for back in (6, 5, 4, 3, 2, 0)], []
    with answering(chart(starts, asked)) as url:
        for module in (yfinance.base, yfinance.scrapers.history):
            monkeypatch.setattr(module, "_BASE_URL_", url)
        yfinance.data.YfData().cache_get.cache_clear()
        yield starts, asked


def test_where_yahoos_stream_cannot_be_reached_closed_bars_are_asked_for(nobody, monkeypatch):
    with yahoo_asked(monkeypatch) as (starts, asked), opened("yfinance:SPY", "AAA", since={"AAA": starts[2]}) as feed:
        assert feed.grace_s > feed.poll_s
        found = heard(feed, lambda message: isinstance(message, FeedBar) and message.start == starts[4])
        assert feed.take(0.1) is None
    lost, *bars = found
    assert asked[-1] == "1m"
    assert lost.text.startswith("Yahoo's stream cannot be reached (")
    assert lost.text.endswith("): bars are asked for every 5 s instead.")
    assert [bar.start for bar in bars] == starts[2:5]
    assert {(bar.symbol, bar.open, bar.volume) for bar in bars} == {("AAA", 11.0, 100.0)}


def test_where_yahoos_stream_is_lost_later_bars_are_asked_for_until_it_is_back(nobody, monkeypatch):
    """The bar that was being made when the stream broke is asked for whole; meanwhile bars wait longer."""
    monkeypatch.setattr(yahoo, "POLL_FOR_S", 0.1)
    with yahoo_asked(monkeypatch) as (starts, _):
        broken_at = starts[3] + timedelta(seconds=20)

        def breaks(connection, asked):
            time = int(broken_at.timestamp() * 1000)
            pricing = PricingData(id="SPY", price=11.5, time=time, day_volume=9, last_size=7, market_hours=1)
            message = base64.b64encode(pricing.SerializeToString()).decode()
            connection.send(json.dumps({"type": "pricing", "message": message}))
            cut_in_a_message(connection)

        def is_back(connection, asked):
            connection.send(priced(3, 591.0, 1500))
            until_closed(connection)

        with serving(breaks) as (url, _):
            request = request_of("yfinance:SPY", "AAA")
            polled = YahooPolled({"SPY": "AAA"}, request)
            polled.poll_s = 0.1
            feed = YahooStream(url, {"SPY": "AAA"}, request, polled)
            found = heard(feed, lambda message: isinstance(message, Tick))
            assert feed.grace_s == 0
        found += heard(feed, lambda message: isinstance(message, FeedBar) and message.start == starts[4])
        assert feed.grace_s == polled.grace_s > 0
        with serving(is_back) as (again, _):
            feed._url = again
            found += heard(feed, lambda message: isinstance(message, Tick))
            assert feed.grace_s == 0
            feed.close()
    assert [message.start for message in found if isinstance(message, FeedBar)] == starts[3:5]
    assert kinds(found) == ["lost", "back", "back"]
    told = [message.text for message in found if isinstance(message, FeedTrouble)]
    assert "bars are asked for every 0 s meanwhile" in told[1]
    assert told[2] == "Yahoo's stream is connected again."


def test_what_yahoo_cannot_be_asked_for_is_refused(nobody):
    with pytest.raises(ConfigurationError, match=r"Yahoo has no such bars, and its stream cannot be reached"):
        opened("yfinance:SPY", "SPY", timeframe="7m")
    with pytest.raises(ConfigurationError, match="behind them at most"):
        opened("yfinance:SPY?polling", "SPY")


# Exchanges of ccxt


def pair(base, quote="USD"):
    return {
        "altname": f"{base}{quote}", "wsname": f"{base}/{quote}", "aclass_base": "currency", "base": base,
        "aclass_quote": "currency", "quote": quote, "lot": "unit", "cost_decimals": 5, "pair_decimals": 1,
        "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]], "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40,
        "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1", "status": "online",
    }  # fmt: skip


def test_closed_bars_of_an_exchange_are_asked_for_through_ccxt(monkeypatch):
    ccxt = pytest.importorskip("ccxt")
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    starts = [now - MINUTE * back for back in (4, 3, 2, 0)]
    asked = []

    def answer(path, query):
        asked.append((path, query))
        if path == "/0/public/OHLC" and len(asked) < 4:
            return 503, {"error": ["EService:Unavailable"]}
        if path == "/0/public/OHLC":
            price = "100.0" if query["pair"] == "ADAUSD" else "200.0"
            rows = [[int(at.timestamp()), price, price, price, price, price, "1.5", 3] for at in starts]
            return 200, {"error": [], "result": {query["pair"]: rows, "last": rows[-2][0]}}
        pairs = {f"{base}USD": pair(base) for base in ("ADA", "DOT")}
        return 200, {"error": [], "result": pairs if path.endswith("AssetPairs") else {}}

    with answering(answer) as url:
        exchange = ccxt.kraken({"timeout": 5000, "enableRateLimit": False})
        exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], url)
        since = dict.fromkeys(("AAA", "BBB"), starts[1])
        request = request_of("ccxt:kraken/ADA/USD,DOT/USD", "AAA", "BBB", since=since)
        with CcxtFeed(exchange, {"ADA/USD": "AAA", "DOT/USD": "BBB"}, request) as feed:
            found = heard(feed, lambda message: getattr(message, "symbol", "") == "BBB" and message.start == starts[2])
            assert feed.take(0.1) is None
        refused = pytest.raises(MarketDataError, match="Kraken has no 'DOT/USS', did you mean 'DOT/USD'")
        with CcxtFeed(exchange, {"DOT/USS": "AAA"}, request) as feed, refused:
            feed.take(10.0)
    bars = [message for message in found if isinstance(message, FeedBar)]
    assert [(bar.symbol, bar.start, bar.open, bar.volume) for bar in bars] == [
        (symbol, start, price, 1.5) for start in starts[1:3] for symbol, price in (("AAA", 100.0), ("BBB", 200.0))
    ]
    assert kinds(found) == ["lost", "back"]
    assert all(path.startswith("/0/public/") for path, _ in asked)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ccxt:kraken", "as in ccxt:kraken/BTC/USD"),
        ("ccxt:krakn/BTC/USD", "did you mean 'kraken'"),
    ],
    ids=["no symbol", "unknown exchange"],
)
def test_what_ccxt_cannot_be_asked_for_is_refused(text, told):
    if "krakn" in text:
        pytest.importorskip("ccxt")
    with pytest.raises(ConfigurationError, match=told):
        opened(text, "AAA")


def test_a_timeframe_that_the_exchange_has_not_is_refused():
    pytest.importorskip("ccxt")
    with pytest.raises(ConfigurationError, match="Kraken has no such bars: set one of 1m, 5m"):
        opened("ccxt:kraken/BTC/USD", "AAA", timeframe="7m")


def test_without_ccxt_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ccxt", None)
    with pytest.raises(ConfigurationError, match=r'pip install "backtrader-llm\[ccxt\]"'):
        opened("ccxt:kraken/BTC/USD", "AAA")
