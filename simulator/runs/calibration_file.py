"""What a run with scored choices says of the model's habits: its mean label probabilities, kept for later runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from llm_strategy.advice.calibration import BatchPrior
from simulator.folder.evidence import write_json

CALIBRATION = "calibration.json"


def write_calibration(scored: BatchPrior, folder: Path) -> None:
    """Write the prior over the distinct states whose labels were scored, where there are any. It goes into
    ``advisor.calibration`` of an experiment with a later window."""
    if prior := scored.whole():
        write_json(asdict(prior), folder / CALIBRATION)
