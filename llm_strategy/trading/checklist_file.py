"""A checklist as a person gives it: a file, a list of presets and items, or a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError, MarketDataError, nearest, shown
from llm_strategy.market.analytics.registry import find_analytic, vocabulary
from llm_strategy.market.context.texts.corpus import read_rows
from llm_strategy.risk.checklist import Checklist
from llm_strategy.risk.checklist.document import parse_checklist
from llm_strategy.risk.checklist.presets import EventBlackout, event_span
from llm_strategy.support.plugins import place_reference
from llm_strategy.support.read_regular import place_of, read_text, require_file
from llm_strategy.support.strict_yaml import parse_yaml
from llm_strategy.trading.checklist_inputs import OTHER_FIELDS

ENDINGS = (".yaml", ".yml")
_EVENT_FILES = (".csv", ".jsonl", ".parquet")
_TIME = "time"


def read_checklist(source: Any, folder: Path | None = None, where: str = "") -> Checklist:
    """A checklist from a YAML file, a mapping, or a list of presets and items, for ``Limits(checklist=...)``.

    >>> read_checklist([{"drawdown_brake": {"at": 0.1}}]).as_dict()
    {'items': {'drawdown_brake': {'preset': 'drawdown_brake', 'at': 0.1, 'do': 'block'}}}

    Files (its own, of scheduled events, of analytics) are looked for in the ``folder``, then in the working folder; it
    keeps what they hold. Raises ``ConfigurationError``, which begins with ``where`` or the name of the file, and
    ``MarketDataError`` for a row of events that cannot be read.
    """
    if isinstance(source, Checklist):
        return source
    told = where or "checklist"
    if isinstance(source, str | Path):
        path = place_of(source, folder)
        with require_file(path, ENDINGS, of=f" of {told}"):
            text = read_text(path)
        source, told, folder = parse_yaml(text, str(path)), str(path), path.parent
        if source is None:
            raise ConfigurationError(f"{told} is empty: write items such as brake: {{preset: drawdown_brake}}.")
    document = _with_events(source, folder, told)
    own: tuple[str, ...] = ()
    if isinstance(document, Mapping) and _are_names(document.get("analytics")):
        own = tuple(place_reference(name, folder) for name in document["analytics"])
        document = {**document, "analytics": list(own)}
        for name in (find_analytic(reference).name for reference in own):
            if name in OTHER_FIELDS:
                raise ConfigurationError(
                    f"{told}: an analytic is called {name!r}, as other fields are: rename it, because account.drawdown "
                    "and the like are fields already."
                )
    return parse_checklist(document, vocabulary(own), told)


def _are_names(names: Any) -> bool:
    return isinstance(names, list | tuple) and all(isinstance(name, str) and name for name in names)


def _with_events(document: Any, folder: Path | None, where: str) -> Any:
    """The document with the times of scheduled events in place of the files that hold them."""
    if isinstance(document, Mapping):
        items = document.get("items")
        if isinstance(items, Mapping):
            filled = {name: _filled(item, name, folder, where) for name, item in items.items()}
            return {**document, "items": filled}
        return {**document, "items": _with_events(items, folder, where)} if isinstance(items, list) else document
    if isinstance(document, list | tuple):
        return [
            {name: _filled(item, name, folder, where) for name, item in each.items()}
            if isinstance(each, Mapping)
            else each
            for each in document
        ]
    return document


def _filled(item: Any, name: Any, folder: Path | None, where: str) -> Any:
    """An item whose ``path`` is replaced by the events of that file."""
    if not isinstance(item, Mapping) or item.get("preset", name) != EventBlackout.name or "path" not in item:
        return item
    if "events" in item:
        raise ConfigurationError(f"{where}: items.{name} has path and events: keep one of them.")
    path = item["path"]
    if not isinstance(path, str) or not path:
        raise ConfigurationError(f"{where}: items.{name}.path is {shown(path)!r}: name a CSV or JSONL file.")
    found = place_of(path, folder)
    with require_file(found, _EVENT_FILES, of=f" of items.{name}"):
        events = _read_events(found)
    return {key: value for key, value in item.items() if key != "path"} | {"events": events}


def _read_events(path: Path) -> list[str]:
    """The times of a file of scheduled events, each once, in their order."""
    events = set()
    for place, row in read_rows(path):
        given = row.get(_TIME)
        if given in (None, ""):
            hint = nearest(_TIME, list(row)) or ": every event needs one, such as 2024-01-31"
            raise MarketDataError(f"{place}: it has no {_TIME}{hint if hint.endswith(('?', '.')) else hint + '.'}")
        text = str(given).strip()
        try:
            event_span(text)
        except (ValueError, OverflowError):
            raise MarketDataError(
                f"{place}: {_TIME} is {shown(given)!r}, and no time: write it as 2024-01-31, or as "
                "2024-01-31T19:00:00Z."
            ) from None
        events.add(text)
    if not events:
        raise MarketDataError(f"{path} holds no event: write rows with {_TIME}.")
    return sorted(events)
