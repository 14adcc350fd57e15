"""Figures of accounts, trades and orders against numbers worked out by hand and by other libraries."""

import dataclasses
import math
import statistics

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from record_account import CASH
from record_factory import ALL_ARMS, write_comparison

from simulator.evaluation.metrics import dealing, performance, returns, trading
from simulator.folder.evidence import ORDER_COLUMNS, TRADE_COLUMNS
from simulator.folder.record import load_record


def account(equity, gross=0.0, carry=0.0):
    time = pd.bdate_range("2020-01-01", periods=len(equity), name="time")
    table = pd.DataFrame({"equity": equity, "cash": 0.0, "net": gross, "gross": gross, "carry": carry}, index=time)
    return table.astype(float)


def test_a_small_account_worked_out_by_hand():
    measured = performance(account([100, 110, 99, 99, 121], gross=[0, 50, 50, 50, 0]), 252)
    moves = [0.1, -0.1, 0.0, 121 / 99 - 1]
    year = math.sqrt(252)
    assert measured.total_return == pytest.approx(0.21)
    assert measured.cagr == pytest.approx(1.21 ** (252 / 4) - 1)
    assert measured.volatility == pytest.approx(statistics.stdev(moves) * year)
    assert measured.sharpe == pytest.approx(statistics.mean(moves) / statistics.stdev(moves) * year)
    assert measured.sortino == pytest.approx(statistics.mean(moves) / math.sqrt(0.1**2 / 4) * year)
    assert measured.max_drawdown == pytest.approx(0.1)
    assert measured.drawdown_bars == 3
    assert measured.calmar == pytest.approx(measured.cagr / 0.1)
    assert measured.exposure == pytest.approx((50 / 110 + 50 / 99 + 50 / 99) / 5)
    assert measured.time_in_market == pytest.approx(3 / 5)


def test_a_long_account_against_scipy_and_a_plain_search():
    rng = np.random.default_rng(3)
    equity = 1000 * np.exp(np.cumsum(0.01 * rng.standard_normal(600)))
    measured = performance(account(equity), 365)
    moves = np.diff(equity) / equity[:-1]
    assert measured.volatility == pytest.approx(scipy.stats.tstd(moves) * math.sqrt(365))
    assert measured.sharpe == pytest.approx(moves.mean() / scipy.stats.tstd(moves) * math.sqrt(365))
    deepest = max((1 - equity[j] / equity[i], i, j) for i in range(600) for j in range(i, 600))
    back = next((k for k in range(deepest[2], 600) if equity[k] >= equity[deepest[1]]), 599)
    assert measured.max_drawdown == pytest.approx(deepest[0])
    assert measured.drawdown_bars == back - deepest[1]


def test_a_drawdown_that_never_recovers_lasts_to_the_end():
    measured = performance(account([100, 120, 90, 95, 100, 110]), 252)
    assert (measured.max_drawdown, measured.drawdown_bars) == (pytest.approx(0.25), 4)


@pytest.mark.parametrize(
    ("equity", "known"),
    [
        ([], {}),
        ([100], {"exposure": 0.0, "time_in_market": 0.0}),
        (
            [100, 100, 100],
            {"total_return": 0.0, "cagr": 0.0, "volatility": 0.0, "max_drawdown": 0.0, "drawdown_bars": 0},
        ),
        ([100, 50, -20], {"total_return": -1.2, "max_drawdown": 1.2, "drawdown_bars": 2}),
        ([100, 101], {"total_return": 0.01, "cagr": 1.01**252 - 1, "max_drawdown": 0.0}),
    ],
)
def test_what_cannot_be_measured_is_none_and_nothing_is_nan(equity, known):
    measured = dataclasses.asdict(performance(account(equity), 252))
    assert {name: measured[name] for name in known} == pytest.approx(known)
    assert measured["sharpe"] is measured["sortino"] is measured["calmar"] is None
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in measured.values())


def test_a_minute_of_data_is_not_blown_up_to_a_year():
    assert performance(account([100, 110]), 100_000).cagr is None


def trade(**known):
    return dict.fromkeys(TRADE_COLUMNS, 0) | {"side": "long", "exit_reason": "advice"} | known


def test_trades_worked_out_by_hand():
    measured = trading(
        pd.DataFrame(
            [
                trade(net=300, gross=310, bars_held=10),
                trade(net=100, gross=110, bars_held=20),
                trade(net=-110, gross=-100, planned_loss=80, exit_reason="stop", bars_held=3, entry_bar_breach=1),
                trade(net=-90, gross=-80, planned_loss=-80, exit_reason="stop", bars_held=7),
                trade(net=5000, gross=5010, exit_reason="open", bars_held=900),
            ],
            columns=TRADE_COLUMNS,
        )
    )
    assert (measured.trades, measured.open_at_end, measured.stop_exits, measured.entry_bar_breaches) == (5, 1, 2, 1)
    assert measured.exits == {"advice": 2, "stop": 2}
    assert (measured.hit_rate, measured.bars_held) == (0.5, 10)
    assert (measured.average_win, measured.average_loss, measured.worst_trade) == (200, -100, -110)
    assert measured.profit_factor == pytest.approx(2.0)
    assert (measured.stop_planned_loss, measured.stop_realised_loss) == (160, 180)
    assert measured.stop_worst_overrun == pytest.approx(1.25)


