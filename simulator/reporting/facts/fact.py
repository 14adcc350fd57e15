"""A fact: one measured figure with a name, a unit and the only spelling in which a page may show it; the table in which
facts are collected, and the file that keeps them, sorted by id.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from json.encoder import encode_basestring
from operator import attrgetter
from pathlib import Path

from llm_strategy.errors import RunFolderError
from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.write_whole import write_whole
from simulator.folder.evidence import round_digits
from simulator.folder.record_check import DAMAGE, check_regular
from simulator.reporting.facts.terms import COUNTED_TERMS, Term, Unit

NOT_AVAILABLE = "n/a"
KINDS = 12
"""Kinds that a count by kind names; the rest are counted together as "other"."""

ENDLESS_PERCENT = 1e9
"""From here on a percentage, such as the growth a year of a good week, is told by its power of ten."""

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of a report.

    ``id`` is ``subject.metric`` (``llm.sharpe``, ``llm-buy_and_hold.sharpe_difference``, ``run.bars``); ``label`` reads
    in a sentence ("annual Sharpe ratio of llm"); ``text`` is ``value`` as shown everywhere.
    """

    id: str
    subject: str
    metric: str
    value: float | int | str
    unit: Unit
    label: str
    text: str


Facts = Mapping[str, Fact]
"""Facts by id, in the order of the report."""


def show(value: Value, unit: Unit) -> str:
    """The only spelling of a value: percent and percentage points ("pp") with one decimal, ratios and money with two,
    thousands separated.

    What would be rounded to zero keeps one digit, so that nothing small is shown as nothing.
    """
    if value is None or isinstance(value, str):
        return value or NOT_AVAILABLE
    match unit:
        case Unit.FRACTION:
            return f"{_percent(value)}%"
        case Unit.POINTS:
            return f"{_percent(value)} pp"
        case Unit.RATIO | Unit.CURRENCY:
            return _decimal(value, 2)
        case Unit.SECONDS:
            return f"{_decimal(value, 1 if value >= 10 else 2)} s"
        case _:
            return f"{value:,}"


def _percent(value: float) -> str:
    percent = 100 * value
    return f"{percent:.1e}" if abs(percent) >= ENDLESS_PERCENT else _decimal(percent, 1)


def _decimal(value: float, places: int) -> str:
    if abs(value) < 1e-9:
        value = 0.0
    if value and round(value, places) == 0:
        places = -math.floor(math.log10(abs(value)))
    return f"{round(value, places) + 0.0:,.{places}f}"


class FactTable:
    """Facts in the making, in the order in which they are added."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}

    def add(self, subject: str, metric: str, value: Value, unit: Unit, label: str, text: str | None = None) -> None:
        if isinstance(value, float):
            value = round_digits(value)
        shown = show(value, unit) if text is None else text
        if value is None or value == "":
            value, unit = NOT_AVAILABLE, Unit.TEXT
        identity = f"{subject}.{metric}"
        self.facts[identity] = Fact(identity, subject, metric, value, unit, label, shown)

    def take(self, other: FactTable) -> None:
        """Add all facts of another table."""
        self.facts.update(other.facts)

    def term(self, subject: str, metric: str, term: Term, value: Value) -> None:
        words = term.words if subject == "model" else f"{term.words} of {subject}"
        self.add(subject, metric, value, term.unit, words)

    def counts(self, subject: str, metric: str, counts: dict[str, int]) -> None:
        named: dict[str, int] = {}
        for rank, (kind, count) in enumerate(counts.items()):
            slug = re.sub(r"[^\w.]+", "_", kind.lower()).strip("_")[:40] if rank < KINDS else "other"
            named[slug] = named.get(slug, 0) + count
        for slug, count in named.items():
            label = f"{COUNTED_TERMS[metric].words} {slug.replace('.', ' ')} of {subject}"
            self.add(subject, f"{metric}.{slug}", count, Unit.COUNT, label)

    def number(self, identity: str) -> float | None:
        value = self.facts[identity].value
        return None if isinstance(value, str) else value


def listed_names(names: list[str]) -> str:
    """Names as a sentence lists them: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def kinds_of(subject: str, metric: str, facts: Facts) -> list[tuple[str, str]]:
    """The kinds of what is counted by kind, as read by people, and the ids of their counts."""
    prefix = f"{subject}.{metric}."
    return [
        (name.removeprefix(prefix).replace(".", ", ").replace("_", " "), name)
        for name in facts
        if name.startswith(prefix)
    ]


_KEYS = sorted(field.name for field in fields(Fact))
_values = attrgetter(*_KEYS)
_LINE = "{" + ", ".join([f'"{key}": %s' for key in _KEYS]) + "}"
"""A fact as JSON with places for its values, which takes a fraction of the time of an encoder."""


def _as_json(value: float | int | str) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    return repr(value) if type(value) is float and value - value == 0 else json.dumps(value)


def write_facts(facts: Facts, path: Path) -> None:
    """Write facts as JSON sorted by id, one fact a line, whole or not at all; raises ``RunFolderError``."""
    lines = (_LINE % tuple(map(_as_json, _values(facts[name]))) for name in sorted(facts))
    try:
        write_whole(path, spelled_out_json("[\n" + ",\n".join(lines) + "\n]\n"))
    except OSError as problem:
        raise RunFolderError(f"{path} cannot be written ({problem.strerror}): name a folder that can be.") from None


def read_facts(path: Path) -> dict[str, Fact]:
    """Read what ``write_facts`` wrote; raises ``RunFolderError``."""
    check_regular(path)
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {row["id"]: Fact(**(row | {"unit": Unit(row["unit"])})) for row in rows}
    except (OSError, *DAMAGE) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): build the report again from its folder.") from None
