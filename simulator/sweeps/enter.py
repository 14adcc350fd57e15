"""The cells of a sweep as trials in the user's ledger: whoever looks at a thousand settings has tried a thousand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_strategy.errors import RegisterError
from simulator.experiment.advisor import write_advisor
from simulator.folder.evidence import round_digits
from simulator.folder.provenance import model_of, own_parts, shown_parts
from simulator.prices.universe import Universe
from simulator.registers.data import DataWindow
from simulator.runs.trials.configurations import configuration_id, is_tuned
from simulator.runs.trials.write import decision_window
from simulator.sweeps.cells import Cell
from simulator.sweeps.collect import ArmOfCell, Collected
from simulator.trials.ledger import Ledger, Trial


@dataclass
class _Bars:
    """The trials on the same decision bars."""

    window: DataWindow
    trials: list[Trial] = field(default_factory=list)


def enter_trials(plan: Collected, rows: Sequence[Mapping[str, Any]], name: str, identity: str) -> list[str]:
    """Enter every tuned arm of every cell, those of equal bars in one write; returns what a person must know, in
    sentences. The same sweep again enters nothing."""
    figures = {(row["cell"], row["arm"]): row for row in rows}
    by_bars: dict[tuple[str, int], _Bars] = {}
    for cell in plan.cells.all:
        universe = plan.cells.prices.visible(cell.experiment).universe
        bars = by_bars.get((universe.sha256, cell.experiment.warm_up.bars))
        for one in plan.arms[cell.number]:
            if not is_tuned(one.arm, cell.experiment):
                continue
            if bars is None:
                bars = _Bars(decision_window(universe, cell.experiment))
                by_bars[universe.sha256, cell.experiment.warm_up.bars] = bars
            row = figures[cell.number, one.arm.name]
            ratio = row["sharpe"]
            bars.trials.append(
                Trial(
                    configuration_id(one.arm, _described(plan, cell, universe, one)),
                    one.arm.name,
                    one.arm.kind,
                    _model_name(plan, one),
                    round_digits(row["bars_per_year"]),
                    None if ratio is None else round_digits(ratio),
                )
            )
    try:
        ledger = Ledger()
        for bars in by_bars.values():
            ledger.record(bars.trials, bars.window, name, identity)
    except RegisterError as problem:
        return [str(problem)]
    return []


def _model_name(plan: Collected, one: ArmOfCell) -> str | None:
    return None if one.group is None else plan.groups[one.group].session.model.identity.name


def _described(plan: Collected, cell: Cell, universe: Universe, one: ArmOfCell) -> dict[str, Any]:
    """What the manifest of a run of this arm would say of its configuration."""
    model = None if one.group is None else plan.groups[one.group].session.model
    experiment, config = cell.experiment, one.arm.config
    own = {"settings": write_advisor(config)} if config and experiment.names_advisors else {}
    return {
        "experiment": json.loads(cell.resolved),
        "prices": {"symbols": universe.symbols},
        **model_of(model),
        **own,
        **own_parts(*shown_parts(experiment)),
    }
