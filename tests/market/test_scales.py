"""Thresholds scale with what a market usually moves, from closed bars alone; lookbacks and with them the warm-up can be
set."""

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from all_snapshots import read_all
from markets import from_bars, random_prices, with_table
from own_cerebro import MODES, own_cerebro, pandas_feed
from small_run import recording, small

import simulator
from llm_strategy import AdvisedStrategy, ModelAdvisor
from llm_strategy.advice.rules import BASELINES
from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.features import DEFAULT_LOOKBACKS, PLAIN_VOLATILITY, Lookbacks, threshold_scale
from llm_strategy.market.view import causal_label, render_snapshot
from simulator.prices.load import load_prices
from simulator.runs.simulation import snapshots

pytestmark = pytest.mark.slow


def plain(snapshot):
    """The same with the thresholds of a day of shares, whatever the market usually moves."""
    return dataclasses.replace(snapshot, trend_scale=1.0, drawdown_scale=1.0)


@pytest.mark.parametrize(("source", "words", "labels"), [("sample:sp500", 0.99, 0.998), ("sample:nasdaq", 0.99, 0.999)])
def test_days_of_shares_keep_their_words_and_labels(source, words, labels):
    seen = snapshots(load_prices(source))
    assert np.mean([render_snapshot(each) == render_snapshot(plain(each)) for each in seen]) >= words
    assert np.mean([causal_label(each) is causal_label(plain(each)) for each in seen]) >= labels


def test_the_scale_has_no_steps_and_is_never_zero():
    low, high = PLAIN_VOLATILITY
    assert [threshold_scale(usual) for usual in (low, 0.01, high)] == [1.0, 1.0, 1.0]
    assert threshold_scale(low / 5) == pytest.approx(0.2)
    assert threshold_scale(3 * high) == pytest.approx(3)
    assert threshold_scale(0.0) > 0
    usual = np.linspace(0, 0.1, 20_001)
    assert np.abs(np.diff([threshold_scale(each) for each in usual])).max() < 0.01


def clustered(bars, volatility, seed, timeframe, freq):
    """A path whose volatility comes in clusters, with heavy tails, as returns of every market do."""
    dice, variance, moves = np.random.default_rng(seed), volatility**2, []
    for shock in dice.standard_t(5, bars) / (5 / 3) ** 0.5:
        moves.append(variance**0.5 * shock)
        variance = 0.03 * volatility**2 + 0.07 * moves[-1] ** 2 + 0.90 * variance
    closes = 1.1 * np.exp(np.cumsum(moves))
    opens = np.concatenate(([1.1], closes[:-1]))
    wicks = np.abs(dice.normal(0, volatility / 3, (2, bars)))
    table = from_bars(opens, closes, wicks).table
    table.index = pd.DatetimeIndex(pd.date_range("2020-01-06", periods=bars, freq=freq), name="time").as_unit("us")
    return dataclasses.replace(with_table(random_prices(2), table), timeframe=timeframe)


MARKETS = {
    "an hour of currencies": (0.0011, "1h", "h"),
    "five minutes of currencies": (0.0003, "5m", "5min"),
    "a minute of shares": (0.0004, "1m", "min"),
    "five minutes of coins": (0.0018, "5m", "5min"),
    "a day of coins": (0.035, "1d", "D"),
}


@pytest.mark.parametrize(("volatility", "timeframe", "freq"), MARKETS.values(), ids=MARKETS)
def test_other_markets_have_every_label_and_every_word(volatility, timeframe, freq):
    seen = [
        snapshot for seed in (1, 2, 3) for snapshot in snapshots(clustered(2500, volatility, seed, timeframe, freq))
    ]
    labels = Counter(map(causal_label, seen))
    assert len(labels) == 4
    assert max(labels.values()) < 0.6 * len(seen)
    assert min(labels.values()) > 0.02 * len(seen)
    words = [Counter(part) for part in zip(*(render_snapshot(each).split("; ") for each in seen), strict=True)]
    trend, _, _, drawdown, *_ = words
    assert (len(trend), len(drawdown)) == (5, 4)
    assert max(*trend.values(), *drawdown.values()) < 0.6 * len(seen)
    if volatility < PLAIN_VOLATILITY[0]:
        before = Counter(causal_label(plain(each)) for each in seen)
        assert before["sideways"] + before["turbulent"] > 0.8 * len(seen)


def test_twice_the_volatility_beyond_the_plain_range_reads_the_same():
    one, other = (snapshots(random_prices(320, seed=6, daily=daily, drift=0)) for daily in (0.0005, 0.001))
    same = [render_snapshot(a) == render_snapshot(b) for a, b in zip(one, other, strict=True)]
    assert np.mean(same) > 0.95


def test_the_scale_is_known_at_the_close():
    prices = random_prices(360, seed=3, daily=0.001)
    table = prices.table.copy()
    table.iloc[320:, :4] *= np.linspace(1.5, 3, 40)[:, None]
    one, other = read_all(prices), read_all(with_table(prices, table))
    assert one[: 320 - 269] == other[: 320 - 269]
    assert one[-1].trend_scale != other[-1].trend_scale


SHORT = Lookbacks(
    trend=40, momentum=8, volatility=10, volatility_rank=30, drawdown=50, range_position=7, volume_ratio=5
)


