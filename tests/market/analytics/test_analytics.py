"""Every analytic of the package: a function of what had closed, whatever the market and the mode of the engine."""

import numpy as np
import pandas as pd
import pytest
from all_snapshots import read_all
from markets import from_bars, random_prices, with_table
from measured_markets import measure_all

from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.models.token_count import token_counter
from llm_strategy.market.analytics import distribution, series
from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.analytics.registry import ANALYTICS
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.support.condition import show_value
from simulator.prices.load import Prices

MODES = [(True, True), (True, False), (False, True), (False, False)]
BARS = max(analytic.lookback for analytic in ANALYTICS.values())
CUT = 350
"""The bar from which on everything is another one."""


def closes_of(markets, mode=(True, True)):
    return [snapshot for prices in markets for snapshot in read_all(prices, *mode, window=BARS)]


def values_of(markets):
    """The values of all analytics at some closes of these markets, by time and symbol."""
    return measure_all(closes_of(markets))


def three_markets(change=None):
    """Three symbols, each changed from the same bar on."""
    made = []
    for number, symbol in enumerate(("ABC", "XYZ", "QRS")):
        prices = random_prices(380, seed=20 + number, gap=0.004)
        table = prices.table if change is None else change(prices.table.copy())
        made.append(Prices("test", symbol, "1d", table))
    return made


def rewrite(table):
    table.iloc[CUT:, :4] *= np.linspace(50, 1e-3, len(table) - CUT)[:, None]
    table.iloc[CUT:, 4] = 0
    return table


def test_no_later_bar_changes_a_value_in_any_mode_of_the_engine():
    times = [time.isoformat() for time in three_markets()[0].table.index]
    before = [times[CUT - bars] for bars in (1, 2, 15)]
    known = measure_all(closes_of(three_markets()), at=before)
    assert len(known) == 9
    silent = {name for name, values in known[max(known)].items() if set(values.values()) == {None}}
    assert silent <= {"month", "time_of_day"}
    other, *others = three_markets(rewrite)
    beside = closes_of(others)
    for mode in MODES:
        found = measure_all([*closes_of([other], mode), *beside], at=[*before, times[CUT]])
        assert {close: found[close] for close in known} == known
        assert found[times[CUT], "ABC"] != known[max(known)]


def test_none_looks_back_further_than_the_usual_warm_up():
    assert len(ANALYTICS) > 24
    assert all(analytic.lookback <= 260 < LONGEST_LOOKBACK for analytic in ANALYTICS.values())
    assert all(len(analytic.outputs) <= 5 for analytic in ANALYTICS.values() if analytic.offered)
    assert all(len(analytic.description) <= 110 for analytic in ANALYTICS.values())


def still(table):
    return table.assign(open=5.0, high=5.0, low=5.0, close=5.0)


def grows(table):
    closes = 1.001 ** np.arange(1, len(table) + 1)
    return from_bars(closes / 1.001, closes).table


def moves_once(table):
    table = still(table)
    table.iloc[-1, [1, 3]] = 5.5
    return table


def turns_once(table):
    """A rise and a fall, both long ago and far from each other: no two moves are neighbours."""
    moved = np.where((np.arange(len(table)) > 100) & (np.arange(len(table)) < 180), 5.5, 5.0)
    return from_bars(np.r_[5.0, moved[:-1]], moved).table


def wild(table):
    opens, closes = np.exp(np.random.default_rng(2).normal(0, 3, (2, len(table))))
    return from_bars(opens, closes).table


