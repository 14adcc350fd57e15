"""An advisor that says what a test lists, and prices from the first decision on that a test writes by hand."""

import backtrader as bt
import pandas as pd
from markets import from_bars, random_prices, with_table

from llm_strategy import AdvisedStrategy, Journal, Limits
from llm_strategy.advice.outcome import assess
from llm_strategy.costs.costs import Costs
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.trading.broker import SimulatedBroker
from llm_strategy.trading.orders import OrderRules
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
from simulator.experiment.configuration import Experiment
from simulator.prices.feed import make_feed
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate

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


FLAT = (100, 100, 100, 100)


def kinds(journal):
    return [(row.kind, row.status) for row in journal.orders]
