"""Ticks from a server that is late, doubled, out of order, malformed, huge, slow, and goes in the midst of a word."""

import http
import json
import random
import threading
from datetime import timedelta

import pytest
from feed_server import cut_in_a_message, heard, opened, serving, until_closed
from small_run import reader
from watched_day import OPENING, SYMBOLS, Steps, committed, experiment, rows
from websockets.sync.server import serve

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.experiment.watch import WatchConfig
from simulator.watch import live_feed
from simulator.watch.feed import FeedTime, FeedTrouble, Tick, known_feeds
from simulator.watch.offline import shadow
from simulator.watch.proof import prove
from simulator.watch.watch import watch

pytestmark = pytest.mark.server
MINUTES = 14


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Pauses are short, and what is malformed is told as it comes."""
    monkeypatch.setattr(live_feed, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(live_feed, "TELL_AFTER_S", 0.0)


def text(**message):
    return json.dumps(message)


def tick(second, name, price=10.0, symbol="AAA"):
    time = (OPENING + timedelta(seconds=second)).isoformat()
    return text(symbol=symbol, time=time, price=price, size=5, id=name)


def test_whatever_a_server_sends_is_heard_told_and_counted_and_it_is_come_back_to():
    def first(connection, asked):
        connection.send(tick(5, "t2"))
        connection.send(tick(1, "t1"))  # out of order
        connection.send(tick(1, "t1"))  # doubled: the clock of bars knows
        for wrong in ("{", "[1]", text(symbol="AAA", price=None, time=1), b"\xff\xfe", "x" * 20_000, "[" * 9_000):
            connection.send(wrong)
        connection.send(text(symbol="AAA", time="2199-01-01T00:00:00Z", price=1))
        connection.send(text(time="2199-01-01T00:00:00Z"))
        cut_in_a_message(connection)

    def second(connection, asked):
        connection.send(f"{tick(6, 't3')}\n\n{tick(7, 't4')}\n")
        connection.send("y" * (2 << 20))  # the connection is cut by whoever hears it
        until_closed(connection)

    def third(connection, asked):
        pieces = tick(8, "t5")
        connection.send(piece for piece in (pieces[:9], pieces[9:30], pieces[30:]))
        connection.send(text(time=(OPENING + timedelta(minutes=1)).isoformat()))
        until_closed(connection)

    known = OPENING - timedelta(minutes=1)
    with (
        serving(first, second, third) as (url, asked),
        opened(f"websocket:{url}", "AAA", since={"AAA": known}) as feed,
    ):
        found = heard(feed, lambda message: isinstance(message, FeedTime))
    assert [message.id for message in found if isinstance(message, Tick)] == ["t2", "t1", "t1", "t3", "t4", "t5"]
    troubles = [message for message in found if isinstance(message, FeedTrouble)]
    assert [trouble.kind for trouble in troubles if trouble.kind != "malformed"] == ["lost", "back"] * 2
    malformed = [trouble for trouble in troubles if trouble.kind == "malformed"]
    assert sum(trouble.count for trouble in malformed) == 8
    assert {trouble.text.rpartition(": ")[2] for trouble in malformed} >= {
        "it is no text in UTF-8.", "it is longer than 10,000 characters.", "it is no object.",
    }  # fmt: skip
    assert sum("ahead of the clock here" in trouble.text for trouble in malformed) == 2
    assert [one["since"]["AAA"] for one in asked] == [
        (OPENING + timedelta(seconds=seconds)).isoformat() for seconds in (-60, 5, 7)
    ]
    assert asked[0]["subscribe"] == ["AAA"]
    assert asked[0]["timeframe"] == "1m"


def test_many_malformed_messages_are_told_together(monkeypatch):
    monkeypatch.setattr(live_feed, "TELL_AFTER_S", 3600.0)

    def script(connection, asked):
        for _ in range(500):
            connection.send("no message")
        connection.send(tick(1, "last"))
        until_closed(connection)

    with serving(script) as (url, _), opened(f"websocket:{url}", "AAA") as feed:
        found = heard(feed, lambda message: isinstance(message, Tick))
    assert [message.count for message in found if isinstance(message, FeedTrouble)] == [1]


def test_a_server_that_is_not_there_is_told_once_and_waited_for():
    with serving(until_closed) as (url, _):
        pass
    with opened(f"websocket:{url}", "AAA") as feed:
        lost = feed.take(10.0)
        assert lost.kind == "lost"
        assert "cannot be reached" in lost.text
        assert feed.take(0.5) is None  # it tries again and again, and says no more


def test_a_server_that_refuses_who_comes_ends_the_watch():
    with serve(
        until_closed, "127.0.0.1", 0, process_request=lambda c, r: c.respond(http.HTTPStatus.UNAUTHORIZED, "")
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        refused = pytest.raises(MarketDataError, match=r"refuses the connection \(HTTP status 401\)")
        with opened(f"websocket:ws://127.0.0.1:{port}", "AAA") as feed, refused:
            feed.take(10.0)
        server.shutdown()
        thread.join()


def test_a_key_in_the_address_comes_from_the_environment_and_is_never_told(monkeypatch):
    paths = []

    def script(connection, asked):
        paths.append(connection.request.path)
        connection.send("no message")
        until_closed(connection)

    monkeypatch.setenv("FEED_TOKEN", "s3cr3t-t0ken-of-a-feed")
    with serving(script) as (url, _), opened(f"websocket:{url}/x?token=${{FEED_TOKEN}}", "AAA") as feed:
        (told,) = heard(feed, lambda message: isinstance(message, FeedTrouble))
    assert paths == ["/x?token=s3cr3t-t0ken-of-a-feed"]
    assert "s3cr3t" not in told.text
    monkeypatch.delenv("FEED_TOKEN")
    with pytest.raises(ConfigurationError, match="needs FEED_TOKEN, which is not set"):
        opened("websocket:ws://127.0.0.1:9/x?token=${FEED_TOKEN}", "AAA")


@pytest.mark.parametrize("address", ["wss://host/x?token=abcd1234efgh", "wss://user:pa55word-x@host/x"])
def test_a_key_that_stands_in_the_settings_is_refused_without_being_told(address):
    with pytest.raises(ConfigurationError, match="write \\$\\{NAME\\} in its place") as told:
        WatchConfig(feed=f"websocket:{address}")
    assert "abcd" not in str(told.value)
    assert "pa55" not in str(told.value)


@pytest.mark.parametrize("address", ["", "http://127.0.0.1/", "ws://", "ws://[::1", "ws://127.0.0.1:99999999"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigurationError, match="write the address of a server"):
        opened(f"websocket:{address}", "AAA")


def test_every_kind_says_how_it_is_written():
    assert set(known_feeds()) == {"replay", "follow", "websocket", "yfinance", "ccxt", "alpaca"}
    assert all(kind.help.startswith(f"{name}:") for name, kind in known_feeds().items())


def test_minutes_that_come_together_are_closed_with_all_their_symbols(tmp_path):
    """As after a pause: each symbol's bars are long over when they come, and none closes those of another."""
    names = ("symbol", "start", "open", "high", "low", "close", "volume")
    bars = [(symbol, start.isoformat(), *values) for symbol in SYMBOLS for start, *values in rows(symbol, MINUTES)]
    new = [bar for bar in bars if bar[1] >= OPENING.isoformat()]

    def script(connection, asked):
        for bar in new:  # all of one symbol before the next
            connection.send(text(**dict(zip(names, bar, strict=True))))
        until_closed(connection)

    stop = threading.Event()
    steps = Steps(lambda state: stop.set() if state.bars == MINUTES else None)
    with serving(script) as (url, _):
        made = experiment(tmp_path, history_only=True, watch={"feed": f"websocket:{url}"})
        result = watch(made | {"arms": ["regime_rule"]}, sinks=[steps], stop=stop)
    closes = [json.loads(line)["bars"] for line in (result.folder / "bars.jsonl").read_text().splitlines()]
    assert [sorted(close) for close in closes] == [
        sorted(bar[0] for bar in new if bar[1] == (OPENING + timedelta(minutes=minute)).isoformat())
        for minute in range(MINUTES)
    ]
    assert not steps.of("late_ticks")


