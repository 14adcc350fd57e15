"""The neutral prompt: what labels and actions mean and how the answer is written, without an example or a rule, so that
what a model says is its own opinion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache

from llm_strategy.advice.written_prompt import ADVICE_SCHEMA, decision_form, prompt_data, question_about, render
from llm_strategy.llm.requests import Form, Message, Request, Slot
from llm_strategy.market.regimes import USUAL_REGIMES, Regimes
from llm_strategy.shown import Shown
from llm_strategy.types import ActionType


@cache
def meaning_of_actions() -> Mapping[ActionType, str]:
    """What each action does, in the words of ``prompts/plain_actions.yaml``."""
    words = prompt_data("plain_actions.yaml")
    return {action: words[action] for action in ActionType}


def labels_text(regimes: Regimes) -> str:
    """A line for each label with its meaning."""
    return "\n".join(f"- {name}: {kind.meaning}" for name, kind in regimes.kinds.items())


def actions_text() -> str:
    """A line for each action with what it does."""
    return "\n".join(f"- {action}: {meaning}" for action, meaning in meaning_of_actions().items())


def form_text(form: Form, regimes: Regimes, *, with_form: bool) -> str:
    """How an advice is to be answered: what the model writes into the holes of a ``form``, or else the whole JSON, both
    in words alone, for what stands there to be filled in or to go by a small model copies."""
    rationale = any(isinstance(part, Slot) and part.name == "rationale" for part in form)
    name = "plain_values.j2" if with_form else "plain_json.j2"
    return _form(name, _either(regimes.names), rationale)


def scored_form_text(written: str, regimes: Regimes) -> str:
    """How a scored answer is worded: a text with LABEL and ACTION in the places of both, and what may stand there."""
    labels, actions = ", ".join(regimes.names), ", ".join(ActionType)
    return render("plain_form.j2", form=written, labels=labels, actions=actions)


@lru_cache(maxsize=64)
def _form(name: str, labels: str, rationale: bool) -> str:
    return render(name, labels=labels, actions=_either(tuple(ActionType)), rationale=rationale)


def _either(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


@lru_cache(maxsize=64)
def _system(labels: str, form: str) -> str:
    return render("plain_system.j2", labels=labels, actions=actions_text(), form=form)


def plain_system(regimes: Regimes, form: str = "") -> str:
    """The neutral system prompt, with how the answer is written where the question does not say it."""
    return _system(labels_text(regimes), form)


@lru_cache(maxsize=4096)
def ask_plainly(
    market: str,
    defaults: Request,
    *,
    form: Form,
    with_form: bool,
    regimes: Regimes,
    context: tuple[Shown, ...] = (),
) -> Request:
    """The request for one bar without examples: the meaning of labels and actions, the form, and the market's line
    among its ``context``. With a form the program writes the JSON and the model only the values. Kept, because an
    estimate asks for the same requests as the run behind it."""
    system = Message("system", plain_system(regimes, form_text(form, regimes, with_form=with_form)))
    messages = (system, question_about(market, context))
    return held_to_form(replace(defaults, messages=messages), market, form=form, with_form=with_form)


def explain_labels(request: Request, regimes: Regimes) -> Request:
    """The request with what labels of the experiment's own mean behind its system message; the usual ones are told by
    the examples that it shows."""
    if regimes.are_usual:
        return request
    system, *others = request.messages
    said = replace(system, content=f"{system.content}\n\nRegimes:\n{labels_text(regimes)}")
    return replace(request, messages=(said, *others))


def with_labels(request: Request, regimes: Regimes) -> Request:
    """The request with these labels in the hole of its form that is for one, or in the schema of its answer."""
    names = tuple(regimes)
    if names == tuple(USUAL_REGIMES):
        return request
    longest = max(map(len, names))  # in tokens they are shorter
    form = tuple(
        replace(part, choices=names, max_tokens=max(part.max_tokens, longest))
        if isinstance(part, Slot) and part.name == "label"
        else part
        for part in request.form
    )
    schema = request.json_schema and _schema(request.json_schema, names)
    return replace(request, form=form, json_schema=schema)


@lru_cache(maxsize=64)
def _schema(usual: str, names: tuple[str, ...]) -> str:
    schema = json.loads(usual)
    schema["properties"]["regime"]["properties"]["label"]["enum"] = list(names)
    return json.dumps(schema)


def held_to_form(request: Request, market: str, *, form: Form, with_form: bool) -> Request:
    """The request with the form that the model fills, or else held to JSON by the schema of an advice. Where the form
    has no rationale the program notes the market's facts in its place."""
    if not with_form:
        return replace(request, form=(), json_mode=True, json_schema=ADVICE_SCHEMA)
    reasoned = any(isinstance(part, Slot) and part.name == "rationale" for part in form)
    return replace(request, form=form if reasoned else decision_form(market), json_mode=False, json_schema="")
