"""One cell after the other through gate, orders, broker and costs, in whatever process, and the figures of each."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.advice.rules import BuyAndHold
from llm_strategy.errors import BacktraderLLMError
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import Journal
from simulator.evaluation.metrics import bars_per_year, dealing, performance
from simulator.experiment.advisor import write_advisor
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import EQUITY_COLUMNS, ORDER_COLUMNS
from simulator.prices.universe import Universe
from simulator.runs.simulation import collection_of_garbage, simulate
from simulator.runs.strategies.own_strategy import simulate_strategy
from simulator.runs.strategies.trade import own_strategy, rule_of
from simulator.runs.strategies.ungated import simulate_ungated
from simulator.sweeps.shelf import Held, KnownDecisions, Memory, read_universe


class CellWork(NamedTuple):
    """A cell that is to be traded: its number, the experiment, the key of its prices, and for each arm the key of its
    decisions, or None where it decides by itself."""

    number: int
    experiment: Experiment
    prices: str
    arms: Sequence[tuple[str, str | None]]


class ArmOutcome(NamedTuple):
    """What came of an arm in a cell: ``row`` of the table of cells, without the axes, and its ``returns`` (fraction)
    at each of the ``closes`` after the first (microseconds since 1970, UTC)."""

    cell: int
    arm: str
    row: dict[str, Any]
    closes: npt.NDArray[np.int64]
    returns: npt.NDArray[np.float64]


class CellProblem(NamedTuple):
    """A cell that cannot be traded, and the error."""

    cell: int
    problem: BacktraderLLMError


_UNIVERSES: Memory[Universe] = Memory(8)
_DECISIONS: Memory[KnownDecisions] = Memory(16)
_MARKETS: Memory[float | None] = Memory(256)
_ALONE = threading.Lock()
"""The threads of a worker trade one after the other: a run of backtrader is Python from end to end."""


def trade_cells(work: Sequence[CellWork], files: Mapping[str, Held]) -> list[ArmOutcome] | CellProblem:
    """Trade cells, with the prices and decisions of these files; ends at the first that cannot be traded."""
    outcomes: list[ArmOutcome] = []
    with _ALONE, collection_of_garbage():
        for cell in work:
            try:
                universe = _UNIVERSES.get(cell.prices, lambda key=cell.prices: read_universe(files[key]))  # type: ignore[misc]
                outcomes += [_outcome(cell, name, key, universe, files) for name, key in cell.arms]
            except BacktraderLLMError as problem:
                return CellProblem(cell.number, problem)
    return outcomes


def trade_arm_of_cell(
    universe: Universe, arm: Arm, experiment: Experiment, known: KnownDecisions | None, journal: Journal
) -> Journal:
    """Let an arm trade as it does in a run; of an advised one the decisions are known."""
    if known is not None:
        return simulate(universe, known, experiment, journal, arm.config)
    if arm.kind == "strategy":
        return simulate_strategy(universe, own_strategy(arm), experiment, journal)
    if arm.kind == "ungated":
        return simulate_ungated(universe, experiment.rule(arm.rule), experiment, journal)
    advisor = rule_of(arm, experiment)
    if advisor is None:
        raise ValueError(f"nobody decides in the arm {arm.name}")
    return simulate(universe, advisor, experiment, journal)


def _outcome(cell: CellWork, name: str, key: str | None, universe: Universe, files: Mapping[str, Held]) -> ArmOutcome:
    experiment, arm = cell.experiment, cell.experiment.arm(name)
    known = None
    if key is not None:
        known = _DECISIONS.get(key, lambda: KnownDecisions.read(files[key]))
        if experiment.risk.checklist is not None and arm.config is not None:
            known = known.seen_with(arm.config.view)  # its items may look at any feature
    journal = trade_arm_of_cell(universe, arm, experiment, known, Journal(keep=_forget))
    equity = _equity(journal)
    year = experiment.evaluation.bars_per_year or bars_per_year(equity.index)
    activity = journal.activity
    row = {
        "start": equity.index[0].isoformat(),
        "end": equity.index[-1].isoformat(),
        "bars": len(equity),
        **_figures(journal, equity, experiment, universe, year),
        "decisions": activity.decisions,
        "abstained": activity.abstentions.total(),
        "final_equity": float(equity["equity"].iloc[-1]),
        "market_sharpe": _market_sharpe(cell, universe, year),
        "bars_per_year": year,
    }
    values = equity["equity"].to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = values[1:] / values[:-1] - 1
    closes = equity.index.to_numpy().astype("datetime64[us]").astype(np.int64)[1:]
    return ArmOutcome(cell.number, name, row, closes, returns)


def _equity(journal: Journal) -> pd.DataFrame:
    """The account at its closes, as the equity table of a run."""
    columns = list(zip(*journal.equity, strict=True))
    index = pd.DatetimeIndex(np.array(columns[0], "datetime64[us]"), name="time")
    return pd.DataFrame(dict(zip(EQUITY_COLUMNS[1:], map(np.array, columns[1:]), strict=True)), index=index)


def _orders(journal: Journal) -> pd.DataFrame:
    """The orders, as that table of a run."""
    rows = [[getattr(order, name) for name in ORDER_COLUMNS] for order in journal.orders]
    table = pd.DataFrame(rows, columns=ORDER_COLUMNS)
    for name in ("created", "done"):
        table[name] = pd.to_datetime(table[name], format="ISO8601")
    return table


def _figures(
    journal: Journal, equity: pd.DataFrame, experiment: Experiment, universe: Universe, year: float
) -> dict[str, Any]:
    found = performance(equity, year, experiment.costs.cash_rate)
    dealt = dealing(
        _orders(journal),
        equity,
        {prices.symbol: prices.table for prices in universe.markets},
        year,
        same_close=experiment.orders.fill == "same_close",
        cash_rate=experiment.costs.cash_rate,
    )
    return {
        "sharpe": found.sharpe,
        "total_return": found.total_return,
        "annual_return": found.cagr,
        "volatility": found.volatility,
        "max_drawdown": found.max_drawdown,
        "exposure": found.exposure,
        "trades": len(journal.trades),
        "turnover": dealt.turnover,
        "costs": dealt.costs,
    }


def _market_sharpe(cell: CellWork, universe: Universe, year: float) -> float | None:
    """That of the market's line, which cells of equal costs share."""
    experiment = cell.experiment
    decides = [
        cell.prices, year, experiment.warm_up.bars, asdict(experiment.costs), experiment.orders.fill,
        write_advisor(experiment.primary_config),
    ]  # fmt: skip

    def measured() -> float | None:
        journal = simulate_ungated(universe, BuyAndHold(), experiment, Journal(keep=_forget))
        return performance(_equity(journal), year, experiment.costs.cash_rate).sharpe

    return _MARKETS.get(json.dumps(decides, sort_keys=True, default=str), measured)


def _forget(entry: Entry) -> None:
    """Nothing of a decision is needed once it is traded."""
