"""Items of a checklist that a model is asked about in the answer that holds its advice: whether each applies, and what
it looked at for that.

A yes can only take exposure away (``llm_strategy.risk.checklist``), so that a model which answers at random costs
entries and never adds one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeAlias

from llm_strategy.advice.written_prompt import prompt_data, render
from llm_strategy.llm.requests import Form, Request, Slot, escape
from llm_strategy.market.context.measured import Analytics
from llm_strategy.market.view import market_view
from llm_strategy.risk.checklist import Checklist
from llm_strategy.shown import Shown

LISTED = (Analytics.name, "plan")
"""Sources of context whose text has a line for each thing that they show, its name first."""
_WORDS = ("yes", "no")


class AskedItem(NamedTuple):
    """An item of a checklist by its name, and the question that a model is asked for it."""

    name: str
    question: str


AskedItems: TypeAlias = tuple[AskedItem, ...]


def asked_items(checklist: Checklist | None) -> AskedItems:
    """The items of a checklist that a model is asked about."""
    return () if checklist is None else tuple(AskedItem(item.name, item.ask) for item in checklist.questions)


def shown_fields(market: str, context: Iterable[Shown]) -> tuple[str, ...]:
    """The names of what a model is shown at a close: the features of the market's line (empty where that is not shown),
    the analytics, and the other sources of context."""
    names = list(market_view(market).names) if market else []
    for shown in context:
        if shown.source in LISTED:
            names += [line.partition(":")[0] for line in shown.text.splitlines() if ":" in line]
        elif shown.text:
            names.append(shown.source)
    return tuple(dict.fromkeys(names)) or ("nothing",)


def checklist_text(items: AskedItems, fields: Sequence[str], *, manner: str) -> str:
    """The questions, and how they are answered where the model writes the whole JSON (``manner`` is ``json``) or the
    values alone (``slots``); with ``choices`` each is asked by itself, and they are told alone."""
    return _text(items, tuple(fields), manner)


@lru_cache(maxsize=256)
def _text(items: AskedItems, fields: tuple[str, ...], manner: str) -> str:
    return render("checklist.j2", items=items, fields=", ".join(fields), manner=manner)


def explain_items(request: Request, text: str) -> Request:
    """The request with the questions of the checklist behind its system message."""
    system, *others = request.messages
    return replace(request, messages=(replace(system, content=f"{system.content}\n\n{text}"), *others))


def held_to_items(request: Request, items: AskedItems, fields: Sequence[str]) -> Request:
    """The request whose form has holes for the answers to these items behind the action, or whose schema asks for
    them."""
    if request.form:
        return replace(request, form=_with_slots(request.form, items, tuple(fields)))
    return replace(request, json_schema=request.json_schema and _with_keys(request.json_schema, items, tuple(fields)))


def _with_slots(form: Form, items: AskedItems, fields: tuple[str, ...]) -> Form:
    """The last text of a form closes the action and then the advice, with what the program notes between."""
    *parts, last = form
    text = f'{str(last)[:1]}, "checks": {{'
    longest = max(map(len, fields))  # in tokens they are shorter
    for number, item in enumerate(items):
        parts += [
            f'{text}{", " if number else ""}"{escape(item.name)}": {{"applies": "',
            Slot(f"{item.name} applies", max_tokens=4, choices=_WORDS),
            '", "field": "',
            Slot(f"{item.name} field", max_tokens=longest, choices=fields),
        ]
        text = '"}'
    return (*parts, f"{text}}}{str(last)[1:]}")


@lru_cache(maxsize=64)
def _with_keys(schema: str, items: AskedItems, fields: tuple[str, ...]) -> str:
    asked: Any = json.loads(schema)
    answer = _object({"applies": {"type": "boolean"}, "field": {"enum": list(fields)}})
    asked["properties"]["checks"] = _object({item.name: answer for item in items})
    asked["required"].append("checks")
    return json.dumps(asked)


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@cache
def _scored_words() -> Mapping[str, str]:
    return dict(prompt_data("checklist.yaml"))


def ask_item(conversation: Request, item: AskedItem) -> tuple[Request, tuple[str, ...]]:
    """The request behind this conversation whose answer is scored for an item, and the choices yes and no as they stand
    there."""
    words = _scored_words()
    opening = words["question"].replace("{question}", item.question)
    return replace(conversation, opening=opening), (words["yes"], words["no"])


def ask_field(conversation: Request, item: AskedItem, fields: Sequence[str]) -> tuple[Request, tuple[str, ...]]:
    """The request for what the model looked at, behind its yes to an item, and the fields as they stand there."""
    words = _scored_words()
    asked, (yes, _) = ask_item(conversation, item)
    # the sign behind a name keeps one from being the beginning of another
    return replace(asked, chosen=yes + words["because"]), tuple(f" {field}{words['end']}" for field in fields)
