"""What can be measured at a close, and the closes before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import pandas as pd

from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics.analytic import Analytic
from llm_strategy.market.analytics.line import MARKET
from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.context.menu import Offer
from llm_strategy.shown import Shown
from llm_strategy.support.condition import Value
from llm_strategy.types import Snapshot
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.prices.load import moment
from simulator.prices.universe import Universe
from simulator.reporting.brief.figures import Figure
from simulator.runs.simulation import snapshots


class View(NamedTuple):
    """The close of a brief, the closes before it, and what can be measured there."""

    before: tuple[Snapshot, ...]
    snapshot: Snapshot
    offer: Offer

    def figures(self, names: Sequence[str]) -> tuple[Figure, ...]:
        """The figures of the market's line and of these analytics, in their order."""
        line = MARKET.run(PastReader().at(self.snapshot))
        told: list[tuple[Analytic, Mapping[str, Value]]] = [(MARKET, line)]
        told += [(one.analytic, one.values) for one in self.offer.results(names) if one.analytic is not None]
        return tuple(
            Figure(analytic.name, output, value, analytic.outputs[output])
            for analytic, values in told
            for output, value in values.items()
        )


def view_at(universe: Universe, experiment: Experiment, config: AdvisorConfig, symbol: str, at: str | None) -> View:
    every = [
        snapshot for name in universe.symbols for snapshot in snapshots(universe.decisions(name), experiment, config)
    ]
    wanted = _last([snapshot for snapshot in every if snapshot.symbol == symbol], symbol, at)
    before = sorted((each for each in every if each.time < wanted.time), key=lambda each: each.time)
    menu = plan_of(config).menu()
    for snapshot in before:
        menu.take(snapshot)
    return View(tuple(before), wanted, menu.offer(wanted, lambda name, source: Shown(name, "")))


def plan_of(config: AdvisorConfig) -> PlanOptions:
    """The plan of an advisor, or the usual one."""
    return config.planning or PlanOptions()


def _last(own: Sequence[Snapshot], symbol: str, at: str | None) -> Snapshot:
    if not own:
        raise ConfigurationError(f"No brief of {symbol} is possible: what is measured needs more bars than it has.")
    if at is None:
        return own[-1]
    end = moment_of(at, "end")
    before = [snapshot for snapshot in own if _time(snapshot) <= end]
    if not before or moment_of(at, "start") > _time(own[-1]):
        first, last = (_day(snapshot.time) for snapshot in (own[0], own[-1]))
        raise ConfigurationError(f"--at is {at}: a brief of {symbol} is possible from {first} to {last}.")
    return before[-1]


def moment_of(at: str, setting: str) -> datetime:
    """The first (start) or last (end) moment that ``at`` holds: a date holds its whole day."""
    try:
        return moment(at, setting)
    except ConfigurationError:
        raise ConfigurationError(
            f"--at is {at!r}: write an ISO date or time without a zone, such as 2008-10-10."
        ) from None


def _time(snapshot: Snapshot) -> datetime:
    return pd.Timestamp(snapshot.time).to_pydatetime()


def _day(time: str) -> str:
    return time.removesuffix("T00:00:00")