def test_what_is_heard_while_a_decision_takes_long_belongs_to_its_bar(tmp_path):
    clock, deciding, sent, stop = [OPENING], threading.Event(), threading.Event(), threading.Event()

    def now():
        clock[0] += timedelta(milliseconds=50)
        return clock[0]

    def script(connection, asked):
        connection.send(tick(1, "a", 100.0))
        connection.send(text(time=(OPENING + timedelta(minutes=1)).isoformat()))
        deciding.wait(20)
        for number in range(5):
            connection.send(tick(61 + number, f"b{number}", 100.0 + number))
        sent.set()
        until_closed(connection)

    def slow(request):
        if not deciding.is_set():
            deciding.set()
            sent.wait(20)
            clock[0] += timedelta(minutes=3)  # the second minute is over before this answer
        return reader(request)

    steps = Steps(lambda state: stop.set() if state.bars == 2 else None)
    with serving(script) as (url, _):
        made = experiment(tmp_path, history_only=True, watch={"feed": f"websocket:{url}"})
        made["data"]["sources"] = {"AAA": made["data"]["sources"]["AAA"]}
        result = watch(made | {"arms": ["llm"]}, client=ScriptedClient(slow), sinks=[steps], stop=stop, now=now)
    *_, last = (result.folder / "bars.jsonl").read_text().splitlines()
    assert json.loads(last)["bars"] == {"AAA": [100.0, 104.0, 100.0, 104.0, 25.0]}
    assert not steps.of("late_ticks")


