"""A fact: one measured figure with a name, a unit and the only spelling in which a page may show it.

Facts are kept in a file, sorted by id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from llm_strategy.errors import RunFolderError
from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.write_whole import write_whole
from simulator.folder.record_check import DAMAGE, check_regular


class Unit(StrEnum):
    """What a fact's value counts."""

    FRACTION = "fraction"
    """1.0 for 100 percent; shown as percent."""
    RATIO = "ratio"
    """A pure number, such as a Sharpe ratio; shown with two decimals."""
    COUNT = "count"
    BARS = "bars"
    CURRENCY = "currency"
    SECONDS = "seconds"
    TEXT = "text"


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


def write_facts(facts: Facts, path: Path) -> None:
    """Write facts as JSON sorted by id, one fact a line, whole or not at all; raises ``RunFolderError``."""
    lines = (json.dumps(asdict(facts[name]), sort_keys=True, ensure_ascii=False) for name in sorted(facts))
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
