"""Readers of hypotheses: a statement, an exported register, and the file of a register."""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from llm_strategy.errors import ConfigurationError, RegisterError
from simulator.hypotheses.register import Proposer, Register
from simulator.hypotheses.statement import Hypothesis
from simulator.registers.data import DataWindow

from .target import Target

STATEMENTS = [
    {"conditions": ["market.trend > 2%", "market.drawdown < -0.1"], "direction": "up", "horizon": 20, "effect": 0.01},
    {"conditions": ["returns_by_horizon.bars_60 >= 1e-3"], "direction": "down", "horizon": 1, "effect": 1},
]


def _statements():
    return [json.dumps(statement).encode() for statement in STATEMENTS]


def _read_statement(data, folder):
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigurationError("statement: no JSON: write some.") from None
    statement = Hypothesis.from_document(document, "statement")
    assert Hypothesis.from_document(statement.as_document(), "again").id == statement.id
    assert statement.sentence.isprintable()


@cache
def _register():
    """An export and the bytes of a register of two statements, one of which was tested."""
    with tempfile.TemporaryDirectory() as folder:
        register = Register(Path(folder) / "hypotheses.sqlite")
        times = np.datetime64("2010-01-01", "us") + np.arange(60) * np.timedelta64(1, "D")
        closes = 100 + np.cumsum(np.random.default_rng(1).normal(0, 1, 60))
        for document in STATEMENTS:
            statement = Hypothesis.from_document(document, "statement")
            register.propose(statement, Proposer("model", "m"), None)
        window = DataWindow.of({"A": (times, closes)}, times[0], times[-1], {"A": "p"})
        figures = dict.fromkeys(("usual", "effect", "low", "high", "p"), 0.01) | {"block": None}
        found = {"closes": 59, "events": 12, "runs": 11, **figures}
        register.record_test(statement, window, found, 0.5, "run")
        return "\n".join(register.export()).encode(), register.path.read_bytes()


def _read_export(data, folder):
    shutil.rmtree(folder / "own", ignore_errors=True)
    register = Register(folder / "own" / "hypotheses.sqlite")
    lines = data.decode("utf-8", "replace").split("\n")
    count = register.bring_in(lines, "saved.jsonl")
    assert count == len(register.entries()) == len(lines)
    assert register.check() is None


def _read_register(data, folder):
    path = folder / "hypotheses.sqlite"
    for other in folder.glob("hypotheses.sqlite*"):
        other.unlink()
    path.write_bytes(data)
    register = Register(path)
    fault = register.check()
    assert fault is None or fault.endswith(".")
    for entry in register.entries():
        register.window(entry)
    list(register.export())


TARGETS = [
    Target("statement", _statements, _read_statement, (ConfigurationError,)),
    Target("exported_register", lambda: [_register()[0]], _read_export, (ConfigurationError, RegisterError), tries=60),
    Target("register", lambda: [_register()[1]], _read_register, (RegisterError,), tries=60),
]
