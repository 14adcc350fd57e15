"""Several symbols in one run: the ``data`` section, loading, one hash whatever the order, and one exact file."""

import re
import string
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import clocked_prices, minutes, random_prices, several_symbols

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.experiment.configuration import Experiment
from simulator.experiment.starters import starter_text
from simulator.prices.config import FORMULA_SIGNS, DataConfig
from simulator.prices.load import Prices, load_prices
from simulator.prices.universe import Universe, load_universe, read_universe_csv

THREE = {
    "CALM": "synthetic:calm?bars=300&seed=3",
    "CRASH": "synthetic:crash?bars=500&seed=4",
    "SP500": "sample:sp500",
}


def same(one, other):
    """Whether two universes agree to the last bit."""
    for left, right in zip(one.markets, other.markets, strict=True):
        pd.testing.assert_frame_equal(left.table, right.table, check_exact=True)
    return (one.symbols, one.groups, one.calendar, one.sha256) == (
        other.symbols,
        other.groups,
        other.calendar,
        other.sha256,
    )


def refused(error, call, *words):
    with pytest.raises(error) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence[-1] in ".?" or "; known are " in sentence
    for word in words:
        assert word in sentence


# Order and identity


def test_the_order_of_a_mapping_changes_nothing():
    groups = {"made up": ["CRASH", "CALM"], "real": ["SP500"]}
    one = DataConfig(sources=THREE, groups=groups)
    other = DataConfig(sources=dict(reversed(THREE.items())), groups={"real": ["SP500"], "made up": ["CALM", "CRASH"]})
    assert one == other
    universe = load_universe(one)
    assert universe.symbols == ("CALM", "CRASH", "SP500")
    assert dict(universe.groups) == {"CALM": "made up", "CRASH": "made up", "SP500": "real"}
    assert same(universe, load_universe(other))
    assert same(universe, Universe(universe.markets[::-1], universe.groups))


def test_everything_that_decides_is_in_the_hash():
    universe = load_universe(DataConfig(sources=THREE, timeframe="1d"))
    nudged = universe.markets[0].table.copy()
    nudged.iloc[-1, 3] = np.nextafter(nudged.iloc[-1, 3], 1e9)
    first, *others = universe.markets
    variants = [
        Universe((Prices(first.source, first.symbol, "1d", nudged), *others)),
        Universe((Prices(first.source, "CALN", "1d", first.table), *others)),
        Universe(tuple(others)),
        Universe(universe.markets, {"CALM": "a"}),
        Universe(universe.markets, {"CALM": "b"}),
        Universe(universe.markets, decide_on="1w"),
        Universe(universe.markets, decide_on="1mo"),
    ]
    assert len({universe.sha256, *(variant.sha256 for variant in variants)}) == len(variants) + 1
    elsewhere = Universe((Prices("csv:/other/place", first.symbol, "1d", first.table), *others))
    assert elsewhere.sha256 == universe.sha256


def test_one_source_is_a_universe_of_one():
    universe = load_universe(DataConfig(symbol="INDEX", start="2008-01-01", end="2009-12-31"))
    alone = load_prices("sample:nasdaq", symbol="INDEX", start="2008-01-01", end="2009-12-31")
    assert universe.symbols == ("INDEX",)
    assert universe.market("INDEX").sha256 == alone.sha256
    assert universe.decisions("INDEX") is universe.market("INDEX")


def test_listed_sources_name_their_symbols(tmp_path):
    random_prices(50).write_csv(tmp_path / "ZINC.csv")
    choice = DataConfig(sources=[f"csv:{tmp_path}/ZINC.csv", "synthetic:calm?bars=50"], groups={"metals": ["ZINC"]})
    universe = load_universe(choice)
    assert universe.symbols == ("CALM", "ZINC")
    assert dict(universe.groups) == {"ZINC": "metals"}
    twice = DataConfig(sources=["synthetic:calm?bars=50", "synthetic:calm?bars=60"])
    refused(ConfigurationError, lambda: load_universe(twice), "both named 'CALM'", "bars=50", "bars=60")
    lost = DataConfig(sources=["synthetic:calm?bars=50"], groups={"metals": ["CLAM"]})
    refused(ConfigurationError, lambda: load_universe(lost), "'metals' holds the unknown symbol 'CLAM'", "'CALM'?")


# Loading