def test_features_look_back_as_far_as_they_are_told():
    from simulator.experiment.configuration import Experiment

    prices = random_prices(120, seed=2)
    experiment = Experiment.from_mapping(
        {"arms": ["buy_and_hold"], "advisor": {"lookbacks": dataclasses.asdict(SHORT)}}
    )
    seen, close = snapshots(prices, experiment), prices.table["close"]
    assert len(seen) == 120 - 50 + 1
    volatility = close.pct_change().rolling(10).std(ddof=0)
    low, high = prices.table["low"].rolling(7).min(), prices.table["high"].rolling(7).max()
    expected = pd.DataFrame(
        {
            "trend": close / close.rolling(40).mean() - 1,
            "momentum": close / close.shift(8) - 1,
            "volatility": volatility,
            "volatility_rank": volatility.rolling(30).apply(lambda w: (w[:-1] < w[-1]).sum() / 30, raw=True),
            "drawdown": close / close.rolling(50).max() - 1,
            "range_position": (close - low) / (high - low),
            "volume_ratio": prices.table["volume"] / prices.table["volume"].rolling(5).mean(),
        }
    ).iloc[49:]
    for name in expected:
        measured = [getattr(snapshot, name) for snapshot in seen]
        np.testing.assert_allclose(measured, expected[name], rtol=1e-6, atol=1e-9, err_msg=name)
    assert {snapshot.momentum_bars for snapshot in seen} == {8}
    assert seen[0].trend_scale == pytest.approx((40 / 200) ** 0.5)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_the_modes_of_the_engine_agree_on_other_lookbacks(mode):
    table = random_prices(140, seed=4, daily=0.002).table
    entries = []
    for engine in (MODES[0], mode):
        cerebro = own_cerebro(pandas_feed(table), **engine)
        cerebro.addstrategy(AdvisedStrategy, advisor=BASELINES["regime_rule"](), lookbacks=SHORT)
        entries.append(cerebro.run()[0].journal.entries)
    assert entries[0] == entries[1]
    assert len(entries[0]) == 140 - 50 + 1


def test_a_short_file_runs_with_shorter_lookbacks(tmp_path):
    advisor = {"lookbacks": dataclasses.asdict(SHORT)}
    baselines = {"momentum": {"bars": 30}, "sma_cross": {"fast": 10, "slow": 40}}
    data = {"source": "synthetic:cycles?bars=160&seed=5"}
    experiment = small(tmp_path, data=data, advisor=advisor, arms=["llm", *BASELINES], baselines=baselines)
    result = simulator.compare(experiment, client=recording()[0])
    assert {len(arm.decisions) for arm in result.record.arms} == {160 - 50 + 1}
    assert all(check.same for check in simulator.replay(result.folder))
    again = simulator.Experiment.from_mapping(result.record.manifest["experiment"])
    assert (again.advisor, again.baselines) == (experiment.advisor, experiment.baselines)


@pytest.mark.parametrize(
    ("sections", "bars", "words"),
    [
        ({}, 272, "lookbacks.volatility of 20 and volatility_rank of 250"),
        ({"advisor": {"lookbacks": {"trend": 400}}}, 402, "lookbacks.trend of 400"),
        (
            {"advisor": {"lookbacks": dataclasses.asdict(SHORT)}, "arms": ["llm", "momentum"]},
            253,
            "baselines.momentum",
        ),
        (
            {"advisor": {"lookbacks": dataclasses.asdict(SHORT)}, "arms": ["llm", "regime_rule"]},
            52,
            "lookbacks.drawdown of 50",
        ),
    ],
    ids=["as it is", "a longer mean", "a baseline", "no such baseline"],
)
def test_too_few_bars_are_one_sentence_with_the_cure(tmp_path, sections, bars, words):
    data = {"source": f"synthetic:cycles?bars={bars - 1}&seed=5"}
    with pytest.raises(MarketDataError) as caught:
        simulator.compare(small(tmp_path, data=data, **sections), client=recording()[0])
    assert f"at least {bars} are needed for the longest indicator ({words})" in str(caught.value)
    assert "set shorter ones in advisor.lookbacks and baselines" in str(caught.value)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"advisor": {"lookbacks": {"trend": 1}}}, "lookbacks.trend"),
        ({"advisor": {"lookbacks": {"long_average": 50}}}, "long_average"),
        ({"baselines": {"sma_cross": {"fast": 300}}}, "fast 300 and slow 200"),
        ({"baselines": {"regime_rule": {"bars": 3}}}, "regime_rule"),
        ({"baselines": {"momentum": {"slow": 3}}}, "slow"),
    ],
    ids=str,
)
def test_wrong_lookbacks_are_refused(tmp_path, sections, words):
    with pytest.raises(ConfigurationError, match=words):
        small(tmp_path, **sections)


@pytest.mark.parametrize("bars", [1, 0, 2.5, 10_001])
def test_a_lookback_is_a_whole_number_of_bars(bars):
    with pytest.raises(ConfigurationError, match=r"lookbacks.momentum is .*whole number of bars from 2"):
        Lookbacks(momentum=bars)


def test_what_followed_lies_as_far_ahead_as_the_momentum_looks_back(tmp_path):
    data = {"source": "synthetic:cycles?bars=160&seed=5"}
    wanted = {"lookbacks": dataclasses.asdict(SHORT), "mode": "slots", "examples": {"nearest": 1}, "labels": "followed"}
    experiment = small(tmp_path, data=data, advisor=wanted, arms=["llm"])
    seen = snapshots(load_prices(data["source"]), experiment)
    advisor = ModelAdvisor(recording()[0], options=experiment.advisor.prompt_options)
    for number, snapshot in enumerate(seen[:12]):
        assert bool(advisor._question(snapshot).examples) == (number > 8)
        advisor.witness(snapshot)


def test_nothing_set_is_what_it_was():
    assert DEFAULT_LOOKBACKS.longest.bars == 270
    assert simulator.Experiment().warm_up.bars == 270
