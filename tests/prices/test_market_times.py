"""Times in files: numbers, clocks beside dates, zones, and hours that come twice."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from price_files import refusal

from simulator.prices.load import load_prices

BAR = "10,12,9,11,100"


def written(cells, header="time"):
    """A file of equal bars at these cells of time."""
    return f"{header},open,high,low,close,volume\n" + "".join(f"{cell},{BAR}\n" for cell in cells)


def seconds(*days):
    """Midnights in UTC as whole seconds since 1970."""
    return [int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in days]


# Numbers

SPANS = {
    "ten digits": ("2021-01-20", "2024-01-01"),
    "nine digits": ("1999-12-31", "2001-03-01"),
    "nine and ten digits": ("2001-09-08", "2001-09-10"),
    "eight and nine digits": ("1973-03-02", "1973-03-05"),
}


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_whole_numbers_are_times_since_1970(price_file, span, scale):
    days = SPANS[span]
    table = load_prices(price_file(written([second * scale for second in seconds(*days)]))).table
    assert list(table.index) == [pd.Timestamp(day) for day in days]


def test_seconds_may_lie_before_1970(price_file):
    table = load_prices(price_file(written(seconds("1962-01-02", "1969-12-31", "1970-01-01", "1975-01-02")))).table
    assert (table.index[0], table.index[2]) == (pd.Timestamp("1962-01-02"), pd.Timestamp("1970-01-01"))


@pytest.mark.parametrize("scale", [10**3, 10**6])
def test_no_minute_of_thirty_years_is_read_as_another_century(price_file, scale):
    start, steps = seconds("1995-01-01")[0], range(0, 30 * 366 * 86400, 86400 * 5 + 660)
    source = price_file(written([(start + step) * scale for step in steps]))
    table = load_prices(f"{source}?zone=UTC", timeframe="5d").table
    assert list(table.index) == [pd.Timestamp(start + step, unit="s").normalize() for step in steps]


@pytest.mark.parametrize(
    "form",
    ["{}.0", "{}.", " {} ", "+{}", "{:.10e}", "{:.0f}000", "{:.0f}000000", "{:.0f}000000000"],
)
def test_numbers_are_read_in_any_spelling(price_file, form):
    days = ("2021-01-01", "2021-01-02", "2021-01-03")
    table = load_prices(price_file(written([form.format(second) for second in seconds(*days)]))).table
    assert list(table.index) == [pd.Timestamp(day) for day in days]


def test_milliseconds_may_turn_into_microseconds(price_file):
    first, second, third = seconds("2024-12-30", "2024-12-31", "2025-01-01")
    table = load_prices(price_file(written([first * 1000, second * 1000, third * 10**6]))).table
    assert list(table.index) == list(pd.date_range("2024-12-30", periods=3))


@pytest.mark.parametrize(
    ("cells", "timeframe", "first"),
    [
        (("20200101", "20200102"), "1d", "2020-01-01"),
        (("20200101.0", "20200102.0"), "1d", "2020-01-01"),
        (("202001010930", "202001010931"), "1m", "2020-01-01 09:30"),
        (("20200101093000", "20200101093100"), "1m", "2020-01-01 09:30"),
        (("20200101 093000", "20200101 093100"), "1m", "2020-01-01 09:30"),
    ],
)
def test_dates_without_separators_stay_dates(price_file, cells, timeframe, first):
    assert load_prices(price_file(written(cells)), timeframe=timeframe).table.index[0] == pd.Timestamp(first)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (("20200101", "20200230", "20200103"), "line 3: '20200230' is no date or time that can be read"),
        (("0", "1", "2"), "line 2: '0' is no date or time that can be read"),
        (("1999", "2000", "2001"), "line 2: '1999' is no date or time"),
        (("43831", "43832"), "'43831' is the number of a day in a spreadsheet (2020-01-01"),
        (("2020010109", "2020010110"), "may be an hour written as YYYYMMDDHH or seconds since 1970"),
        (("1.60946E+12", "1.60955E+12"), "'1.60946E+12' has lost its last digits"),
        (("86400000", "31536000000"), "'86400000' may be seconds, milliseconds or smaller units since 1970"),
        (("-252460800000000", "-86400000000"), "'-86400000000' may be seconds, milliseconds or smaller units"),
        (("1e9999999999", "1e9999999999"), "line 2: '1e9999999999' is no date or time that can be read"),
        (("2020-01-01", "9999-12-31"), "line 3: '9999-12-31' is no date or time that can be read"),
        (("0001-01-01", "2020-01-01"), "line 2: '0001-01-01' is no date or time that can be read"),
        (("16094592000000000000", "16095456000000000000"), "is no date or time that can be read"),
        (("2020-01-01", "1577923200"), "the time has no zone while others have one"),
        (("09:30", "09:31"), "a clock time without its date"),
        (("01/02/20", "01/03/20"), "'01/02/20' is no date or time"),
    ],
)
def test_numbers_that_could_be_two_things_are_refused(price_file, cells, words):
    assert words in refusal(price_file(written(cells)))


# Clocks and zones


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("Date,Time", ("2020-01-02,09:30", "2020-01-02,10:30")),
        ("<DATE>,<TIME>", ("20200102,093000", "20200102,103000")),
        ("date,hour,minute", ("2020-01-02,9,30", "2020-01-02,10,30")),
        ("Date,Time", ("1/13/2020,9:30 AM", "1/13/2020,10:30 AM")),
        ("Date,Time", ("20200102,930", "20200102,1030")),
        ("Date,Time", ("2020-01-02,09:30Z", "2020-01-02,10:30Z")),
        ("Date,Time", ("2020-01-02,2020-01-02 09:30", "2020-01-02,2020-01-02 10:30")),
        ("date,timestamp", ("2020-01-02,1577957400", "2020-01-02,1577961000")),
        ("year,month,day,hour,minute", ("2020,1,2,9,30", "2020,1,2,10,30")),
        ("datetime", ("2020-01-02 09:30:00 UTC", "2020-01-02 10:30:00 UTC")),
        ("datetime", ("1/13/2020 09:30:00 AM", "1/13/2020 10:30:00 AM")),
        ("Gmt time", ("13.01.2020 09:30:00.000", "13.01.2020 10:30:00.000")),
        ("datetime", ("02-Jan-2020 09:30", "02-Jan-2020 10:30")),
    ],
)
def test_clocks_join_their_dates(price_file, header, rows):
    table = load_prices(price_file(written(rows, header)), timeframe="1h").table
    assert [str(time.time()) for time in table.index] == ["09:30:00", "10:30:00"]
    assert (table.index.month == 1).all()


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        ("Date,Time", ("2020-01-02 09:30,09:31", "2020-01-02 10:30,10:30"), "has 'Date' and 'Time' for time: keep one"),
        (
            "timestamp,date",
            ("1577923200,2020-01-03", "1578009600,2020-01-03"),
            "for time: keep one such column, or say",
        ),
        ("Date,Time", ("2020-01-02,09:30", "2020-01-02,25:00"), "line 3: Time is '25:00', which is no clock time"),
        ("Date,Time", ("2020-01-02,2300", "2020-01-02,2400"), "line 3: Time is '2400', which is no clock time"),
        ("Date,Time", (",09:30", "2020-01-02,10:30"), "line 2: the time is missing"),
        ("Date", ("2020-01-02", "2020-01-02", "2020-01-03"), "all times are dates, bars of 1h need clocks"),
    ],
)
def test_columns_that_contradict_each_other_are_named(price_file, header, rows, words):
    assert words in refusal(price_file(written(rows, header)), timeframe="1h")


def test_one_of_two_columns_can_be_named(price_file):
    source = price_file(written(("1577923200,2020-01-03", "1578009600,2020-01-04"), "timestamp,date"))
    assert load_prices(f"{source}?time=date").table.index[0] == pd.Timestamp("2020-01-03")
    assert load_prices(f"{source}?time=timestamp").table.index[0] == pd.Timestamp("2020-01-02")


@pytest.mark.parametrize("option", ["dates=day_first", "dates=month_first"])
def test_a_person_settles_day_and_month(price_file, option):
    source = price_file(written(("01/02/2020", "02/02/2020")))
    assert "say which (day_first, month_first) as in" in refusal(source)
    expected = "2020-02-01" if option == "dates=day_first" else "2020-01-02"
    assert load_prices(f"{source}?{option}").table.index[0] == pd.Timestamp(expected)


def test_moments_of_daily_bars_stand_at_the_date_of_a_named_zone(price_file):
    source = price_file(written(("2020-01-01T15:00:00Z", "2020-01-05T15:00:00Z")))
    assert "or name its zone as in" in refusal(source)
    assert list(load_prices(f"{source}?zone=Asia/Tokyo").table.index) == [
        pd.Timestamp("2020-01-02"),
        pd.Timestamp("2020-01-06"),
    ]


@pytest.mark.parametrize(
    ("times", "zone", "timeframe"),
    [
        (
            ("2020-11-01 00:30", "2020-11-01 01:00", "2020-11-01 01:30", "2020-11-01 01:00", "2020-11-01 01:30"),
            "America/New_York",
            "30m",
        ),
        (("2020-10-25 01:00", "2020-10-25 02:00", "2020-10-25 02:00", "2020-10-25 03:00"), "Europe/Berlin", "1h"),
        (("2021-04-04 01:00", "2021-04-04 02:00", "2021-04-04 02:00", "2021-04-04 03:00"), "Australia/Sydney", "1h"),
    ],
)
def test_an_hour_that_comes_twice_names_its_cause_and_the_zone_cures_it(price_file, times, zone, timeframe):
    source = price_file(written(times))
    sentence = refusal(source, timeframe=timeframe)
    assert "on a Sunday on which clocks are put back: the times are local and this hour comes twice" in sentence
    assert len(load_prices(source, timeframe=timeframe, clock=zone).table) == len(times)


def test_a_time_that_stands_twice_on_another_day_is_no_change_of_clocks(price_file):
    times = ("2021-06-06 01:00", "2021-06-06 02:00", "2021-06-06 02:00", "2021-06-06 03:00")
    assert "stands twice, remove one of the two rows" in refusal(price_file(written(times)), timeframe="1h")
