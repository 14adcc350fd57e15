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
from llm_strategy.journal import Journal
from llm_strategy.limits import Limits
from llm_strategy.llm import get_llm_client
from llm_strategy.rendering import View, render_snapshot
from llm_strategy.risk import Account, Intent, Market, Verdict, judge
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
    "Decision",
    "Intent",
    "Journal",
    "Limits",
    "Market",
    "ModelAdvisor",
    "Regime",
    "RegimeLabel",
    "Rule",
    "Snapshot",
    "Status",
    "Verdict",
    "View",
    "get_llm_client",
    "judge",
    "render_snapshot",
]
