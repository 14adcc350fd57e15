"""DataFrames as prices: in ``load_prices``, in experiments of one and several symbols, and in their run folders."""

import json
import pickle

import pandas as pd
import pytest

import simulator
from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator import Experiment, compare, load_prices, run
from simulator.prices.config import DataConfig

pytestmark = pytest.mark.slow

NAMES = ["Open", "High", "Low", "Close", "Volume"]


@pytest.fixture(scope="module")
def table():
    """Bars for a short run."""
    return load_prices("synthetic:cycles?bars=300&seed=5").table


def mapping(folder, data):
    """An experiment of rules over these data."""
    return {
        "name": "frames",
        "data": data,
        "arms": ["buy_and_hold", "sma_cross"],
        "evaluation": {"bootstrap_samples": 200},
        "output": {"folder": str(folder), "explain": False},
    }


def as_yfinance(table, symbol="SPY"):
    frame = table.set_axis(NAMES, axis=1)
    frame.columns = pd.MultiIndex.from_product([NAMES, [symbol]], names=["Price", "Ticker"])
    return frame


@pytest.mark.parametrize(
    "shape",
    [
        lambda table: table,
        lambda table: table.set_axis(NAMES, axis=1).rename_axis("Date"),
        lambda table: table.reset_index(),
        lambda table: table.reset_index().assign(time=lambda frame: frame["time"].astype(str)),
        lambda table: table.reset_index().assign(time=lambda frame: frame["time"].astype("int64")),
        lambda table: table.set_axis(table.index.date),
        lambda table: table.tz_localize("America/New_York"),
        lambda table: table.convert_dtypes(),
        as_yfinance,
    ],
)
def test_frames_are_read_as_files_are(table, shape):
    assert load_prices(shape(table)).sha256 == load_prices("synthetic:cycles?bars=300&seed=5").sha256


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (lambda table: table[::-1], "sort the rows by time with the oldest first, as frame.sort_index() does"),
        (
            lambda table: table.assign(close=table["close"].mask(table.index == "2000-01-10")),
            "2000-01-10: close is mis",
        ),
        (lambda table: table.drop(columns="low"), "has no column low in its header"),
        (lambda table: table.reset_index(drop=True), "has no column time in its header"),
        (lambda table: table.iloc[:0], "holds no rows"),
        (lambda table: table.assign(high="ten"), "row 1: high is 'ten', which is not a number: write it as 1234.5."),
        (lambda table: pd.concat([table, table]), "this time comes after"),
        (
            lambda table: pd.concat([table.assign(symbol="A"), table.assign(symbol="B")]),
            "several symbols in its column 'symbol' (A, B): give each symbol a DataFrame of its own",
        ),
        (
            lambda table: pd.concat([as_yfinance(table), as_yfinance(table, "QQQ")], axis=1),
            "columns of several symbols (SPY, QQQ): give each one as in sources: {'SPY': frame.xs('SPY', axis=1, lev",
        ),
    ],
)
def test_frames_that_cannot_be_prices_say_why(table, shape, words):
    with pytest.raises(MarketDataError, match=r"^frame:[0-9a-f]{16}") as caught:
        load_prices(shape(table))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_intraday_frames_follow_the_rules_of_zones(table):
    hours = table.iloc[:50].set_axis(pd.date_range("2020-01-02", periods=50, freq="h"))
    utc = load_prices(hours.tz_localize("UTC"), timeframe="1h")
    assert utc.sha256 == load_prices(hours, timeframe="1h").sha256
    assert load_prices(hours, timeframe="1h", clock="America/New_York").table.index[0].hour == 5
    with pytest.raises(MarketDataError, match="convert them to UTC first"):
        load_prices(hours.tz_localize("America/New_York"), timeframe="1h")


def test_a_run_on_a_frame_names_it_by_its_content_and_replays_from_its_folder(table, tmp_path):
    result = run(mapping(tmp_path, {"source": table, "symbol": "SPY"}), "buy_and_hold")
    manifest = json.loads((result.folder / "manifest.json").read_text())
    source = manifest["experiment"]["data"]["source"]
    assert source == manifest["prices"]["symbols"]["SPY"]["source"]
    assert source.startswith("frame:")
    assert all(check.same for check in simulator.replay(result.folder))
    simulator.rebuild_report(result.folder)
    again = mapping(tmp_path, {"source": table.copy(), "symbol": "SPY"})
    assert run(again, "buy_and_hold").folder == result.folder
    changed = table.assign(volume=table["volume"] + 1)
    assert run(mapping(tmp_path, {"source": changed, "symbol": "SPY"}), "buy_and_hold").folder != result.folder
    with pytest.raises(ConfigurationError, match="is a DataFrame that was given in Python: give it again"):
        compare(mapping(tmp_path, {"source": source}))


def test_several_frames_are_mapped_to_their_symbols(table, tmp_path):
    other = table.assign(**{name: table[name] * 2 for name in ("open", "high", "low", "close")})
    result = compare(mapping(tmp_path, {"sources": {"BBB": other, "AAA": table}}))
    symbols = json.loads((result.folder / "manifest.json").read_text())["prices"]["symbols"]
    assert list(symbols) == ["AAA", "BBB"]
    assert len({entry["source"] for entry in symbols.values()}) == 2


def test_a_choice_keeps_a_frame_as_it_was(table):
    frame = table.copy()
    choice = DataConfig(source=frame)
    frame.iloc[:] = 1.0
    assert load_prices(choice.source).sha256 == load_prices(table).sha256
    assert choice == DataConfig(source=table.copy())
    assert load_prices(pickle.loads(pickle.dumps(choice)).source).sha256 == load_prices(table).sha256  # noqa: S301


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda table: {"source": {"A": table}}, "write them under sources"),
        (lambda table: {"sources": [table, table]}, "do not say their symbols: map them"),
        (lambda table: {"sources": table}, "write it under source, or map it to its symbol"),
        (lambda table: {"source": table["close"]}, "is a Series, one value a bar: give a DataFrame"),
    ],
)
def test_frames_in_the_wrong_place_are_told(table, data, words):
    for build in (lambda: DataConfig(**data(table)), lambda: Experiment.from_mapping({"data": data(table)})):
        with pytest.raises(ConfigurationError) as caught:
            build()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
