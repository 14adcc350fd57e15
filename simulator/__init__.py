"""Runs experiments, compares, measures and reports.

>>> from simulator import compare
>>> result = compare("experiment.yaml")            # doctest: +SKIP
>>> result.table, result.report                    # doctest: +SKIP
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.experiment import Experiment
    from simulator.market import Prices, load_prices
    from simulator.replay import replay
    from simulator.report import rebuild_report
    from simulator.result import Result
    from simulator.run import compare, run
    from simulator.study import Study

__all__ = ["Experiment", "Prices", "Result", "Study", "compare", "load_prices", "rebuild_report", "replay", "run"]

_HOMES = {
    "Experiment": "simulator.experiment",
    "Prices": "simulator.market",
    "Result": "simulator.result",
    "Study": "simulator.study",
    "compare": "simulator.run",
    "load_prices": "simulator.market",
    "rebuild_report": "simulator.report",
    "replay": "simulator.replay",
    "run": "simulator.run",
}
"""Where each public name lives; it is imported when it is first used, so that the command line starts at once."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))


class _Package(ModuleType):
    """``run`` and ``replay`` are functions here, also after the modules of the same names were imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
