"""Bars of real exchanges: half days, breaks for lunch, changes of the clock, nights and weekends."""

import warnings
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import exchange_calendars
import pandas as pd
import pytest

from simulator.prices.sessions import TradingCalendar, parse_timeframe
from simulator.watch.bar_clock import BarClock
from simulator.watch.feed import FeedBar, Tick
from simulator.watch.periods import periods_of


def periods(exchange, timeframe):
    return periods_of(exchange, parse_timeframe(timeframe), TradingCalendar(timeframe))


def utc(*moment):
    return datetime(*moment, tzinfo=UTC)


@pytest.mark.parametrize(
    ("exchange", "timeframe", "moment", "start", "end"),
    [
        ("XNYS", "30m", (2025, 11, 28, 17, 59, 59), "17:30", "18:00"),
        ("XNYS", "30m", (2025, 11, 28, 18, 0), None, None),
        ("XNYS", "1h", (2025, 12, 24, 17, 45), "17:30", "18:00"),
        ("XNYS", "1h", (2025, 12, 25, 16, 0), None, None),
        ("XNYS", "1h", (2026, 1, 5, 20, 59), "20:30", "21:00"),
        ("XNYS", "1h", (2026, 3, 6, 14, 29), None, None),
        ("XNYS", "1h", (2026, 3, 9, 13, 30), "13:30", "14:30"),
        ("XNYS", "1h", (2026, 10, 30, 13, 30), "13:30", "14:30"),
        ("XNYS", "1h", (2026, 11, 2, 13, 30), None, None),
        ("XLON", "1h", (2026, 3, 27, 8, 0), "08:00", "09:00"),
        ("XLON", "1h", (2026, 3, 30, 7, 0), "07:00", "08:00"),
        ("XTKS", "45m", (2026, 1, 6, 2, 29), "02:15", "02:30"),
        ("XTKS", "45m", (2026, 1, 6, 2, 30), None, None),
        ("XTKS", "45m", (2026, 1, 6, 3, 29, 59), None, None),
        ("XTKS", "45m", (2026, 1, 6, 3, 30), "03:30", "04:15"),
        ("XTKS", "45m", (2024, 11, 1, 6, 0), None, None),
        ("XTKS", "45m", (2024, 11, 5, 6, 0), "05:45", "06:30"),
        ("CMES", "1h", (2026, 1, 4, 22, 59), None, None),
        ("CMES", "1h", (2026, 1, 4, 23, 0), "23:00", "00:00"),
        ("24/7", "1h", (2026, 1, 3, 23, 59), "23:00", "00:00"),
    ],
    ids=[
        "the last bar of half a day", "after half a day", "half a day cuts an hour", "Christmas", "a day cuts an hour",
        "the last winter opening", "the first summer opening", "the last summer opening", "the first winter opening",
        "London in winter", "London in summer", "the last bar before lunch", "lunch", "the end of lunch",
        "the first bar after lunch", "Tokyo before its longer day", "Tokyo since its longer day",
        "before Sunday's opening", "Sunday evening", "a Saturday",
    ],
)  # fmt: skip
def test_a_moment_has_the_bar_of_its_exchange(exchange, timeframe, moment, start, end):
    found = periods(exchange, timeframe).at(utc(*moment))
    assert (found and f"{found.start:%H:%M}") == start
    assert (found and f"{found.end:%H:%M}") == end


@pytest.mark.parametrize(("exchange", "timeframe"), [("XNYS", "1h"), ("XTKS", "45m"), ("24/7", "6h")])
def test_a_year_of_bars_is_that_which_the_calendar_counts_itself(exchange, timeframe):
    step = pd.Timedelta(parse_timeframe(timeframe).duration)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about what the package does with it
        calendar = exchange_calendars.get_calendar(exchange)
        counted = calendar.trading_index("2025-06-01", "2026-05-31", step, force_close=True, force_break_close=True)
    ours = periods(exchange, timeframe)
    expected = [(bar.left.to_pydatetime(), bar.right.to_pydatetime()) for bar in counted]
    found = [ours.at(left) for left, _ in expected]
    assert [(each.start, each.end) for each in found] == expected
    assert [ours.at(right - timedelta(seconds=1)) for _, right in expected] == found
    gaps = [(before, after) for (_, before), (after, _) in pairwise(expected) if before < after]
    assert not any(ours.is_open(moment) for before, after in gaps for moment in (before, after - timedelta(seconds=1)))


def test_ticks_over_lunch_and_the_end_of_the_day_are_counted_and_left_out():
    clock = BarClock(("AAA",), periods("XTKS", "1h"))
    said = [(0, 10), (2.4, 11), (2.5, 99), (3.4, 99), (3.6, 12), (6.49, 13), (6.5, 99)]
    left_out = [clock.take(Tick("AAA", utc(2026, 1, 6) + timedelta(hours=hours), price, 1)) for hours, price in said]
    assert left_out == ["", "", "closed", "closed", "", "", "closed"]
    closes = clock.closes(utc(2026, 1, 6, 7))
    assert [(f"{close.period.end:%H:%M}", close.bars["AAA"].close) for close in closes] == [
        ("01:00", 10), ("02:30", 11), ("04:30", 12), ("06:30", 13),
    ]  # fmt: skip
    assert clock.counts == {"closed": 3}


@pytest.mark.parametrize(
    ("exchange", "day", "start", "end"),
    [
        ("XNYS", (2025, 11, 28), (2025, 11, 28, 14, 30), (2025, 11, 28, 18, 0)),
        ("XTKS", (2026, 1, 6), (2026, 1, 6, 0, 0), (2026, 1, 6, 6, 30)),
        ("CMES", (2026, 1, 5), (2026, 1, 4, 23, 0), (2026, 1, 5, 23, 0)),
        ("24/7", (2026, 1, 3), (2026, 1, 3, 0, 0), (2026, 1, 4, 0, 0)),
    ],
    ids=["half a day", "a day with lunch", "a day that opens the evening before", "a Saturday"],
)
def test_a_bar_of_a_day_bears_the_date_of_its_session(exchange, day, start, end):
    clock = BarClock(("AAA",), periods(exchange, "1d"))
    midnight = utc(*day)
    assert clock.take(FeedBar("AAA", midnight, midnight + timedelta(days=1), 10, 12, 9, 11, 5)) == ""
    (close,) = clock.complete()
    assert close.period == (utc(*start), utc(*end), datetime(*day))  # noqa: DTZ001
