"""Accounts that are traded without a broker are to the last bit those of the broker, wherever they are said to be."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from markets import random_prices, several_symbols
from test_placebo_accounts import Wild, half_hours

from llm_strategy import Costs, Journal, Limits, OrderRules
from llm_strategy.errors import ConfigurationError
from simulator.evaluation.beyond_rule import DeviationPlacebos
from simulator.evaluation.placebo import AdvicePlacebos
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.placebos.accounts import trade_accounts, trade_again
from simulator.runs.placebos.measure import history_of, work_of
from simulator.runs.placebos.trades import covers
from simulator.runs.simulation import Conditions, simulate

LIMITS = {
    "allow_short": (False, True),
    "max_position_size": (0.2, 0.95, 1.0),
    "max_risk_per_trade": (0.02, 0.13, 1.0),
    "stop_loss_pct": (0.02, 0.05, 0.1),
    "min_stop_pct": (0.01, 0.02),
    "max_stop_pct": (0.1, 0.2),
    "take_profit_pct": (None, 0.03, 0.1),
    "min_reward_to_risk": (0.0, 0.5),
    "min_confidence": (0.0, 0.5),
    "lot_step": (1.0, 0.01, 10.0),
    "min_notional": (0.0, 5_000.0),
    "max_participation": (None, 0.1, 0.001),
    "gap_buffer": (0.0, 0.02),
    "max_gross_exposure": (1.0, 0.7),
    "max_drawdown": (0.03, 0.08, 0.25),
    "rearm_after_bars": (None, 5, 20),
    "max_daily_loss": (None, 0.01, 0.05),
    "max_losing_streak": (None, 2, 3),
    "losing_streak_bars": (0, 5, 20),
    "cooldown_bars": (0, 5),
    "min_holding_bars": (0, 3),
    "max_holding_bars": (None, 4, 10),
}
COSTS = {
    "commission_bps": (0.0, 5.0),
    "commission_per_share": (0.0, 0.01),
    "commission_minimum": (0.0, 1.0),
    "slippage_bps": (0.0, 5.0, 50.0),
    "spread_bps": (0.0, 3.0),
    "starting_cash": (20_000.0, 1e6),
}


def drawn(chance):
    """An experiment of limits and costs that chance takes from those above."""
    while True:
        picked = [
            {name: values[chance.integers(len(values))] for name, values in each.items()} for each in (LIMITS, COSTS)
        ]
        try:
            return Experiment(arms=("llm",), risk=Limits(**picked[0]), costs=Costs(**picked[1]))
        except ConfigurationError:
            continue  # limits that contradict each other


@pytest.fixture(scope="module")
def runs():
    """Wild advice under limits and costs of chance: experiment, universe, and journal of each run."""
    found = []
    for seed in range(14):
        experiment = drawn(np.random.default_rng(seed))
        universe = Universe((random_prices(400, seed=seed, gap=[0.004, 0.02][seed % 2], daily=0.02),))
        wild = Wild(seed, short=experiment.risk.allow_short)
        found.append((experiment, universe, simulate(universe, wild, experiment, Journal())))
    return found


@pytest.mark.parametrize("number", range(14))
def test_any_advice_under_any_limits_and_costs_that_are_covered_makes_the_same_account(number, runs):
    experiment, universe, journal = runs[number]
    history = history_of(universe, [entry.decision for entry in journal.entries])
    placebos = AdvicePlacebos(history, 7, "llm")
    late = {symbol: [*[None] * 20, *made[20:]] for symbol, made in history.decisions.items()}
    series = [*map(placebos.series, range(4)), late]
    conditions = Conditions.of(universe, experiment)
    assert covers(conditions, history.times)
    found = trade_accounts(conditions, history.times, series)
    assert found == trade_again(conditions, history.times, series)
    assert list(found.equities[0]) == [row.equity for row in journal.equity]


OF_A_DAY = {"max_daily_loss": (None, 0.002, 0.01), "max_entries_per_day": (None, 1, 2, 3)}


def short_bars(seed):
    """Bars of half an hour, day and night."""
    prices = random_prices(700, seed=seed, gap=0.002, daily=0.006)
    times = pd.date_range("2021-03-01", periods=700, freq="30min", name=prices.table.index.name)
    return Universe((replace(prices, table=prices.table.set_axis(times), timeframe="30m"),))


@pytest.mark.parametrize("seed", range(8))
def test_limits_of_a_day_are_those_of_the_broker_where_a_day_has_many_bars(seed):
    chance = np.random.default_rng(seed)
    picked = {name: values[chance.integers(len(values))] for name, values in OF_A_DAY.items()}
    usual = drawn(chance)
    risk = replace(usual.risk, **picked, min_holding_bars=0, cooldown_bars=0, max_holding_bars=(None, 4)[seed % 2])
    experiment, universe = replace(usual, risk=risk), short_bars(seed)
    journal = simulate(universe, Wild(seed, short=risk.allow_short), experiment, Journal())
    history = history_of(universe, [entry.decision for entry in journal.entries])
    series = [*map(AdvicePlacebos(history, 7, "llm").series, range(4))]
    conditions = Conditions.of(universe, experiment)
    assert covers(conditions, history.times)
    assert trade_accounts(conditions, history.times, series) == trade_again(conditions, history.times, series)
    cuts = {cut.limit for entry in journal.entries for cut in entry.verdict.clamps}
    if picked["max_entries_per_day"] == 1:
        assert "max_entries_per_day" in cuts


def test_the_drawn_runs_ended_positions_in_every_way(runs):
    exits = {trade.exit_reason for _, _, journal in runs for trade in journal.trades}
    assert {"stop", "target", "advice", "time", "kill_switch"} <= exits


NOT_COVERED = {
    "credit": {"costs": Costs(leverage=2.0)},
    "interest": {"costs": Costs(cash_rate=0.03)},
    "interest on debt": {"costs": Costs(financing_rate=0.03)},
    "borrowed shares": {"costs": Costs(borrow_rate=0.03), "risk": Limits(allow_short=True)},
    "impact": {"costs": Costs(impact=0.5)},
    "slippage by volatility": {"costs": Costs(slippage_volatility=0.1)},
    "slippage by share": {"costs": Costs(slippage_per_share=0.01)},
    "fills in parts": {"costs": Costs(max_fill_share=0.1)},
    "limit orders": {"orders": OrderRules(entry="limit")},
    "fills at the close": {"orders": OrderRules(fill="same_close")},
    "stops that trail": {"risk": Limits(trailing_stop=True)},
    "stops in ranges": {"risk": Limits(stop_loss_atr=2.0)},
    "sizes by volatility": {"risk": Limits(sizing="volatility_target")},
}


@pytest.fixture(scope="module")
def told():
    """A run under the usual limits: its universe and its history."""
    universe = Universe((random_prices(700, seed=3, gap=0.004, daily=0.02),))
    journal = simulate(universe, Wild(), Experiment(arms=("llm",)), Journal())
    return universe, [entry.decision for entry in journal.entries]


@pytest.mark.parametrize("name", NOT_COVERED)
def test_what_is_not_covered_is_left_to_the_broker(name, told):
    universe, decisions = told
    times = history_of(universe, decisions).times
    assert covers(Conditions.of(universe, Experiment(arms=("llm",))), times)
    assert not covers(Conditions.of(universe, Experiment(arms=("llm",), **NOT_COVERED[name])), times)


def test_other_bars_than_one_symbol_decides_on_are_left_to_the_broker(told):
    universe, decisions = told
    usual = Conditions.of(universe, Experiment(arms=("llm",)))
    times = history_of(universe, decisions).times
    assert not covers(usual, times[1:])
    assert not covers(replace(usual, universe=several_symbols(2, bars=700)), times)
    longer = Conditions.of(half_hours(), Experiment(arms=("llm",)))
    index = longer.universe.markets[0].table.index[longer.warm_up - 1 :]
    assert not covers(longer, [time.isoformat() for time in index])


@pytest.mark.parametrize("kind", [AdvicePlacebos, DeviationPlacebos])
def test_placebos_choose_what_their_series_decide(kind, told):
    universe, decisions = told
    symbol = universe.symbols[0]
    placebos = kind(history_of(universe, [*decisions[:100], *decisions[105:]]), 7, "llm")
    choices = placebos.choices(range(6))
    for number, places in enumerate(choices.places.tolist()):
        made = placebos.series(number)[symbol]
        advised = [None if one is None or one.advice is None else one.advice.action for one in made]
        assert [choices.actions[place] for place in places] == advised
        assert [choices.decided[place] for place in places] == [one is not None for one in made]


def test_outcomes_are_those_of_accounts_at_the_broker(told):
    universe, decisions = told
    work = work_of(universe, Experiment(arms=("llm",)), decisions, 7, "llm")
    assert not work.needs_broker
    times, equities = work.equities(range(5))
    again = trade_again(work.conditions, work.placebos.history.times, map(work.placebos.series, range(5)))
    assert times == again.times == work.times()
    assert [list(one) for one in equities] == [list(one) for one in again.equities]
    assert [list(part) for part in work.batches(5)] == [[0, 1, 2, 3, 4, 5]]
