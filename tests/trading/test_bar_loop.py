"""The short way through bars in memory, with what was measured beforehand, beside backtrader's own way."""

import io
from dataclasses import replace
from itertools import product

import backtrader as bt
import pytest
from listed_advice import EXIT, HOLD, LONG, SHORT, Listed
from markets import random_prices, several_symbols, with_table

from llm_strategy import BASELINES, AdvisedStrategy, Journal, Limits
from llm_strategy.costs.costs import Costs
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.features import Lookbacks
from llm_strategy.trading.bar_loop import PreloadedCerebro
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.orders import OrderRules
from simulator.prices.feed import add_feeds
from simulator.prices.universe import Universe
from simulator.runs.simulation import measured

MODES = list(product([True, False], repeat=2))
SHORT_LOOKBACKS = Lookbacks(30, 10, 10, 20, 30, 10, 10)
COSTLY = Costs(leverage=2.0, financing_rate=0.05, borrow_rate=0.02, cash_rate=0.03, commission_minimum=1.0)
WIDE = Limits(max_position_size=0.9, max_gross_exposure=2.0, max_risk_per_trade=0.5, allow_short=True)


def actions(symbol):
    """Something of everything, another mixture for each symbol."""
    words = (LONG, HOLD, HOLD, EXIT, SHORT, None, HOLD, LONG, LONG, SHORT, EXIT)
    return [words[(bar * bar + bar // 7 + len(symbol) * 5) % len(words)] for bar in range(400)]


class Scripted:
    """An advisor that gives each feed a list of its own."""

    def attach(self, data):
        return Listed(actions(data._name)).attach(data)


def play(universe, cerebro, advisor, *, limits, costs, orders, **more):
    add_feeds(cerebro, universe)
    cerebro.broker = SimulatedBroker(costs, same_close=orders.fill == "same_close")
    sink = io.StringIO()
    journal = Journal(sink)
    cerebro.addstrategy(
        AdvisedStrategy,
        advisor=advisor,
        limits=limits,
        orders=orders,
        trade=universe.symbols,
        lookbacks=SHORT_LOOKBACKS,
        journal=journal,
        tell=False,
        **more,
    )
    strategies = cerebro.run()
    return (sink.getvalue(), journal.orders, journal.trades, journal.equity, repr(journal.activity)), strategies[0]


def beforehand(universe):
    return {name: measured(universe.decisions(name), SHORT_LOOKBACKS) for name in universe.symbols}


CASES = {
    "trailing stops, both sides": (Limits(trailing_stop=True, allow_short=True, max_position_size=0.5), Costs(), {}),
    "borrowed cash and shares": (WIDE, COSTLY, {}),
    "limit orders, parts of them": (
        replace(WIDE, take_profit_pct=0.03),
        replace(COSTLY, max_fill_share=0.0005),
        {"entry": "limit", "entry_bars": 3},
    ),
    "kill switch, targets, times": (
        replace(WIDE, max_drawdown=0.03, rearm_after_bars=9, take_profit_pct=0.02, max_holding_bars=6),
        Costs(impact=0.1, slippage_volatility=0.1),
        {},
    ),
    "ranges, volatility, the same close": (
        Limits(stop_loss_atr=2.0, sizing="volatility_target", max_position_size=0.6),
        Costs(),
        {"fill": "same_close"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_short_way_writes_the_same_bytes_as_every_mode_of_backtrader(case):
    limits, costs, rules = CASES[case]
    universe = several_symbols(count=3, bars=160, seed=len(case))
    conditions = {"limits": limits, "costs": costs, "orders": OrderRules(**rules)}
    short, _ = play(universe, PreloadedCerebro(stdstats=False), Scripted(), measured=beforehand(universe), **conditions)
    assert len(short[1]) > 20
    for runonce, preload in MODES:
        plain = bt.Cerebro(stdstats=False, runonce=runonce, preload=preload)
        assert play(universe, plain, Scripted(), **conditions)[0] == short
    given = bt.Cerebro(stdstats=False, runonce=False, preload=False)
    assert play(universe, given, Scripted(), measured=beforehand(universe), **conditions)[0] == short


@pytest.mark.parametrize("rule", BASELINES)
def test_indicators_of_a_rule_are_read_at_their_bars(rule):
    universe = Universe((random_prices(330, seed=8),))
    conditions = {"limits": Limits(), "costs": Costs(), "orders": OrderRules()}
    short, _ = play(
        universe, PreloadedCerebro(stdstats=False), BASELINES[rule](), measured=beforehand(universe), **conditions
    )
    assert play(universe, bt.Cerebro(stdstats=False), BASELINES[rule](), **conditions)[0] == short


def test_rewriting_every_later_bar_changes_nothing_before():
    prices, conditions = random_prices(200, seed=5), {"limits": WIDE, "costs": COSTLY, "orders": OrderRules()}
    table = prices.table.copy()
    table.iloc[140:, :4] = table.iloc[140:, :4] * 3
    lines = []
    for universe in (Universe((prices,)), Universe((with_table(prices, table),))):
        (written, *_), _ = play(
            universe, PreloadedCerebro(stdstats=False), Scripted(), measured=beforehand(universe), **conditions
        )
        lines.append(written.splitlines())
    seen = 140 - SHORT_LOOKBACKS.longest.bars + 1
    assert lines[0][:seen] == lines[1][:seen]
    assert lines[0][seen] != lines[1][seen]


def test_whoever_adds_an_analyzer_gets_backtraders_own_way():
    universe, conditions = several_symbols(count=2, bars=160), {"limits": WIDE, "costs": COSTLY, "orders": OrderRules()}
    short, _ = play(universe, PreloadedCerebro(stdstats=False), Scripted(), **conditions)
    analysed = PreloadedCerebro(stdstats=False)
    analysed.addanalyzer(bt.analyzers.TimeReturn)
    plain, strategy = play(universe, analysed, Scripted(), **conditions)
    assert plain == short
    assert len(strategy.analyzers[0].get_analysis()) == len(
        {time for prices in universe.markets for time in prices.table.index}
    )


def test_what_was_measured_must_cover_every_symbol_and_be_possible():
    universe = several_symbols(count=2, bars=160)
    conditions = {"limits": WIDE, "costs": COSTLY, "orders": OrderRules()}
    known = beforehand(universe)
    with pytest.raises(ConfigurationError, match="measured lacks the symbol 'S01'"):
        play(universe, PreloadedCerebro(), Scripted(), measured={"S00": known["S00"]}, **conditions)
    with pytest.raises(ConfigurationError, match='bad_bars is "abstain"'):
        play(universe, PreloadedCerebro(), Scripted(), measured=known, bad_bars="abstain", **conditions)
