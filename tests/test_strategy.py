"""Orders live as the broker lets them: real backtrader, prices that gap, and arbitrary advice."""

import random
from dataclasses import replace
from itertools import pairwise

import backtrader as bt
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markets import from_bars, random_prices, with_table

from llm_strategy import AdvisedStrategy, Journal, Limits
from llm_strategy.errors import ConfigurationError, SimulationOnlyError
from llm_strategy.features import LONGEST_LOOKBACK
from llm_strategy.policy import assess
from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    Action,
    ActionType,
    Advice,
    Constraints,
    Decision,
    PolicyOutcome,
    PolicyVerdict,
    Regime,
    RegimeLabel,
    Status,
)
from simulator.arms import simulate
from simulator.broker import Costs, set_up_broker
from simulator.experiment import Experiment
from simulator.feed import make_feed

LONG, SHORT, EXIT, HOLD = ActionType.ENTER_LONG, ActionType.ENTER_SHORT, ActionType.EXIT, ActionType.HOLD
FREE = Costs(commission_bps=0, slippage_bps=0)
ROOMY = Limits(
    max_position_size=0.9, max_risk_per_trade=1, stop_loss_pct=0.05, max_drawdown=1, cooldown_bars=0, gap_buffer=0
)


class Listed:
    """An advisor that says what it was given, bar by bar, and then holds."""

    def __init__(self, actions, constraints=None):
        self.actions = dict(enumerate(actions))
        self.constraints = constraints or {}
        self.bar = -1

    def attach(self, data):
        self.bar = -1

    def decide(self, snapshot):
        self.bar += 1
        action = self.actions.get(self.bar, HOLD)
        if action is None:
            lost = Abstention(AbstentionReason.TIMEOUT, "No answer.")
            return Decision(snapshot, Status.ABSTAINED, None, lost, PolicyOutcome(PolicyVerdict.ALLOW))
        wanted = self.constraints.get(self.bar, Constraints())
        advice = Advice("ABC", "1d", Regime(RegimeLabel.BULL), "Calm.", Action(action, 1.0, wanted))
        return Decision(snapshot, Status.ADVISED, advice, None, assess(advice))


def prices_after_warm_up(*bars):
    """Flat bars at 100 until the first decision, then bars given as (open, high, low, close)."""
    flat = from_bars([100.0] * LONGEST_LOOKBACK, [100.0] * LONGEST_LOOKBACK)
    given_bars = from_bars([bar[0] for bar in bars], [bar[3] for bar in bars], first="2010-01-01")
    given_bars.table["high"] = [bar[1] for bar in bars]
    given_bars.table["low"] = [bar[2] for bar in bars]
    return with_table(flat, pd.concat([flat.table, given_bars.table]))


def play(prices, advisor, limits=ROOMY, costs=FREE):
    experiment = Experiment(risk=limits, costs=costs, arms=("llm",))
    return simulate(prices, advisor, experiment, Journal())


def only(journal, kind):
    return [row for row in journal.orders if row.kind == kind]


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
    assert journal.equity[-1].position == 0


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
    assert journal.equity[-1].position == 0


def test_an_exit_on_the_bar_of_the_fill_cancels_the_fresh_stop():
    bars = [(100, 101, 99, 100)] * 2 + [(60, 60, 60, 60)] * 2
    journal = play(prices_after_warm_up(*bars), Listed([LONG, EXIT]))
    assert only(journal, "stop")[0].status == "canceled"
    assert journal.trades[0].exit_reason == "advice"
    assert journal.equity[-1].position == 0


def test_a_reversal_closes_first_and_enters_at_a_later_close():
    limits = replace(ROOMY, allow_short=True)
    bars = [(100, 101, 99, 100)] * 6
    journal = play(prices_after_warm_up(*bars), Listed([LONG, HOLD, SHORT, SHORT]), limits)
    assert [(row.kind, row.side) for row in journal.orders if row.type == "market"] == [
        ("entry", "buy"),
        ("exit", "sell"),
        ("entry", "sell"),
    ]
    assert [row.position > 0 for row in journal.equity[1:3]] == [True, True]
    assert journal.equity[3].position == 0
    assert journal.equity[4].position < 0


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
    assert all(row.position == 0 for row in journal.equity[3:])
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
            set_up_broker(cerebro.broker, Costs())
            cerebro.addstrategy(AdvisedStrategy, advisor=Listed(actions), limits=ROOMY, journal=journal)
            cerebro.run()
            books.append((journal.orders, journal.trades, journal.equity))
    assert books[0][1]
    assert all(book == books[0] for book in books)


