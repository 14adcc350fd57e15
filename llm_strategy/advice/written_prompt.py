"""The prompts of ``prompts/``, and how a bar's question is put to a model that writes its answer: system prompt and
examples first and constant, the bar's line last and short."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import jinja2
import yaml

from llm_strategy.advice.examples import Example
from llm_strategy.advice.layout import images_of, in_context
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.requests import Form, Message, Request, Slot, escape, fill
from llm_strategy.market.view import SHOWN, market_view
from llm_strategy.shown import Shown
from llm_strategy.support.outside_text import encodable
from llm_strategy.types import ActionType, RegimeLabel

_FOLDER = files("llm_strategy.prompts")


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(lambda name: (_FOLDER / name).read_text(encoding="utf-8"))
    return jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - prompts are plain text, not markup
    )


def render(name: str, **variables: object) -> str:
    """The text of ``prompts/NAME`` with its variables filled in.

    Raises ``ConfigurationError`` naming the variable that is missing.
    """
    try:
        return _environment().get_template(name).render(**variables).strip()
    except FileNotFoundError:
        known = ", ".join(sorted(entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".j2")))
        raise ConfigurationError(f"There is no prompt {name!r}; the prompts are {known}.") from None
    except jinja2.UndefinedError as problem:
        raise ConfigurationError(f"Prompt {name!r} needs a variable that was not given: {problem}.") from None


def prompts_sha256() -> dict[str, str]:
    """sha256 of every prompt file by name, for manifests."""
    return {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in sorted(_FOLDER.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith((".j2", ".yaml"))
    }


TWO_DIGITS = "[0-9]{1,2}"
LONGEST_SHOWN = 4_000
"""Characters of a wrong answer that its repair is shown: an advice has a few hundred."""

_LABEL = Slot("label", max_tokens=6, choices=tuple(RegimeLabel))
_ACTION = Slot("action", max_tokens=8, choices=tuple(ActionType))
_CONFIDENCE = Slot("action_confidence", max_tokens=2, stop="}", pattern=TWO_DIGITS)

ADVICE_FORM: Form = (
    '{"rationale": "',
    Slot("rationale", max_tokens=28),
    '", "regime": {"label": "',
    _LABEL,
    '"}, "action": {"type": "',
    _ACTION,
    '", "confidence": 0.',
    _CONFIDENCE,
    "}}",
)
"""The advice as the program writes it and the holes that the model fills."""

DECISION_FORM: Form = ('{"regime": {"label": "', _LABEL, '"}, "action": {"type": "', _ACTION, *ADVICE_FORM[-3:])
"""The same without a rationale."""


ADVICE_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "rationale": {"type": "string", "minLength": 1, "maxLength": 120},
            "regime": {
                "type": "object",
                "properties": {"label": {"enum": list(RegimeLabel)}},
                "required": ["label"],
                "additionalProperties": False,
            },
            "action": {
                "type": "object",
                "properties": {
                    "type": {"enum": list(ActionType)},
                    # Engines hold a model to listed values; bounds of a fraction they ignore.
                    "confidence": {"enum": [round(0.05 * step, 2) for step in range(1, 20)]},
                },
                "required": ["type", "confidence"],
                "additionalProperties": False,
            },
        },
        "required": ["rationale", "regime", "action"],
        "additionalProperties": False,
    }
)
"""What a model writes of the contract, for backends that hold it to a schema; the program fills in the rest."""

_EXAMPLE_CONFIDENCE = 0.66


@cache
def _steps() -> dict[str, str]:
    """How the rationale of an example goes from its facts to the label, worded as in the layout ``steps``."""
    return dict(prompt_data("choose_steps.yaml")["words"])


@cache
def _fixed() -> tuple[dict[str, Any], ...]:
    return tuple(prompt_data("advise_examples.yaml"))


@lru_cache(maxsize=64)
def _fixed_examples(names: tuple[str, ...]) -> tuple[Example, ...]:
    markets = ((market_view(example["market"]).only(names).line, example["label"]) for example in _fixed())
    return tuple(Example(market, RegimeLabel(label)) for market, label in markets if market)


def fixed_examples(market: str) -> tuple[Example, ...]:
    """The examples of ``prompts/``, which are shown where none are chosen: of the features in this market's line those
    that they know, and none where they know none."""
    return _fixed_examples(market_view(market).names)


def _examples(chosen: tuple[Example, ...], names: tuple[str, ...]) -> Sequence[dict[str, Any]]:
    """The chosen examples, or the fixed ones, with all that is written for them."""
    if not chosen and names == SHOWN:
        return _fixed()
    return [_written_out(example) for example in chosen or _fixed_examples(names)]


@lru_cache(maxsize=4096)
def shown_confidences(chosen: tuple[Example, ...], market: str) -> frozenset[float]:
    """The confidences that stand in a prompt of mode json or slots about a market's line, behind ``chosen`` examples
    or, without any, the fixed ones."""
    return frozenset(float(one["action_confidence"]) for one in _examples(chosen, market_view(market).names))


@lru_cache(maxsize=64)
def _prefix(chosen: tuple[Example, ...], names: tuple[str, ...]) -> tuple[Message, ...]:
    """System prompt and examples; fixed ones are the same for every bar, so that a model can keep them in memory."""
    turns = [Message("system", render("advise_system.j2"))]
    for example in _examples(chosen, names):
        turns.append(Message("user", render("advise_bar.j2", market=example["market"])))
        values = {name: _as_slot(value) for name, value in example.items()}
        turns.append(Message("assistant", fill(ADVICE_FORM, values)))
    return tuple(turns)


def _written_out(example: Example) -> dict[str, Any]:
    step = _steps().get(example.label, f": {example.label}")  # a label of one's own has no wording there
    rationale = f"{example.rationale.rstrip('.')}{step}, {example.action}"
    names = {"market": example.market, "rationale": rationale, "label": example.label, "action": example.action}
    return names | {"action_confidence": _EXAMPLE_CONFIDENCE}


def _as_slot(value: str | float) -> str:
    """An example's value as the model writes it: a confidence is the two digits behind the point."""
    return value if isinstance(value, str) else f"{round(100 * value):02d}"


