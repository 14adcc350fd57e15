"""What an adviser that wants to lose could do: more than chance does, and no advice more than the bound."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listed_advice import Listed
from markets import random_prices

from llm_strategy import BASELINES, Journal, Limits
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.types import ActionType
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate
from simulator.runs.worst_case import largest_loss, measure_harm

LOOSE = Limits(
    max_position_size=1.0,
    max_risk_per_trade=1.0,
    max_drawdown=0.2,
    cooldown_bars=0,
    max_daily_loss=None,
    max_losing_streak=None,
    max_participation=1.0,
)


def drawdown(journal):
    equity = np.array([row.equity for row in journal.equity])
    return float((1 - equity / np.maximum.accumulate(equity)).max())


def test_the_adversary_loses_what_no_rule_loses_and_stays_within_the_bound():
    universe = Universe((random_prices(900, seed=3),))
    experiment = Experiment(risk=LOOSE)
    harm = measure_harm(universe, experiment)
    rules = [drawdown(simulate(universe, rule(), experiment, Journal())) for rule in BASELINES.values()]
    assert max(rules) <= harm.worst_drawdown + 0.02
    assert LOOSE.max_drawdown <= harm.worst_drawdown <= harm.bound < 1
    assert harm.worst_return <= -LOOSE.max_drawdown + 0.01


def test_tighter_limits_leave_less_harm_and_rearming_more():
    universe = Universe((random_prices(900, seed=3),))
    loose, tight, again = (
        measure_harm(universe, Experiment(risk=limits))
        for limits in (LOOSE, replace(LOOSE, max_drawdown=0.1), replace(LOOSE, rearm_after_bars=20))
    )
    assert tight.worst_drawdown < loose.worst_drawdown < again.worst_drawdown
    assert tight.bound < loose.bound < again.bound


def test_an_exit_that_may_take_any_time_has_no_bound():
    costs = replace(Experiment().costs, max_fill_share=0.1)
    assert largest_loss(Universe((random_prices(300),)), Experiment(costs=costs)) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(ActionType), min_size=20, max_size=60),
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.02, 0.15]),
    st.booleans(),
    st.sampled_from([None, 5]),
)
def test_no_advice_loses_more_than_the_bound(advised, seed, gap, short, rearm):
    limits = replace(LOOSE, max_drawdown=0.1, allow_short=short, rearm_after_bars=rearm)
    universe = Universe((random_prices(LONGEST_LOOKBACK + len(advised), seed, daily=0.03, gap=gap),))
    experiment = Experiment(risk=limits)
    journal = simulate(universe, Listed(advised), experiment, Journal())
    assert drawdown(journal) <= largest_loss(universe, experiment) + 1e-9
    assert drawdown(journal) == pytest.approx(0, abs=0.001) or journal.orders
