"""Whether a person's own analytics look ahead: each is measured again as if the prices ended after a bar, or were
mirrored after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import pandas as pd

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics.past import Past, PastReader
from llm_strategy.market.analytics.registry import find_analytic, is_own
from llm_strategy.support.condition import Value
from llm_strategy.support.plugins import is_reference
from llm_strategy.types import Snapshot
from simulator.experiment.configuration import Experiment
from simulator.experiment.named_analytics import named_analytics
from simulator.prices.universe import Universe
from simulator.runs.lookahead.histories import cut_points
from simulator.runs.lookahead.isolation import PriceFiles, fresh_code
from simulator.runs.lookahead.parts import Close, Observation, Part
from simulator.runs.simulation import snapshots

STARTING_CUTS = 6
"""Bars at which a run tries a person's own analytics before anything is asked."""
_BEHIND = 2
"""Closes that are measured after each of these: what an analytic keeps of one shows in the others."""

Pasts = Mapping[Close, Past]
Values = Mapping[str, Value]


class AnalyticPart(Part):
    """An analytic: its values."""

    def __init__(self, reference: str) -> None:
        self.name = f"analytic {find_analytic(reference).name}"
        self.references = (reference,) if is_reference(reference) else ()
        self._reference = reference

    def decide_all(self, universe: Universe, experiment: Experiment, seen: Observation, at: Collection[str]) -> None:
        """Measure at these times and the closes behind each; the others are told as closes alone."""
        closes = closes_of(universe, experiment, find_analytic(self._reference).lookback)
        seen.decisions = {(close.time, close.symbol): "not measured" for close in closes}
        for close, values in _measured_twice(self._reference, pasts_at(closes, at)).items():
            seen.decisions[close] = ", ".join(f"{name} {_shown(value)}" for name, value in values.items())


def refuse_lookahead(experiment: Experiment, universe: Universe) -> None:
    """Run the experiment's own analytics as if the prices ended, or were mirrored, after a few bars.

    Raises ``ConfigurationError`` for one whose values change with what comes later, differ between two runs on the same
    prices, or cannot be measured. What it cannot see is told by ``check_lookahead``, which tries more bars.
    """
    own = [name for name in named_analytics(experiment) if is_own(name)]
    if not own:
        return
    closes = closes_of(universe, experiment, max(find_analytic(name).lookback for name in own))
    times = sorted({close.time for close in closes})
    points = cut_points(times, (), STARTING_CUTS, experiment.evaluation.seed)
    pasts = pasts_at(closes, points)
    files = PriceFiles(universe, experiment.folder)
    for reference in own:
        _refuse(reference, pasts, points, files)


def _refuse(reference: str, pasts: Pasts, points: Sequence[str], files: PriceFiles) -> None:
    whole, again = (_on_history(reference, pasts, files) for _ in range(2))
    if isinstance(whole, str):
        raise ConfigurationError(whole)
    if changed := _first_change(whole, again):
        raise ConfigurationError(
            f"The analytic {reference!r} is not deterministic: {changed} the second time on the same prices: seed what "
            "is random in it."
        )
    for point in points:
        known = {close: whole[close] for close in whole if close[0] <= point}
        for mirrored in (False, True):
            if changed := _first_change(known, _on_history(reference, pasts, files, point, mirrored=mirrored)):
                how = "are mirrored" if mirrored else "end"
                raise ConfigurationError(
                    f"The analytic {reference!r} looks ahead: {changed} where the prices {how} after {_short(point)}: "
                    "let it use its past alone (btllm check-lookahead tries more bars)."
                )


def _on_history(
    reference: str, pasts: Pasts, files: PriceFiles, until: str = "", *, mirrored: bool = False
) -> Mapping[Close, Values] | str:
    """What it gives up to a time, where no more is known than then; the sentence with which it failed instead."""
    known = {close: past for close, past in pasts.items() if not until or close[0] <= until}
    with fresh_code([reference]), files.known_at(pd.Timestamp(until) if until else None, mirrored=mirrored):
        try:
            return _measured_twice(reference, known)
        except ConfigurationError as problem:
            return str(problem)


def _measured_twice(reference: str, pasts: Pasts) -> dict[Close, Values]:
    """The values of a second time over the same closes, in which shows what it has kept of the first: a run measures
    a close when it asks ahead and again when it trades."""
    analytic = find_analytic(reference)
    for past in pasts.values():
        analytic.run(past)
    return {close: analytic.run(past) for close, past in pasts.items()}


def closes_of(universe: Universe, experiment: Experiment, bars: int) -> list[Snapshot]:
    """The closes of all symbols in the order of time, with windows of so many bars."""
    markets = map(universe.decisions, universe.symbols)
    found = [close for prices in markets for close in snapshots(prices, experiment, bars=bars)]
    return sorted(found, key=lambda close: close.time)


def pasts_at(closes: Sequence[Snapshot], at: Collection[str]) -> dict[Close, Past]:
    """The past at these times, and at the closes behind each of them."""
    times = sorted({close.time for close in closes})
    wanted = {later for place, time in enumerate(times) if time in at for later in times[place : place + 1 + _BEHIND]}
    reader, found = PastReader(), {}
    for close in closes:
        if not close.known:
            reader.forget(close.symbol)
            continue
        if close.time in wanted:
            found[close.time, close.symbol] = reader.at(close)
        reader.take(close)
    return found


def _first_change(whole: Mapping[Close, Values], other: Mapping[Close, Values] | str) -> str:
    """The first value that is another one, in words; empty where there is none."""
    if isinstance(other, str):
        return f"it fails ({other.rstrip('.')})"
    return next(_changes(whole, other), "")


def _changes(whole: Mapping[Close, Values], other: Mapping[Close, Values]) -> Iterator[str]:
    for close in sorted(whole):
        for name, value in whole[close].items():
            if (now := other[close][name]) != value:
                yield f"at {_short(close[0])} ({close[1]}) its {name} is {_shown(value)}, and {_shown(now)}"


def _shown(value: Value) -> str:
    return "n/a" if value is None else value if isinstance(value, str) else f"{value:.12g}"


def _short(time: str) -> str:
    return time.removesuffix("T00:00:00")
