"""Facts in a file: written whole, read back equal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from llm_strategy.errors import RunFolderError
from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.write_whole import write_whole
from simulator.folder.record_check import DAMAGE, check_regular
from simulator.reporting.facts.fact import Fact, Facts, Unit


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
