"""What a person must know of the cells of a sweep before anything runs: the notes that each would have as a run of its
own, alike ones told once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.folder.description import limit_notes, notes_on
from simulator.sweeps.cells import Cell, Cells

MOST_NOTES = 10
"""Notes of single cells that are told."""
_NUMBER = re.compile(r"\d[\d.,:-]*")
_OF_NO_NOTE = ("name", "costs", "orders", "evaluation", "output", "risk")
"""Sections that no note depends on but for the limits."""
_OF_NOTES = ("max_participation", "checklist")
"""Limits that notes on prices depend on."""


def cell_notes(cells: Cells) -> Iterator[str]:
    """A sentence for each thing to know. One that is not of all cells names the first, and how many are like it: a
    limit that ends positions earlier than the one that is varied is said of a value that it binds."""
    found: dict[str, list[tuple[Cell, str]]] = {}
    known: dict[str, Sequence[str]] = {}
    for cell in cells.all:
        for sentence in dict.fromkeys(_of_cell(cells, cell, known)):
            found.setdefault(_NUMBER.sub("0", sentence), []).append((cell, sentence))
    told = list(found.values())
    for alike in told[:MOST_NOTES]:
        cell, sentence = alike[0]
        if len(alike) == len(cells.all) and len({each for _, each in alike}) == 1:
            yield sentence
        else:
            more = f" Much the same goes for {len(alike) - 1:,} more." if len(alike) > 1 else ""
            yield f"{cell.title}: {sentence}{more}"
    if len(told) > MOST_NOTES:
        yield f"There are {len(told) - MOST_NOTES:,} other notes on single cells: btllm compare tells those of its own."


def _of_cell(cells: Cells, cell: Cell, known: dict[str, Sequence[str]]) -> Iterator[str]:
    """The notes of one cell; those on prices, which take a while, are ``known`` where nothing that they depend on
    differs."""
    universe = cells.prices.visible(cell.experiment).universe
    document: Mapping[str, Any] = json.loads(cell.resolved)
    decides = {name: part for name, part in document.items() if name not in _OF_NO_NOTE}
    key = json.dumps([universe.sha256, decides, [document["risk"].get(name) for name in _OF_NOTES]])
    limits = tuple(limit_notes(cell.experiment.risk))
    if key not in known:
        known[key] = [note for note in notes_on(cell.experiment, universe) if note not in limits]
    yield from known[key]
    yield from limits
