"""Dated series: what each said last at a close, measured by its own past, and when the samples were published."""

import pytest
from dated_texts import opened, snapshot

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.context.events import Events


def source_of(path, unmasked=(), **options):
    return opened(Events(path, **options), unmasked)


def series(folder, *rows, name="claims.csv", header="available_at,value"):
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


ROWS = [f"2008-10-0{day}T12:00:00Z,{value}" for day, value in ((1, 10), (2, 11), (3, 9), (6, 10), (7, 14))]


def test_the_last_value_is_told_by_its_own_past(tmp_path):
    path = series(tmp_path, *ROWS)
    at = snapshot("2008-10-09T00:00:00")
    assert source_of(path).show(at).text == "claims: rank 100 of 100, change +2.8 deviations, 1 day old"
    levels = source_of(path, unmasked=("price",)).show(at).text
    assert levels == "claims: value 14, rank 100 of 100, change +2.8 deviations, 1 day old"
    assert source_of(path, max_age_days=1).show(at).text == ""
    assert source_of(path).show(snapshot("2008-10-01T00:00:00")).text == ""


def test_a_value_is_known_at_its_moment_and_not_a_second_before(tmp_path):
    path = series(tmp_path, *ROWS)
    told = [
        source_of(path).show(snapshot(time, "5m")).text.startswith("claims: rank 100")
        for time in ("2008-10-07T11:59:59", "2008-10-07T12:00:00")
    ]
    assert told == [False, True]
    late = source_of(path, delay="1d")
    assert "100 of 100" in late.show(snapshot("2008-10-08T12:00:00", "5m")).text
    assert "100 of 100" not in late.show(snapshot("2008-10-08T11:59:59", "5m")).text


def test_what_becomes_known_later_changes_nothing(tmp_path):
    at = snapshot("2008-10-07T00:00:00")
    before = source_of(series(tmp_path, *ROWS[:4])).show(at)
    later = series(tmp_path, *ROWS, "2008-10-07T00:00:01Z,-500", "2009-01-01T00:00:00Z,900")
    assert source_of(later).show(at) == before


@pytest.mark.parametrize(
    ("sample", "a_second_before", "published"),
    [
        ("vix", "2014-01-03T21:14:59", "2014-01-03T21:15:00"),
        ("wti", "1986-01-02T19:29:59", "1986-01-02T19:30:00"),
        ("core_cpi", "1957-02-20T13:29:59", "1957-02-20T13:30:00"),
        ("french", "1926-09-01T03:59:59", "1926-09-01T04:00:00"),
    ],
)
def test_a_sample_is_known_from_its_publication_on(sample, a_second_before, published):
    source = source_of(f"sample:{sample}")
    assert source.show(snapshot(a_second_before, "5m")).text == ""
    assert source.show(snapshot(published, "5m")).text == f"{sample}: 0 days old"


def test_a_factor_is_chosen_by_its_column():
    at = snapshot("1990-01-10T00:00:00")
    assert source_of("sample:french", column="HML").show(at) != source_of("sample:french").show(at)


def test_shuffled_shows_the_same_values_at_wrong_times(tmp_path):
    path = series(tmp_path, *(f"2008-0{1 + n // 28}-{1 + n % 28:02}T00:00:00Z,{n}" for n in range(200)))
    plain, null = source_of(path), source_of(path, null="shuffled")
    at = snapshot("2008-08-10T00:00:00")
    assert plain.show(at).text.startswith("claims: rank 100 of 100")
    assert null.show(at) != plain.show(at)
    assert null.show(at) == source_of(path, null="shuffled").show(at)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("2008-10-10T09:00:00,1", "line 2: available_at '2008-10-10T09:00:00' has no zone"),
        ("2008-10-10,1", "line 2: available_at '2008-10-10' has no zone"),
        ("soon,1", "line 2: available_at 'soon' is no time"),
        ("2008-10-10T09:00:00Z,much", "line 2: value is 'much', and no number"),
        ("2008-10-10T09:00:00Z,nan", "line 2: value is 'nan', and no number"),
        ("2008-10-10T09:00:00Z,", "line 2: it has no value: every value needs one"),
        (
            "2008-10-10T09:00:00Z,1\n2008-10-10T11:00:00+02:00,2",
            "line 3: there is a value of the same time in .* line 2",
        ),
        ("", "holds no value"),
    ],
)
def test_a_wrong_row_is_one_sentence(tmp_path, row, sentence):
    with pytest.raises(MarketDataError, match=sentence):
        source_of(series(tmp_path, row))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"path": "sample:vxi"}, "There is no sample of events 'vxi', did you mean 'vix'"),
        ({"path": "sample:french", "column": "SMBB"}, "has no column 'SMBB', did you mean 'SMB'"),
        ({"path": "sample:vix", "delay": "soon"}, "delay is 'soon': write a number with d, h or m"),
        ({"path": "sample:vix", "close": "noon"}, "close is 'noon': write the time of day and the zone"),
        ({"path": ""}, "events names no series"),
        ({"path": "nowhere.csv"}, "There is no file nowhere.csv"),
        ({"path": "series.txt"}, "no file of texts or values by its ending"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        source_of(**options)
