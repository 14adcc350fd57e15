"""What a person must know before reading any figure: of the prices, and of limits that no setting reaches.

Each note is one sentence, on the console before the run, in the manifest, and on the page. It names files without their
folders and is the same for the same prices and configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from llm_strategy.risk import Limits
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import Universe

MOST_NAMES = 5
"""Symbols that a note names; the rest is counted."""


def notes_on(experiment: Experiment, universe: Universe) -> tuple[str, ...]:
    """The notes of a run, in the order of the symbols; those on volumes and limits last."""
    found = (note for prices in universe.markets for note in prices.notes)
    return tuple(dict.fromkeys([*found, *_volumes(experiment, universe), *_limits(experiment.risk)]))


def _volumes(experiment: Experiment, universe: Universe) -> Iterator[str]:
    if experiment.risk.max_participation is None:
        yield "risk.max_participation is null, participation not limited: an entry may be larger than what was traded."
        return
    known = [prices for prices in universe.markets if (prices.table["volume"] > 0).any()]
    ticks = [prices.symbol for prices in known if prices.volume == "ticks"]
    without = [prices.symbol for prices in universe.markets if prices not in known]
    if ticks:
        yield (
            f"Volumes of {_named(ticks)} count ticks, participation not limited: risk.max_participation needs volumes "
            "in shares or units."
        )
    if without:
        why = " (data.volume is none)" if experiment.data.volume == "none" else ""
        yield (
            f"No volumes known{why}, participation not limited: an entry in {_named(without)} may be larger than what "
            "was traded."
        )


def _limits(risk: Limits) -> Iterator[str]:
    """Where another limit ends positions before ``max_position_size`` does, or is never reached itself."""
    caps = {"risk.max_gross_exposure": risk.max_gross_exposure}
    for name in ("max_net_exposure", "max_symbol_exposure"):
        if (value := getattr(risk, name)) is not None:
            caps[f"risk.{name}"] = value
    if risk.sizing == "equal_weight":
        caps["risk.sizing equal_weight (max_gross_exposure over max_positions)"] = (
            risk.max_gross_exposure / risk.max_positions
        )
    if risk.stop_loss_atr is None:  # else the stop, and with it the size, differs from bar to bar
        buffer = f" plus gap_buffer {risk.gap_buffer:g}" if risk.gap_buffer else ""
        words = f"risk.max_risk_per_trade ({risk.max_risk_per_trade:g} at a stop of {risk.stop_loss_pct:g}{buffer})"
        caps[words] = risk.max_risk_per_trade / (risk.stop_loss_pct + risk.gap_buffer)
    name = min(caps, key=lambda name: caps[name])
    if caps[name] < risk.max_position_size * 0.95:
        yield (
            f"Positions end at {100 * caps[name]:.3g}% of equity: {name} allows no more, before risk.max_position_size "
            f"({risk.max_position_size:g}) is reached."
        )
    if risk.max_group_exposure is not None and risk.max_group_exposure > risk.max_gross_exposure:
        yield (
            f"risk.max_group_exposure ({risk.max_group_exposure:g}) is never reached: risk.max_gross_exposure "
            f"({risk.max_gross_exposure:g}) allows no more."
        )


def _named(symbols: list[str]) -> str:
    rest = f" and {len(symbols) - MOST_NAMES:,} more" if len(symbols) > MOST_NAMES else ""
    return ", ".join(symbols[:MOST_NAMES]) + rest
