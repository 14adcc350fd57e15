"""Prices from samples, files and synthetic paths: what is read, what is refused and in which words."""

import arch.data.nasdaq
import arch.data.sp500
import numpy as np
import pytest
from price_files import refusal

from llm_strategy.errors import ConfigurationError
from llm_strategy.types import RegimeLabel
from simulator.prices.load import load_prices

# Samples


@pytest.mark.parametrize(("name", "module"), [("sp500", arch.data.sp500), ("nasdaq", arch.data.nasdaq)])
def test_samples_are_the_unadjusted_columns_of_arch(name, module):
    prices = load_prices(f"sample:{name}", minimum_bars=5000)
    original = module.load()
    assert prices.symbol == name.upper()
    assert list(prices.table.columns) == ["open", "high", "low", "close", "volume"]
    assert (prices.table.dtypes == np.float64).all()
    assert prices.table.index.name == "time"
    assert prices.table.index.tz is None
    assert (prices.table.index == original.index).all()
    for column in prices.table.columns:
        assert (prices.table[column].to_numpy() == original[column.title()].to_numpy()).all()
    assert (original["Adj Close"] == original["Close"]).all()


def test_symbol_can_be_named():
    assert load_prices("sample:sp500", symbol="^GSPC").symbol == "^GSPC"


def test_start_and_end_are_both_included_and_window_agrees():
    cut = load_prices("sample:sp500", start="2008-09-15", end="2008-10-10")
    assert (str(cut.table.index[0].date()), str(cut.table.index[-1].date())) == ("2008-09-15", "2008-10-10")
    window = load_prices("sample:sp500").window("2008-09-15", "2008-10-10")
    assert window.sha256 == cut.sha256


# Unknown names and settings


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("sampel:sp500", "did you mean 'sample'?"),
        ("sample:sp50", "did you mean 'sp500'?"),
        ("synthetic:cycle", "did you mean 'cycles'?"),
        ("synthetic:cycles?bar=20", "did you mean 'bars'?"),
        ("synthetic:cycles?bars=1", "whole number from 2 to"),
        ("synthetic:cycles?seed=x", "seed is 'x'"),
        ("sample:sp500?bars=20", "takes no options"),
        ("prices.csv", "did you mean 'csv:prices.csv'?"),
        ("folder/prices.parquet", "did you mean 'parquet:folder/prices.parquet'?"),
        ("csv:", "names nothing"),
        ("", "known are sample, csv"),
        ("csv:a.csv?adjust=yes", "did you mean 'adjusted'?"),
        ("csv:a.csv?adjusted=maybe", "must be yes or no"),
    ],
)
def test_unknown_sources_say_what_was_meant(source, words):
    assert words in refusal(source, ConfigurationError)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timeframe": "daily"}, "timeframe 'daily' is unknown"),
        ({"timeframe": "1h"}, "has daily bars, not 1h"),
        ({"start": "10/10/2008"}, "start is '10/10/2008': write an ISO date"),
        ({"start": "2010-01-01", "end": "2009-01-01"}, "start 2010-01-01 lies after end 2009-01-01"),
    ],
)
def test_wrong_settings_are_named(settings, words):
    assert words in refusal("sample:sp500", ConfigurationError, **settings)


def test_a_range_without_bars_says_what_there_is():
    sentence = refusal("sample:sp500", start="2020-01-01")
    assert "no bars from 2020-01-01: it goes from 1999-01-04 to 2018-12-31" in sentence


def test_too_few_bars():
    assert "has 21 bars, at least 270 are needed" in refusal(
        "sample:sp500", start="2008-10-01", end="2008-10-29", minimum_bars=270
    )


# Synthetic


@pytest.mark.parametrize("name", ["calm", "cycles", "crash"])
def test_synthetic_paths_know_their_regime(name):
    prices = load_prices(f"synthetic:{name}?bars=4000&seed=3")
    again = load_prices(f"synthetic:{name}?seed=3&bars=4000")
    assert prices.sha256 == again.sha256 != load_prices(f"synthetic:{name}?bars=4000&seed=4").sha256
    assert len(prices.table) == len(prices.true_regimes) == 4000
    assert (prices.true_regimes.index == prices.table.index).all()
    assert set(prices.true_regimes) <= set(RegimeLabel)
    assert (prices.table["volume"] > 0).all()
    assert (prices.table["high"] > prices.table["low"]).all()
    cut = prices.window("2001-01-01", "2001-12-31")
    assert (cut.true_regimes == prices.true_regimes[cut.table.index]).all()


def test_synthetic_regimes_are_what_they_are_called():
    prices = load_prices("synthetic:cycles?bars=20000")
    returns = np.log(prices.table["close"]).diff()
    means, deviations = (returns.groupby(prices.true_regimes).agg(how) for how in ("mean", "std"))
    assert means["bull"] > abs(means["sideways"])
    assert means["bear"] < -abs(means["sideways"])
    assert deviations.idxmax() == "turbulent"
    assert deviations.idxmin() == "sideways"


def test_synthetic_intraday_bars_follow_each_other():
    prices = load_prices("synthetic:crash?bars=50", timeframe="5m")
    assert (np.diff(prices.table.index) == np.timedelta64(5, "m")).all()
    assert prices.timeframe == "5m"
