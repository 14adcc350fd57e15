"""``brief.json``: the brief of the last decision of the primary arm, where that has a plan, with the model's answers by
request hash, so that it is judged again from them."""

from __future__ import annotations

from pathlib import Path

from simulator.folder.record_check import read_json_file
from simulator.reporting.brief.brief import BRIEF, Brief


def read_brief(folder: Path) -> Brief | None:
    """The brief of a run folder; None where there is none; raises ``RunFolderError`` for a damaged one."""
    return read_json_file(folder / BRIEF, Brief.from_dict)
