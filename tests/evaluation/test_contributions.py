"""What earned a return: parts that add up at every bar, and say what they are named for."""

import numpy as np
import pytest

from simulator.evaluation.contributions import Moves, split_moves, sum_over

BARS = 400
RNG = np.random.default_rng(8)
MARKET = 0.0004 + 0.01 * RNG.standard_normal(BARS)
CASH = np.full(BARS, 0.0001)


def held(exposure, market=MARKET, cash=CASH):
    """An account that holds so much of the market and the rest in cash."""
    exposure = np.broadcast_to(np.asarray(exposure, float), market.shape)
    return Moves(cash + exposure * (market - cash), exposure)


SEEING = held((MARKET > 0) * 0.6)
"""Holds on the bars on which the market rises."""
SWITCHING = held(RNG.integers(0, 2, BARS) * 0.8)
STOPPED = held(np.repeat([0.9, 0.0, 0.9, 0.9], BARS // 4))


@pytest.mark.parametrize("holder", [None, STOPPED], ids=["no holder", "holder"])
@pytest.mark.parametrize("rule", [None, SWITCHING], ids=["no rule", "rule"])
def test_the_parts_are_the_return_at_every_bar(holder, rule):
    parts = split_moves(SEEING, MARKET, CASH, holder=holder, rule=rule)
    assert np.allclose(sum(parts.values()), SEEING.returns, atol=1e-15)
    named = {"exposure": True, "gate": holder is not None, "rule": rule is not None, "advice": True}
    assert [name for name, is_there in named.items() if is_there] == list(parts)


def test_a_constant_share_of_the_market_is_exposure_alone():
    parts = split_moves(held(0.35), MARKET, CASH, holder=None, rule=None)
    assert np.allclose(parts["advice"], 0)
    assert np.allclose(parts["exposure"], CASH + 0.35 * (MARKET - CASH))


def test_an_account_that_follows_the_rule_adds_nothing_to_it():
    parts = split_moves(SWITCHING, MARKET, CASH, holder=STOPPED, rule=SWITCHING)
    assert np.allclose(parts["advice"], 0)
    assert parts["gate"] == pytest.approx(STOPPED.beyond_exposure(MARKET, CASH))


def test_good_moments_are_the_advice_and_not_the_exposure():
    parts = split_moves(SEEING, MARKET, CASH, holder=STOPPED, rule=SWITCHING)
    assert parts["advice"].sum() > 10 * abs(parts["exposure"].sum())


def test_some_bars_sum_to_their_return_and_the_groups_to_the_run():
    parts = split_moves(SEEING, MARKET, CASH, holder=STOPPED, rule=SWITCHING)
    groups = [np.arange(BARS) % 3 == number for number in range(3)]
    sums = [sum_over(parts, SEEING.returns, MARKET, chosen) for chosen in groups]
    whole = sum_over(parts, SEEING.returns, MARKET, np.ones(BARS, bool))
    for one in (*sums, whole):
        assert sum(one.steps.values()) + one.compounding == pytest.approx(one.total_return, abs=1e-14)
    for step, value in whole.steps.items():
        assert value == pytest.approx(sum(one.steps[step] for one in sums))
    assert whole.total_return == pytest.approx(np.prod(1 + SEEING.returns) - 1)
    assert sum(one.bars for one in sums) == BARS