def said_of(minute, rng):
    """What a disorderly server says of a minute: its ticks out of order, some of them twice, and what nobody reads."""
    lines = []
    for symbol in SYMBOLS:
        for start, opens, high, low, close, volume in rows(symbol, MINUTES):
            if start != OPENING + timedelta(minutes=minute):
                continue
            sizes = [volume - 3 * (volume // 4), *[volume // 4] * 3]
            for (second, price), size in zip([(0, opens), (20, high), (40, low), (59, close)], sizes, strict=True):
                when = (start + timedelta(seconds=second)).isoformat()
                lines.append(text(symbol=symbol, time=when, price=price, size=size, id=f"{when}{symbol}"))
    rng.shuffle(lines)
    return [*lines, lines[0], rng.choice(lines), text(symbol="AAA", time="soon", price=1)]


def test_a_market_is_watched_over_a_disorderly_connection_as_if_nothing_had_been(tmp_path):
    """Decisions and accounts are those of the same bars played from a file, byte for byte."""
    played = watch(experiment(tmp_path / "played", MINUTES), client=ScriptedClient(reader))
    rng = random.Random(4)

    def tell(connection, minutes, late=()):
        for minute in minutes:
            for line in said_of(minute, rng):
                connection.send(line)
            connection.send(text(time=(OPENING + timedelta(minutes=minute + 1)).isoformat()))
            for each in late:
                connection.send(tick(60 * minute + 30, f"late {each}", price=500.0))

    def first(connection, asked):
        tell(connection, range(8))
        for line in said_of(8, rng)[:3]:
            connection.send(line)
        cut_in_a_message(connection)

    def second(connection, asked):
        tell(connection, range(5, MINUTES), late=("one", "two"))
        connection.send(text(time=(OPENING + timedelta(minutes=MINUTES + 1)).isoformat()))
        until_closed(connection)

    def behind(state):
        clock[0] = OPENING + timedelta(minutes=state.bars)  # no bar is over by the clock before the server says so
        if state.bars == MINUTES:
            stop.set()

    clock, stop, steps = [OPENING], threading.Event(), Steps(behind)
    with serving(first, second) as (url, asked):
        made = experiment(tmp_path, history_only=True, watch={"feed": f"websocket:{url}"})
        result = watch(made, client=ScriptedClient(reader), sinks=[steps], stop=stop, now=lambda: clock[0])
    assert len(asked) == 2
    assert result.closes == played.closes == MINUTES
    assert committed(result.folder) == committed(played.folder)
    troubles = [event.facts["kind"] for event in steps.of("feed_trouble")]
    assert {"lost", "back", "malformed"} <= set(troubles)
    assert sum(event.facts["count"] for event in steps.of("late_ticks")) > 10
    assert all(check.same for check in shadow(result.folder))
    assert prove(result.folder).is_whole
