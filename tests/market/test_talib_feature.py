"""Functions of TA-Lib as features: where it is not installed the line that installs it, where it is what they say."""

import importlib.util
import math

import numpy as np
import pytest
from all_snapshots import read_all
from markets import random_prices

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.feature import Feature
from llm_strategy.market.talib_feature import talib_feature
from llm_strategy.market.view import View, render_snapshot

installed = pytest.mark.skipif(importlib.util.find_spec("talib") is None, reason="TA-Lib is not installed")


@pytest.mark.skipif(importlib.util.find_spec("talib") is not None, reason="TA-Lib is installed")
def test_the_line_that_installs_it_is_told():
    with pytest.raises(ConfigurationError) as caught:
        View("numbers", features=("trend", "talib:RSI(timeperiod=14)"))
    assert str(caught.value) == "The feature talib:RSI needs TA-Lib, which is not installed: pip install ta-lib"


@pytest.mark.parametrize(
    "text", ["talib:", "talib:RSI(", "talib:RSI(14)", "talib:RSI(timeperiod=x)", "talib:A(b=1,b=2)"]
)
def test_a_spelling_that_cannot_be_read_is_one_sentence(text):
    with pytest.raises(ConfigurationError, match=r"cannot be read: write talib:NAME, or with settings talib:RSI\("):
        View("numbers", features=(text,))


@installed
@pytest.mark.parametrize("mode", [(True, True), (False, False)])
def test_a_view_shows_what_the_function_gives(mode):
    import talib

    view = View("numbers", decimals=2, features=("trend", "talib:SMA(timeperiod=5)", "talib:ATR(timeperiod=3)"))
    prices = random_prices(300, seed=3)
    last = read_all(prices, *mode, measured=view.measured)[-1]
    table = prices.table
    mean = table["close"].iloc[-5:].mean()
    ranges = talib.ATR(*(table[name].to_numpy() for name in ("high", "low", "close")), 3)[-1]
    assert f"sma 5: {mean:.2f}; atr 3: {ranges:.2f}" in render_snapshot(last, view)


@installed
def test_a_file_of_ones_own_gives_it_words_and_names_the_output():
    feature = talib_feature("MACD", output="macdsignal", buckets=((0.0, "down"), (math.inf, "up")), fastperiod=8)
    assert isinstance(feature, Feature)
    assert feature.name == "macd macdsignal 8"
    closes = np.linspace(1, 50, feature.lookback)
    bars = type("Bars", (), dict.fromkeys(("open", "high", "low", "close", "volume"), closes))
    assert feature.one_bar(bars) == feature.one_bar(bars) > 0


@installed
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("talib:RSY", "There is no function 'RSY' in TA-Lib, did you mean 'RSI'?"),
        ("talib:RSI(timeperod=3)", "The feature talib:RSI has no setting 'timeperod', did you mean 'timeperiod'?"),
        ("talib:RSI(timeperiod=-3)", "The feature talib:RSI refuses its settings"),
        ("talib:RSI(output=real2)", "The feature talib:RSI has no output 'real2', did you mean 'real'?"),
        ("talib:MAVP", "The feature talib:MAVP takes close, periods, and bars have"),
    ],
)
def test_a_wrong_function_setting_or_output_is_one_sentence(text, told):
    with pytest.raises(ConfigurationError) as caught:
        View("numbers", features=(text,))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