def test_symbols_begin_end_and_rest_when_they_like(tmp_path):
    for prices in several_symbols().markets:
        prices.write_csv(tmp_path / f"{prices.symbol}.csv")
    sources = {symbol: f"csv:{tmp_path}/{symbol}.csv" for symbol in ("S03", "S00", "S02", "S01")}
    universe = load_universe(DataConfig(sources=sources, start="2001-01-10"), minimum_bars=50)
    firsts = [prices.table.index[0] for prices in universe.markets]
    assert firsts == sorted(firsts)
    assert len(set(firsts)) == 4
    assert universe.market("S01").table.index[-1] < universe.market("S00").table.index[-1]
    assert len({len(prices.table) for prices in universe.markets}) > 2


def test_a_symbol_without_enough_bars_is_named():
    late = DataConfig(sources=THREE, start="2001-06-01")
    refused(MarketDataError, lambda: load_universe(late), "CALM: ", "no bars from 2001-06-01", "2001-02-23")
    refused(
        MarketDataError,
        lambda: load_universe(DataConfig(sources=THREE), minimum_bars=400),
        "CALM (synthetic:calm?bars=300&seed=3) has 300 bars of 1d, at least 400",
    )
    weekly = DataConfig(sources=THREE, decide_on="1w")
    assert (
        len(load_universe(weekly, minimum_bars=59).decisions("CALM").table) == 59
    )  # the last Friday waits for its Sunday
    refused(MarketDataError, lambda: load_universe(weekly, minimum_bars=60), "CALM", "59 decision bars of 1w")
    refused(
        MarketDataError,
        lambda: load_universe(DataConfig(sources={"A": "csv:/no/such/file.csv"})),
        "A: csv:/no/such/file.csv",
    )
    refused(ConfigurationError, lambda: load_universe(DataConfig(sources={"A": "sampel:sp500"})), "A: ", "'sample'?")


def test_a_session_that_keeps_nothing_is_named(tmp_path):
    times = minutes("2024-03-04", "2024-03-08", "09:30-16:00", "America/New_York", "5min")
    clocked_prices(times, "5m").write_csv(tmp_path / "a.csv")
    choice = {"sources": {"A": f"csv:{tmp_path}/a.csv"}, "timeframe": "5m", "session": "09:30-16:00"}
    wrong = DataConfig(**choice, timezone="Asia/Tokyo")
    refused(MarketDataError, lambda: load_universe(wrong), "A (csv:", "no bars inside session 09:30-16:00 (Asia/Tokyo)")
    right = load_universe(DataConfig(**choice, timezone="America/New_York", decide_on="1d"), minimum_bars=5)
    assert len(right.market("A").table) == len(times)
    assert right.decisions("A").timeframe == "1d"


def test_an_unknown_symbol_is_answered_by_the_nearest():
    universe = load_universe(DataConfig(sources=THREE))
    refused(ConfigurationError, lambda: universe.market("CRASHH"), "did you mean 'CRASH'?")
    refused(ConfigurationError, lambda: universe.decisions("XYZ"), "known are CALM, CRASH, SP500")


def test_markets_that_do_not_fit_together_are_refused():
    day, hour = load_prices("synthetic:calm"), load_prices("synthetic:cycles", timeframe="1h")
    refused(ConfigurationError, lambda: Universe(()), "at least one symbol")
    refused(ConfigurationError, lambda: Universe((day, hour)), "CALM has bars of 1d and CYCLES of 1h")
    refused(ConfigurationError, lambda: Universe((day, day)), "both named 'CALM'")
    refused(ConfigurationError, lambda: Universe((day,), {"CALN": "g"}), "did you mean 'CALM'?")
    refused(ConfigurationError, lambda: Universe((day,), decide_on="1h"), "not longer")
    clash = Prices("test", "CALM decisions", "1d", day.table)
    refused(ConfigurationError, lambda: Universe((day, clash), decide_on="1w"), "'CALM decisions'")
    assert len(Universe((day, clash)).markets) == 2


# One file

SYMBOLS = st.text(
    st.one_of(st.sampled_from("\"',;= \\#" + string.ascii_letters), st.characters(exclude_categories=["C", "Z"])),
    min_size=1,
    max_size=40,
).filter(lambda symbol: symbol.isprintable() and not symbol.startswith(FORMULA_SIGNS))
NUMBERS = st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False)


