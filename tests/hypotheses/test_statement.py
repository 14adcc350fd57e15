"""What a hypothesis may state, how it is told, and that equal statements are one."""

import pytest

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.condition import Condition
from simulator.hypotheses.statement import Hypothesis

DOCUMENT = {
    "conditions": ["market.drawdown < -10%", "returns_by_horizon.bars_20 > 0"],
    "direction": "up",
    "horizon": 20,
    "effect": 0.01,
}


def test_a_statement_is_told_in_plain_english():
    assert Hypothesis.from_document(DOCUMENT, "statement 1").sentence == (
        "After closes with market drawdown below -10% and returns by horizon bars 20 above 0%, the mean change of the "
        "close over the next 20 bars is at least 1 percentage point higher than after all closes."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"conditions": ["returns_by_horizon.bars_20 > -0", "market.drawdown   < -0.1"]},
        {"conditions": ["market.drawdown < -0.1000000000000001", "returns_by_horizon.bars_20 > 0.0"]},
        {"horizon": 20.0},
    ],
    ids=["order and spelling", "beyond twelve digits", "a whole number with a point"],
)
def test_equal_statements_have_one_id(change):
    one = Hypothesis.from_document(DOCUMENT, "one")
    other = Hypothesis.from_document({**DOCUMENT, **change}, "other")
    assert (one, one.id, one.as_document()) == (other, other.id, other.as_document())


@pytest.mark.parametrize(
    "change",
    [{"direction": "down"}, {"horizon": 21}, {"effect": 0.02}, {"conditions": ["market.drawdown < -0.1"]}],
    ids=lambda change: next(iter(change)),
)
def test_other_statements_have_other_ids(change):
    assert Hypothesis.from_document({**DOCUMENT, **change}, "x").id != Hypothesis.from_document(DOCUMENT, "x").id


def test_a_statement_outlives_its_document():
    one = Hypothesis.from_document(DOCUMENT, "one")
    assert Hypothesis.from_document(one.as_document(), "again") == one


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"conditions": ["market.drawdwn < -0.1"]},
            "'market.drawdwn', did you mean 'market.drawdown'?",
        ),
        ({"conditions": ["market.drawdown < -0.1", "market.drawdown < -10%"]}, "market.drawdown < -0.1 twice"),
        ({"conditions": ["market.drawdown = -0.1"]}, "write a field, an operator and a value"),
        ({"conditions": ["market.trend > 0"] * 4}, "conditions is"),
        ({"effect": 0}, "effect is 0, it must be more than 0."),
        ({"effect": -0.01}, "effect is -0.01, it must be more than 0."),
        ({"effect": 1.5}, "effect is 1.5, it must be at most 1."),
        ({"horizon": 251}, "horizon is 251, it must be at most 250."),
        ({"horizon": 2.5}, "horizon is 2.5, it must be of type integer."),
        ({"direction": "upp"}, "did you mean 'up'?"),
        ({"horizn": 3}, "horizn is an unknown key, did you mean 'horizon'?"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_is_no_statement_is_told_in_one_sentence(change, told):
    with pytest.raises(ConfigurationError) as caught:
        Hypothesis.from_document({**DOCUMENT, **change}, "statement 1")
    sentence = str(caught.value)
    assert sentence.startswith("statement 1")
    assert told in sentence
    assert "\n" not in sentence


def test_a_close_is_an_event_where_all_conditions_are_known_to_hold():
    statement = Hypothesis((Condition("a.b", ">", 1.0), Condition("c.d", "is", "up")), "up", 5, 0.01)
    assert statement.holds({"a.b": 2.0, "c.d": "up"})
    assert not statement.holds({"a.b": 2.0, "c.d": "down"})
    assert not statement.holds({"a.b": None, "c.d": "up"})
