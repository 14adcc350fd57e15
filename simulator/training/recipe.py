"""How the adapter that comes with the package was made: from nothing to judged, by one command.

It was trained on synthetic paths alone, whose regimes are known by construction, so that it has seen no real price and
can remember none. Seeds, generator and options stand here and in the defaults of ``TrainingOptions``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_strategy.llm.models.store import EMBEDDED, resolve
from llm_strategy.llm.settings import load_settings
from simulator.progress.stages import SILENT, Progress
from simulator.training.adapter import AdapterFolder, train_adapter
from simulator.training.export import SyntheticPaths, export_rows
from simulator.training.judge import Judgement, judge_adapter
from simulator.training.options import TrainingOptions

PATHS = SyntheticPaths(paths=30, seed=1000)
"""Ten of each scenario, 10,000 bars each."""
RECIPE_CLOSES = 100
"""Closes a market at which all are asked: the base takes most of the time."""
MARKET, OTHER_MARKET = "sample:sp500", "sample:nasdaq"


def judging_experiment(folder: Path) -> dict[str, Any]:
    """The experiment on which it is judged; nothing of these markets was seen in training."""
    return {
        "name": "adapter",
        "data": {"source": MARKET, "start": "2006-01-01"},
        "output": {"folder": str(folder)},
        "evaluation": {"bootstrap_samples": 1000, "placebos": 199},
    }


def model_file(name: str = EMBEDDED) -> Path:
    """The file of a model by its name, or at its path; raises as ``resolve``."""
    return resolve(load_settings(backend="llama_cpp", model=name))


def make_default(
    out: Path,
    options: TrainingOptions,
    *,
    paths: SyntheticPaths = PATHS,
    closes: int = RECIPE_CLOSES,
    trade: bool = True,
    progress: Progress = SILENT,
) -> tuple[AdapterFolder, Judgement]:
    """Export, train with a twin, and judge; what was cut off goes on where it was. Raises as these do."""
    data = out / "data.jsonl"
    progress.begin("exporting synthetic paths")
    export_rows(data, synthetic=paths, label="regime")
    made = train_adapter(data, model_file(), out, options, progress=progress)
    judged = judge_adapter(
        made,
        judging_experiment(out / "reports"),
        out / "judged",
        also=(OTHER_MARKET,),
        closes=closes,
        trade=trade,
        progress=progress,
    )
    return made, judged
