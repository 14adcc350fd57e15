"""Runs experiments, compares, measures and reports.

>>> from simulator import compare
>>> result = compare("experiment.yaml")            # doctest: +SKIP
>>> result.table, result.report                    # doctest: +SKIP
"""

from simulator.experiment import Experiment
from simulator.market import Prices, load_prices
from simulator.replay import replay
from simulator.report import rebuild_report
from simulator.result import Result
from simulator.run import compare, run

__all__ = ["Experiment", "Prices", "Result", "compare", "load_prices", "rebuild_report", "replay", "run"]
