"""Limits that make others idle, told before a run: what decides the size of a position, and what never can."""

from __future__ import annotations

from collections.abc import Iterator

from llm_strategy.costs import Costs
from llm_strategy.risk import Limits
from simulator.experiment import Experiment


def capped_limits(experiment: Experiment) -> list[str]:
    """A sentence for each size limit that another one keeps from ever being reached, with the size that is."""
    return [*_of_one_position(experiment.risk, experiment.costs), *_of_the_book(experiment.risk)]


def _of_one_position(risk: Limits, costs: Costs) -> Iterator[str]:
    """The largest position is the least of what sizing, risk at the usual stop, and exposure allow."""
    rooms = {"max_gross_exposure": risk.max_gross_exposure}
    if risk.max_net_exposure is not None:
        rooms["max_net_exposure"] = risk.max_net_exposure
    if risk.max_symbol_exposure is not None:
        rooms["max_symbol_exposure"] = risk.max_symbol_exposure
    wanted, rule = risk.max_position_size, "max_position_size"
    if risk.sizing == "equal_weight":
        share = risk.max_gross_exposure / risk.max_positions
        if share < wanted:
            rooms[f"sizing equal_weight (max_gross_exposure / max_positions, {risk.max_positions})"] = share
    if risk.stop_loss_atr is None:  # else the stop, and with it the size, differs from bar to bar
        rooms[_risk_words(risk)] = _share_at_risk(risk, costs)
    name, least = min(rooms.items(), key=lambda room: room[1])
    if least < wanted * 0.95:
        yield f"Limits: positions end at {least:.0%} of equity: {name} caps {rule} {wanted:g}."


def _share_at_risk(risk: Limits, costs: Costs) -> float:
    """The share of equity whose loss at the usual stop is ``max_risk_per_trade``, gap and proportional costs included.

    Costs by share and by trade depend on the price and are left out.
    """
    stop = risk.stop_loss_pct
    fees = (costs.commission_bps + costs.slippage_bps) / 10_000 * (2 - stop)
    return risk.max_risk_per_trade / (stop + risk.gap_buffer + fees)


def _risk_words(risk: Limits) -> str:
    buffer = f" + gap_buffer {risk.gap_buffer:g}" if risk.gap_buffer else ""
    divisor = f"(stop {risk.stop_loss_pct:g}{buffer})" if buffer else f"stop {risk.stop_loss_pct:g}"
    return f"max_risk_per_trade {risk.max_risk_per_trade:g} / {divisor}"


def _of_the_book(risk: Limits) -> Iterator[str]:
    if risk.max_group_exposure is not None and risk.max_group_exposure > risk.max_gross_exposure:
        yield (
            f"Limits: max_group_exposure {risk.max_group_exposure:g} is never reached: max_gross_exposure "
            f"{risk.max_gross_exposure:g} caps it."
        )