def test_no_trades_have_no_rates():
    measured = trading(pd.DataFrame(columns=TRADE_COLUMNS))
    assert (measured.trades, measured.open_at_end, measured.stop_exits, measured.entry_bar_breaches) == (0, 0, 0, 0)
    assert measured.hit_rate is measured.profit_factor is measured.worst_trade is measured.stop_worst_overrun is None


def order(kind, side, type_, done, fill_price, **known):
    return (
        dict.fromkeys(ORDER_COLUMNS)
        | {
            "symbol": "SYN",
            "kind": kind,
            "side": side,
            "type": type_,
            "size": 10.0,
            "status": "completed",
            "done": pd.Timestamp(done),
        }
        | {"fill_price": fill_price, "filled": 10.0, "commission": 1.0}
        | known
    )


def test_orders_worked_out_by_hand():
    days = pd.bdate_range("2020-01-01", periods=5, name="time")
    prices = pd.DataFrame({"open": [100.0, 101, 90, 95, 97]}, index=days)
    other = pd.DataFrame({"open": [10.0, 11, 12, 13, 14]}, index=days)
    orders = pd.DataFrame(
        [
            order("entry", "buy", "market", days[1], 101.5),
            order("stop", "sell", "stop", days[2], 89.0, price=95.0),  # gap: due at the open of 90
            order("entry", "buy", "market", days[3], 95.5),
            order("target", "sell", "limit", days[4], 99.0, price=99.0),  # at its price, nothing slips
            order("entry", "buy", "limit", days[4], 13.5, price=13.8, symbol="B", filled=0.0, status="expired"),
            order("entry", "buy", "limit", days[3], 13.2, price=13.8, symbol="B"),  # the open was better: it slips
            order("exit", "sell", "market", days[4], 13.9, symbol="B"),
            order("stop", "sell", "stop", None, None, price=80.0, status="Pending", filled=0.0, commission=0.0),
        ],
        columns=ORDER_COLUMNS,
    )
    equity = account([1000.0] * 5, carry=[0, 0.5, 1, 1.5, 2])
    measured = dealing(orders, equity, {"SYN": prices, "B": other}, 252)
    traded = 10 * (101.5 + 89 + 95.5 + 99 + 13.2 + 13.9)
    assert measured.slippage == pytest.approx(10 * (0.5 + 1 + 0.5 + 0.2 + 0.1))
    assert (measured.commission, measured.carry, measured.pending) == (7.0, 2.0, 1)
    assert measured.costs == pytest.approx(7 + 2 + 23)
    assert measured.turnover == pytest.approx(traded / 1000 * 252 / 4)
    assert measured.cost_rate == pytest.approx(0.032 * 252 / 4)
    assert measured.orders == {
        ("entry", "completed"): 3,
        ("entry", "expired"): 1,
        ("exit", "completed"): 1,
        ("stop", "completed"): 1,
        ("stop", "pending"): 1,
        ("target", "completed"): 1,
    }


def test_a_market_order_that_fills_at_the_same_close_is_due_at_that_close():
    days = pd.bdate_range("2020-01-01", periods=2, name="time")
    prices = {"SYN": pd.DataFrame({"open": [100.0, 110], "close": [104.0, 111]}, index=days)}
    orders = pd.DataFrame([order("entry", "buy", "market", days[1], 104.5, created=days[0])], columns=ORDER_COLUMNS)
    assert dealing(orders, account([1e3, 1e3]), prices, 252, same_close=True).slippage == pytest.approx(5)
    assert dealing(orders, account([1e3, 1e3]), prices, 252).slippage == pytest.approx(-55)


def test_fills_at_unknown_times_leave_the_slippage_open():
    prices = pd.DataFrame({"open": [100.0]}, index=pd.DatetimeIndex(["2020-01-01"], name="time"))
    orders = pd.DataFrame([order("entry", "buy", "market", "2021-01-01", 50.0)], columns=ORDER_COLUMNS)
    for known in ({"SYN": prices}, {"B": prices}):
        measured = dealing(orders, account([1000.0, 1000.0]), known, 252)
        assert measured.slippage is measured.costs is measured.cost_rate is None


@pytest.mark.parametrize("symbols", [("SYN",), ("A", "B")])
@pytest.mark.parametrize("arm", ALL_ARMS)
def test_account_trades_and_orders_of_a_record_tell_one_story(tmp_path, arm, symbols):
    record = load_record(write_comparison(tmp_path, arms=(arm,), symbols=symbols, ended=20).folder)
    made = record.arms[0]
    deals = dealing(made.orders, made.equity, record.prices, 252)
    assert made.equity["equity"].iloc[-1] - CASH == pytest.approx(made.trades["net"].sum())
    assert deals.commission == pytest.approx(made.trades["commission"].sum())
    filled = made.orders[made.orders["filled"] > 0]
    assert deals.slippage == pytest.approx((filled["fill_price"] * filled["filled"]).sum() * 0.0005, rel=1e-3)
    assert np.prod(1 + returns(made.equity["equity"])) == pytest.approx(made.equity["equity"].iloc[-1] / CASH)
