"""Whether the parts of an experiment look ahead: each decides again on histories that end, or go on otherwise, after a
bar, and up to there nothing may change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.errors import ConfigurationError
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe
from simulator.runs.compare import AnyExperiment, as_experiment
from simulator.runs.lookahead.finding import parts_of
from simulator.runs.lookahead.histories import begun, cut, cut_points, rewritten
from simulator.runs.lookahead.isolation import PriceFiles, fresh_code
from simulator.runs.lookahead.parts import Close, Observation, Part
from simulator.runs.lookahead.result import LookaheadResult, PartCheck
from simulator.runs.trials.tail import visible_universe

CUTS = 20
_ENDS = "the data end there"
_OTHERWISE = "they are mirrored"


def check_lookahead(
    experiment: AnyExperiment, *, cuts: int = CUTS, built_in: bool = False, seed: int | None = None
) -> LookaheadResult:
    """Run a person's own strategies, rules, features, sources of context and prompts on histories that are cut, and on
    others that are rewritten, after ``cuts`` bars, and tell the first decision of each that changes.

    ``built_in`` checks the program's own parts as well. The bars are chosen by the ``seed``, that of the experiment's
    evaluation if absent: half of them where the part acted. A strategy is compared by the orders that it asks for, a
    rule by its actions, a feature by its values, and an advisor by its requests, for which no model is asked. A part
    that differs between two runs on the same history is told as not deterministic. Raises ``ConfigurationError`` and
    ``MarketDataError`` as ``compare`` does before it runs.
    """
    if isinstance(cuts, bool) or not isinstance(cuts, int) or cuts < 1:
        raise ConfigurationError(f"cuts is {cuts!r:.40}: give a whole number of bars from 1 upwards.")
    wanted = as_experiment(experiment)
    universe, _ = visible_universe(wanted, minimum_bars=wanted.warm_up.bars + 2)
    files = PriceFiles(universe, wanted.folder)
    check = Check(wanted, universe, files, cuts, wanted.evaluation.seed if seed is None else seed)
    checked = tuple(check.of(part) for part in parts_of(wanted, built_in=built_in))
    return LookaheadResult(checked, tuple(sorted({Path(name).name for name in files.others})))


class Check:
    """Checks the parts of one experiment on its prices."""

    def __init__(self, experiment: Experiment, universe: Universe, files: PriceFiles, cuts: int, seed: int) -> None:
        self._experiment, self._universe, self._files = experiment, universe, files
        self._cuts, self._seed = cuts, seed
        self._begun = begun(universe, experiment.warm_up.bars).isoformat()
        self._histories: dict[tuple[str, str], Universe] = {}

    def of(self, part: Part) -> PartCheck:
        """Check one part."""
        first = self._observe(part)
        times = [time for time in first.times if time >= self._begun]
        if len(times) < 2:
            return PartCheck(part.name, "fails", after=first.failure or "it decides nothing on the whole history.")
        points = cut_points(times, first.acts, self._cuts, self._seed)
        whole = self._observe(part, points)
        checked = PartCheck(part.name, "passes", len(whole.decisions), len(points))
        again = self._observe(part, points)
        if changed := _first_change(whole, again, times[-1]):
            return replace(checked, outcome="not deterministic", **_told(changed, whole, again))
        found = []
        for at in points:
            for history in (_ENDS, _OTHERWISE):
                seen = self._observe(part, points, at, history)
                if changed := _first_change(whole, seen, at):
                    told = _told(changed, whole, seen)
                    found.append(replace(checked, outcome="looks ahead", cut_at=_short(at), history=history, **told))
        return min(found, key=lambda each: (each.time, each.cut_at), default=checked)

    def _observe(self, part: Part, points: Iterable[str] = (), at: str = "", history: str = "") -> Observation:
        known = pd.Timestamp(at) if at else None
        with fresh_code(part.references), self._files.known_at(known, mirrored=history == _OTHERWISE):
            return part.observe(self._history(at, history), self._experiment, tuple(points))

    def _history(self, at: str, history: str) -> Universe:
        if not at:
            return self._universe
        if (at, history) not in self._histories:
            change = cut if history == _ENDS else rewritten
            self._histories[at, history] = change(self._universe, pd.Timestamp(at))
        return self._histories[at, history]


def _first_change(whole: Observation, other: Observation, until: str) -> Close | None:
    """The first close up to a time at which two observations are not the same."""
    last = max((time for time, _ in other.decisions), default="")
    closes = sorted(close for close in {*whole.decisions, *other.decisions} if close[0] <= until)
    for close in closes:
        if close not in other.decisions and not other.failure and close[0] > last:
            return None  # the bar is not over where the history ends
        if whole.decisions.get(close) != other.decisions.get(close):
            return close
    return None


def _told(close: Close, whole: Observation, other: Observation) -> dict[str, Any]:
    before, after = (
        seen.decisions.get(close) or (f"fails: {seen.failure}" if seen.failure else "no decision")
        for seen in (whole, other)
    )
    before, after = _differing(before, after)
    return {"time": _short(close[0]), "symbol": close[1], "before": before, "after": after}


def _differing(before: str, after: str) -> tuple[str, str]:
    """Of two long texts the first lines that differ."""
    if "\n" in before or "\n" in after:
        old, new = before.split("\n"), after.split("\n")
        place = next((n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), -1)
        before, after = (lines[place] if lines else "" for lines in (old, new))
    return before[:500], after[:500]


def _short(time: str) -> str:
    return time.removesuffix("T00:00:00")
