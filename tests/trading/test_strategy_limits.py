"""Limits of days, streaks, sizes and groups, played on real backtrader and several symbols."""

from dataclasses import replace

import pandas as pd
import pytest
from listed_advice import EXIT, FLAT, FREE, HOLD, LONG, ROOMY, Listed, only, play, prices_after_warm_up
from markets import random_prices

from llm_strategy import Journal
from llm_strategy.costs.costs import Costs
from llm_strategy.market.features import LONGEST_LOOKBACK
from simulator.experiment.configuration import Experiment
from simulator.prices.config import DataConfig
from simulator.prices.load import Prices
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate


def hourly(prices):
    """The same bars an hour apart, the first decision at midnight."""
    index = pd.date_range("2001-01-01", periods=len(prices.table), freq="h", name="time").as_unit("us")
    index = index - (index[LONGEST_LOOKBACK - 1] - pd.Timestamp("2001-02-01"))
    return Prices("test", "ABC", "1h", prices.table.set_index(index))


def test_after_the_loss_of_a_day_nothing_is_opened_until_the_day_is_over():
    limits = replace(ROOMY, max_daily_loss=0.02)
    prices = hourly(prices_after_warm_up(FLAT, (100, 100, 90, 95), *[(95, 95, 95, 95)] * 26))
    journal = play(prices, Listed([LONG] * 40), limits)
    first, second = only(journal, "entry")
    assert (first.created, second.created) == ("2001-02-01T00:00:00", "2001-02-02T00:00:00")


def test_no_more_entries_a_day_than_allowed():
    limits = replace(ROOMY, max_entries_per_day=2)
    journal = play(hourly(prices_after_warm_up(*[FLAT] * 26)), Listed([LONG, HOLD, EXIT, HOLD] * 10), limits)
    entries = [row.created for row in only(journal, "entry")]
    assert entries == ["2001-02-01T00:00:00", "2001-02-01T04:00:00", "2001-02-02T00:00:00"]


def test_after_a_losing_streak_comes_a_pause():
    limits = replace(ROOMY, max_losing_streak=1, losing_streak_bars=3)
    journal = play(prices_after_warm_up(FLAT, (100, 100, 94, 96), *[(96, 96, 96, 96)] * 6), Listed([LONG] * 9), limits)
    times = [row.time for row in journal.equity]
    assert [times.index(row.created) for row in only(journal, "entry")] == [0, 5]


@pytest.mark.parametrize(
    ("changed", "size"),
    [
        ({"sizing": "equal_weight", "max_positions": 4}, 250),
        ({"stop_loss_atr": 2.0, "max_risk_per_trade": 0.02}, 500),
        ({"max_participation": 0.001}, 100),
        ({"min_notional": 1e6}, None),
    ],
)
def test_sizing_rules_and_caps_reach_the_order(changed, size):
    prices = prices_after_warm_up(FLAT)
    prices.table["high"], prices.table["low"] = prices.table["high"] + 1, prices.table["low"] - 1
    journal = play(prices, Listed([LONG]), replace(ROOMY, **changed))
    assert [row.size for row in only(journal, "entry")] == ([] if size is None else [size])
    if "stop_loss_atr" in changed:
        assert only(journal, "stop")[0].price == pytest.approx(96)


def test_volatility_targeting_gives_a_restless_symbol_less():
    limits = replace(ROOMY, sizing="volatility_target", target_volatility=0.1)
    sizes = []
    for daily in (0.01, 0.04):
        prices = random_prices(LONGEST_LOOKBACK + 2, seed=5, daily=daily)
        journal = play(prices, Listed([LONG]), limits)
        snapshot = journal.entries[0].decision.snapshot
        wanted = 0.1 / (snapshot.volatility * 365**0.5) * FREE.starting_cash / snapshot.close
        sizes.append(only(journal, "entry")[0].size)
        assert sizes[-1] == pytest.approx(wanted, abs=1)
    assert sizes[1] < sizes[0] / 3


