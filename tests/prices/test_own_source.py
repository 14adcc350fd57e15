"""Prices of a person's own: a function is a source wherever a file is, and what it does wrong is one sentence."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from price_files import refusal

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.support import plugins
from simulator import compare, load_prices
from simulator.prices import source, sources
from simulator.runs.replaying import replay

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_source.py"
OWN = """
import pandas as pd
from llm_strategy.errors import MarketDataError

TABLE = pd.DataFrame(
    {name: [10.0, 11.0, 12.0] for name in ("open", "high", "low", "close")},
    index=pd.bdate_range("2020-01-01", periods=3),
)
LIST = []


def every_day(name="SPY", *, since="2020-01-01", scale="1"):
    return TABLE[since:] * float(scale)


def without_name():
    return TABLE


def raising(name):
    raise KeyError(name)


def refusing(name):
    raise MarketDataError("The desk is closed: ask again tomorrow.")


def listing(name):
    return [1, 2]


def downwards():
    return TABLE[::-1]
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of sources that Python finds, with its file's path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_prices.py").write_text(OWN)
    yield tmp_path / "own_prices.py"
    sys.modules.pop("own_prices", None)


def installed_as(monkeypatch, name, value):
    """An installed package names a source of its own."""
    points = EntryPoints([EntryPoint(name, value, source.ENTRY_POINTS)])
    monkeypatch.setattr(source, "entry_points", lambda group: points.select(group=group))
    monkeypatch.setattr(plugins, "entry_points", lambda group: points.select(group=group))


def test_the_example_is_a_source_of_a_run_that_replays_without_it(tmp_path):
    own = tmp_path / "own_source.py"
    own.write_text(EXAMPLE.read_text())
    result = compare(
        {
            "name": "own",
            "data": {"source": f"{own}:random_walk:MINE?bars=600"},
            "arms": ["buy_and_hold"],
            "evaluation": {"bootstrap_samples": 100},
            "output": {"folder": str(tmp_path / "reports"), "explain": False},
        }
    )
    assert "MINE" in (result.folder / "prices.csv").read_text()
    assert str(tmp_path) not in (result.folder / "report.html").read_text()
    own.unlink()
    assert all(check.same for check in replay(result.folder))


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 15


@pytest.mark.parametrize(
    ("text", "symbol", "first", "close"),
    [
        ("own_prices:every_day", "every_day", "2020-01-01", 10),
        ("own_prices:every_day:QQQ", "QQQ", "2020-01-01", 10),
        ("own_prices:every_day:QQQ?since=2020-01-02&scale=3", "QQQ", "2020-01-02", 33),
        ("own_prices.py:every_day?scale=3", "every_day", "2020-01-01", 30),
        ("own_prices:without_name", "without_name", "2020-01-01", 10),
    ],
)
def test_a_function_gets_its_name_and_its_options(own, text, symbol, first, close):
    prices = load_prices(text)
    assert (prices.source, prices.symbol) == (text, symbol)
    assert str(prices.table.index[0].date()) == first
    assert prices.table["close"].iloc[0] == close


def test_a_file_beside_the_experiment_is_found_from_elsewhere(own, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(load_prices("own_prices.py:without_name", folder=tmp_path).table) == 3


def test_an_installed_package_names_a_kind(own, monkeypatch):
    installed_as(monkeypatch, "desk", "own_prices:every_day")
    assert load_prices("desk:QQQ?scale=2").table["close"].iloc[0] == 20
    assert load_prices("desk:QQQ").symbol == "QQQ"
    assert "did you mean 'desk'?" in refusal("desc:QQQ", ConfigurationError)
    assert load_prices("desk").symbol == "desk"
    assert load_prices("desk?scale=2").table["close"].iloc[0] == 20
    installed_as(monkeypatch, "desk", "own_prices:LIST")
    assert "The price source 'desk' is of type list: name a function" in refusal("desk", ConfigurationError)
    installed_as(monkeypatch, "desk", "own_prices:evry_day")
    assert "The price source 'desk' cannot be imported (AttributeError" in refusal("desk", ConfigurationError)
    installed_as(monkeypatch, "desk", "no_such_module:every_day")
    assert "The price source 'desk' cannot be imported (ModuleNotFoundError" in refusal("desk:QQQ", ConfigurationError)


def test_kinds_of_this_package_go_first(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "synthetic.py").write_text("def cycles(): raise AssertionError\n")
    assert load_prices("synthetic:cycles?bars=300").true_regimes is not None


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("own_pricez.py:every_day", ConfigurationError, "which is not there, did you mean 'own_prices.py'?"),
        ("no_such.module:every_day", ConfigurationError, "cannot be imported (ModuleNotFoundError"),
        ("own_pricez:every_day", ConfigurationError, "The kind of the source 'own_pricez:every_day' is unknown"),
        ("own_prices:evry_day", ConfigurationError, "has no 'evry_day', did you mean 'every_day'?"),
        ("own_prices.py", ConfigurationError, "is no reference: write package.module:name or FILE.py:name."),
        ("own_prices:", ConfigurationError, "names nothing in it: write own_prices:every_day."),
        ("own_prices:LIST", ConfigurationError, "is of type list: name a function that returns a DataFrame."),
        ("own_prices:every_day:SPY?sinc=2020", ConfigurationError, "unknown option 'sinc', did you mean 'since'?"),
        ("own_prices:raising", ConfigurationError, "takes (name), and missing a required argument: 'name'"),
        ("own_prices:without_name:SPY", ConfigurationError, "takes (), and too many positional arguments"),
        ("own_prices:raising:SPY", MarketDataError, "its function raised KeyError: 'SPY': correct it there."),
        ("own_prices:refusing:SPY", MarketDataError, "The desk is closed: ask again tomorrow."),
        ("own_prices:listing:SPY", MarketDataError, "its function returned list and no pandas DataFrame"),
        ("own_prices:downwards", MarketDataError, "sort the rows by time with the oldest first."),
        ("own_prices:every_day?scale=-1", MarketDataError, "a price must be above zero"),
    ],
)
def test_what_goes_wrong_is_one_sentence(own, text, error, words):
    assert words in refusal(text, error)


def test_a_kind_of_this_package_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "flat.py").write_text(
        "from simulator.prices.source import Source\n"
        "from simulator.prices.table import RawTable, make_table\n"
        "def load(request):\n"
        "    day, price = ['2020-01-01'], [float(request.name)]\n"
        "    columns = dict.fromkeys(('open', 'high', 'low', 'close', 'volume'), price)\n"
        "    return RawTable('FLAT', make_table(day, columns))\n"
        "SOURCE = Source('flat', load)\n"
    )
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    source.known_sources.cache_clear()
    try:
        assert load_prices("flat:7").table["close"].tolist() == [7]
        assert "did you mean 'flat'?" in refusal("flit:7", ConfigurationError)
    finally:
        source.known_sources.cache_clear()
        sys.modules.pop("simulator.prices.sources.flat", None)
