"""What was charged stands beside what was set: slippage that had no room in its bar, and trades that have not ended."""

import pandas as pd
import pytest
from small_run import small

import simulator
from simulator.evaluation.slippage import slippage_of
from simulator.folder.evidence import ORDER_COLUMNS

DAYS = pd.bdate_range("2020-01-01", periods=4, name="time")
PRICES = {
    "A": pd.DataFrame(
        {"open": [100.0, 100, 100, 100], "high": [101.0, 100, 101, 101], "low": 99.0, "close": 100.0, "volume": 1e6},
        index=DAYS,
    )
}


def order(day, fill, kind="market", side="buy", price=None, filled=10):
    row = dict.fromkeys(ORDER_COLUMNS, "")
    return row | {
        "symbol": "A", "side": side, "type": kind, "price": price, "fill_price": fill, "filled": filled,
        "done": DAYS[day], "created": DAYS[day - 1],
    }  # fmt: skip


def test_a_fill_at_the_worst_price_of_its_bar_has_paid_nothing():
    orders = pd.DataFrame([order(2, 100.05), order(1, 100.0)])
    measured = slippage_of(orders, PRICES)
    assert measured.paid == pytest.approx(0.5)
    assert measured.bps == pytest.approx(2.5)  # of 5: the second bar opened at its high
    assert measured.without == 0.5


def test_limits_count_in_currency_alone_and_without_fills_there_is_no_rate():
    orders = pd.DataFrame([order(2, 99.5, "limit", price=99.5)])
    assert slippage_of(orders, PRICES) == (0.0, None, None)
    assert slippage_of(orders.iloc[:0], PRICES) == (0.0, None, None)
    assert slippage_of(orders, {}) is None


@pytest.fixture(scope="module")
def index_of_old(tmp_path_factory):
    data = {"source": "sample:sp500", "start": "2000-03-01", "end": "2002-08-31"}
    folder = tmp_path_factory.mktemp("old")
    return simulator.compare(small(folder, data=data, arms=["regime_rule", "buy_and_hold"]))


def test_the_page_says_what_was_charged_of_what_was_set(index_of_old):
    facts, page = index_of_old.facts, (index_of_old.folder / "report.md").read_text()
    charged, free = facts["regime_rule.slippage_bps"], facts["regime_rule.without_slippage"]
    assert 3 < charged.value < 4.9
    assert 0.05 < free.value < 0.4
    told = (
        f"Of 5 basis points of slippage the market and stop fills of regime_rule paid {charged.text}, and nothing at "
        f"{free.text} of them: a fill stays within its bar"
    )
    assert told in page
    assert index_of_old.charges[0].startswith(told)
    arm = index_of_old.record.arm("regime_rule")
    worked = slippage_of(arm.orders[arm.orders["filled"] > 0], index_of_old.record.prices)
    assert charged.value == pytest.approx(worked.bps)


def test_where_all_of_it_was_charged_nothing_is_said(tmp_path):
    page = (simulator.compare(small(tmp_path, arms=["momentum"])).folder / "report.md").read_text()
    assert "of slippage the market and stop fills" not in page


def test_a_result_that_rests_on_an_open_trade_is_said_to(index_of_old):
    facts = index_of_old.facts
    for arm in index_of_old.record.arms:
        ended = arm.trades[arm.trades["exit_reason"] != "open"]["net"].sum()
        if (arm.trades["exit_reason"] == "open").any():
            assert facts[f"{arm.name}.open_profit"].value == pytest.approx(arm.trades["net"].sum() - ended)
        else:
            assert facts[f"{arm.name}.open_profit"].text == "n/a"
    page = (index_of_old.folder / "report.md").read_text()
    resting = [
        arm.name
        for arm in index_of_old.record.arms
        if "n/a" not in (facts[f"{arm.name}.open_profit"].text, facts[f"{arm.name}.closed_profit"].text)
        and abs(facts[f"{arm.name}.open_profit"].value) > abs(facts[f"{arm.name}.closed_profit"].value)
    ]
    assert ("leave out what these results rest on" in page) is bool(resting)
    for name in resting:
        assert f"{name} stands at {facts[f'{name}.open_profit'].text} in trades still open" in page
