"""Orders live as the broker lets them: real backtrader and prices that gap, by hand. Arbitrary advice and prices are in
``test_gate_properties``."""

import random
from dataclasses import replace

import backtrader as bt
import pandas as pd
import pytest
from listed_advice import (
    EXIT,
    HOLD,
    LONG,
    ROOMY,
    SHORT,
    Listed,
    only,
    play,
    prices_after_warm_up,
    run_alone,
)
from live_broker import LiveBroker
from markets import random_prices, with_table

from llm_strategy import AdvisedStrategy, Journal
from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError, SimulationOnlyError
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.types import (
    ActionType,
)
from simulator.prices.feed import make_feed


def test_an_entry_decided_at_a_close_fills_at_the_next_open():
    journal = play(prices_after_warm_up((103, 104, 102, 103), (103, 104, 102, 103)), Listed([LONG]))
    entry = only(journal, "entry")[0]
    assert entry.created == journal.equity[0].time
    assert entry.done == journal.equity[1].time
    assert entry.fill_price == 103


def test_the_stop_is_computed_from_the_actual_fill_and_is_live_on_the_next_bar():
    bars = [(104, 104, 104, 104), (104, 104, 98, 100)]
    journal = play(prices_after_warm_up(*bars), Listed([LONG]))
    stop = only(journal, "stop")[0]
    assert stop.price == pytest.approx(104 * 0.95)
    assert (stop.status, stop.fill_price) == ("completed", pytest.approx(98.8))
    trade = journal.trades[0]
    assert trade.exit_reason == "stop"
    assert trade.planned_loss == pytest.approx(trade.size * 104 * 0.05)


def test_a_gap_through_the_stop_fills_at_the_open():
    bars = [(100, 100, 100, 100), (90, 91, 89, 90)]
    trade = play(prices_after_warm_up(*bars), Listed([LONG])).trades[0]
    assert trade.exit_price == 90
    assert -trade.gross > trade.planned_loss


def test_stop_and_target_in_one_bar_the_stop_wins():
    limits = replace(ROOMY, take_profit_pct=0.03)
    bars = [(100, 100, 100, 100), (100, 110, 90, 100)]
    journal = play(prices_after_warm_up(*bars), Listed([LONG]), limits)
    assert journal.trades[0].exit_reason == "stop"
    assert only(journal, "target")[0].status == "canceled"


def test_a_target_fills_and_takes_the_stop_away():
    limits = replace(ROOMY, take_profit_pct=0.03)
    bars = [(100, 100, 100, 100), (100, 104, 100, 104), (104, 104, 80, 80)]
    journal = play(prices_after_warm_up(*bars), Listed([LONG]), limits)
    assert journal.trades[0].exit_reason == "target"
    assert only(journal, "stop")[0].status == "canceled"
    assert journal.equity[-1].net == 0


def test_a_breach_of_the_stop_on_the_entry_bar_is_counted():
    bars = [(100, 100, 90, 99), (99, 99, 98, 99)]
    journal = play(prices_after_warm_up(*bars), Listed([LONG]))
    assert journal.trades[0].entry_bar_breach == 1
    assert journal.trades[0].exit_reason == "open"


def test_an_exit_leaves_nothing_behind_that_could_open_the_other_side():
    bars = [(100, 101, 99, 100)] * 3 + [(60, 60, 60, 60)] * 3
    journal = play(prices_after_warm_up(*bars), Listed([LONG, HOLD, EXIT, EXIT, EXIT]))
    assert [row.kind for row in journal.orders] == ["entry", "stop", "exit"]
    assert only(journal, "stop")[0].status == "canceled"
    assert journal.equity[-1].net == 0


def test_an_exit_on_the_bar_of_the_fill_cancels_the_fresh_stop():
    bars = [(100, 101, 99, 100)] * 2 + [(60, 60, 60, 60)] * 2
    journal = play(prices_after_warm_up(*bars), Listed([LONG, EXIT]))
    assert only(journal, "stop")[0].status == "canceled"
    assert journal.trades[0].exit_reason == "advice"
    assert journal.equity[-1].net == 0


def test_a_reversal_closes_first_and_enters_at_a_later_close():
    limits = replace(ROOMY, allow_short=True)
    bars = [(100, 101, 99, 100)] * 6
    journal = play(prices_after_warm_up(*bars), Listed([LONG, HOLD, SHORT, SHORT]), limits)
    assert [(row.kind, row.side) for row in journal.orders if row.type == "market"] == [
        ("entry", "buy"),
        ("exit", "sell"),
        ("entry", "sell"),
    ]
    assert [row.net > 0 for row in journal.equity[1:3]] == [True, True]
    assert journal.equity[3].net == 0
    assert journal.equity[4].net < 0


def test_a_refused_entry_leaves_the_book_flat_and_the_next_one_goes_through():
    bars = [(130, 130, 130, 130), (100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 100, 100)]
    limits = replace(ROOMY, max_position_size=1.0)
    journal = play(prices_after_warm_up(*bars), Listed([LONG, HOLD, LONG]), limits)
    assert [row.status for row in only(journal, "entry")] == ["margin", "completed"]


