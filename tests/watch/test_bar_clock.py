"""Ticks and bars become closes by a rule that does not depend on the order in which they are heard."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from llm_strategy.errors import ConfigurationError
from simulator.prices.sessions import TradingCalendar, parse_timeframe
from simulator.watch.bar_clock import BarClock
from simulator.watch.feed import FeedBar, Tick
from simulator.watch.periods import periods_of

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTE = parse_timeframe("1m")


def at(seconds):
    return START + timedelta(seconds=seconds)


def tick(seconds, price, size=1.0, name="", symbol="AAA"):
    return Tick(symbol, at(seconds), price, size, name)


def bar(minute, close, symbol="AAA"):
    start = START + timedelta(minutes=minute)
    return FeedBar(symbol, start, start + timedelta(minutes=1), 10, max(12, close), 9, close, 100)


def clock(*symbols, calendar=None, timeframe=MINUTE, session=None, **more):
    zone = None if session is None else "America/New_York"
    periods = periods_of(calendar, timeframe, TradingCalendar(str(timeframe), None, session, zone))
    return BarClock(symbols or ("AAA",), periods, **more)


def test_a_bar_is_the_same_in_whatever_order_its_ticks_are_heard():
    ticks = [tick(1, 10, 5), tick(5, 12, 1), tick(20, 8, 2), tick(59.9, 11, 3)]
    made = []
    for seed in range(6):
        random.Random(seed).shuffle(ticks)
        one = clock()
        assert not [one.take(each) for each in ticks if one.take(each)] or True
        made.append(one.closes(at(60))[0].bars["AAA"])
    assert all((each.open, each.high, each.low, each.close) == (10, 12, 8, 11) for each in made)
    assert all(each.first == at(1) for each in made)


def test_nothing_changes_a_bar_that_is_closed():
    one = clock()
    one.take(tick(1, 10))
    assert one.closes(at(59)) == []
    (close,) = one.closes(at(60))
    assert one.take(tick(30, 99)) == "late"
    assert one.take(bar(0, 11)) == "late"
    one.take(tick(61, 11))
    (following,) = one.closes(at(120))
    assert close.bars["AAA"].high == 10
    assert following.bars["AAA"].volume == 1
    assert one.counts == {"late": 2}


def test_the_same_trade_twice_counts_once_and_what_cannot_be_is_left_out():
    one = clock()
    assert [one.take(tick(1, 10, 5, "t1")), one.take(tick(1, 10, 5, "t1")), one.take(tick(1, 10, 5))] == [
        "",
        "doubled",
        "",
    ]
    assert one.take(tick(2, -1)) == "impossible"
    assert one.take(tick(2, float("nan"))) == "impossible"
    assert one.take(tick(2, 10, symbol="XXX")) == "unknown"
    assert one.closes(at(60))[0].bars["AAA"].volume == 10


def test_a_whole_bar_takes_the_place_of_ticks_and_is_corrected_until_it_is_closed():
    one = clock()
    one.take(tick(1, 50))
    one.take(bar(0, 11))
    one.take(bar(0, 12))
    one.take(tick(2, 60))
    (close,) = one.complete()
    assert close.bars["AAA"].close == 12
    assert close.bars["AAA"].volume == 100


def test_a_close_waits_for_every_symbol_or_for_its_time():
    one = clock("AAA", "BBB")
    one.take(bar(0, 11))
    assert one.complete() == []
    one.take(bar(0, 11, "BBB"))
    assert [sorted(close.bars) for close in one.complete()] == [["AAA", "BBB"]]
    one.take(bar(1, 11))
    one.take(tick(130, 11, symbol="BBB"))
    assert [sorted(close.bars) for close in one.closes(at(240))] == [["AAA"], ["BBB"]]


def test_what_was_known_before_is_no_news():
    one = clock(since={"AAA": at(60)})
    assert one.take(bar(0, 11)) == "known"
    assert not one.counts
    assert one.take(bar(1, 11)) == ""


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ((2026, 1, 5, 14, 29), None, None),
        ((2026, 1, 5, 14, 44), (14, 30), (14, 45)),
        ((2026, 7, 6, 13, 31), (13, 30), (13, 45)),
        ((2026, 11, 27, 17, 59), (17, 45), (18, 0)),
        ((2026, 11, 27, 18, 1), None, None),
    ],
    ids=["before the opening", "winter", "summer", "half day", "after half a day"],
)
def test_an_exchange_closes_its_bars_by_its_own_sessions(moment, start, end):
    periods = periods_of("XNYS", parse_timeframe("15m"), TradingCalendar("15m"))
    found = periods.at(datetime(*moment, tzinfo=UTC))
    assert (found and (found.start.hour, found.start.minute)) == start
    assert (found and (found.end.hour, found.end.minute)) == end


def test_a_bar_of_a_day_lasts_from_opening_to_close_and_bears_its_date():
    one = clock(calendar="XNYS", timeframe=parse_timeframe("1d"))
    day = datetime(2026, 1, 5, tzinfo=UTC)
    assert one.take(FeedBar("AAA", day, day + timedelta(days=1), 10, 12, 9, 11, 5)) == ""
    (close,) = one.complete()
    assert close.period == (START, at(6.5 * 3600), datetime(2026, 1, 5))  # noqa: DTZ001
    assert one.take(FeedBar("AAA", day - timedelta(days=1), day, 10, 12, 9, 11, 5)) == "closed"  # a Sunday


def test_without_an_exchange_the_session_of_the_prices_says_when_the_market_is_open():
    one = clock(session="09:30-16:00")
    assert one.take(tick(-1, 10)) == "closed"
    assert one.take(tick(0, 10)) == ""
    assert one.is_open(at(0))
    assert not one.is_open(at(6.5 * 3600))


def test_an_unknown_exchange_and_bars_of_weeks_are_refused():
    with pytest.raises(ConfigurationError, match="is unknown"):
        periods_of("NYX", MINUTE, TradingCalendar("1m"))
    with pytest.raises(ConfigurationError, match="at most a day"):
        periods_of(None, parse_timeframe("1w"), TradingCalendar("1w"))
