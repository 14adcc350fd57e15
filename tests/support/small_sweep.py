"""A small sweep: a scripted model that buys what stands above its average, limits, costs and windows."""

import hashlib
import json

from fault_runs import write_experiment
from small_run import reader

BASE = {
    "name": "small",
    "data": {"source": "synthetic:calm?bars=460&seed=3"},
    "risk": {"min_confidence": 0.3},
    "evaluation": {"bootstrap_samples": 100, "placebos": 19},
}
GRID = {"risk.max_position_size": [0.1, 0.15, 0.2], "costs.slippage_bps": [1, 5]}
WALK = {"bars": 60, "step": 40}
TABLES = ("sweep.json", "cells.parquet", "returns.parquet", "facts.json", "report.html", "report.md")


def buyer(request):
    """A model that is in the market wherever it is not told that the market is below."""
    answer = reader(request)
    return answer if "below" in request.messages[-1].content else answer | {"label": "bull", "action": "enter_long"}


def small_sweep(folder, **more):
    """A document whose folder stands under this one; ``experiment`` adds sections to the small experiment."""
    base = BASE | more.pop("experiment", {}) | {"output": {"folder": str(folder)}}
    return {"name": "limits", "experiment": base, "grid": GRID, "walk_forward": WALK} | more


def sums(folder):
    """The hashes of what a sweep found."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TABLES}


def write_sweep(folder, decisions, **sections):
    """The experiment of ``fault_runs`` as a sweep over limits, costs and two windows, in a folder."""
    write_experiment(folder, decisions, **sections)
    document = {
        "experiment": "experiment.yaml",
        "grid": {"risk.max_position_size": [0.1, 0.2], "costs.slippage_bps": [0, 5, 10]},
        "walk_forward": {"bars": decisions // 2},
    }
    (folder / "sweep.yaml").write_text(json.dumps(document))


def finished(folder):
    """The one finished sweep below a folder."""
    (found,) = [path for path in (folder / "reports").iterdir() if (path / "manifest.json").is_file()]
    return found
