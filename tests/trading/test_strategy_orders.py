"""Order rules and orders that fill in part, played on real backtrader and prices by hand."""

from dataclasses import replace

import backtrader as bt
import pytest
from listed_advice import (
    EXIT,
    FLAT,
    FREE,
    HOLD,
    LONG,
    MARKET,
    ROOMY,
    Listed,
    kinds,
    only,
    play,
    prices_after_warm_up,
    run_alone,
)

from llm_strategy.errors import ConfigurationError
from llm_strategy.trading.orders import OrderRules
from llm_strategy.types import (
    Constraints,
)


def test_an_entry_that_is_filled_in_part_is_cut_and_protected():
    bars = [(100, 101, 99, 100)] * 4 + [(60, 60, 60, 60)] * 30
    prices = prices_after_warm_up(*bars)
    prices.table["volume"] = 100.0

    def thin(cerebro):
        cerebro.broker.set_filler(bt.fillers.FixedBarPerc(perc=10))

    (strategy,) = run_alone({"advisor": Listed([LONG]), "limits": ROOMY}, prices=prices, prepare=thin)
    journal = strategy.journal
    entry = only(journal, "entry")[0]
    assert (entry.status, entry.filled) == ("canceled", 10)
    stop = only(journal, "stop")[0]
    assert (stop.size, stop.filled) == (10, 10)
    assert journal.equity[-1].net == 0
    assert journal.trades[0].exit_reason == "stop"


def test_a_position_is_closed_after_its_longest_time():
    limits = replace(ROOMY, max_holding_bars=3)
    trade = play(prices_after_warm_up(*[FLAT] * 8), Listed([LONG]), limits).trades[0]
    assert (trade.exit_reason, trade.bars_held) == ("time", 4)  # sent at the third close, filled at the open after


def test_an_advised_exit_waits_for_the_shortest_time_and_a_stop_does_not():
    limits = replace(ROOMY, min_holding_bars=3)
    journal = play(prices_after_warm_up(*[FLAT] * 8), Listed([LONG, *[EXIT] * 7]), limits)
    assert (journal.trades[0].exit_reason, journal.trades[0].bars_held) == ("advice", 4)
    assert "min_holding_bars" in [cut.limit for entry in journal.entries for cut in entry.verdict.clamps]
    fallen = play(prices_after_warm_up(FLAT, (100, 100, 90, 90)), Listed([LONG]), limits)
    assert (fallen.trades[0].exit_reason, fallen.trades[0].bars_held) == ("stop", 1)


def test_a_trailing_stop_follows_the_closes_up_and_never_down():
    limits = replace(ROOMY, trailing_stop=True)
    bars = [FLAT, (100, 110, 100, 110), (108, 108, 106, 106), (106, 106, 100, 100)]
    journal = play(prices_after_warm_up(*bars), Listed([LONG]), limits)
    assert [row.price for row in only(journal, "stop")] == pytest.approx([95, 104.5])
    assert journal.trades[0].exit_price == pytest.approx(104.5)
    assert journal.trades[0].net > 0


def test_a_new_advice_moves_the_stop_closer_and_never_away():
    wanted = {2: Constraints(stop_loss_pct=0.02), 3: Constraints(stop_loss_pct=0.2)}
    journal = play(prices_after_warm_up(*[FLAT] * 6), Listed([LONG] * 6, wanted), replace(ROOMY, take_profit_pct=0.1))
    assert [(row.price, row.status) for row in only(journal, "stop")] == [(95, "canceled"), (98, "pending")]
    assert [(row.price, row.status) for row in only(journal, "target")] == [
        (pytest.approx(110), "canceled"),
        (pytest.approx(110), "pending"),
    ]


LIMIT = OrderRules(entry="limit", limit_offset_pct=0.01, entry_bars=2)


def test_a_limit_entry_fills_at_its_price_and_its_stop_counts_from_there():
    bars = [(100, 100, 99.5, 100), (100, 100, 98, 99)]
    journal = play(prices_after_warm_up(*bars), Listed([LONG]), rules=LIMIT)
    entry = only(journal, "entry")[0]
    assert (entry.type, entry.status, entry.fill_price) == ("limit", "completed", 99)
    assert only(journal, "stop")[0].price == pytest.approx(99 * 0.95)


