"""Arbitrary advice: actions with any constraints, raw answers of a model, and the advisor that says them."""

from __future__ import annotations

import json
import math
from itertools import cycle

from hypothesis import strategies as st

from llm_strategy.advice.outcome import assess
from llm_strategy.errors import AnswerTimeout, BackendFailure, PromptTooLong
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


class Script:
    """An advisor that says what it was given for each symbol, over and over."""

    def __init__(self, plans):
        self._plans = plans

    def attach(self, data):
        return _Reader(self._plans.get(data._name, ()) or [(ActionType.HOLD, Constraints(), 1.0)])


class _Reader:
    def __init__(self, plan):
        self._steps = cycle(plan)

    def decide(self, snapshot):
        action, wanted, confidence = next(self._steps)
        if action is None:
            lost = Abstention(AbstentionReason.TIMEOUT, "No answer.")
            return Decision(snapshot, Status.ABSTAINED, None, lost, PolicyOutcome(PolicyVerdict.ALLOW))
        advice = Advice(
            snapshot.symbol, snapshot.timeframe, Regime(RegimeLabel.BULL), "Calm.", Action(action, confidence, wanted)
        )
        return Decision(snapshot, Status.ADVISED, advice, None, assess(advice))


actions = st.none() | st.sampled_from(ActionType)
anything = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 1e-300, 1e308, math.nan, math.inf]) | st.floats(0, 1)
wishes = st.builds(Constraints, anything, anything, anything)
sane_wishes = st.builds(
    Constraints,
    st.none() | st.floats(0.001, 1),
    st.none() | st.floats(0.001, 0.99),
    st.none() | st.floats(0.001, 10),
)
steps = st.tuples(
    st.just(ActionType.ENTER_LONG) | st.sampled_from([ActionType.ENTER_LONG, ActionType.ENTER_SHORT]) | actions,
    st.just(Constraints()) | st.just(Constraints()) | sane_wishes | wishes,
    st.just(1.0) | st.floats(0, 1),
)

_numbers = st.floats(0, 1) | st.sampled_from([0, 1, -1, 1e308, -1e308, math.nan, math.inf, 5e-324, "0.5", None, True])
_documents = st.fixed_dictionaries(
    {
        "rationale": st.just("Calm.") | st.text(max_size=5) | st.just("It will reach $500."),
        "regime": st.fixed_dictionaries({"label": st.sampled_from([*RegimeLabel])}),
        "action": st.fixed_dictionaries(
            {"type": st.sampled_from(["enter_long", "enter_short", "exit", "hold"]), "confidence": _numbers},
            optional={
                "constraints": st.dictionaries(
                    st.sampled_from(["max_position_size", "stop_loss_pct", "take_profit_pct", "leverage"]), _numbers
                )
            },
        ),
    },
    optional={"symbol": st.just("ZZZ"), "version": st.just("9"), "intent": st.just("buy")},
)
_usual = st.fixed_dictionaries(
    {
        "rationale": st.just("Calm."),
        "regime": st.just({"label": "bull"}),
        "action": st.fixed_dictionaries(
            {"type": st.sampled_from(["enter_long", "enter_short", "exit", "hold"]), "confidence": st.just(0.9)},
            optional={
                "constraints": st.fixed_dictionaries(
                    {},
                    optional={
                        "max_position_size": st.floats(1e-9, 1),
                        "stop_loss_pct": st.floats(1e-9, 0.999),
                        "take_profit_pct": st.floats(1e-9, 10),
                    },
                )
            },
        ),
    }
)
failures = st.sampled_from([AnswerTimeout("late"), BackendFailure("broken"), PromptTooLong("long")])
answers = (
    _usual.map(json.dumps)
    | _documents.map(json.dumps)
    | st.text(max_size=12)
    | st.just('{"action": {"type": "enter_long", "confidence": 1e999}}')
    | failures
)