def twins(*seeds):
    """Symbols A, B, ... of random prices; equal seeds move alike."""
    return [
        Prices("test", name, "1d", random_prices(LONGEST_LOOKBACK + 3, seed=seed).table)
        for name, seed in zip("ABCDE", seeds, strict=False)
    ]


def play_several(markets, limits, groups=None):
    groups = groups or {}
    experiment = Experiment(
        data=DataConfig(groups={"all": tuple(groups)} if groups else {}), risk=limits, costs=FREE, arms=("llm",)
    )
    return simulate(Universe(tuple(markets), groups), EachLong(), experiment, Journal())


class EachLong(Listed):
    """Long in every symbol at once."""

    def __init__(self):
        super().__init__([LONG] * 5)

    def attach(self, data):
        return Listed([LONG] * 5)


def shares_of_equity(journal):
    """What each symbol's first entry came to at the close of its decision, as a share of equity."""
    closes = {entry.decision.snapshot.symbol: entry.decision.snapshot.close for entry in reversed(journal.entries)}
    first = {row.symbol: row.size for row in reversed(only(journal, "entry"))}
    return {symbol: round(first[symbol] * closes[symbol] / FREE.starting_cash, 2) for symbol in sorted(first)}


@pytest.mark.parametrize("order", [1, -1])
def test_several_symbols_on_one_bar_share_the_book_in_the_order_of_their_names(order):
    limits = replace(ROOMY, max_position_size=0.4)
    journal = play_several(twins(1, 2, 3)[::order], limits)
    assert shares_of_equity(journal) == {"A": 0.4, "B": 0.4, "C": 0.2}
    assert [row.symbol for row in only(journal, "entry")][:3] == ["A", "B", "C"]


def test_a_group_and_what_moves_alike_have_caps_of_their_own():
    limits = replace(ROOMY, max_position_size=0.3)
    grouped = play_several(twins(1, 2, 3), replace(limits, max_group_exposure=0.4), {"A": "all", "B": "all"})
    assert shares_of_equity(grouped) == {"A": 0.3, "B": 0.1, "C": 0.3}
    alike = play_several(twins(1, 1, 3), replace(limits, max_correlated_exposure=0.4))
    assert shares_of_equity(alike) == {"A": 0.3, "B": 0.1, "C": 0.3}


def test_several_entries_on_one_bar_leave_cash_for_all_their_commissions():
    experiment = Experiment(
        risk=replace(ROOMY, max_position_size=0.5, lot_step=0.001),
        costs=Costs(commission_bps=100, slippage_bps=0),
        arms=("llm",),
    )
    flat = prices_after_warm_up(FLAT).table
    markets = tuple(Prices("test", name, "1d", flat) for name in "AB")
    journal = simulate(Universe(markets), EachLong(), experiment, Journal())
    assert [row.status for row in only(journal, "entry")] == ["completed", "completed"]
    assert journal.equity[-1].cash == pytest.approx(0, abs=0.2)


def test_the_kill_switch_sends_the_exit_of_a_symbol_that_has_no_bar_at_that_close():
    fallen = prices_after_warm_up(FLAT, (60, 60, 60, 60), *[(60, 60, 60, 60)] * 3).table
    quiet = prices_after_warm_up(*[FLAT] * 5).table
    quiet = quiet.drop(quiet.index[-4])
    markets = (Prices("test", "A", "1d", fallen), Prices("test", "B", "1d", quiet))
    limits = replace(ROOMY, max_position_size=0.45, max_drawdown=0.1, stop_loss_pct=0.5, max_stop_pct=0.9)
    journal = play_several(markets, limits)
    killed = fallen.index[-4].isoformat()
    exits = {row.symbol: row for row in only(journal, "exit")}
    assert exits["A"].created == killed
    assert exits["B"].done == fallen.index[-3].isoformat()
    assert {trade.exit_reason for trade in journal.trades} == {"kill_switch"}
    assert all(row.gross == 0 for row in journal.equity if row.time > killed)
