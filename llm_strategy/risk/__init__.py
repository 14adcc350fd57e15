"""The risk gate: pure, deterministic, and the only stage that knows the account."""

from llm_strategy.risk.inputs import Account, Holding, Market
from llm_strategy.risk.judge import judge
from llm_strategy.risk.limits import Limits
from llm_strategy.risk.verdict import Intent, Verdict

__all__ = ["Account", "Holding", "Intent", "Limits", "Market", "Verdict", "judge"]
