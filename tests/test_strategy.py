"""Orders live as the broker lets them: real backtrader and prices that gap, by hand. Arbitrary advice and prices are in
``test_gate_properties``."""

import random
from dataclasses import replace

import backtrader as bt
import pandas as pd
import pytest
from markets import from_bars, random_prices, with_table

from llm_strategy import AdvisedStrategy, Journal, Limits
from llm_strategy.broker import SimulatedBroker
from llm_strategy.costs import Costs
from llm_strategy.errors import ConfigurationError, SimulationOnlyError
from llm_strategy.features import LONGEST_LOOKBACK
from llm_strategy.order_rules import OrderRules
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
from simulator.data_choice import DataChoice
from simulator.experiment import Experiment
from simulator.feed import make_feed
from simulator.market import Prices
from simulator.universe import Universe

LONG, SHORT, EXIT, HOLD = ActionType.ENTER_LONG, ActionType.ENTER_SHORT, ActionType.EXIT, ActionType.HOLD
FREE = Costs(commission_bps=0, slippage_bps=0)
MARKET = OrderRules()
ROOMY = Limits(
    max_position_size=0.9,
    max_risk_per_trade=1,
    stop_loss_pct=0.05,
    max_drawdown=1,
    cooldown_bars=0,
    gap_buffer=0,
    max_participation=1,
    max_daily_loss=None,
    max_losing_streak=None,
)


class Listed:
    """An advisor that says what it was given, bar by bar, and then holds."""

    def __init__(self, actions, constraints=None):
        self.actions = dict(enumerate(actions))
        self.constraints = constraints or {}
        self.bar = -1

    def attach(self, data):
        self.bar = -1
        return self

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


def play(prices, advisor, limits=ROOMY, costs=FREE, rules=MARKET):
    experiment = Experiment(risk=limits, costs=costs, orders=rules, arms=("llm",))
    return simulate(Universe((prices,)), advisor, experiment, Journal())


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
    cerebro.broker = SimulatedBroker(FREE)
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
    assert journal.equity[-1].net == 0
    assert journal.trades[0].exit_reason == "stop"


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


FLAT = (100, 100, 100, 100)


def kinds(journal):
    return [(row.kind, row.status) for row in journal.orders]


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
        data=DataChoice(groups={"all": tuple(groups)} if groups else {}), risk=limits, costs=FREE, arms=("llm",)
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
