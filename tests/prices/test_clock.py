"""Files whose times have no zone: the clock that a person names, and sessions that would lose bars without it."""

import numpy as np
import pandas as pd
import pytest
from markets import minutes
from price_files import refusal

import simulator
from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.prices.config import DataConfig
from simulator.prices.load import load_prices
from simulator.prices.universe import load_universe
from simulator.runs.replaying import replay

pytestmark = pytest.mark.slow

NEW_YORK, LONDON, CHICAGO, SYDNEY = "America/New_York", "Europe/London", "America/Chicago", "Australia/Sydney"


@pytest.fixture
def file_of(tmp_path):
    """A file with bars at these times, written as they are."""

    def file_of(times, name="bars.csv"):
        close = 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.001, len(times))))
        table = pd.DataFrame({"time": times, "open": close, "high": close, "low": close, "close": close, "volume": 1e6})
        path = tmp_path / name
        table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
        return f"{path.suffix[1:]}:{path}"

    return file_of


def local(utc, zone):
    return utc.tz_localize("UTC").tz_convert(zone).tz_localize(None)


@pytest.mark.parametrize("name", ["bars.csv", "bars.parquet"])
@pytest.mark.parametrize(
    ("zone", "session", "days"),
    [
        (NEW_YORK, "09:30-16:00", ("2024-03-04", "2024-03-15")),
        (NEW_YORK, "09:30-16:00", ("2024-10-28", "2024-11-08")),
        (LONDON, "08:00-16:30", ("2024-03-25", "2024-04-05")),
        (LONDON, "08:00-16:30", ("2024-10-21", "2024-11-01")),
        (SYDNEY, "10:00-16:00", ("2024-04-01", "2024-04-12")),
    ],
)
def test_a_session_keeps_every_bar_of_a_local_clock_through_both_changes(file_of, zone, session, days, name):
    utc = minutes(*days, session, zone, every="30min")
    source = file_of(local(utc, zone), name)
    choice = DataConfig(source, timeframe="30m", session=session, timezone=zone, clock=zone)
    (prices,) = load_universe(choice).markets
    assert (prices.table.index == utc).all()
    assert prices.notes == ()


@pytest.mark.parametrize("days", [("2024-03-03 23:00", "2024-03-15 20:00"), ("2024-10-27 23:00", "2024-11-08 20:00")])
def test_a_session_over_midnight_keeps_its_bars_through_both_changes(file_of, days):
    times = pd.date_range(*days, freq="h", tz="UTC").tz_convert(CHICAGO)
    opened = times[(times.hour >= 17) | (times.hour < 16)]
    source = file_of(opened.tz_localize(None))
    choice = DataConfig(source, timeframe="1h", session="17:00-16:00", timezone=CHICAGO, clock=CHICAGO)
    (prices,) = load_universe(choice).markets
    assert (prices.table.index == opened.tz_convert("UTC").tz_localize(None)).all()


@pytest.mark.parametrize(("step", "timeframe"), [("30min", "30m"), ("1h", "1h")])
def test_the_hour_that_comes_twice_is_told_apart_by_its_place(file_of, step, timeframe):
    utc = pd.date_range("2024-11-02", "2024-11-05", freq=step)
    assert (load_prices(file_of(local(utc, NEW_YORK)), timeframe=timeframe, clock=NEW_YORK).table.index == utc).all()


def test_an_hour_that_comes_twice_and_stands_once_is_refused(file_of):
    utc = pd.date_range("2024-11-02", "2024-11-05", freq="h").delete(30)
    sentence = refusal(file_of(local(utc, NEW_YORK)), timeframe="1h", clock=NEW_YORK)
    assert "2024-11-03 01:00:00 comes twice in America/New_York, and the file holds it once" in sentence


def test_an_hour_that_never_was_is_refused(file_of):
    times = pd.date_range("2024-03-09", "2024-03-12", freq="h")
    sentence = refusal(file_of(times), timeframe="1h", clock=NEW_YORK)
    assert "line 28: no clock in America/New_York ever showed 2024-03-10 02:00:00" in sentence