def question_about(market: str, context: Sequence[Shown] = ()) -> Message:
    """The last message of a request: the market's line, in the middle of what else is shown at this close."""
    return Message("user", in_context(_bar_text(market), context), images_of(context))


@lru_cache(maxsize=4096)
def _bar_text(market: str) -> str:
    return render("advise_bar.j2", market=market)


def ask_for_advice(
    market: str,
    *,
    with_form: bool,
    defaults: Request,
    examples: tuple[Example, ...] = (),
    context: tuple[Shown, ...] = (),
) -> Request:
    """The request for one bar, with the sampler of ``defaults``.

    ``market`` is the rendered snapshot, shown among its ``context``; without ``examples`` the fixed ones are shown.
    With a form the program writes the JSON and the model only the values, otherwise the model writes the whole object.
    """
    question = question_about(market, context)
    form = ADVICE_FORM if with_form else ()
    schema = "" if with_form else ADVICE_SCHEMA
    messages = (*_prefix(examples, market_view(market).names), question)
    return replace(defaults, messages=messages, form=form, json_mode=not with_form, json_schema=schema)


@lru_cache(maxsize=4096)
def ask_for_decision(
    market: str, defaults: Request, examples: tuple[Example, ...] = (), context: tuple[Shown, ...] = ()
) -> Request:
    """The request for one bar with few tokens: markets are rows of values, the model decides and explains nothing.

    What stands for a rationale is written by the program, behind the last slot, where no model reads it. Kept, because
    an estimate asks for the same requests as the run behind it.
    """
    view = market_view(market)
    turns = [_decision_system(view.names)]
    for example in examples or _examples(examples, view.names):
        turns += _decision_turns(example) if isinstance(example, Example) else _written_turns(example)
    turns.append(Message("user", in_context(view.row(", "), context), images_of(context)))
    return replace(defaults, messages=tuple(turns), form=decision_form(market), json_mode=False, json_schema="")


@lru_cache(maxsize=64)
def _decision_system(names: tuple[str, ...]) -> Message:
    return Message("system", render("decide_system.j2", features=" ".join(names)))


@lru_cache(maxsize=4096)
def _decision_turns(example: Example) -> tuple[Message, Message]:
    """A past state and what was decided there; kept, because it is shown at many closes."""
    return _written_turns(_written_out(example))


def _written_turns(example: Mapping[str, Any]) -> tuple[Message, Message]:
    values = {name: _as_slot(value) for name, value in example.items()}
    shown = market_view(example["market"]).row(", ")
    return Message("user", shown), Message("assistant", fill(DECISION_FORM, values))


@lru_cache(maxsize=4096)
def decision_form(market: str) -> Form:
    """The form without a rationale, in whose place the program notes what the causal rule would go by."""
    facts = escape(market_view(market).rule_facts)
    return (*DECISION_FORM[:-1], f'}}, "rationale": "The program notes: {facts}."}}')


def ask_for_repair(request: Request, answer: str, problem: str) -> Request:
    """The same question once more, with the (beginning of the) answer that broke the contract and what was wrong with
    it."""
    again = Message("user", encodable(render("advise_repair.j2", problem=problem)))
    shown = encodable(answer[:LONGEST_SHOWN]) or "(empty)"
    return replace(request, messages=(*request.messages, Message("assistant", shown), again))


def prompt_data(name: str) -> Any:
    """The content of ``prompts/NAME``, which is YAML."""
    return yaml.load((files("llm_strategy.prompts") / name).read_bytes(), Loader=_SafeLoader)  # noqa: S506 - a safe one


_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: the same data in a tenth of the time."""