@st.composite
def universes(draw):
    markets = []
    for symbol in draw(st.lists(SYMBOLS, min_size=1, max_size=4, unique=True)):
        moments = draw(st.lists(st.integers(0, 4 * 10**15), min_size=1, max_size=5, unique=True))
        index = pd.DatetimeIndex(np.array(sorted(moments), dtype="datetime64[us]"), name="time")
        values = [[draw(NUMBERS) for _ in range(5)] for _ in moments]
        table = pd.DataFrame(np.array(values), index=index, columns=["open", "high", "low", "close", "volume"])
        markets.append(Prices("test", symbol, "1m", table))
    return Universe(tuple(markets))


@settings(max_examples=100, deadline=None)
@given(universes())
def test_the_file_reads_back_to_the_last_bit(universe):
    choice = DataConfig(timeframe="1m")
    with TemporaryDirectory() as folder:
        path = Path(folder, "prices.csv")
        universe.write_csv(path)
        again = read_universe_csv(path, choice)
        again.write_csv(Path(folder, "again.csv"))
        assert path.read_bytes() == Path(folder, "again.csv").read_bytes()
    assert same(again, universe)


def test_replay_from_the_file_gives_an_equal_universe(tmp_path):
    choice = DataConfig(
        sources={"A,B": "synthetic:cycles?bars=900&seed=1", '"C" d': "synthetic:crash?bars=700&seed=2"},
        groups={"quoted": ['"C" d']},
        timeframe="5m",
        decide_on="1h",
        session="09:30-16:00",
        timezone="America/New_York",
    )
    universe = load_universe(choice, minimum_bars=5)
    universe.write_csv(tmp_path / "prices.csv")
    again = read_universe_csv(tmp_path / "prices.csv", choice)
    assert same(again, universe)
    assert [prices.source for prices in again.markets] == [prices.source for prices in universe.markets]
    for symbol in universe.symbols:
        pd.testing.assert_frame_equal(
            again.decisions(symbol).table, universe.decisions(symbol).table, check_exact=True, check_freq=False
        )
    assert (tmp_path / "prices.csv").read_text().splitlines()[1].startswith('"""C"" d",2000-01-03T14:30:00,')


TWO = """symbol,time,open,high,low,close,volume
A,2020-01-01T00:00:00,10.0,12.0,9.0,11.0,100.0
A,2020-01-02T00:00:00,11.0,13.0,10.0,12.0,200.0
B,2020-01-02T00:00:00,5.0,6.0,4.0,5.5,0.0
"""


