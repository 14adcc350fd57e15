"""Readers of a run folder, of which one file was changed: report, replay, trace, the backend of its answers, lists of
runs, two runs beside each other, and exports; and of the folder of a sweep."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from small_run import recording, seal, small
from sweep_folder import write_made_sweep

import simulator
from llm_strategy.errors import RunFolderError
from simulator.exports.formats import export_run
from simulator.reporting.sweep.page import write_sweep_page
from simulator.runs.difference import diff_runs
from simulator.runs.finished import find_runs
from simulator.runs.replay_backend import answers_of
from simulator.runs.replaying import replay
from simulator.runs.report import rebuild_report
from simulator.runs.trace import trace

from .mutation import mutated
from .target import Target

COMMANDS = {
    "report": rebuild_report,
    "replay": replay,
    "trace": lambda folder: trace(folder).as_text(),
    "trace as JSON": lambda folder: json.dumps(trace(folder, arm="llm", draw=2).as_dict(), default=str),
    "answers": answers_of,
    "runs": find_runs,
    "diff": lambda folder: diff_runs(folder, _finished()).write(folder.with_name("diff.html")),
    "returns": lambda folder: export_run(folder, "returns", str(folder.with_name("returns.csv"))),
    "otel": lambda folder: export_run(folder, "otel", str(folder.with_name("spans.json")), content=True),
}
JUDGES = ("report", "replay")
"""Commands that look at the hashes."""


@cache
def _finished():
    """A comparison of two arms, one of them with a further draw."""
    experiment = small(
        Path(tempfile.mkdtemp(prefix="btllm-fuzz-")), arms=["llm", "buy_and_hold"],
        data={"source": "synthetic:cycles?bars=300&seed=5"}, evaluation={"draws": 2, "bootstrap_samples": 100},
    )  # fmt: skip
    return simulator.compare(experiment, client=recording()[0], progress=False).folder


def _files():
    """Each file as it is, behind a line that says which it is, what reads it, and whether the hashes are put right."""
    found = []
    for path in sorted(_finished().rglob("*")):
        if path.is_file() and not path.name.startswith("report."):
            heads = product((str(path.relative_to(_finished())),), COMMANDS, (True, False))
            found += [json.dumps(head).encode() + b"\n" + path.read_bytes() for head in heads]
    return sorted(found, key=len)


def _changed(dice, seed, seeds):
    head, _, content = seed.partition(b"\n")
    return head + b"\n" + mutated(dice, content, [content])


def _read(data, folder):
    head, _, content = data.partition(b"\n")
    name, command, put_right = json.loads(head)
    copy = folder / "run"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(_finished(), copy)
    same = (copy / name).read_bytes() == content
    is_sealed = any(
        name == str((path.parent / sealed).relative_to(copy))
        for path in copy.rglob("manifest.json")
        for sealed in json.loads(path.read_text())["files"]
    )
    (copy / name).write_bytes(content)
    if put_right:
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError):
            seal(copy)
    found = COMMANDS[command](copy)
    if is_sealed and not same and command in JUDGES:
        assert put_right, f"{command} takes a changed {name}"
        if command == "replay" and not name.endswith("explanation.json"):
            assert not all(check.same for check in found), f"a changed {name} is called the same"


@cache
def _sweep():
    """The three files of a sweep of two settings and windows."""
    returns = np.random.default_rng(3).normal(0.0, 0.01, (130, 4))
    return write_made_sweep(
        Path(tempfile.mkdtemp(prefix="btllm-fuzz-")), {"risk.stop_loss_pct": [0.02, 0.1], "advisor.mode": ["a", "b"]},
        returns, windows=2,
    )  # fmt: skip


def _sweep_files():
    paths = sorted(_sweep().glob("*.json")) + sorted(_sweep().glob("*.parquet"))
    return [json.dumps(path.name).encode() + b"\n" + path.read_bytes() for path in paths]


def _read_sweep(data, folder):
    head, _, content = data.partition(b"\n")
    copy = folder / "sweep"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(_sweep(), copy)
    (copy / json.loads(head)).write_bytes(content)
    page = write_sweep_page(copy).read_text(encoding="utf-8")
    assert page.count("<script>") == 1, "no script but the program's own"


TARGETS = (
    Target("run folder", _files, _read, (RunFolderError,), tries=8, share=4, seconds=20.0, mutate=_changed),
    Target("sweep", _sweep_files, _read_sweep, (RunFolderError,), tries=24, seconds=20.0, mutate=_changed),
)