SHAPES = {
    "still": still,
    "still without volume": lambda table: still(table).assign(volume=0.0),
    "without volume": lambda table: table.assign(volume=0.0),
    "with some volume": lambda table: table.assign(volume=np.where(np.arange(len(table)) % 3, np.nan, 1e5)),
    "grows evenly": grows,
    "moves once": moves_once,
    "turns once": turns_once,
    "wild": wild,
    "in whole ticks": lambda table: table.assign(**table.iloc[:, :4].round(0)),
    "of closes alone": lambda table: table.assign(**dict.fromkeys(("open", "high", "low"), table["close"])),
    "tiny": lambda table: table.assign(**table.iloc[:, :4] * 1e-9),
    "to and fro": lambda table: from_bars(*np.where(np.arange(len(table)) % 2, [[5.0], [5.1]], [[5.1], [5.0]])).table,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_strange_market_gives_numbers_or_nothing(shape):
    prices = random_prices(280, seed=3)
    table = shape(prices.table.copy())
    table.index = prices.table.index
    markets = [Prices("test", symbol, "1d", table) for symbol in ("ABC", "XYZ")]
    found = values_of(markets)
    assert found  # run has refused whatever is no number, and pytest every warning
    if not (table["volume"] > 0).any():
        last = found[max(found)]
        assert all(set(last[name].values()) == {None} for name in ANALYTICS if "volume" in ANALYTICS[name].needs)


def test_none_tells_of_price_levels_or_shares():
    prices = random_prices(300, seed=9)
    scaled = prices.table.copy()
    scaled.iloc[:, :4] *= 64
    scaled["volume"] *= 8
    reader = PastReader()
    ours, larger = (read_all(each, window=BARS)[-1] for each in (prices, with_table(prices, scaled)))
    for analytic in ANALYTICS.values():
        assert analytic.text(analytic.run(reader.at(larger))) == analytic.text(analytic.run(reader.at(ours)))


def test_what_is_told_afterwards_changes_no_past_that_was_given():
    markets = [snapshot for prices in three_markets() for snapshot in read_all(prices, window=BARS)]
    ordered = sorted(markets, key=lambda snapshot: (snapshot.time, snapshot.symbol))
    reader, told_all = PastReader(), PastReader()
    now = len(ordered) - 30
    for place, snapshot in enumerate(ordered):
        told_all.take(snapshot)
        if place < now:
            reader.take(snapshot)
    past = reader.at(ordered[now])
    others = {name: closes.prices.copy() for name, closes in past.others.items()}
    for snapshot in ordered[now:]:
        reader.take(snapshot)
    reader.forget("XYZ")
    for analytic in ANALYTICS.values():
        assert analytic.run(past) == analytic.run(told_all.at(ordered[now]))
    assert all((past.others[name].prices == prices).all() for name, prices in others.items())
    assert past.closes.times[-1] == past.time
    assert past.last(5).bars.close.base is None  # nothing lies behind it


@pytest.mark.parametrize("vocabulary", ["model_path", "gemma_path"])
def test_none_takes_more_tokens_than_it_says(vocabulary, request):
    count = token_counter(read_metadata(request.getfixturevalue(vocabulary)))
    texts = {name: [] for name in ANALYTICS}
    for found in values_of([random_prices(400, seed=2, daily=0.05, gap=0.01)]).values():
        for name, values in found.items():
            texts[name].append(ANALYTICS[name].text(values))
    for name, analytic in ANALYTICS.items():
        for place, number in enumerate((-1234.56, 999.99, -0.01, *[-1234.56] * 10)):
            texts[name].append(analytic.text(_filled(analytic, number, place)))
        most = max(count(f"{name}: {text}\n") for text in texts[name])
        assert most <= analytic.tokens <= 2.5 * most


def _filled(analytic, number, place):
    """Values of an analytic that are all this number, a hundredth of it for fractions, or the word at this place."""
    return {
        name: quantity.words[place % len(quantity.words)]
        if quantity.words
        else number / (100 if quantity.unit == "fraction" else 1)
        for name, quantity in analytic.outputs.items()
    }


@pytest.mark.parametrize("name", [name for name in ANALYTICS if "symbols" in ANALYTICS[name].needs])
def test_of_a_single_symbol_those_of_several_tell_nothing(name):
    snapshot = read_all(random_prices(300, seed=9), window=BARS)[-1]
    values = ANALYTICS[name].run(PastReader().at(snapshot))
    assert ANALYTICS[name].text(values) == ""


@pytest.mark.parametrize("seed", range(5))
def test_the_quick_formulas_are_those_of_scipy(seed):
    from scipy import stats

    values = np.random.default_rng(seed).standard_t(4, 250)
    assert distribution._moments(values) == pytest.approx((stats.skew(values), stats.kurtosis(values)))
    assert series.rank(values, 0.1) == pytest.approx(stats.percentileofscore(values, 0.1) / 100)
    fit, line = series.fit_line(values), stats.linregress(np.arange(250.0), values)
    assert (fit.slope, fit.t, fit.explained) == pytest.approx((line.slope, line.slope / line.stderr, line.rvalue**2))
    assert series.mean_t(values) == pytest.approx(stats.ttest_1samp(values, 0).statistic)


def test_every_family_is_listed():
    import pkgutil

    import llm_strategy.market.analytics as package

    listed = {id(analytic) for analytic in ANALYTICS.values()}
    for module in pkgutil.iter_modules(package.__path__):
        family = __import__(f"{package.__name__}.{module.name}", fromlist=["ANALYTICS"])
        found = vars(family).get("ANALYTICS", ())
        assert all(id(analytic) in listed for analytic in (found.values() if isinstance(found, dict) else found))


def test_words_and_figures_read_as_text():
    for analytic in ANALYTICS.values():
        for name, quantity in analytic.outputs.items():
            assert show_value(quantity.words[0] if quantity.words else 0.5, quantity.unit)
            assert quantity.description, name


def test_what_is_measured_is_what_a_person_would_count():
    index = pd.date_range("2001-01-01", periods=300, freq="D").as_unit("us")
    closes = np.r_[np.full(297, 100.0), 101.0, 102.0, 103.0]
    table = from_bars(np.r_[100.0, closes[:-1]], closes).table.set_axis(index)
    snapshot = read_all(Prices("test", "ABC", "1d", table), window=BARS)[-1]
    past = PastReader().at(snapshot)
    assert ANALYTICS["streaks"].run(past)["length"] == 3
    assert ANALYTICS["extremes"].run(past)["from_high_20"] == 0
    assert ANALYTICS["moving_averages"].run(past)["order"] == "rising"
    assert ANALYTICS["tails"].run(past)["best"] == pytest.approx(0.01)
