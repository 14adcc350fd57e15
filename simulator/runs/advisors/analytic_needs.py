"""Whether the prices of a run have what its costs need, and the analytics that a context or a plan names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.analytics.registry import find_analytic
from llm_strategy.market.context.registry import analytic_names
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe


def check_needs(arms: Iterable[Arm], universe: Universe) -> None:
    """Raise ``ConfigurationError`` for an analytic that would never tell anything: one that needs volumes where no
    symbol has any, or other symbols where there is one alone. Those of a plan that no list names are left out by
    themselves."""
    has_volume = any((prices.table["volume"] > 0).any() for prices in universe.markets)
    for arm in arms:
        for named, needs in () if arm.config is None else _named(arm.config):
            if "volume" in needs and not has_volume:
                raise ConfigurationError(
                    f"{arm.name}: {named}, which needs volumes, and the bars of {universe.symbols[0]} have none: leave "
                    "it out."
                )
            if "symbols" in needs and len(universe.symbols) < 2:
                raise ConfigurationError(
                    f"{arm.name}: {named}, which needs other symbols, and there is {universe.symbols[0]} alone: leave "
                    "it out, or name more symbols in data.sources."
                )


def check_volumes(experiment: Experiment, universe: Universe) -> None:
    """Raise ``ConfigurationError`` where costs need volumes in shares that a symbol does not have."""
    for prices in universe.markets:
        if not experiment.costs.needs_volume:
            continue
        if not (prices.table["volume"] > 0).any():
            raise ConfigurationError(
                f"costs.impact and costs.max_fill_share need volumes, and the bars of {prices.symbol} have none: leave "
                "them out."
            )
        if prices.volume != "shares":
            raise ConfigurationError(
                f"costs.impact and costs.max_fill_share need volumes in shares, and those of {prices.symbol} count "
                "ticks: leave them out, or set data.volume: shares if they are shares."
            )


def _named(config: AdvisorConfig) -> Iterator[tuple[str, Sequence[str]]]:
    """Where each analytic is named, as it reads in a sentence, and what it needs."""
    for name in analytic_names(config.context):
        yield f"context names the analytic {name}", find_analytic(name).needs
    for name, needs in {} if config.menu is None else config.menu.needs.items():
        yield f"plan.analytics names {name}", needs
