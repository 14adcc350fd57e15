"""What an adviser that knows the next bar and wants to lose does under the limits of a run: measured, and bounded.

The adversary here knows the next bar. It is no arm of a comparison and no advisor that a run could use: it shows how
much harm the gate lets through, beside what the gate alone does to a holder.
"""

from __future__ import annotations

from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from llm_strategy.advice.outcome import assess
from llm_strategy.market.view import causal_label
from llm_strategy.trading.journal import Journal
from llm_strategy.types import Action, ActionType, Advice, Decision, Regime, Snapshot, Status
from simulator.evaluation.drawdowns import max_drawdown
from simulator.evaluation.metrics import Floats
from simulator.evaluation.placebo import Choices
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import HARM, round_digits, write_json
from simulator.prices.table import iso_times
from simulator.prices.universe import Universe
from simulator.runs.placebos.trades import covers, trade
from simulator.runs.simulation import Conditions, simulate


@dataclass(frozen=True, slots=True)
class Harm:
    """Losses as fractions of equity, returns negative and drawdowns positive."""

    worst_return: float
    """Total return of an advisor that knew the next bar and proposed the worst action at each close."""
    worst_drawdown: float
    """Its largest loss from an earlier peak."""
    bound: float
    """The largest loss from a peak that the limits allow any advice on these prices; 1 where they bound nothing."""


def measure_harm(universe: Universe, experiment: Experiment) -> Harm:
    """Run the adversary through gate, orders and costs, and compute the bound."""
    adversary = _Adversary(universe, experiment.risk.allow_short)
    equity = _without_broker(universe, experiment, adversary)
    if equity is None:
        journal = simulate(universe, adversary, experiment, Journal(keep=lambda _: None))
        equity = np.array([row.equity for row in journal.equity])
    return Harm(float(equity[-1] / equity[0] - 1), max_drawdown(equity), largest_loss(universe, experiment))


def _without_broker(universe: Universe, experiment: Experiment, adversary: _Adversary) -> Floats | None:
    """The account of the adversary (currency), where it can be traded without a broker; else None."""
    choice, conditions = experiment.primary_config, Conditions.of(universe, experiment)
    times = iso_times(universe.markets[0].table.index[conditions.warm_up - 1 :])
    if choice.decide_every != 1 or choice.changed_view is not None or not covers(conditions, times):
        return None
    falls = np.array([[adversary.falls(universe.symbols[0], time) for time in times]], dtype=np.int64)
    (equity,) = trade(conditions, Choices(adversary.turns, (True, True), falls))
    return np.asarray(equity)


def write_harm(universe: Universe, experiment: Experiment, folder: Path) -> None:
    """Measure and write ``harm.json``."""
    rounded = {name: round_digits(value) for name, value in asdict(measure_harm(universe, experiment)).items()}
    write_json(rounded, folder / HARM)


def largest_loss(universe: Universe, experiment: Experiment) -> float:
    """Upper bound of the drawdown that any advice can cause (fraction).

    Equity may stand just above the kill switch's threshold at a close. From there until the exit has filled in the bar
    after the next it loses at most the exposure times the largest adverse move of a symbol within these bars, slippage
    included, because fills stay inside their bars. Exposure is limited when a position is opened and grows while equity
    falls; without shorts and credit it cannot exceed equity. Each re-arming lets all of it happen again. Commissions of
    a fixed amount are counted against the starting cash.
    """
    risk, costs = experiment.risk, experiment.costs
    if costs.max_fill_share is not None or risk.max_drawdown == 1:
        return 1.0  # an exit may take any number of bars, or nothing ends a loss
    exposure = (risk.max_gross_exposure * (1 + risk.gap_buffer) + risk.max_drawdown) / (1 - risk.max_drawdown)
    if not risk.allow_short and costs.leverage == 1:
        exposure = min(exposure, 1.0)
    move = max(_largest_move(prices.table, both_sides=risk.allow_short) for prices in universe.markets)
    lowest_price = min(float(prices.table["low"].min()) for prices in universe.markets)
    fixed = 2 * len(universe.markets) * (costs.commission_per_trade + costs.commission_minimum)
    rates = max([costs.commission_bps, *(tier.bps for tier in costs.commission_tiers)]) / 10_000
    fees = 2 * (rates + costs.commission_per_share / lowest_price) + fixed / costs.starting_cash
    once = min(1.0, 1 - (1 - risk.max_drawdown) * max(0.0, 1 - exposure * (move + fees)))
    if risk.rearm_after_bars is None:
        return once
    bars = max(len(universe.decisions(symbol).table) for symbol in universe.symbols)
    return float(1 - (1 - once) ** (1 + bars // (risk.rearm_after_bars + 1)))


def _largest_move(table: pd.DataFrame, *, both_sides: bool) -> float:
    """From a close, or the open after it, to the worst price of the two bars that follow (share of the close)."""
    close, after = table["close"].to_numpy()[:-1], table["open"].to_numpy()[1:]
    low, high = (
        extreme(table[name].to_numpy()[1:], np.append(table[name].to_numpy()[2:], table[name].to_numpy()[-1]))
        for extreme, name in ((np.minimum, "low"), (np.maximum, "high"))
    )
    down = (np.maximum(close, after) - low) / close
    up = (high - np.minimum(close, after)) / close
    return float(max(down.max(), up.max() if both_sides else 0.0))


class _Adversary:
    """Proposes at each close what will lose most until the open after the next."""

    def __init__(self, universe: Universe, allow_short: bool) -> None:
        self._ahead = {
            prices.symbol: _moves_ahead(prices.table, universe.decisions(prices.symbol).table)
            for prices in universe.markets
        }
        self._allow_short = allow_short

    def attach(self, data: Any) -> Self:
        """A copy of its own."""
        return copy(self)

    def falls(self, symbol: str, time: str) -> bool:
        """Whether a symbol will fall after a close."""
        return self._ahead[symbol].get(time, 0.0) < 0

    @property
    def turns(self) -> tuple[Action, Action]:
        """What it proposes before a rise, and before a fall: short where that is allowed, else out; and long."""
        rising = ActionType.ENTER_SHORT if self._allow_short else ActionType.EXIT
        return Action(rising, confidence=1.0), Action(ActionType.ENTER_LONG, confidence=1.0)

    def decide(self, snapshot: Snapshot) -> Decision:
        """Long before a fall, short before a rise where that is allowed, else out."""
        action = self.turns[self.falls(snapshot.symbol, snapshot.time)]
        advice = Advice(
            snapshot.symbol,
            snapshot.timeframe,
            Regime(causal_label(snapshot)),
            "Knows the next bar and wants to lose.",
            action,
        )
        return Decision(snapshot, Status.ADVISED, advice, None, assess(advice))


def _moves_ahead(trading: pd.DataFrame, decisions: pd.DataFrame) -> dict[str, float]:
    """By the time of a decision: the move from the open at which it fills to the open at which the next one does."""
    positions = pd.DatetimeIndex(trading.index).get_indexer(pd.DatetimeIndex(decisions.index))
    opens = np.append(trading["open"].to_numpy(), trading["close"].to_numpy()[-1])
    fills = np.minimum(positions + 1, len(opens) - 1)
    next_fills = np.append(fills[1:], len(opens) - 1)
    moves = opens[next_fills] / opens[fills] - 1
    return {time.isoformat(): float(move) for time, move in zip(decisions.index, moves, strict=True)}
