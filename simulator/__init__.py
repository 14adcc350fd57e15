"""Runs experiments, compares, measures and reports.

>>> from simulator import compare
>>> result = compare("experiment.yaml")            # doctest: +SKIP
>>> result.table, result.report                    # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.experiment.configuration import Experiment
    from simulator.exports.formats import export_run
    from simulator.prices.load import Prices, load_prices
    from simulator.runs.checklists.propose import propose_checklist
    from simulator.runs.compare import compare, run
    from simulator.runs.difference import diff_runs
    from simulator.runs.finished import find_runs
    from simulator.runs.hypotheses.commands import propose_hypotheses, test_hypotheses
    from simulator.runs.lookahead.check import check_lookahead
    from simulator.runs.replaying import replay
    from simulator.runs.report import rebuild_report
    from simulator.runs.result import Result
    from simulator.runs.study import Study
    from simulator.runs.trials.holdout import open_holdout
    from simulator.sweeps.result import SweepResult
    from simulator.sweeps.sweep import sweep

__all__ = [
    "Experiment",
    "Prices",
    "Result",
    "Study",
    "SweepResult",
    "check_lookahead",
    "compare",
    "diff_runs",
    "export_run",
    "find_runs",
    "load_prices",
    "open_holdout",
    "propose_checklist",
    "propose_hypotheses",
    "rebuild_report",
    "replay",
    "run",
    "sweep",
    "test_hypotheses",
]

_HOMES = {
    "Experiment": "simulator.experiment.configuration",
    "Prices": "simulator.prices.load",
    "Result": "simulator.runs.result",
    "Study": "simulator.runs.study",
    "SweepResult": "simulator.sweeps.result",
    "check_lookahead": "simulator.runs.lookahead.check",
    "compare": "simulator.runs.compare",
    "diff_runs": "simulator.runs.difference",
    "export_run": "simulator.exports.formats",
    "find_runs": "simulator.runs.finished",
    "load_prices": "simulator.prices.load",
    "open_holdout": "simulator.runs.trials.holdout",
    "propose_checklist": "simulator.runs.checklists.propose",
    "propose_hypotheses": "simulator.runs.hypotheses.commands",
    "rebuild_report": "simulator.runs.report",
    "replay": "simulator.runs.replaying",
    "run": "simulator.runs.compare",
    "sweep": "simulator.sweeps.sweep",
    "test_hypotheses": "simulator.runs.hypotheses.commands",
}
"""Where each public name lives; it is imported when it is first used, so that the command line starts at once."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))
