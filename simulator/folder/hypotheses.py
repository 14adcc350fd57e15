"""``hypotheses.json``: what a run stated about its market, who proposed it, how that was registered and tested, and
what it earned as a rule. A replay writes it again from prices and recorded answers, without the user's register.

The times at which the register took an entry are those of the wall clock; a replay takes them, as it takes all that the
register said, from here, and computes the hash of each entry again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_strategy.support.schemas import require
from simulator.folder.record_check import read_json_file

HYPOTHESES = "hypotheses.json"


def read_hypotheses(folder: Path) -> Mapping[str, Any] | None:
    """The document of a run folder, as ``contracts/hypotheses.schema.json`` says; None where there is none; raises
    ``RunFolderError`` for a damaged one."""
    path = folder / HYPOTHESES

    def read(document: Any) -> Mapping[str, Any]:
        require("hypotheses", document, str(path))
        found: Mapping[str, Any] = document
        return found

    return read_json_file(path, read)