def test_a_broker_that_is_not_simulated_is_refused():
    class LiveBroker(bt.broker.BrokerBase):
        def getvalue(self, datas=None):
            return 1.0

        def getcash(self):
            return 1.0

        def get_notification(self):
            return None

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


def run_alone(*strategies, prices=None, prepare=None):
    """Strategies in one Cerebro on one feed; ``prepare`` may change the Cerebro first."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(prices or random_prices(400, seed=4)))
    set_up_broker(cerebro.broker, FREE)
    if prepare:
        prepare(cerebro)
    for parameters in strategies:
        cerebro.addstrategy(AdvisedStrategy, **parameters)
    return cerebro.run()


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
    assert journal.equity[-1].position == 0
    assert journal.trades[0].exit_reason == "stop"


@pytest.mark.parametrize("scheme", [{"commission": 0.0, "margin": 10, "mult": 50}, {"commission": 2.0, "margin": 1000}])
def test_a_scheme_that_the_gate_cannot_size_is_refused(scheme):
    with pytest.raises(ConfigurationError, match="percentage of a stock"):
        run_alone({"advisor": Listed([LONG])}, prepare=lambda cerebro: cerebro.broker.setcommission(**scheme))


def test_two_strategies_on_one_feed_share_the_gross_exposure():
    limits = replace(ROOMY, max_position_size=0.5, max_gross_exposure=0.6)
    later = Listed([HOLD, HOLD, LONG])
    run = run_alone({"advisor": Listed([LONG]), "limits": limits}, {"advisor": later, "limits": limits})
    first, second = (strategy.journal for strategy in run)
    held = first.equity[4].position + second.equity[4].position
    assert 0.5 < held * first.equity[4].close / first.equity[4].equity < 0.65
    assert any(cut.limit == "max_gross_exposure" for entry in second.entries for cut in entry.verdict.clamps)


def test_a_second_feed_does_not_double_the_decisions():
    prices = random_prices(400, seed=4)
    other = with_table(prices, prices.table.set_index(prices.table.index + pd.Timedelta(hours=12)))
    (strategy,) = run_alone(
        {"advisor": Listed([LONG])}, prices=prices, prepare=lambda cerebro: cerebro.adddata(make_feed(other))
    )
    bars = [entry.bar for entry in strategy.journal.entries]
    assert len(bars) == len(set(bars))


wild = st.none() | st.floats() | st.floats(0, 1)
said = st.lists(
    st.tuples(st.none() | st.sampled_from(ActionType), st.builds(Constraints, wild, wild, wild)),
    min_size=5,
    max_size=60,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(said, st.integers(0, 10_000), st.sampled_from([0.0, 0.01, 0.1]), st.booleans())
def test_arbitrary_advice_on_arbitrary_prices_stays_within_the_limits(advised, seed, gap, allow_short):
    limits = Limits(
        max_position_size=0.5,
        max_risk_per_trade=0.05,
        max_drawdown=0.3,
        allow_short=allow_short,
        lot_step=0.01,
        gap_buffer=0.05,
    )
    costs = Costs()
    prices = random_prices(LONGEST_LOOKBACK + len(advised) + 10, seed, daily=0.03, gap=gap)
    constraints = {bar: wanted for bar, (_, wanted) in enumerate(advised)}
    journal = play(prices, Listed([action for action, _ in advised], constraints), limits, costs)
    rows = {row.time: row for row in journal.equity}

    for order in only(journal, "entry"):
        if order.status != "completed":
            continue
        at_decision = rows[order.created]
        slipped = at_decision.close * (1 + limits.gap_buffer) * (1 + costs.slippage_bps / 1e4)
        assert order.filled * slipped <= limits.max_position_size * at_decision.equity * (1 + 1e-9)
        protection = [row for row in only(journal, "stop") if row.created == order.done]
        assert len(protection) == 1
        wrong_side = (
            protection[0].price >= order.fill_price if order.side == "buy" else protection[0].price <= order.fill_price
        )
        assert not wrong_side
        assert protection[0].size == order.filled

    held = [row.position for row in journal.equity]
    assert all(before * after >= 0 for before, after in pairwise(held)), "a position changed sides within one bar"
    if not allow_short:
        assert all(row.position >= 0 for row in journal.equity)
        assert all(row.cash >= 0 for row in journal.equity)
    fills = [row for row in journal.orders if row.filled]
    cash = costs.starting_cash
    for row in fills:
        cash += (-1 if row.side == "buy" else 1) * row.filled * row.fill_price - row.commission
    last = journal.equity[-1]
    assert last.cash == pytest.approx(cash, abs=0.01)
    assert last.equity == pytest.approx(cash + last.position * last.close, abs=0.01)
    assert sum(trade.net for trade in journal.trades) == pytest.approx(last.equity - costs.starting_cash, abs=0.01)
