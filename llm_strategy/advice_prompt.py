"""How a bar's question is put to a model: system prompt and examples first and constant, the bar's line last and
short."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from llm_strategy.llm.exchange import Form, Message, Request, Slot, fill
from llm_strategy.prompting import render
from llm_strategy.types import ActionType, RegimeLabel

TWO_DIGITS = "[0-9]{1,2}"

ADVICE_FORM: Form = (
    '{"rationale": "',
    Slot("rationale", max_tokens=28),
    '", "regime": {"label": "',
    Slot("label", max_tokens=6, choices=tuple(RegimeLabel)),
    '"}, "action": {"type": "',
    Slot("action", max_tokens=8, choices=tuple(ActionType)),
    '", "confidence": 0.',
    Slot("action_confidence", max_tokens=2, stop="}", pattern=TWO_DIGITS),
    "}}",
)
"""The advice as the program writes it and the holes that the model fills."""


@cache
def _prefix() -> tuple[Message, ...]:
    """System prompt and examples, the same for every bar, so that a model can keep them in memory."""
    examples: list[dict[str, Any]] = yaml.safe_load(
        (files("llm_strategy.prompts") / "advise_examples.yaml").read_text(encoding="utf-8")
    )
    turns = [Message("system", render("advise_system.j2"))]
    for example in examples:
        turns.append(Message("user", render("advise_bar.j2", market=example["market"])))
        values = {name: _as_slot(value) for name, value in example.items()}
        turns.append(Message("assistant", fill(ADVICE_FORM, values)))
    return tuple(turns)


def _as_slot(value: str | float) -> str:
    """An example's value as the model writes it: a confidence is the two digits behind the point."""
    return value if isinstance(value, str) else f"{round(100 * value):02d}"


def ask_for_advice(market: str, *, with_form: bool, defaults: Request) -> Request:
    """The request for one bar, with the sampler of ``defaults``.

    ``market`` is the rendered snapshot. With a form the program writes the JSON and the model only the values,
    otherwise the model writes the whole object.
    """
    question = Message("user", render("advise_bar.j2", market=market))
    form = ADVICE_FORM if with_form else ()
    return replace(defaults, messages=(*_prefix(), question), form=form, json_mode=not with_form)


def ask_for_repair(request: Request, answer: str, problem: str) -> Request:
    """The same question once more, with the answer that broke the contract and what was wrong with it."""
    again = Message("user", render("advise_repair.j2", problem=problem))
    return replace(request, messages=(*request.messages, Message("assistant", answer or "(empty)"), again))