def test_a_clock_beside_a_zone_and_where_there_is_none_to_name(file_of):
    times = pd.date_range("2024-03-04", periods=20, freq="h")
    aware = file_of(times.tz_localize("UTC"))
    assert "has a zone of its own while data.clock is Asia/Tokyo" in refusal(aware, timeframe="1h", clock="Asia/Tokyo")
    naive = file_of(times)
    assert "clock 'Asia/Tokio' is unknown, did you mean 'Asia/Tokyo'" in refusal(
        naive, ConfigurationError, timeframe="1h", clock="Asia/Tokio"
    )
    assert "no clock time" in refusal(naive, ConfigurationError, clock="Asia/Tokyo")
    assert "is in UTC already" in refusal("synthetic:calm", ConfigurationError, timeframe="1h", clock="Asia/Tokyo")


def test_a_local_zone_is_told_how_to_keep_its_clock(file_of):
    times = pd.date_range("2024-03-04 09:00", periods=5, freq="h", tz=NEW_YORK)
    assert "leave the zone out of the file and name it in data.clock" in refusal(file_of(times), timeframe="1h")


@pytest.mark.parametrize(
    ("zone", "session", "days", "lost"),
    [
        (NEW_YORK, "09:30-16:00", ("2024-06-03", "2024-06-14"), "80 of 130"),
        (LONDON, "08:00-16:30", ("2024-01-01", "2024-12-31"), "300 of 4,454"),
        ("Asia/Tokyo", "09:00-15:00", ("2024-06-03", "2024-06-14"), "130 of 130|120 of 120"),
    ],
)
def test_a_session_that_would_cut_the_clock_of_its_own_exchange_is_refused(file_of, zone, session, days, lost):
    source = file_of(local(minutes(*days, session, zone, every="30min"), zone))
    choice = DataConfig(source, timeframe="30m", session=session, timezone=zone)
    with pytest.raises(MarketDataError, match=lost) as caught:
        load_universe(choice)
    assert "data.clock" in str(caught.value)


def test_a_session_that_leaves_out_much_is_told_and_one_that_leaves_out_little_is_not(file_of):
    around = pd.date_range("2024-06-03", "2024-06-14", freq="30min")
    for source, words in (
        (file_of(around), "leaves"),
        (file_of(around.tz_localize("UTC"), "aware.csv"), None),
    ):
        choice = DataConfig(source, timeframe="30m", session="09:30-16:00", timezone=NEW_YORK)
        (note,) = load_universe(choice).markets[0].notes
        assert "session 09:30-16:00 (America/New_York) leaves out 386 of 529 bars of " in note
        assert ("name it in data.clock, such as data.clock: America/New_York" in note) == (words is not None)
    little = DataConfig(file_of(around), timeframe="30m", session="00:00-23:00")
    assert load_universe(little).markets[0].notes == ()


def test_utc_that_is_named_is_taken_at_its_word_and_told(file_of):
    source = file_of(minutes("2024-06-03", "2024-06-14", "09:30-16:00", "UTC", every="30min"))
    choice = DataConfig(source, timeframe="30m", session="09:30-16:00", timezone=NEW_YORK, clock="UTC")
    (prices,) = load_universe(choice).markets
    assert len(prices.table) == 50
    assert "leaves out 80 of 130 bars" in prices.notes[0]


def test_a_clock_holds_for_the_files_among_several_sources_and_replays(file_of, tmp_path):
    utc = minutes("2024-10-07", "2024-11-29", "09:30-16:00", NEW_YORK, every="30min")
    files = {name: file_of(local(utc, NEW_YORK), f"{name}.csv") for name in ("A", "B")}
    experiment = {
        "data": {"sources": files, "timeframe": "30m", "session": "09:30-16:00", "timezone": NEW_YORK,
                 "clock": NEW_YORK},
        "arms": ["buy_and_hold"],
        "evaluation": {"bootstrap_samples": 100},
        "output": {"folder": str(tmp_path / "reports"), "explain": False},
    }  # fmt: skip
    result = simulator.compare(experiment)
    assert (result.record.prices["B"].index == utc).all()
    assert all(check.same for check in replay(result.folder))
