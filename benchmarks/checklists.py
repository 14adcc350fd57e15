"""What a checklist in the gate costs: processor time of one arm over twenty years of daily bars, with and without."""

from __future__ import annotations

import time
from typing import Any

from llm_strategy.advice.rules import BASELINES
from llm_strategy.trading.journal import Journal
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe, load_universe
from simulator.runs.simulation import simulate

_RUNS = 5
_CHECKLISTS: dict[str, list[Any]] = {
    "presets": ["drawdown_brake", "volatility_brake", "label_changes", "stale_data"],
    "analytics": [
        {"deep": {"when": "drawdown_anatomy.depth < -10%", "do": "halve"}},
        {"down": {"when": ["returns_by_horizon.bars_20 < 0", "calendar.weekday is friday"], "do": "block"}},
    ],
}


def print_checklists() -> None:
    """Print the seconds of a run without a checklist, and how many times as long one with each takes."""
    plain = Experiment.from_mapping({"data": {"source": "sample:sp500"}, "arms": ["momentum"]})
    universe = load_universe(plain.data)
    seconds = {"none": _seconds(universe, plain)}
    for name, items in _CHECKLISTS.items():
        experiment = Experiment.from_mapping(plain.as_dict() | {"risk": {"checklist": items}})
        seconds[name] = _seconds(universe, experiment)
    print(f"a run without a checklist, processor s         {seconds['none']:.2f}")
    for name in _CHECKLISTS:
        print(f"    with a checklist of {name + ', times that':<27}{seconds[name] / seconds['none']:.2f}")


def _seconds(universe: Universe, experiment: Experiment) -> float:
    """Processor time of a run, the least of several."""
    taken = []
    for _ in range(_RUNS):
        began = time.process_time()
        simulate(universe, BASELINES["momentum"](), experiment, Journal(keep=lambda entry: None))
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    print_checklists()
