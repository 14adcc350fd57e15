"""A backtrader strategy whose advisor is a language model, behind a deterministic risk gate.

>>> import backtrader as bt
>>> from llm_strategy import AdvisedStrategy, Limits, ModelAdvisor, get_llm_client
>>> cerebro = bt.Cerebro()
>>> cerebro.adddata(feed)                                                                     # doctest: +SKIP
>>> cerebro.addstrategy(AdvisedStrategy, advisor=ModelAdvisor(get_llm_client()), limits=Limits())  # doctest: +SKIP
>>> cerebro.run()                                                                             # doctest: +SKIP
"""

from llm_strategy.advisor import Advisor, ModelAdvisor
from llm_strategy.baselines import BASELINES, Rule
from llm_strategy.broker import SimulatedBroker
from llm_strategy.costs import Costs
from llm_strategy.gate import GateCut
from llm_strategy.gated import Gated
from llm_strategy.journal import Journal
from llm_strategy.llm import get_llm_client
from llm_strategy.order_rules import OrderRules
from llm_strategy.rendering import View, render_snapshot
from llm_strategy.risk import Account, Holding, Intent, Limits, Market, Verdict, judge
from llm_strategy.strategy import AdvisedStrategy
from llm_strategy.types import Action, ActionType, Advice, Constraints, Decision, Regime, RegimeLabel, Snapshot, Status

__all__ = [
    "BASELINES",
    "Account",
    "Action",
    "ActionType",
    "Advice",
    "AdvisedStrategy",
    "Advisor",
    "Constraints",
    "Costs",
    "Decision",
    "GateCut",
    "Gated",
    "Holding",
    "Intent",
    "Journal",
    "Limits",
    "Market",
    "ModelAdvisor",
    "OrderRules",
    "Regime",
    "RegimeLabel",
    "Rule",
    "SimulatedBroker",
    "Snapshot",
    "Status",
    "Verdict",
    "View",
    "get_llm_client",
    "judge",
    "render_snapshot",
]
