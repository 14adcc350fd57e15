"""The market itself as a line beside the arms: one entry with all the cash, through the same fills and costs."""

import pandas as pd
import pytest
from markets import from_bars, random_prices, several_symbols

from llm_strategy.trading.journal import Journal
from simulator import Experiment
from simulator.prices.load import Prices
from simulator.prices.universe import Universe
from simulator.runs.strategies.ungated import simulate_ungated, trade_ungated

LOOKBACKS = {"trend": 40, "momentum": 20, "volatility_rank": 30, "drawdown": 40}
FREE = {"commission_bps": 0, "slippage_bps": 0, "spread_bps": 0}


def simulated(universe, rule="buy_and_hold", **sections):
    experiment = Experiment.from_mapping({"advisor": {"lookbacks": LOOKBACKS}, "arms": [rule]} | sections)
    return simulate_ungated(universe, experiment.rule(rule), experiment, Journal()), experiment


def test_without_costs_its_return_is_the_mean_of_the_symbols_to_the_cent():
    universe = several_symbols(3, 400)
    journal, experiment = simulated(universe, costs=FREE)
    first = experiment.warm_up.bars  # the bar after the first decision
    growth = [prices.table.close.iloc[-1] / prices.table.open.iloc[first] for prices in universe.markets]
    assert journal.equity[-1].equity == pytest.approx(100_000 * sum(growth) / 3, abs=0.005)
    assert journal.equity[0].equity == 100_000


def test_it_pays_one_entry_and_borrows_nothing():
    table = from_bars([100.0] * 60, [100.0] * 60)
    costs = {"commission_bps": 10, "slippage_bps": 0, "spread_bps": 0, "commission_minimum": 5, "leverage": 2}
    journal, _ = simulated(Universe((table,)), costs=costs, risk={"max_gross_exposure": 2.0})
    (order,) = journal.orders
    assert order.size == order.filled == pytest.approx(100_000 / 100.1)
    assert journal.equity[-1].equity == pytest.approx(100_000 - order.commission)
    assert order.commission == pytest.approx(0.001 * 100_000 / 1.001)
    assert min(row.cash for row in journal.equity) >= 0


def test_a_gap_up_at_the_fill_is_bought_with_what_there_is():
    opens = [100.0] * 50 + [150.0] * 19
    journal, experiment = simulated(Universe((from_bars(opens, opens),)), costs=FREE)
    assert experiment.warm_up.bars == 50
    (order,) = journal.orders
    assert order.fill_price == 150
    assert order.filled == pytest.approx(100_000 / 150)


def test_a_purchase_in_parts_is_booked_as_one_trade():
    journal, _ = simulated(Universe((random_prices(120),)), costs={"max_fill_share": 0.002, "commission_bps": 5})
    (order,), (trade,) = journal.orders, journal.trades
    assert order.status == "completed"
    assert order.done > order.created
    assert trade.net == pytest.approx(journal.equity[-1].equity - 100_000)
    assert min(row.cash for row in journal.equity) >= 0


def test_a_rule_holds_all_of_its_symbol_or_nothing_and_never_less():
    universe = several_symbols(2, 500)
    journal, _ = simulated(universe, "regime_rule", costs=FREE)
    assert len(journal.trades) > 4
    assert {trade.side for trade in journal.trades} == {"long"}
    assert sum(trade.net for trade in journal.trades) == pytest.approx(journal.equity[-1].equity - 100_000)
    purses = {"S00": 50_000.0, "S01": 50_000.0}
    for trade in journal.trades:
        assert trade.size * trade.entry_price == pytest.approx(
            purses[trade.symbol]
        )  # all of its own, none of the other
        purses[trade.symbol] += trade.net


def test_it_leaves_the_evidence_of_every_arm_and_begins_with_them(tmp_path):
    prices = random_prices(200)
    experiment = Experiment.from_mapping({"advisor": {"lookbacks": LOOKBACKS}, "arms": ["buy_and_hold"]})
    entries = []
    trade_ungated(Universe((prices,)), experiment.rule("buy_and_hold"), experiment, entries.append, tmp_path)
    equity = pd.read_csv(tmp_path / "equity.csv", parse_dates=["time"])
    assert list(equity.time) == list(prices.table.index[experiment.warm_up.bars - 1 :])
    assert [entry.bar for entry in entries] == list(range(experiment.warm_up.bars - 1, 200))
    assert [str(entry.verdict.intent) for entry in entries[:2]] == ["enter_long", "none"]
    assert len((tmp_path / "decisions.jsonl").read_text().splitlines()) == len(entries)


def test_a_symbol_that_ends_stays_at_its_last_close():
    long, short = random_prices(200, 1).table, random_prices(120, 2).table
    universe = Universe((Prices("test", "A", "1d", long), Prices("test", "B", "1d", short)))
    journal, experiment = simulated(universe, costs=FREE)
    first = experiment.warm_up.bars
    growth = [table.close.iloc[-1] / table.open.iloc[first] for table in (long, short)]
    assert journal.equity[-1].equity == pytest.approx(50_000 * sum(growth), abs=0.005)
