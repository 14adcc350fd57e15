"""The demo's figures as they are expected to be, and the model's answers behind them.

``make expected`` runs the demo with the embedded model (answers on the user's record are not asked again), writes both
anew into ``tests/expected``, and shows what changed: keep it where that is what a change was meant to do.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import tempfile
import unittest.mock
from dataclasses import replace
from pathlib import Path

import simulator
from llm_strategy.llm import FolderStore, MemoryStore, RecordingClient, Request, get_llm_client
from llm_strategy.llm.models.store import cache_folder
from llm_strategy.llm.requests import Generation, ModelIdentity
from simulator.folder.provenance import sampler_of

FOLDER = Path(__file__).parents[1] / "expected"
ANSWERS, FIGURES = FOLDER / "demo_answers.json.gz", FOLDER / "demo_figures.json"
PARTS = {"whole": None, "to 2003": "2003-12-31"}
"""The demo, and its first four years of decisions, by the day on which they end."""
_OF_THE_OCCASION = (
    "asked",
    "from_record",
    "seconds",
    "mean_seconds",
    "p95_seconds",
    "tokens_in",
    "tokens_out",
    "tokens",
    "model_unknown",
)
"""What differs from one command to the next: who was asked when, how long it took, and what is known of its cost."""
CLOSE = 1e-9
"""Relative distance of two values that another machine may make of one sum."""


class _Used(MemoryStore):
    """The user's record of answers, of which those that were used are kept."""

    def __init__(self, record: FolderStore) -> None:
        super().__init__()
        self._record = record

    def get(self, key, default=None):
        if key not in self and (found := self._record.get(key)) is not None:
            self[key] = found
        return super().get(key, default)

    def add(self, key, generation):
        self[key] = self._record.add(key, generation)
        return self[key]


def figures(part, client, folder):
    """Every fact of the demo, or of a part of it, as the first run on these bars: its value and how it is shown."""
    demo = simulator.Experiment.starter()
    data = replace(demo.data, end=PARTS[part])
    output = replace(demo.output, folder=str(folder))
    evaluation = replace(demo.evaluation, placebos=19)  # the others are more of the same, and take minutes
    with unittest.mock.patch.dict(os.environ, BTLLM_DATA_DIR=str(Path(folder) / "data")):
        demo = replace(demo, data=data, output=output, evaluation=evaluation)
        result = simulator.compare(demo, client=client, progress=False)
    facts = result.facts
    return {
        name: [facts[name].value, facts[name].text]
        for name in sorted(facts)
        if name.split(".")[-1] not in _OF_THE_OCCASION
    }


def recorded_client():
    """A client that gives the recorded answers, and nothing where a question is another one."""
    kept = json.loads(gzip.decompress(ANSWERS.read_bytes()))
    store = MemoryStore({key: Generation(text, 1, 1, 1.0) for key, text in kept["answers"].items()})
    client = RecordingClient(None, ModelIdentity.from_dict(kept["identity"]), store, "replay")
    client.start_from(Request(messages=(), **kept["sampler"]))
    return client


def differences(expected, got):
    """A line for each fact that is not as expected: its id, what was expected, what came."""
    lines = []
    for name in sorted(expected.keys() | got.keys()):
        before, after = expected.get(name), got.get(name)
        if before is None or after is None or not _same(before, after):
            shown = (f"{fact[1]} ({fact[0]!r})" if fact else "no such fact" for fact in (before, after))
            lines.append(f"{name:45} {' -> '.join(shown)}")
    return lines


def _same(before, after):
    if before[1] != after[1] or type(before[0]) is not type(after[0]):
        return False
    return math.isclose(before[0], after[0], rel_tol=CLOSE) if isinstance(before[0], float) else before[0] == after[0]


def main():
    """Write answers and figures."""
    model, used = get_llm_client(), _Used(FolderStore(cache_folder() / "answers"))
    expected = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    found = {}
    for part in PARTS:
        with tempfile.TemporaryDirectory() as folder:
            found[part] = figures(part, RecordingClient(model, model.identity, used), folder)
        for line in differences(expected.get(part, {}), found[part]):
            print(f"{part}: {line}")
    FOLDER.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    answers = {key: used[key].text for key in sorted(used)}
    kept = {"identity": model.identity.as_dict(), "sampler": sampler_of(model), "answers": answers}
    ANSWERS.write_bytes(gzip.compress(json.dumps(kept).encode(), mtime=0))


if __name__ == "__main__":
    main()
