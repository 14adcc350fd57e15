"""How far trades went against an account and with it: by hand, bar by bar."""

import pandas as pd
import pytest

from simulator.evaluation.excursions import measure_excursions

TIMES = pd.bdate_range("2020-01-01", periods=5)
PRICES = pd.DataFrame(
    {
        "open": [100.0, 101.0, 104.0, 103.0, 98.0],
        "high": [102.0, 106.0, 110.0, 104.0, 99.0],
        "low": [99.0, 95.0, 103.0, 90.0, 80.0],
        "close": [101.0, 104.0, 105.0, 97.0, 90.0],
    },
    index=TIMES,
)


def trade(side="long", entered=1, exited=3, entry=101.0, left=103.0, reason="advice", net=20.0, symbol="A"):
    return {
        "symbol": symbol, "side": side, "size": 10.0 if side == "long" else -10.0, "entered": TIMES[entered],
        "entry_price": entry, "exited": TIMES[exited], "exit_price": left, "exit_reason": reason, "net": net,
    }  # fmt: skip


def measured(*trades, prices=PRICES):
    return measure_excursions(pd.DataFrame(trades), {"A": prices})


def test_the_bar_of_the_entry_counts_whole_and_of_that_of_the_exit_the_exit_alone():
    found = measured(trade())
    assert found.adverse[0] == pytest.approx(6 / 101), "the low of the first bar; the 90 of the last is after the exit"
    assert found.favourable[0] == pytest.approx(9 / 101)
    assert found.result[0] == pytest.approx(20 / 1010)


def test_a_short_trade_has_them_the_other_way_round():
    found = measured(trade(side="short"))
    assert (found.adverse[0], found.favourable[0]) == (pytest.approx(9 / 101), pytest.approx(6 / 101))


def test_the_price_of_a_stop_counts():
    found = measured(trade(left=92.0, reason="stop", net=-90.0))
    assert found.adverse[0] == pytest.approx(9 / 101)


def test_a_trade_that_is_still_held_counts_its_last_bar_whole():
    found = measured(trade(exited=4, left=90.0, reason="open", net=-110.0))
    assert found.adverse[0] == pytest.approx(21 / 101)
    assert found.is_open.tolist() == [True]


def test_a_trade_that_only_rose_has_nothing_against_it():
    found = measured(trade(entered=2, exited=2, entry=103.0, left=105.0))
    assert (found.adverse[0], found.favourable[0]) == (0.0, pytest.approx(2 / 103))


def test_prices_of_one_value_a_bar_are_told_apart():
    flat = PRICES.assign(high=PRICES["close"], low=PRICES["close"], open=PRICES["close"])
    assert measured(trade(), prices=flat).by_closes
    assert not measured(trade()).by_closes


@pytest.mark.parametrize(
    "trades", [[], [trade(symbol="B")], [trade() | {"exited": pd.Timestamp("2021-01-01")}]],
    ids=["no trades", "no such symbol", "a bar that is missing"],
)  # fmt: skip
def test_without_the_bars_of_a_trade_nothing_is_measured(trades):
    columns = list(trade())
    assert measure_excursions(pd.DataFrame(trades, columns=columns), {"A": PRICES}) is None
