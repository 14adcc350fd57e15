"""A backtrader strategy whose advisor is a language model, behind a deterministic risk gate.

>>> import backtrader as bt
>>> from llm_strategy import AdvisedStrategy, Limits, ModelAdvisor, get_llm_client
>>> cerebro = bt.Cerebro()
>>> cerebro.adddata(feed)                                                                     # doctest: +SKIP
>>> cerebro.addstrategy(AdvisedStrategy, advisor=ModelAdvisor(get_llm_client()), limits=Limits())  # doctest: +SKIP
>>> cerebro.run()                                                                             # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_strategy.advice.advisor import ModelAdvisor
    from llm_strategy.advice.protocol import Advisor
    from llm_strategy.advice.rules import BASELINES, Rule
    from llm_strategy.costs.costs import Costs
    from llm_strategy.llm import get_llm_client
    from llm_strategy.market.analytics.analytic import Analytic
    from llm_strategy.market.analytics.past import Past
    from llm_strategy.market.context.source import ContextSource
    from llm_strategy.market.feature import Bars, Feature
    from llm_strategy.market.features import Lookbacks
    from llm_strategy.market.view import View, render_snapshot
    from llm_strategy.risk import Account, Holding, Intent, Limits, Market, Verdict, judge
    from llm_strategy.risk.checklist import Checklist
    from llm_strategy.shown import Shown
    from llm_strategy.support.condition import Quantity
    from llm_strategy.trading.broker import SimulatedBroker
    from llm_strategy.trading.checklist_file import read_checklist
    from llm_strategy.trading.gated.gate import GateCut
    from llm_strategy.trading.gated.strategy import Gated
    from llm_strategy.trading.journal import Journal
    from llm_strategy.trading.orders import OrderRules
    from llm_strategy.trading.strategy import AdvisedStrategy
    from llm_strategy.types import (
        Action,
        ActionType,
        Advice,
        Constraints,
        Decision,
        Regime,
        RegimeLabel,
        Snapshot,
        Status,
        Window,
    )

__all__ = [
    "BASELINES",
    "Account",
    "Action",
    "ActionType",
    "Advice",
    "AdvisedStrategy",
    "Advisor",
    "Analytic",
    "Bars",
    "Checklist",
    "Constraints",
    "ContextSource",
    "Costs",
    "Decision",
    "Feature",
    "GateCut",
    "Gated",
    "Holding",
    "Intent",
    "Journal",
    "Limits",
    "Lookbacks",
    "Market",
    "ModelAdvisor",
    "OrderRules",
    "Past",
    "Quantity",
    "Regime",
    "RegimeLabel",
    "Rule",
    "Shown",
    "SimulatedBroker",
    "Snapshot",
    "Status",
    "Verdict",
    "View",
    "Window",
    "get_llm_client",
    "judge",
    "read_checklist",
    "render_snapshot",
]

_HOMES = {
    "BASELINES": "llm_strategy.advice.rules",
    "Account": "llm_strategy.risk",
    "Action": "llm_strategy.types",
    "ActionType": "llm_strategy.types",
    "Advice": "llm_strategy.types",
    "AdvisedStrategy": "llm_strategy.trading.strategy",
    "Advisor": "llm_strategy.advice.protocol",
    "Analytic": "llm_strategy.market.analytics.analytic",
    "Bars": "llm_strategy.market.feature",
    "Checklist": "llm_strategy.risk.checklist",
    "Constraints": "llm_strategy.types",
    "ContextSource": "llm_strategy.market.context.source",
    "Costs": "llm_strategy.costs.costs",
    "Decision": "llm_strategy.types",
    "Feature": "llm_strategy.market.feature",
    "GateCut": "llm_strategy.trading.gated.gate",
    "Gated": "llm_strategy.trading.gated.strategy",
    "Holding": "llm_strategy.risk",
    "Intent": "llm_strategy.risk",
    "Journal": "llm_strategy.trading.journal",
    "Limits": "llm_strategy.risk",
    "Lookbacks": "llm_strategy.market.features",
    "Market": "llm_strategy.risk",
    "ModelAdvisor": "llm_strategy.advice.advisor",
    "OrderRules": "llm_strategy.trading.orders",
    "Past": "llm_strategy.market.analytics.past",
    "Quantity": "llm_strategy.support.condition",
    "Regime": "llm_strategy.types",
    "RegimeLabel": "llm_strategy.types",
    "Rule": "llm_strategy.advice.rules",
    "Shown": "llm_strategy.shown",
    "SimulatedBroker": "llm_strategy.trading.broker",
    "Snapshot": "llm_strategy.types",
    "Status": "llm_strategy.types",
    "Verdict": "llm_strategy.risk",
    "View": "llm_strategy.market.view",
    "Window": "llm_strategy.types",
    "get_llm_client": "llm_strategy.llm",
    "judge": "llm_strategy.risk",
    "read_checklist": "llm_strategy.trading.checklist_file",
    "render_snapshot": "llm_strategy.market.view",
}
"""Where each public name lives; it is imported when it is first used, so that a part needs only what it uses."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))
