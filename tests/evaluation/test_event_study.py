"""What follows events: figures by hand, the rate of false findings, planted effects, and the words for them."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from llm_strategy.errors import MarketDataError
from simulator.evaluation.event_study import EventSeries, EventStudy, adjust, fewest_closes, judge, study


def market(seed, bars=700, shocks=None):
    """A path with changing volatility (GARCH), and one that the shocks (log returns a bar) were added to."""
    random = np.random.default_rng(seed)
    noise, moves, variance = random.standard_normal(bars), np.empty(bars), 1e-4
    for bar in range(bars):
        moves[bar] = np.sqrt(variance) * noise[bar]
        variance = 3e-6 + 0.07 * moves[bar] ** 2 + 0.9 * variance
    return 100 * np.exp(np.cumsum(moves + (0 if shocks is None else shocks)))


def series(closes, events, first="2001-01-01"):
    times = np.datetime64(first, "us") + np.arange(len(closes)) * np.timedelta64(1, "D")
    return EventSeries(times, np.asarray(closes, float), np.asarray(events, bool))


def spells(bars, every=40, length=5, offset=20):
    """Events in runs."""
    return (np.arange(bars) - offset) % every < length


def measure(closes, events, horizon=10, direction="up", **more):
    return study({"ABC": series(closes, events)}, horizon, direction, **{"samples": 199, **more})


def test_the_effect_is_the_mean_change_after_events_less_that_after_all_closes():
    closes, events = market(1), spells(700)
    found = measure(closes, events)
    changes = closes[10:] / closes[:-10] - 1
    assert found.usual == pytest.approx(changes.mean(), rel=1e-12)
    assert found.effect == pytest.approx(changes[events[:-10]].mean() - changes.mean(), rel=1e-9)
    assert (found.closes, found.events, found.runs) == (690, int(events[:-10].sum()), 17)
    assert found.low < found.effect < found.high


def test_a_claim_of_less_is_the_mirror_of_a_claim_of_more():
    closes, events = market(2), spells(700)
    up, down = measure(closes, events), measure(closes, events, direction="down")
    assert down.effect == pytest.approx(-up.effect)
    assert (down.low, down.high) == pytest.approx((-up.high, -up.low))
    assert up.p_value + down.p_value == pytest.approx(1, abs=0.02)


def test_equal_inputs_give_equal_figures():
    closes, events = market(3), spells(700)
    assert measure(closes, events, seed=5) == measure(closes, events, seed=5)
    assert measure(closes, events, seed=5).p_value != measure(closes, events, seed=6).p_value


def test_bars_behind_the_window_are_not_looked_at():
    closes, events = market(4), spells(700)
    changed = closes.copy()
    changed[600:] *= 3
    assert measure(closes[:600], events[:600]) == measure(changed[:600], events[:600])


def test_the_path_ends_in_the_effect():
    found = measure(market(5), spells(700), horizon=30)
    last = found.path[-1]
    assert [point.bars for point in found.path] == sorted({point.bars for point in found.path})
    assert (last.bars, last.mean - last.usual) == (30, pytest.approx(found.effect))
    assert all(point.low < point.mean < point.high for point in found.path)


@pytest.mark.parametrize(
    ("events", "runs"),
    [
        (spells(700), 17),
        (spells(700, every=4, length=2), 58),
        (np.ones(700, bool), 1),
        (np.zeros(700, bool), 0),
        (np.arange(700) == 695, 0),
    ],
    ids=["apart", "within the horizon", "always", "never", "without a known change"],
)
def test_runs_are_separate_where_they_begin_a_horizon_apart(events, runs):
    found = measure(market(6), events)
    assert found.runs == runs
    assert (found.p_value is None) == (runs < 10)
    assert (judge(found, found.p_value, rate=0.1, effect=0.01) == "too few events") == (runs < 10)


def test_symbols_that_begin_to_hold_together_are_one_run():
    closes, events = market(7), spells(700)
    both = {"A": series(closes, events), "B": series(market(8), events)}
    found = study(both, 10, "up", samples=99)
    assert (found.runs, found.closes) == (17, 1380)
    apart = both | {"B": series(market(8), spells(700, offset=40))}
    assert study(apart, 10, "up", samples=99).runs == 35


def test_symbols_that_move_together_are_no_more_evidence_than_one():
    closes, events = market(9), spells(700)
    one = measure(closes, events)
    copies = study({name: series(closes, events) for name in "ABCD"}, 10, "up", samples=199)
    assert (copies.effect, copies.low, copies.high) == pytest.approx((one.effect, one.low, one.high))
    assert copies.p_value == pytest.approx(one.p_value, abs=0.1)


def test_symbols_may_have_other_days():
    short = series(market(10, 300), spells(300), first="2002-01-01")
    found = study({"A": series(market(11), spells(700)), "B": short}, 10, "up", samples=99)
    assert found.closes == 690 + 290


@pytest.mark.parametrize("bars", [0, 5, 10, 209])
def test_a_window_that_is_too_short_is_told_in_a_sentence(bars):
    with pytest.raises(MarketDataError, match=f"has {bars} closes, and a horizon of 10 bars needs 210: take a longer"):
        measure(market(12, 300)[:bars], spells(bars))
    assert fewest_closes(10) == 210


def test_a_window_without_symbols_is_too_short():
    with pytest.raises(MarketDataError, match="The window has 0 closes"):
        study({}, 10, "up")


def test_a_planted_rise_after_events_is_found_and_its_mirror_is_refuted():
    """3 percent over 10 bars after each of 17 runs, where a bar moves by 1 percent."""
    verdicts = []
    for seed in range(8):
        events = spells(700, length=3, offset=20 + seed)
        shocks = np.where(spells(700, length=12, offset=21 + seed), 0.003, 0.0)
        closes = market(seed, shocks=shocks)
        for direction in ("up", "down"):
            found = measure(closes, events, direction=direction, seed=seed)
            verdicts.append((direction, judge(found, found.p_value, rate=0.1, effect=0.005)))
    assert verdicts.count(("up", "confirmed")) >= 6
    assert verdicts.count(("down", "refuted")) == 8


def test_a_condition_of_the_past_is_confirmed_no_more_often_than_the_rate():
    """After a fall below its long mean a path without memory seems to rise, where it is held against all closes."""
    told = 0
    for seed in range(40):
        closes = market(100 + seed, 900)
        mean = np.convolve(closes, np.ones(200) / 200, "valid")
        below = closes[199:] < mean
        found = measure(closes[199:], below, memory=200, samples=99, seed=seed)
        told += judge(found, found.p_value, rate=0.1, effect=0.01) == "confirmed"
    assert told <= 8  # more than 8 of 40 at a rate of 0.1 have a probability of 0.02


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_adjusted_values_are_those_of_another_package(count):
    p_values = np.random.default_rng(count).beta(0.4, 1, count)
    assert adjust(list(p_values)) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])


def test_nothing_adjusted_is_nothing():
    assert adjust([]) == []


@pytest.mark.parametrize(
    ("low", "high", "adjusted", "word"),
    [
        (0.012, 0.03, 0.05, "confirmed"),
        (0.002, 0.03, 0.10, "confirmed"),
        (0.002, 0.03, 0.11, "open"),
        (-0.001, 0.03, 0.01, "open"),
        (-0.02, 0.009, 0.6, "refuted"),
        (0.001, 0.009, 0.01, "refuted"),
        (None, None, None, "open"),
    ],
    ids=["worth having", "at the rate", "above the rate", "not above 0", "below the effect", "too small", "unmeasured"],
)
def test_the_words_of_a_verdict(low, high, adjusted, word):
    found = EventStudy(900, 100, 20, 0.0, 0.01, low, high, adjusted, 10)
    assert judge(found, adjusted, rate=0.1, effect=0.01) == word
