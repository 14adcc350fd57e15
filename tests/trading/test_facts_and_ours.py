"""Where backtrader's broker has a trap, our gate and order desk step around it.

The numbers are those of ``tests/backtrader_facts``, where the broker shows the trap itself.
"""

from dataclasses import replace

import pytest
from listed_advice import EXIT, FREE, HOLD, LONG, ROOMY, SHORT, Listed, only, play, prices_after_warm_up

from llm_strategy import Costs

ALL_IN = replace(ROOMY, max_position_size=1.0, allow_short=True)
BOTH_EXITS = replace(ALL_IN, take_profit_pct=0.1)
STILL = (100, 100, 100, 100)


def trade(bars, actions, limits=ALL_IN, costs=FREE):
    """The journal of actions, one at each close from the one before ``bars``, over bars (open, high, low, close)."""
    return play(prices_after_warm_up(*bars), Listed(actions), limits, costs)


def held(journal):
    return [row.net for row in journal.equity]


def ends(journal):
    return [(row.kind, row.status) for row in journal.orders]


@pytest.mark.parametrize("opened", [100, 102, 103])
def test_fact_01_all_in_with_costs_fills_whole_after_any_gap_that_the_buffer_foresees(opened):
    costs = Costs(commission_bps=10, slippage_bps=10)
    journal = trade([(opened, 110, 99, 100)], [LONG], replace(ALL_IN, gap_buffer=0.03), costs)
    entry = only(journal, "entry")[0]
    assert (entry.status, entry.filled) == ("completed", entry.size)
    assert entry.size * 100 > 0.95 * costs.starting_cash
    assert journal.equity[-1].cash >= 0


def test_fact_02_the_planned_loss_and_the_realised_loss_of_a_gap_are_told_apart():
    row = trade([STILL, (90, 97, 85, 96)], [LONG]).trades[0]
    assert (row.exit_reason, row.exit_price) == ("stop", 90)
    assert row.planned_loss == pytest.approx(row.size * 5)
    assert row.gross == pytest.approx(row.size * -10)


def test_fact_03_the_stop_wins_even_on_a_bar_that_opened_beyond_the_target():
    journal = trade([STILL, (112, 115, 90, 100)], [LONG], BOTH_EXITS)
    assert ends(journal) == [("entry", "completed"), ("stop", "completed"), ("target", "canceled")]
    assert journal.trades[0].exit_price == 95


def test_fact_04_a_breach_on_the_bar_of_the_entry_is_counted_and_the_stop_is_live_on_the_next():
    journal = trade([(100, 100, 80, 99), (99, 99, 94, 97)], [LONG])
    row = journal.trades[0]
    assert (row.entry_bar_breach, row.exit_reason, row.bars_held) == (1, "stop", 1)
    assert row.exit_price == 95


@pytest.mark.parametrize("action", [LONG, SHORT])
@pytest.mark.parametrize(("price", "kind"), [(120, "up"), (80, "down")])
def test_fact_09_both_exits_of_a_position_near_full_cash_stay_live(action, price, kind):
    journal = trade([STILL, STILL, (price,) * 4, (price,) * 4], [action], BOTH_EXITS)
    assert only(journal, "entry")[0].filled * 100 == 100_000
    wins = (kind == "up") == (action is LONG)
    assert [row.exit_reason for row in journal.trades] == ["target" if wins else "stop"]
    assert held(journal)[-1] == 0
    assert sorted(row.status for row in journal.orders) == ["canceled", "completed", "completed"]


def test_fact_09_a_short_that_lost_more_than_the_account_is_covered():
    journal = trade([STILL, STILL, (250,) * 4, (250,) * 4], [SHORT])
    assert ends(journal) == [("entry", "completed"), ("stop", "completed")]
    assert held(journal)[-1] == 0
    assert journal.equity[-1].equity < 0


@pytest.mark.parametrize(("first", "second"), [(LONG, SHORT), (SHORT, LONG)])
def test_fact_11_a_reversal_is_an_exit_and_a_later_entry_each_filled_whole(first, second):
    bars = [STILL, STILL, *[(101,) * 4] * 3]
    journal = trade(bars, [first, HOLD, second, second], replace(ALL_IN, gap_buffer=0.02))
    market = [row for row in journal.orders if row.type == "market"]
    assert [row.kind for row in market] == ["entry", "exit", "entry"]
    assert all(row.status == "completed" and row.filled == row.size for row in market)
    assert market[1].size == market[0].size
    assert market[2].created == market[1].done


@pytest.mark.parametrize("action", [LONG, SHORT])
def test_fact_13_an_exit_said_again_and_again_leaves_nothing_that_opens_the_other_side(action):
    bars = [STILL, STILL, (100, 101, 99, 100), (100, 130, 70, 100), (100, 130, 70, 100)]
    journal = trade(bars, [action, EXIT, EXIT, EXIT, EXIT], BOTH_EXITS)
    assert ends(journal) == [
        ("entry", "completed"),
        ("stop", "canceled"),
        ("target", "canceled"),
        ("exit", "completed"),
    ]
    assert held(journal)[2:] == [0, 0, 0, 0]


@pytest.mark.parametrize("opened", [80, 100, 120])
@pytest.mark.parametrize(("action", "side"), [(LONG, 1), (SHORT, -1)])
def test_fact_18_after_any_gap_the_stop_lies_beyond_the_fill_and_does_not_fire_at_once(action, side, opened):
    limits = replace(BOTH_EXITS, max_position_size=0.5)
    journal = trade([(opened,) * 4] * 3, [action], limits)
    entry, stop, target = journal.orders
    assert (entry.fill_price - stop.price) * side == pytest.approx(opened * 0.05)
    assert (target.price - entry.fill_price) * side == pytest.approx(opened * 0.1)
    assert [stop.status, target.status] == ["pending", "pending"]


def test_fact_19_what_the_last_bar_leaves_open_is_told():
    journal = trade([STILL, (100, 104, 100, 104)], [LONG, HOLD, EXIT])
    assert ends(journal)[-1] == ("exit", "pending")
    row = journal.trades[0]
    assert (row.exit_reason, row.exit_price) == ("open", 104)
    assert row.gross == pytest.approx(row.size * 4)


def test_fact_20_sizes_are_whole_lots_and_a_closed_position_is_exactly_zero():
    limits = replace(ALL_IN, lot_step=0.1, max_position_size=0.3, gap_buffer=0.02)
    bars = [(price,) * 4 for price in (101, 102, 103, 102, 101, 100, 99, 100, 101, 102)]
    journal = trade(bars, [LONG, EXIT, HOLD] * 3, limits, Costs())
    entries = only(journal, "entry")
    assert [row.status for row in entries] == ["completed"] * 3
    assert all(round(row.size, 1) == row.size for row in entries)
    assert any(row.size % 1 for row in entries)
    assert [value for value in held(journal) if value] == pytest.approx([row.size * 102 for row in entries], rel=0.05)
    assert held(journal).count(0) == len(held(journal)) - 3
    assert [row.exit_reason for row in journal.trades] == ["advice"] * 3
