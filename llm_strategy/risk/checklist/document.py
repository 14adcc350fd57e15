"""A checklist as plain data (``contracts/checklist.schema.json``), read strictly: nothing in it is ignored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from llm_strategy.errors import ConfigurationError, did_you_mean, shown
from llm_strategy.risk.checklist.fields import FIELDS
from llm_strategy.risk.checklist.item import EFFECTS, Checklist, Item
from llm_strategy.risk.checklist.presets import PRESETS, EventBlackout, event_span
from llm_strategy.support.condition import Condition, Vocabulary
from llm_strategy.support.schemas import require

_KINDS = ("when", "preset", "ask")
_NO_ITEM = "write items such as brake: {preset: drawdown_brake, at: 0.1}"


def parse_checklist(document: Any, analytics: Vocabulary, where: str = "checklist") -> Checklist:
    """A checklist from plain data: a mapping with ``items`` by name, or the list of items alone.

    An item of a list is the name of a preset, or a mapping of one name to its content. Conditions may speak of
    ``FIELDS`` and of the ``analytics``. Raises ``ConfigurationError``, which begins with ``where``.
    """
    content = {"items": document} if isinstance(document, list | tuple) else document
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where} is {shown(document)!r}: {_NO_ITEM}.")
    items = {}
    for name, item in _named(content.get("items"), where):
        if name in items:
            raise ConfigurationError(f"{where} has two items of the name {name!r}: rename one of them.")
        items[name] = _whole(name, item, where)
    whole = dict(content) | {"items": items}
    for key in ("limits", "analytics"):
        if not whole.get(key, True):
            del whole[key]  # nothing stands under it
    require("checklist", whole, where)
    known = {**FIELDS, **analytics}
    return Checklist(
        tuple(_item(name, item, known, f"{where}: items.{name}") for name, item in items.items()),
        tuple(whole.get("limits", {}).items()),
        tuple(whole.get("analytics", ())),
    )


def _named(items: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Name and content of each item."""
    if not items or not isinstance(items, Mapping | list | tuple):
        told = "has no items" if not items else f"has the items {shown(items)!r}"
        raise ConfigurationError(f"{where} {told}: {_NO_ITEM}.")
    if isinstance(items, Mapping):
        yield from ((str(name), item) for name, item in items.items())
        return
    for item in items:
        if isinstance(item, str):
            yield item, None
        elif isinstance(item, Mapping) and len(item) == 1:
            yield from ((str(name), content) for name, content in item.items())
        else:
            raise ConfigurationError(
                f"{where} has the item {shown(item)!r}: write the name of a preset, or one name with its content as in "
                "{wild: {when: market.trend < 0, do: block}}."
            )


def _whole(name: str, item: Any, where: str) -> dict[str, Any]:
    """The content of an item with nothing left out: a name alone is that of a preset, one condition a list of it."""
    content = {} if item is None else item
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where}: items.{name} is {shown(item)!r}: {_NO_ITEM}.")
    found = dict(content)
    kinds = [kind for kind in _KINDS if found.get(kind) is not None]
    if not kinds:
        if name not in PRESETS:
            near = did_you_mean(name, PRESETS) if item is None else ": write when, preset or ask."
            told = "is no preset" if item is None else "does not say when it fires"
            raise ConfigurationError(f"{where}: items.{name} {told}{near}")
        found = {"preset": name} | found
    elif len(kinds) > 1:
        raise ConfigurationError(f"{where}: items.{name} has {' and '.join(kinds)}: keep one, or make two items of it.")
    preset = found.get("preset")
    if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
        raise ConfigurationError(
            f"{where}: items.{name} has the preset {shown(preset)!r}{did_you_mean(preset, PRESETS)}"
        )
    if "do" in found and found["do"] not in EFFECTS:
        raise ConfigurationError(
            f"{where}: items.{name} has do {shown(found['do'])!r}: write block, halve or flag: a checklist can only "
            "make an entry smaller."
        )
    if isinstance(found.get("when"), str):
        found["when"] = [found["when"]]
    if "when" in kinds and not found["when"]:
        raise ConfigurationError(f"{where}: items.{name}.when is empty: write a condition, as in market.trend < 0.")
    if preset == EventBlackout.name and not found.get("events"):
        raise ConfigurationError(
            f"{where}: items.{name} has no events: name a CSV or JSONL file with their time under path, or list them "
            "under events."
        )
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def _item(name: str, content: Mapping[str, Any], known: Vocabulary, where: str) -> Item:
    if "ask" in content:
        return Item(name, content["do"], ask=content["ask"])
    if "when" in content:
        conditions = [Condition.parse(text, known, f"{where}.when") for text in content["when"]]
        return Item(name, content["do"], tuple(dict.fromkeys(conditions)))
    kind = PRESETS[content["preset"]]
    options = {each.name: content[each.name] for each in fields(kind) if each.name in content}
    for event in options.get("events", ()):
        try:
            event_span(event)
        except (ValueError, OverflowError):
            raise ConfigurationError(
                f"{where} has the event {event!r}, which is no time: write a date such as 2024-01-31, or a time such "
                "as 2024-01-31T19:00:00Z."
            ) from None
    for key, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):  # it would be reached never, and nobody be told
            raise ConfigurationError(f"{where}.{key} is {value}: write a number.")
    usual: dict[str, Any] = {each.name: each.default for each in fields(kind)}
    for key, value in options.items():  # 1 and 1.0 are written alike
        options[key] = tuple(value) if isinstance(value, list) else type(usual[key])(value)
    return Item(name, content.get("do", kind.usual), preset=kind(**options))
