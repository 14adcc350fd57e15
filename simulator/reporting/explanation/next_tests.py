"""What one would test next: statements in the form of the register of hypotheses, by a model or by the program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_strategy.advice.choosing import Questions
from llm_strategy.advice.written_prompt import render
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message
from llm_strategy.market.analytics.registry import vocabulary
from simulator.hypotheses.statement import Hypothesis
from simulator.reporting.explanation.model import Answered, Refused, first_request, kept
from simulator.reporting.explanation.written import ask_twice, asking, object_schema

MOST_STATEMENTS = 3
CHOSEN = 2
"""Statements of the list that a model, or the program, takes."""
MENU: Mapping[str, Hypothesis] = {
    name: Hypothesis.from_document(
        {"conditions": conditions, "direction": direction, "horizon": horizon, "effect": effect}, f"statement {name}"
    )
    for name, conditions, direction, horizon, effect in (
        ("after deep drawdowns", ["market.drawdown < -0.1"], "up", 20, 0.01),
        ("in restless markets", ["market.volatility_rank > 0.8"], "down", 20, 0.01),
        ("above the long mean", ["market.trend > 0"], "up", 20, 0.005),
        ("after falling momentum", ["market.momentum < 0"], "down", 20, 0.005),
        ("near the low of the range", ["market.range_position < 0.2"], "up", 5, 0.005),
        ("at heavy volume", ["market.volume_ratio > 1.5"], "down", 5, 0.005),
    )
}
"""Statements about the line of a market that every run has, by what a model is shown of them."""
_FIELDS = tuple(dict.fromkeys(field for statement in MENU.values() for field in statement.fields))


def default_statements() -> list[dict[str, object]]:
    """What the program would test where no model says anything."""
    return [statement.as_document() for statement in list(MENU.values())[:CHOSEN]]


def write_statements(client: LLMClient, made: Answered) -> None:
    """Ask a model to state hypotheses, and once more for those that have not the form; raises ``ModelError``."""
    known = vocabulary()
    fields = [(field, known[field].description) for field in _FIELDS]
    messages = (Message("user", render("explain_tests.j2", fields=fields)),)
    statement = object_schema(
        conditions={"type": "array", "items": {"type": "string"}},
        direction={"enum": ["up", "down"]},
        horizon={"type": "integer"},
        effect={"type": "number"},
    )
    schema = object_schema(hypotheses={"type": "array", "items": statement})
    ask_twice(asking(client, messages, schema), client, "hypotheses", _statement, made)


def _statement(made: Answered, entry: object) -> Refused | None:
    if len(made.statements) == MOST_STATEMENTS:
        return None
    try:
        document: dict[str, Any] = Hypothesis.from_document(entry, "a statement").as_document()
    except ConfigurationError as problem:
        return Refused(kept(entry), str(problem))
    if document not in made.statements:
        made.statements.append(document)
    return None


def choose_statements(client: LLMClient, made: Answered) -> None:
    """Let a model choose among the statements of the list; raises ``ModelError``, or ``NoChoice``."""
    questions = Questions(client, defaults=first_request(client), asks_again=False)
    left = dict(MENU)
    shown = [(name, statement.sentence) for name, statement in left.items()]
    messages = (Message("user", render("explain_choose_test.j2", statements=shown)),)
    try:
        for _ in range(CHOSEN):
            name = list(left)[questions.choose("test", messages, {}, list(left))]
            made.statements.append(left.pop(name).as_document())
    finally:
        made.requests |= questions.answers
