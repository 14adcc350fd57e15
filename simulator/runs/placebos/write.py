"""The placebos of all advised arms of a comparison, written into its folder (``placebos.json``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from simulator.evaluation.beyond_rule import DeviationPlacebos
from simulator.evaluation.placebo import AdvicePlacebos, Placebos
from simulator.evaluation.placebo_record import (
    MOST_CLOSES,
    MOST_CLOSES_AT_ONCE,
    RANGES,
    ArmPlacebos,
    PlaceboSet,
    Unmeasured,
    affordable,
    band_of,
    range_of,
    why_unmeasured,
)
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import PLACEBOS, write_json
from simulator.folder.manifest import has_failed
from simulator.prices.universe import Universe
from simulator.runs.placebos.measure import Histories, Outcome, Work, shown_closes
from simulator.runs.placebos.processes import outcomes
from simulator.runs.simulation import Conditions

OnAccount = Callable[[int, int], None]
"""Called with the accounts that are done, and those to be traded in all."""


def write_placebos(
    universe: Universe,
    experiment: Experiment,
    arms: Sequence[Arm],
    place: Callable[[Arm], Path],
    folder: Path,
    on_account: OnAccount | None = None,
    histories: Histories | None = None,
) -> None:
    """Trade the placebos of every arm that a model advised, whose folder stands in its ``place``; nothing is written
    where there is no such arm."""
    known = histories or Histories(universe)
    advised = [arm for arm in arms if arm.config is not None]
    parts = [part for arm in advised for part in _parts(universe, experiment, arm, place(arm), known)]
    total = sum(part.accounts for part in parts)
    made: dict[str, list[PlaceboSet]] = {}
    done = 0
    for part in parts:
        found: list[Outcome] = []
        if part.known.unmeasured is None:
            for batch in outcomes(part.work, part.accounts - 1):
                found += batch
                if on_account is not None:
                    on_account(done + len(found), total)
        done += len(found)
        made.setdefault(part.arm, []).append(part.measured(found))
    if made:
        write_json({arm: ArmPlacebos(*sets).as_dict() for arm, sets in made.items()}, folder / PLACEBOS)


class _Part:
    """One set of placebos of one arm."""

    def __init__(self, arm: str, work: Work, experiment: Experiment, *, failed: bool) -> None:
        placebos, evaluation = work.placebos, experiment.evaluation
        closes, runs = len(placebos.history.times), placebos.runs
        why = why_unmeasured(number=evaluation.placebos, failed=failed, closes=closes, runs=runs)
        most = MOST_CLOSES if work.needs_broker else MOST_CLOSES_AT_ONCE
        number = affordable(evaluation.placebos, sum(map(len, placebos.history.decisions.values())), most)
        why = why or (None if number else Unmeasured.TOO_LONG)
        self.arm = arm
        self.work = work
        self.known = PlaceboSet(closes, runs, why, evaluation.seed)
        self.accounts = 0 if why else 1 + placebos.most(number)
        self._level = evaluation.confidence_level

    def measured(self, found: Sequence[Outcome]) -> PlaceboSet:
        """The set with what became of the accounts, that of the arm first."""
        if not found:
            return self.known
        own, others = found[0], found[1:]
        times = self.work.times()
        return PlaceboSet(
            self.known.closes,
            self.known.runs,
            None,
            self.known.seed,
            self.work.placebos.method,
            own.sharpe,
            tuple(outcome.sharpe for outcome in others),
            **{
                name: range_of(np.array([getattr(outcome, name) for outcome in others]), self._level) for name in RANGES
            },
            band=band_of(
                [times[close] for close in shown_closes(len(times))],
                np.array([outcome.curve for outcome in others]),
                self._level,
            ),
        )


def _parts(universe: Universe, experiment: Experiment, arm: Arm, folder: Path, histories: Histories) -> list[_Part]:
    history = histories.of(folder)
    failed = has_failed(folder)
    conditions, seed = Conditions.of(universe, experiment, arm.config), experiment.evaluation.seed
    sets: list[Placebos] = [AdvicePlacebos(history, seed, arm.name), DeviationPlacebos(history, seed, arm.name)]
    year = experiment.evaluation.bars_per_year
    return [_Part(arm.name, Work(conditions, one, year), experiment, failed=failed) for one in sets]