def test_the_file_is_plain_and_sorted(tmp_path):
    (tmp_path / "a.csv").write_bytes(TWO.encode())
    universe = read_universe_csv(tmp_path / "a.csv", DataConfig(), {"A": "sample:a", "B": "sample:b"})
    universe.write_csv(tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == TWO.encode()
    assert [prices.source for prices in universe.markets] == ["sample:a", "sample:b"]


ROWS = TWO.splitlines(keepends=True)


@pytest.mark.parametrize(
    "content",
    [
        "",
        ROWS[0],
        "time,open,high,low,close,volume\n2020-01-01T00:00:00,1.0,1.0,1.0,1.0,1.0\n",
        "".join([ROWS[0], ROWS[3], ROWS[1], ROWS[2]]),
        "".join([ROWS[0], ROWS[2], ROWS[1], ROWS[3]]),
        "".join([ROWS[0], ROWS[1], ROWS[1], ROWS[3]]),
        "".join([ROWS[0], ROWS[1], ROWS[3], ROWS[2]]),
        TWO.replace("\n", "\r\n"),
        TWO.rstrip("\n"),
        TWO.replace("10.0,12.0", "10,12.0"),
        TWO.replace("10.0,12.0", "ten,12.0"),
        TWO.replace(",0.0\n", "\n"),
        TWO.replace(",0.0\n", ",0.0,1.0\n"),
        TWO.replace("T00:00:00", "T00:00:00+00:00"),
        TWO.replace("B,", '"B",'),
        TWO.replace("B,", '"B,'),
        TWO + "\n",
        TWO.replace("A,", ","),
        TWO.encode("utf-16"),
    ],
)
def test_any_other_file_is_refused(tmp_path, content):
    path = tmp_path / "prices.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(MarketDataError, lambda: read_universe_csv(path, DataConfig()), "prices.csv", "run what writes it again")


def test_a_missing_file_says_so(tmp_path):
    refused(MarketDataError, lambda: read_universe_csv(tmp_path / "no.csv", DataConfig()), "does not exist")


# The data section


def test_the_section_survives_yaml_and_plain_data():
    experiment = Experiment.from_text(
        "data:\n"
        '  sources: {SPY: "yfinance:SPY", "7203": "csv:toyota.csv", "ON": "csv:on.csv"}\n'
        "  groups: {cars: ['7203'], chips: ['ON']}\n"
        "  timeframe: 1m\n  decide_on: 1d\n  session: 09:30-16:00\n  timezone: America/New_York\n"
    )
    assert experiment.data.sources == {"SPY": "yfinance:SPY", "7203": "csv:toyota.csv", "ON": "csv:on.csv"}
    assert experiment.data.groups == {"cars": ("7203",), "chips": ("ON",)}
    plain = experiment.as_dict()
    assert plain["data"]["source"] is None
    assert Experiment.from_mapping(plain) == experiment
    listed = Experiment.from_mapping({"data": {"sources": ["sample:sp500", "sample:nasdaq"]}})
    assert listed.data.sources == ("sample:sp500", "sample:nasdaq")
    assert Experiment.from_mapping(listed.as_dict()) == listed
    assert Experiment().as_dict()["data"]["source"] == "sample:nasdaq"
    assert Experiment.from_mapping({"data": {"source": None, "groups": None}}) == Experiment()


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{source: sample:sp500, sources: {A: sample:nasdaq}}", "source 'sample:sp500' and sources"),
        ("{symbol: A, sources: {A: sample:nasdaq}}", "symbol 'A' and sources"),
        ("{sources: {}}", "data.sources"),
        ("{sources: []}", "data.sources"),
        ("{sources: sample:sp500}", "data.sources"),
        ("{sources: {A: 3}}", "data.sources.A is 3"),
        ("{sources: [sample:sp500, sample:sp500]}", "data.sources"),
        ("{sources: {ON: sample:sp500}}", "The key True is no text"),
        ("{sources: {0700: sample:sp500}}", "put it in quotes"),
        ("{sources: {'': sample:sp500}}", "is no symbol"),
        ('{sources: {"a\\nb": sample:sp500}}', "is no symbol"),
        (f"{{sources: {{{'A' * 41}: sample:sp500}}}}", "1 to 40 printable characters"),
        ("{sources: {SPY: x, QQQ: y}, groups: {funds: [SPX]}}", "unknown symbol 'SPX', did you mean 'SPY'?"),
        ("{sources: {SPY: x}, groups: {a: [SPY], b: [SPY]}}", "'SPY' stands in 'a' and in 'b'"),
        ("{sources: {SPY: x}, groups: {a: [SPY, SPY]}}", "'SPY' stands twice in 'a'"),
        ("{groups: {a: SPY}}", "data.groups.a"),
        ("{groups: {a: []}}", "data.groups.a"),
        ("{decide_on: weekly}", "data.decide_on"),
        ("{decide_on: 1h}", "not longer than timeframe 1d"),
        ("{session: 9-16}", "data.session"),
        ("{timeframe: 1h, session: '29:00-30:00'}", "data.session"),
        ("{timeframe: 1h, timezone: Asia/Tokio}", "did you mean 'Asia/Tokyo'?"),
        ("{desice_on: 1w}", "did you mean 'decide_on'"),
    ],
)
def test_a_wrong_data_section_is_one_sentence(section, words):
    refused(ConfigurationError, lambda: Experiment.from_text(f"data: {section}"), words)


def test_the_options_in_the_starter_are_ones_that_work():
    section = starter_text().split("data:\n")[1].split("advisor:")[0]
    lines = [re.sub("^  # ", "  ", line) for line in section.splitlines()]
    text = "\n".join(line for line in lines if not line.startswith(("  source:", "  symbol:")))
    data = Experiment.from_text("data:\n" + text.replace("timeframe: 1d", "timeframe: 1m")).data
    assert data == DataConfig(
        sources={"SPY": "yfinance:SPY", "MINE": "csv:mine.csv"},
        groups={"shares": ["SPY", "MINE"]},
        timeframe="1m",
        start="2005-01-01",
        end="2015-12-31",
        decide_on="1d",
        session="09:30-16:00",
        timezone="America/New_York",
        clock="America/New_York",
        volume="ticks",
    )
