"""What the dealer writes down without asking the gate, beside the gate's own verdict at every close."""

import io
from dataclasses import replace

import pytest
from listed_advice import EXIT, HOLD, LONG, SHORT, Listed
from markets import several_symbols

from llm_strategy import AdvisedStrategy, Journal, Limits
from llm_strategy.costs.costs import Costs
from llm_strategy.market.features import Lookbacks
from llm_strategy.risk import Account, Intent, Market, Verdict, judge
from llm_strategy.trading.bar_loop import PreloadedCerebro
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.types import Action, Advice, ClampEvent, Regime
from simulator.prices.feed import add_feeds

LOOKBACKS = Lookbacks(30, 10, 10, 20, 30, 10, 10)
WIDE = Limits(max_position_size=0.9, max_gross_exposure=2.0, max_risk_per_trade=0.5, allow_short=True)
CASES = {
    "usual": {},
    "killed for good": {"max_drawdown": 0.02},
    "killed and armed again": {"max_drawdown": 0.02, "rearm_after_bars": 7},
    "pauses and longest times": {"max_losing_streak": 1, "max_holding_bars": 5, "cooldown_bars": 3},
}
"""Limits beside the wide ones."""


class Scripted:
    """An advisor that gives each feed a list of its own, with bars without advice in it."""

    def attach(self, data):
        words = (LONG, HOLD, HOLD, EXIT, SHORT, None, HOLD, LONG, LONG, SHORT, EXIT)
        return Listed([words[(bar * bar + bar // 7 + len(data._name)) % len(words)] for bar in range(400)]).attach(data)


def written(universe, limits, *, ask_gate):
    """Decisions, orders, trades and accounts of a run; with ``ask_gate`` every verdict is judged."""
    cerebro, sink = PreloadedCerebro(stdstats=False), io.StringIO()
    add_feeds(cerebro, universe)
    cerebro.broker = SimulatedBroker(Costs(leverage=2.0))
    journal = Journal(sink)
    if ask_gate:
        journal.on_firings = lambda *_: None
    cerebro.addstrategy(
        AdvisedStrategy,
        advisor=Scripted(),
        limits=limits,
        trade=universe.symbols,
        lookbacks=LOOKBACKS,
        journal=journal,
        tell=False,
    )
    cerebro.run()
    return sink.getvalue(), journal.orders, journal.trades, journal.equity, repr(journal.activity)


@pytest.mark.parametrize("case", CASES)
def test_verdicts_that_depend_on_no_market_are_those_of_the_gate(case):
    limits = replace(WIDE, **CASES[case])
    universe = several_symbols(count=3, bars=160, seed=len(case))
    short = written(universe, limits, ask_gate=False)
    assert len(short[1]) > 5
    assert ("nothing is opened" in short[0]) == case.startswith("killed")
    assert short == written(universe, limits, ask_gate=True)


@pytest.mark.parametrize("drawdown", [0, 0.0, 0.31])
@pytest.mark.parametrize("action", [LONG, SHORT, EXIT, HOLD, None])
def test_whoever_is_out_of_the_market_stays_out_while_the_kill_switch_is_on(action, drawdown):
    advice = None if action is None else Advice("S", "1d", Regime("bull"), "Because.", Action(action, 1.0))
    verdict = judge(advice, Market(100.0), Account(1e4, 1e4, killed=True, drawdown=drawdown), Limits())
    if action in (LONG, SHORT):
        cut = ClampEvent("max_drawdown", drawdown, 0.0)
        refused = Verdict(Intent.NONE, reason="The drawdown limit was reached: nothing is opened.", clamps=(cut,))
        assert repr(verdict) == repr(refused)
    else:
        assert verdict == Verdict(Intent.NONE)
