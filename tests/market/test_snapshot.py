"""A snapshot holds closed bars only: whatever comes later changes no byte of the request."""

import numpy as np
import pandas as pd
import pytest
from all_snapshots import read_all
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import from_bars, random_prices, with_table

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.market.view import View, render_snapshot
from simulator.prices.load import load_prices

MODES = [(True, True), (True, False), (False, True), (False, False)]


def requests(snapshots, view, options=PromptOptions("slots")):  # noqa: B008 - frozen
    advisor = ModelAdvisor(ScriptedClient([], supports_choices=True), view=view, options=options)
    hashes = []
    for snapshot in snapshots:
        hashes.append(request_hash(advisor.request(snapshot), advisor.client.identity))
        advisor.witness(snapshot)
    return hashes


@pytest.mark.parametrize(("runonce", "preload"), MODES)
@pytest.mark.parametrize("view", [View(), View("numbers", decimals=4, unmasked=("symbol", "date", "price"))])
@pytest.mark.parametrize(
    "options",
    [
        PromptOptions("slots"),
        PromptOptions("slots", "nearest"),
        PromptOptions("choices", "nearest", labels="followed"),
        PromptOptions("choices", "balanced", 4),
    ],
    ids=lambda options: f"{options.mode}-{options.examples}",
)
def test_rewriting_every_later_bar_changes_no_request(runonce, preload, view, options):
    prices = random_prices(360, seed=3)
    cut = 320
    table = prices.table.copy()
    table.iloc[cut:, :4] *= np.linspace(50, 1e-3, len(table) - cut)[:, None]
    table.iloc[cut:, 4] = 0
    before = requests(read_all(prices, runonce, preload), view, options)
    after = requests(read_all(with_table(prices, table), runonce, preload), view, options)
    known = cut - LONGEST_LOOKBACK + 1
    assert before[:known] == after[:known]
    assert before[known:] != after[known:]


def test_the_four_engine_modes_see_the_same():
    prices = random_prices(330, seed=5)
    first, *others = [read_all(prices, *mode) for mode in MODES]
    assert len(first) == 330 - LONGEST_LOOKBACK + 1
    assert all(other == first for other in others)


def test_features_are_what_their_names_say():
    prices = load_prices("sample:nasdaq", start="2005-01-01", end="2007-12-31")
    table, seen = prices.table, read_all(prices)
    close, change = table["close"], table["close"].pct_change()
    volatility = change.rolling(20).std(ddof=0)
    rank = volatility.rolling(250).apply(lambda window: (window[:-1] < window[-1]).sum() / 250, raw=True)
    low, high = table["low"].rolling(20).min(), table["high"].rolling(20).max()
    expected = pd.DataFrame(
        {
            "trend": close / close.rolling(200).mean() - 1,
            "momentum": close / close.shift(20) - 1,
            "volatility": volatility,
            "volatility_rank": rank,
            "drawdown": close / close.rolling(250).max() - 1,
            "range_position": (close - low) / (high - low),
            "volume_ratio": table["volume"] / table["volume"].rolling(20).mean(),
        }
    ).dropna()
    assert [snapshot.time for snapshot in seen] == [time.isoformat() for time in expected.index]
    for name in expected:
        measured = [getattr(snapshot, name) for snapshot in seen]
        np.testing.assert_allclose(measured, expected[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_the_mask_hides_symbol_date_and_price_level():
    prices = load_prices("sample:sp500", end="2001-12-31")
    last = read_all(prices)[-1]
    for view in (View(), View("numbers", decimals=2)):
        text = render_snapshot(last, view)
        for secret in (last.symbol.lower(), "2001", f"{last.close:.0f}"):
            assert secret not in text.lower()
    lifted = render_snapshot(last, View(unmasked=("symbol", "date", "price")))
    assert last.symbol in lifted
    assert "2001-12-31" in lifted


def test_the_price_level_does_not_matter():
    prices = random_prices(300, seed=8)
    scaled = prices.table.copy()
    scaled.iloc[:, :4] *= 64
    assert requests(read_all(prices), View()) == requests(read_all(with_table(prices, scaled)), View())


def test_a_market_that_does_not_move_has_a_snapshot():
    flat = from_bars([50.0] * 300, [50.0] * 300, volume=np.zeros(300))
    text = render_snapshot(read_all(flat)[-1])
    assert text == (
        "trend: near long average; momentum: flat; volatility: low; drawdown: none; range: middle; volume: normal"
    )


def test_words_make_few_distinct_requests():
    seen = read_all(load_prices("sample:sp500"))
    words = {render_snapshot(snapshot) for snapshot in seen}
    numbers = {render_snapshot(snapshot, View("numbers")) for snapshot in seen}
    assert len(words) * 8 < len(seen)
    assert len(numbers) > 0.9 * len(seen)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.001, 0.1), st.floats(0, 0.2))
def test_any_market_renders_short_text(seed, daily, gap):
    for snapshot in read_all(random_prices(275, seed, daily, gap)):
        text = render_snapshot(snapshot)
        assert "nan" not in text
        assert len(text.split()) < 30
