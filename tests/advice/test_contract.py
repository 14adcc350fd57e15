"""An answer becomes an advice or an error that names the field; nothing in between."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_strategy.advice.contract import advice_from_document, advice_to_document, parse_answer
from llm_strategy.errors import ContractError
from llm_strategy.support.schemas import validator
from llm_strategy.types import Action, ActionType, Advice, Constraints, Regime, RegimeLabel

GOOD = {
    "regime": {"label": "bull", "confidence": 0.7},
    "rationale": "Rising above the average.",
    "action": {"type": "enter_long", "confidence": 0.6, "constraints": {"max_position_size": 0.03}},
}


def parse(text):
    return parse_answer(text, symbol="ABC", timeframe="1d")


def changed(**fields):
    return json.dumps(GOOD | fields)


def test_the_program_fills_in_what_it_knows():
    advice, repairs = parse(json.dumps(GOOD))
    assert (advice.version, advice.intent, advice.symbol, advice.timeframe) == ("1.0.0", "propose_trade", "ABC", "1d")
    assert advice.regime == Regime(RegimeLabel.BULL, 0.7)
    assert advice.action == Action(ActionType.ENTER_LONG, 0.6, Constraints(max_position_size=0.03))
    assert repairs == ()


def test_regime_confidence_and_constraints_may_be_absent():
    advice, _ = parse(changed(regime={"label": "bear"}, action={"type": "exit", "confidence": 1}))
    assert advice.regime.confidence is None
    assert advice.action.constraints == Constraints()


@pytest.mark.parametrize(
    ("wrapped", "repairs"),
    [
        (f"```json\n{json.dumps(GOOD)}\n```", ("code fence",)),
        (f"```\n{json.dumps(GOOD)}\n```\n", ("code fence",)),
        ("\ufeff" + json.dumps(GOOD), ("byte order mark",)),
    ],
)
def test_a_wrapping_is_taken_off_and_counted(wrapped, repairs):
    assert parse(wrapped).repairs == repairs


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "answer", "not JSON"),
        ("ERROR: The prompt size exceeds the context window size and cannot be processed.", "answer", "not JSON"),
        ("[1]", "answer", "not a JSON object"),
        (changed(rationale="half a \ud83d pair"), "answer", "surrogate"),
        ('{"rationale": "a", "rationale": "b"}', "rationale", "appears twice"),
        (changed().replace("0.7", "NaN"), "answer", "NaN"),
        (changed().replace("0.7", "-Infinity"), "answer", "-Infinity"),
        (changed().replace("0.7", "1e999"), "answer", "not finite"),
        (changed().replace("0.7", "1" * 5000), "answer", "not JSON"),
        (changed().replace("0.7", "1" * 400), "regime.confidence", "at most 1"),
        ("[" * 10_000 + "]" * 10_000, "answer", "nested"),
        ('{"a":' * 9 + "1" + "}" * 9, "answer", "nested"),
        ("x" * 20_001, "answer", "20001 characters"),
        (changed(regime={"label": "bul"}), "regime.label", "did you mean 'bull'"),
        (changed(regime={"lable": "bull"}), "regime.lable", "did you mean 'label'"),
        (changed(price=4500), "price", "unknown key"),
        (changed(version="2.0.0"), "version", "the request was for '1.0.0'"),
        (changed(symbol="XYZ"), "symbol", "the request was for 'ABC'"),
        (changed(rationale=""), "rationale", ""),
        (changed(action={"type": "hold"}), "action.confidence", "is missing"),
        (changed(action={"type": "hold", "confidence": True}), "action.confidence", "of type number"),
        (changed(action={"type": "hold", "confidence": 1.5}), "action.confidence", "at most 1"),
        (
            changed(action={"type": "hold", "confidence": 1, "constraints": {"stop_loss_pct": 0}}),
            "action.constraints.stop_loss_pct",
            "more than 0",
        ),
    ],
)
def test_an_error_names_the_field(text, field, words):
    with pytest.raises(ContractError) as caught:
        parse(text)
    assert caught.value.field == field
    assert words in caught.value.problem


def test_braces_inside_text_are_not_nesting():
    assert parse(changed(rationale='a "{{{{{{{{{{[[[[[[" quote \\')).advice.rationale.startswith("a")


fraction = st.floats(0, 1, allow_nan=False)
optional = st.none() | st.floats(0.001, 0.99)
advices = st.builds(
    Advice,
    symbol=st.just("ABC"),
    timeframe=st.just("1d"),
    regime=st.builds(Regime, st.sampled_from(RegimeLabel), st.none() | fraction),
    rationale=st.text(min_size=1, max_size=200).filter(lambda text: "\ufeff" not in text),
    action=st.builds(
        Action, st.sampled_from(ActionType), fraction, st.builds(Constraints, optional, optional, optional)
    ),
)


@given(advices)
def test_every_advice_survives_its_own_document(advice):
    document = advice_to_document(advice)
    assert validator("advice").is_valid(document)
    assert advice_from_document(document) == advice
    assert parse(json.dumps(document)).advice == advice


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_an_advice_or_a_contract_error(text):
    with contextlib.suppress(ContractError):
        assert isinstance(parse(text).advice, Advice)
