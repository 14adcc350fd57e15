"""Sessions and decision bars: daylight saving, sessions over midnight, short days, and no knowledge of what follows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import clocked_prices, minutes, random_prices, with_table

from llm_strategy.errors import ConfigurationError
from simulator.prices.load import load_prices
from simulator.prices.resampling import decision_bars, in_session
from simulator.prices.sessions import TradingCalendar

NEW_YORK = TradingCalendar("5m", "1d", "09:30-16:00", "America/New_York")
CHICAGO = TradingCalendar("1h", "1d", "17:00-16:00", "America/Chicago")
UNIT = {"first": "open", "max": "high", "min": "low", "last": "close", "sum": "volume"}


def decided(prices, calendar):
    return decision_bars(in_session(prices, calendar), calendar).table


def aggregated(table, labels):
    """The same sums by pandas: one row a label, stamped with the last time of each."""
    groups = table.assign(time=table.index).groupby(np.asarray(labels), sort=False)
    bars = pd.DataFrame({name: getattr(groups[name], how)() for how, name in UNIT.items()})
    bars.index = pd.DatetimeIndex(groups["time"].last().to_numpy(), name="time")
    return bars[["open", "high", "low", "close", "volume"]]


@pytest.mark.parametrize(("first", "last"), [("2024-03-04", "2024-03-15"), ("2024-10-28", "2024-11-08")])
def test_a_session_in_new_york_moves_with_daylight_saving_and_its_bars_do_not(first, last):
    around_the_clock = pd.date_range(first, pd.Timestamp(last) + pd.Timedelta(hours=23), freq="5min")
    prices = clocked_prices(around_the_clock, "5m")
    kept = in_session(prices, NEW_YORK).table
    local = kept.index.tz_localize("UTC").tz_convert("America/New_York")
    assert {str(time) for time in local.time} == {
        f"{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(570, 960, 5)
    }
    assert {time.hour for time in kept.index if (time.hour, time.minute) < (15, 0)} == {13, 14}
    bars = decided(prices, NEW_YORK)
    assert len(bars) == len(set(local.date)) == 12
    assert [str(time.time()) for time in bars.index.tz_localize("UTC").tz_convert("America/New_York")] == [
        "15:55:00"
    ] * len(bars)
    pd.testing.assert_frame_equal(bars, aggregated(kept, local.date), check_freq=False, check_index_type=False)


def test_a_session_over_midnight_belongs_to_the_day_on_which_it_ends():
    times = pd.date_range("2024-10-27 22:00", "2024-11-08 21:00", freq="h")  # Sunday 17:00 in Chicago, UTC-5, then -6
    local = times.tz_localize("UTC").tz_convert("America/Chicago")
    weekend = (
        ((local.day_of_week == 4) & (local.hour >= 16))
        | (local.day_of_week == 5)
        | ((local.day_of_week == 6) & (local.hour < 17))
    )
    prices = clocked_prices(times[~weekend], "1h")
    kept = in_session(prices, CHICAGO).table
    bars = decided(prices, CHICAGO)
    ends = bars.index.tz_localize("UTC").tz_convert("America/Chicago")
    assert [f"{end:%a %d %H:%M}" for end in ends] == [
        f"{day:%a %d} 15:00" for day in pd.bdate_range("2024-10-28", "2024-11-08")
    ]
    assert 16 not in kept.index.tz_localize("UTC").tz_convert("America/Chicago").hour
    monday = kept["2024-10-27 22:00":"2024-10-28 20:00"]
    assert len(monday) == 23
    assert bars.iloc[0].tolist() == aggregated(monday, ["Monday"] * 23).iloc[0].tolist()
    weekly = decided(prices, TradingCalendar("1h", "1w", "17:00-16:00", "America/Chicago"))
    assert weekly.index.tolist() == [bars.index[4]]
    assert weekly["open"].iloc[0] == kept["open"].iloc[0]


def test_half_days_and_holidays_are_those_of_the_data():
    times = minutes("2024-12-23", "2024-12-27", "09:30-16:00", "America/New_York", "5min")
    local = times.tz_localize("UTC").tz_convert("America/New_York")
    open_then = (local.day != 25) & ((local.day != 24) | (local.hour < 13))
    bars = decided(clocked_prices(times[open_then], "5m"), NEW_YORK)
    ends = bars.index.tz_localize("UTC").tz_convert("America/New_York")
    assert [f"{end:%d %H:%M}" for end in ends] == ["23 15:55", "24 12:55", "26 15:55", "27 15:55"]


def test_hours_count_from_the_opening_and_the_last_one_is_cut_by_the_close():
    prices = clocked_prices(minutes("2024-03-08", "2024-03-11", "09:30-16:00", "America/New_York"), "1m")
    bars = decided(prices, TradingCalendar("1m", "1h", "09:30-16:00", "America/New_York"))
    ends = bars.index.tz_localize("UTC").tz_convert("America/New_York")
    assert [f"{end:%H:%M}" for end in ends] == 2 * ["10:29", "11:29", "12:29", "13:29", "14:29", "15:29", "15:59"]
    assert [len(prices.table[first:last]) for first, last in zip(bars.index[:6], bars.index[1:7], strict=True)] == [
        *[61] * 5,
        31,
    ]


def test_an_hour_that_comes_twice_is_two_decisions():
    times = pd.date_range("2024-11-03 04:00", "2024-11-03 09:55", freq="5min")  # midnight in New York; 01:00 at 5 and 6
    bars = decided(clocked_prices(times, "5m"), TradingCalendar("5m", "1h", timezone="America/New_York"))
    assert bars.index.tolist() == [time for time in times if time.minute == 55]


def test_a_midnight_that_does_not_exist_begins_at_the_next_clock_time():
    times = pd.date_range("2018-11-03 03:00", "2018-11-06 01:00", freq="h")  # Sao Paulo skips 2018-11-04T00:00
    bars = decided(clocked_prices(times, "1h"), TradingCalendar("1h", "4h", timezone="America/Sao_Paulo"))
    local = bars.index.tz_localize("UTC").tz_convert("America/Sao_Paulo")
    day = [f"{end:%d %H}" for end in local if end.day == 4]
    assert day == ["04 04", "04 08", "04 12", "04 16", "04 20", "04 23"]


def test_a_midnight_that_comes_twice_counts_from_its_first():
    times = pd.date_range("2024-11-03 04:00", "2024-11-04 04:00", freq="h")  # Havana repeats 00:00 to 01:00
    bars = decided(clocked_prices(times, "1h"), TradingCalendar("1h", "7h", timezone="America/Havana"))
    assert bars.index.tolist() == [times[6], times[13], times[20], times[24]]


def test_hours_of_a_session_over_midnight_count_from_its_opening_the_day_before():
    times = pd.date_range("2024-01-15 23:00", "2024-01-16 21:00", freq="h")
    bars = decided(clocked_prices(times, "1h"), TradingCalendar("1h", "7h", "17:00-16:00", "America/Chicago"))
    ends = bars.index.tz_localize("UTC").tz_convert("America/Chicago")
    assert [f"{end:%H:%M}" for end in ends] == ["23:00", "06:00", "13:00", "15:00"]


def test_daily_bars_of_tokyo_keep_their_date(tmp_path):
    days = pd.bdate_range("2024-01-01", "2024-01-31")
    rows = "\n".join(f"{day.date()}T00:00:00+09:00,10,12,9,{10 + n / 100},5" for n, day in enumerate(days))
    (tmp_path / "tokyo.csv").write_text(f"time,open,high,low,close,volume\n{rows}\n")
    prices = load_prices(f"csv:{tmp_path}/tokyo.csv")
    assert prices.table.index.tolist() == days.tolist()
    weekly = decided(prices, TradingCalendar("1d", "1w"))
    assert [f"{end:%a %d}" for end in weekly.index] == ["Fri 05", "Fri 12", "Fri 19", "Fri 26"]
    assert weekly["volume"].tolist() == [25.0] * 4


@pytest.mark.parametrize(("decide_on", "rule"), [("1w", "W-SUN"), ("1mo", "ME")])
def test_weeks_and_months_of_real_daily_bars_equal_those_of_pandas(decide_on, rule):
    prices = load_prices(
        "sample:sp500", start="2001-08-20", end="2003-01-15"
    )  # with four closed days of September 2001
    groups = prices.table.assign(time=prices.table.index).resample(rule)
    expected = pd.DataFrame({name: getattr(groups[name], how)() for how, name in UNIT.items()})
    stamps = groups["time"].last()
    bars = decided(prices, TradingCalendar("1d", decide_on))
    assert bars.index.tolist() == stamps.tolist()[:-1], "the last period is not over"
    assert (bars.to_numpy() == expected[list(bars.columns)].to_numpy()[:-1]).all()


def test_a_week_is_over_when_a_later_one_begins_or_sunday_is_there():
    calendar = TradingCalendar("1d", "1w")
    days = random_prices(8).table  # Monday 2001-01-01 to Monday 2001-01-08
    prices = random_prices(8)
    assert len(decided(with_table(prices, days.iloc[:6]), calendar)) == 0
    assert len(decided(with_table(prices, days.iloc[:7]), calendar)) == 1
    without_weekend = days.iloc[[0, 1, 2, 3, 4, 7]]
    assert decided(with_table(prices, without_weekend), calendar).index.tolist() == [pd.Timestamp("2001-01-05")]


def test_the_day_of_a_session_is_over_with_its_last_minute():
    calendar = TradingCalendar("1m", "1d", "09:30-16:00", "America/New_York")
    prices = clocked_prices(minutes("2024-03-08", "2024-03-08", "09:30-16:00", "America/New_York"), "1m")
    assert len(decided(prices, calendar)) == 1
    assert len(decided(with_table(prices, prices.table.iloc[:-1]), calendar)) == 0


CALENDARS = [
    (TradingCalendar("1d", "1w"), pd.bdate_range("2024-02-05", "2024-04-12")),
    (TradingCalendar("1d", "1mo"), pd.bdate_range("2024-01-25", "2024-04-03")),
    (CHICAGO, pd.date_range("2024-03-08", "2024-03-13", freq="h")),
    (
        TradingCalendar("1h", "1w", "17:00-16:00", "America/Chicago"),
        pd.date_range("2024-03-01", "2024-03-20", freq="h"),
    ),
    (TradingCalendar("5m", "1h", timezone="Asia/Tokyo"), pd.date_range("2024-03-08", "2024-03-08 09:00", freq="5min")),
    (
        TradingCalendar("5m", "1h", "09:30-16:00", "America/New_York"),
        pd.date_range("2024-03-08 12:00", "2024-03-08 23:00", freq="5min"),
    ),
    (TradingCalendar("1h", "7h", timezone="Europe/Berlin"), pd.date_range("2024-03-30", "2024-04-01", freq="h")),
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CALENDARS), st.data())
def test_decision_bars_of_a_shorter_or_rewritten_history_are_the_first_of_the_whole(chosen, data):
    calendar, times = chosen
    gaps = data.draw(st.sets(st.integers(0, len(times) - 1), max_size=len(times) // 2))
    times = times.delete(sorted(gaps))
    prices = in_session(clocked_prices(times, calendar.timeframe), calendar)
    whole = decision_bars(prices, calendar).table
    cut = data.draw(st.integers(1, len(prices.table)))
    short = decision_bars(with_table(prices, prices.table.iloc[:cut]), calendar).table
    pd.testing.assert_frame_equal(short, whole.iloc[: len(short)], check_exact=True)
    missing = whole[whole.index <= prices.table.index[cut - 1]].iloc[len(short) :]
    assert len(missing) <= 1, "at most the period at the cut waits for the next bar"
    rewritten = prices.table.copy()
    rewritten.iloc[cut:] *= 3.0
    later = decision_bars(with_table(prices, rewritten), calendar).table
    past = later.index <= prices.table.index[cut - 1]
    pd.testing.assert_frame_equal(later[past], whole[past], check_exact=True)
    assert (later.index == whole.index).all()


def test_every_trading_bar_is_in_one_decision_bar_and_the_stamp_is_its_last():
    prices = load_prices("synthetic:cycles?bars=3000", timeframe="5m")
    calendar = TradingCalendar("5m", "1h")
    bars = decision_bars(prices, calendar)
    assert bars.timeframe == "1h"
    assert bars.table["volume"].sum() == prices.table["volume"].sum()
    assert (bars.table["close"] == prices.table["close"][bars.table.index]).all()
    assert (bars.true_regimes == prices.true_regimes[bars.table.index]).all()


def test_no_bars_make_no_decisions():
    empty = with_table(random_prices(3), random_prices(3).table.iloc[:0])
    assert len(decided(empty, TradingCalendar("1d", "1w"))) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"decide_on": "1d"}, "decide_on 1d is not longer than timeframe 1d"),
        ({"timeframe": "1d", "decide_on": "1h"}, "not longer"),
        ({"timeframe": "1h", "decide_on": "90m"}, "not filled by whole bars of 1h"),
        ({"timeframe": "7h", "decide_on": "1d"}, "not filled by whole bars of 7h"),
        ({"timeframe": "1w", "decide_on": "1mo"}, "not filled by whole bars of 1w"),
        ({"timeframe": "1h", "decide_on": "48h"}, "above hours and minutes there are 1d, 1w and 1mo"),
        ({"timeframe": "1d", "decide_on": "3d"}, "above hours and minutes there are 1d, 1w and 1mo"),
        ({"timeframe": "1h", "decide_on": "daily"}, "decide_on 'daily' is unknown"),
        ({"session": "09:30-16:00"}, "session is '09:30-16:00' while bars of 1d have no clock time"),
        ({"timezone": "Asia/Tokyo"}, "timezone is 'Asia/Tokyo' while bars of 1d have no clock time"),
        ({"timeframe": "1h", "session": "9-16"}, "write its opening and its end as in 09:30-16:00"),
        ({"timeframe": "1h", "session": "09:30-25:00"}, "write its opening and its end as in 09:30-16:00"),
        ({"timeframe": "1h", "session": "09:30-09:30"}, "opens when it ends"),
        ({"timeframe": "1h", "timezone": "America/NewYork"}, "did you mean 'America/New_York'?"),
        ({"timeframe": "1h", "timezone": "America"}, "is unknown"),
        ({"timeframe": "1h", "timezone": "../etc/passwd"}, "is unknown"),
        ({"timeframe": "1h", "timezone": ""}, "is unknown"),
    ],
)
def test_a_contradiction_is_one_sentence(given, words):
    with pytest.raises(ConfigurationError) as caught:
        TradingCalendar(**given)
    sentence = str(caught.value)
    assert words in sentence
    assert "\n" not in sentence
    assert sentence[-1] in ".?"


def test_a_session_may_end_at_midnight():
    calendar = TradingCalendar("1h", "1d", "17:00-24:00")
    times = pd.date_range("2024-03-08", "2024-03-09 23:00", freq="h")
    assert decided(clocked_prices(times, "1h"), calendar).index.tolist() == [times[23], times[47]]
