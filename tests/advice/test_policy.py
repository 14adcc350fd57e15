"""What an advice may not say, and where it contradicts itself."""

import pytest

from llm_strategy.advice.outcome import assess
from llm_strategy.market.regimes import USUAL_REGIMES
from llm_strategy.market.view import ACTION_FOR_LABEL
from llm_strategy.types import Action, ActionType, Advice, PolicyVerdict, Regime, RegimeLabel


def advice(rationale="Calm.", label=RegimeLabel.BULL, action=ActionType.ENTER_LONG):
    return Advice("ABC", "1d", Regime(label), rationale, Action(action, 0.5))


@pytest.mark.parametrize(
    "rationale",
    [
        "The price will reach 4,500 soon.",
        "It should fall to 1200 within days.",
        "Price target 310.",
        "Expect $99 by Friday.",
        "Fair value is 42.5.",
        "The price will be 1300.",
        "Likely to close above 2,000.",
        "Moving to 1,250.75 next.",
    ],
)
def test_exact_prices_are_denied(rationale):
    outcome = assess(advice(rationale))
    assert outcome.verdict is PolicyVerdict.DENY
    assert outcome.reasons[0].startswith("exact price")


@pytest.mark.parametrize(
    "rationale", ["Place an order now.", "Use real money.", "Submit a market order.", "A live trading account."]
)
def test_talk_of_real_orders_is_denied(rationale):
    outcome = assess(advice(rationale))
    assert outcome.verdict is PolicyVerdict.DENY
    assert outcome.reasons[0].startswith("simulation only")


@pytest.mark.parametrize(
    "rationale",
    [
        "Momentum rose 20% above its mean.",
        "Close above the 200 bar average.",
        "The trend is 3 percent above the long average.",
        "Volatility fell to 12% of its range.",
        "Rising for 20 days.",
        "Trading above 200-day average",
        "The index hit 52-week highs.",
        "Falling below 50-day mean.",
        "Moving above 200 SMA.",
        "RSI reaching 70.",
        "Testing 52-week extremes.",
        "Drawdown drops to 1/3 of its range.",
    ],
)
def test_percentages_and_bars_are_no_prices(rationale):
    assert assess(advice(rationale)).verdict is not PolicyVerdict.DENY


@pytest.mark.parametrize(
    ("label", "action", "rationale"),
    [
        (RegimeLabel.BULL, ActionType.EXIT, "Calm."),
        (RegimeLabel.BEAR, ActionType.ENTER_LONG, "Calm."),
        (RegimeLabel.TURBULENT, ActionType.ENTER_LONG, "Calm."),
        (RegimeLabel.BULL, ActionType.HOLD, "Downtrend."),
        (RegimeLabel.BEAR, ActionType.EXIT, "The market is rising."),
        (RegimeLabel.BEAR, ActionType.ENTER_SHORT, "Strong rally."),
    ],
)
def test_contradictions_are_marked_and_go_on(label, action, rationale):
    outcome = assess(advice(rationale, label, action))
    assert outcome.verdict is PolicyVerdict.REVIEW
    assert not outcome.coherent
    assert outcome.reasons


def test_a_negated_word_is_no_contradiction():
    assert assess(advice("Bear, not rising.", RegimeLabel.BEAR, ActionType.EXIT)).coherent


def test_the_causal_rule_is_coherent():
    for label, action in ACTION_FOR_LABEL.items():
        assert action in USUAL_REGIMES.kinds[label].actions