def test_a_limit_entry_expires_after_its_bars():
    journal = play(prices_after_warm_up(FLAT, FLAT, (100, 100, 90, 95), FLAT), Listed([LONG]), rules=LIMIT)
    assert kinds(journal) == [("entry", "canceled")]
    assert not journal.trades


def test_an_exit_advice_withdraws_a_limit_entry():
    journal = play(prices_after_warm_up(FLAT, (100, 100, 90, 95)), Listed([LONG, EXIT]), rules=LIMIT)
    assert kinds(journal) == [("entry", "canceled")]


def test_an_entry_cancelled_at_the_last_close_is_told_as_cancelled():
    journal = play(prices_after_warm_up(FLAT), Listed([LONG, EXIT]), rules=LIMIT)
    assert kinds(journal) == [("entry", "canceled")]
    assert only(journal, "entry")[0].done == journal.equity[-1].time


THIN = replace(FREE, max_fill_share=0.1)


def thin_prices(*bars, volumes):
    """Bars with volumes of their own after the warm-up."""
    prices = prices_after_warm_up(*bars)
    prices.table.iloc[-len(volumes) :, prices.table.columns.get_loc("volume")] = volumes
    return prices


def test_of_a_stop_that_is_filled_in_part_the_rest_leaves_at_the_next_open():
    bars = [FLAT, (100, 100, 90, 92), (80, 80, 80, 80)]
    journal = play(thin_prices(*bars, volumes=[1e5, 1_000, 1e5]), Listed([LONG]), costs=THIN)
    size = only(journal, "entry")[0].size
    assert [(row.kind, row.status, row.size, row.filled, row.fill_price) for row in journal.orders[1:]] == [
        ("stop", "canceled", size, 100, 95),
        ("exit", "completed", size - 100, size - 100, 80),
    ]
    assert journal.trades[0].exit_reason == "stop"


def test_of_a_target_that_is_filled_in_part_the_rest_is_protected_again():
    bars = [FLAT, (100, 110, 100, 104), FLAT]
    limits = replace(ROOMY, take_profit_pct=0.05)
    journal = play(thin_prices(*bars, volumes=[1e5, 1_000, 1e5]), Listed([LONG]), limits, THIN)
    left = only(journal, "entry")[0].size - 100
    assert [(row.kind, row.status, row.filled) for row in journal.orders[1:3]] == [
        ("stop", "canceled", 0),
        ("target", "canceled", 100),
    ]
    assert [(row.kind, row.status, row.size) for row in journal.orders[3:]] == [
        ("stop", "pending", left),
        ("target", "pending", left),
    ]


def test_an_exit_that_is_filled_in_part_at_the_end_is_in_the_books():
    bars = [FLAT, FLAT, (120, 120, 80, 80)]
    journal = play(thin_prices(*bars, volumes=[1e5, 1e5, 1_000]), Listed([LONG, HOLD, EXIT]), costs=THIN)
    trade = journal.trades[0]
    assert trade.exit_reason == "open"
    assert trade.net == pytest.approx(journal.equity[-1].equity - FREE.starting_cash)
    assert trade.gross == pytest.approx(100 * 20 - (trade.size - 100) * 20)


def test_fills_at_the_same_close_happen_only_where_both_sides_know():
    same = OrderRules(fill="same_close")
    journal = play(prices_after_warm_up((90, 90, 90, 90), FLAT), Listed([LONG]), rules=same)
    assert only(journal, "entry")[0].fill_price == 100
    assert play(prices_after_warm_up((90, 90, 90, 90), FLAT), Listed([LONG])).orders[0].fill_price == 90
    for at_the_close, rules in ((False, same), (True, MARKET)):
        with pytest.raises(ConfigurationError, match="same_close"):
            run_alone(
                {"advisor": Listed([LONG]), "orders": rules},
                prepare=lambda cerebro, coc=at_the_close: cerebro.broker.set_coc(coc),
            )