def test_orders_and_positions_at_the_end_are_told():
    bars = [(100, 101, 99, 100)] * 2
    held = play(prices_after_warm_up(*bars), Listed([LONG]))
    assert held.trades[-1].exit_reason == "open"
    assert only(held, "stop")[0].status == "pending"
    late = play(prices_after_warm_up(*bars), Listed([HOLD, HOLD, LONG]))
    assert only(late, "entry")[0].status == "pending"


def test_an_abstention_keeps_the_stop_and_opens_nothing():
    bars = [(100, 101, 99, 100)] * 3 + [(100, 100, 90, 92)]
    journal = play(prices_after_warm_up(*bars), Listed([LONG, None, None, None]))
    assert journal.trades[0].exit_reason == "stop"
    assert len(only(journal, "entry")) == 1


def test_no_entry_during_the_cooldown_after_a_stop():
    limits = replace(ROOMY, cooldown_bars=3)
    bars = [(100, 100, 100, 100), (100, 100, 94, 96)] + [(96, 96, 96, 96)] * 5
    journal = play(prices_after_warm_up(*bars), Listed([LONG] * 8), limits)
    first, second = only(journal, "entry")
    times = [row.time for row in journal.equity]
    stopped = times.index(only(journal, "stop")[0].done)
    assert times.index(first.created) == 0
    assert times.index(second.created) == stopped + 3


def test_the_kill_switch_flattens_and_stays():
    limits = replace(ROOMY, max_drawdown=0.1, stop_loss_pct=0.2)
    bars = [(100, 100, 100, 100)] + [(88, 88, 88, 88)] * 10
    journal = play(prices_after_warm_up(*bars), Listed([LONG] * 12), limits)
    assert journal.trades[0].exit_reason == "kill_switch"
    assert all(row.net == 0 for row in journal.equity[3:])
    assert len(only(journal, "entry")) == 1


def test_the_four_engine_modes_trade_the_same():
    prices = random_prices(500, seed=11, gap=0.01)
    actions = random.Random(2).choices(list(ActionType), k=230)
    books = []
    for runonce in (True, False):
        for preload in (True, False):
            journal = Journal()
            cerebro = bt.Cerebro(stdstats=False, runonce=runonce, preload=preload)
            cerebro.adddata(make_feed(prices))
            cerebro.broker = SimulatedBroker(Costs())
            cerebro.addstrategy(AdvisedStrategy, advisor=Listed(actions), limits=ROOMY, journal=journal)
            cerebro.run()
            books.append((journal.orders, journal.trades, journal.equity))
    assert books[0][1]
    assert all(book == books[0] for book in books)


def test_a_broker_that_is_not_simulated_is_refused():
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(random_prices(300)))
    cerebro.setbroker(LiveBroker())
    cerebro.addstrategy(AdvisedStrategy, advisor=Listed([]))
    with pytest.raises(SimulationOnlyError, match="LiveBroker"):
        cerebro.run()


@pytest.mark.parametrize("switch", ["set_coc", "set_coo"])
def test_filling_at_the_bar_of_the_decision_is_refused(switch):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(random_prices(300)))
    getattr(cerebro.broker, switch)(True)
    cerebro.addstrategy(AdvisedStrategy, advisor=Listed([]))
    with pytest.raises(ConfigurationError, match="next open"):
        cerebro.run()


def test_it_runs_in_a_plain_cerebro_with_its_own_defaults():
    cerebro = bt.Cerebro()
    cerebro.adddata(make_feed(random_prices(400, seed=4)))
    cerebro.addstrategy(AdvisedStrategy, advisor=Listed([LONG]))
    (strategy,) = cerebro.run()
    assert len(strategy.journal.entries) == 400 - LONGEST_LOOKBACK + 1
    assert strategy.journal.trades


@pytest.mark.parametrize("scheme", [{"commission": 0.0, "margin": 10, "mult": 50}, {"commission": 2.0, "margin": 1000}])
def test_a_scheme_that_the_gate_cannot_size_is_refused(scheme):
    with pytest.raises(ConfigurationError, match="that of a stock"):
        run_alone({"advisor": Listed([LONG])}, prepare=lambda cerebro: cerebro.broker.setcommission(**scheme))


def test_two_strategies_on_one_feed_share_the_gross_exposure():
    limits = replace(ROOMY, max_position_size=0.5, max_gross_exposure=0.6)
    later = Listed([HOLD, HOLD, LONG])
    run = run_alone({"advisor": Listed([LONG]), "limits": limits}, {"advisor": later, "limits": limits})
    first, second = (strategy.journal for strategy in run)
    assert 0.5 < first.equity[4].gross / first.equity[4].equity < 0.65
    assert any(cut.limit == "max_gross_exposure" for entry in second.entries for cut in entry.verdict.clamps)


def test_a_second_feed_does_not_double_the_decisions():
    prices = random_prices(400, seed=4)
    other = with_table(prices, prices.table.set_index(prices.table.index + pd.Timedelta(hours=12)))
    (strategy,) = run_alone(
        {"advisor": Listed([LONG])}, prices=prices, prepare=lambda cerebro: cerebro.adddata(make_feed(other))
    )
    bars = [entry.bar for entry in strategy.journal.entries]
    assert len(bars) == len(set(bars))
