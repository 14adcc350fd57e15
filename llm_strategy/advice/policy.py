"""What a well-formed advice may not say, and where it contradicts itself. Pure.

*Deny*: talk of real orders, exact price predictions. *Review*: label, action and rationale that do not agree.
Everything else is *allow*.
"""

from __future__ import annotations

import re
from functools import lru_cache

from llm_strategy.types import ActionType, Advice, PolicyOutcome, PolicyVerdict, RegimeLabel

COHERENT_ACTIONS = {
    RegimeLabel.BULL: {ActionType.ENTER_LONG, ActionType.HOLD},
    RegimeLabel.BEAR: {ActionType.EXIT, ActionType.ENTER_SHORT, ActionType.HOLD},
    RegimeLabel.SIDEWAYS: {ActionType.HOLD, ActionType.EXIT},
    RegimeLabel.TURBULENT: {ActionType.EXIT, ActionType.HOLD},
}
"""Which actions follow from which label; anything else is marked for review."""

_NO_PRICE = r"%|percent|bars?|days?|weeks?|months?|years?|sma|ema|ma\b|deviations?|times|x\b|st\b|nd\b|rd\b|th\b"
_PRICE = rf"[$€£¥]?\s?\d[\d,]*(?:\.\d+)?(?![\s-]*(?:{_NO_PRICE})|/\d|[\d,.]*\d)"
_INDICATOR = r"(?<!rsi )(?<!rank )(?<!drawdown )(?<!volatility )(?<!momentum )"
_PRICE_PREDICTION = re.compile(
    rf"[$€£¥]\s?\d"
    rf"|{_INDICATOR}\b(?:reach|hit|touch|test)\w*\s+{_PRICE}"
    rf"|{_INDICATOR}\b(?:climb|ris|fall|drop|rall|declin|slid|mov|go|trad|clos|head)\w*\s+"
    rf"(?:up\s+|down\s+)?(?:to|at|above|below|towards?)\s+{_PRICE}"
    rf"|\b(?:price\s+target|target\s+price|target|fair\s+value)\s*(?:is|of|at|:|=)?\s*{_PRICE}"
    rf"|\bprice\s+(?:is|of|at|will\s+be)\s+{_PRICE}",
    re.IGNORECASE,
)
_REAL_TRADING = re.compile(
    r"\b(?:real|live|actual)[\s-]+(?:money|orders?|trad(?:e|es|ing)|account)\b"
    r"|\bplac(?:e|ing)\s+(?:an?\s+|the\s+)?(?:\w+\s+)?orders?\b"
    r"|\bsubmit(?:ting)?\s+(?:an?\s+|the\s+)?(?:\w+\s+)?orders?\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:no|not|without|never|isn't|lack of|limited|little)\s+(?:\w+\s+)?\w+", re.IGNORECASE)
_UPWARD = re.compile(
    r"\b(?:up|uptrend\w*|upward\w*|rising|rises?|rally\w*|bullish|bull|gains?|climb\w*|advanc\w+)\b", re.IGNORECASE
)
_DOWNWARD = re.compile(
    r"\b(?:down|downtrend\w*|downward\w*|falling|falls?|declin\w+|bearish|bear|loss\w*|sell-?off|drop\w*|slid\w+)\b",
    re.IGNORECASE,
)


def assess(advice: Advice) -> PolicyOutcome:
    """The policy's verdict on one advice, with a reason for each thing found."""
    return _assess(advice.regime.label, advice.action.type, advice.rationale)


@lru_cache(maxsize=4096)
def _assess(label: RegimeLabel, action: ActionType, rationale: str) -> PolicyOutcome:
    denials = []
    if found := _REAL_TRADING.search(rationale):
        denials.append(f"simulation only: the rationale speaks of {found[0].strip()!r}")
    if found := _PRICE_PREDICTION.search(rationale):
        denials.append(f"exact price: the rationale says {found[0].strip()!r}")
    contradictions = _contradictions(label, action, rationale)
    if denials:
        return PolicyOutcome(PolicyVerdict.DENY, (*denials, *contradictions), coherent=not contradictions)
    if contradictions:
        return PolicyOutcome(PolicyVerdict.REVIEW, contradictions, coherent=False)
    return PolicyOutcome(PolicyVerdict.ALLOW)


def _contradictions(label: RegimeLabel, action: ActionType, rationale: str) -> tuple[str, ...]:
    found = []
    if action not in COHERENT_ACTIONS[label]:
        found.append(f"label and action: {action} in a {label} market")
    said = _NEGATED.sub(" ", rationale)
    upward, downward = bool(_UPWARD.search(said)), bool(_DOWNWARD.search(said))
    if upward and not downward:
        if label is RegimeLabel.BEAR:
            found.append("label and rationale: a bear market with an upward rationale")
        if action is ActionType.ENTER_SHORT:
            found.append("action and rationale: enter_short with an upward rationale")
    if downward and not upward:
        if label is RegimeLabel.BULL:
            found.append("label and rationale: a bull market with a downward rationale")
        if action is ActionType.ENTER_LONG:
            found.append("action and rationale: enter_long with a downward rationale")
    return tuple(found)
