"""What the gate alone does to a holder, measured where no arm of a comparison is one: a step on the way from the market
to an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from llm_strategy.trading.journal import Journal
from simulator.evaluation.attribution import Holder
from simulator.evaluation.metrics import bars_per_year, dealing, mean, performance, returns
from simulator.experiment import HOLDER_ARM
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.experiment.implied import is_market
from simulator.folder.evidence import ATTRIBUTION, EQUITY_COLUMNS, ORDER_COLUMNS, write_json
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate


def lacks_holder(arms: Sequence[Arm]) -> bool:
    """Whether arms are compared with the market, and none is a holder behind the gate."""
    return any(map(is_market, arms)) and all(arm.name != HOLDER_ARM for arm in arms)


def write_attribution(universe: Universe, experiment: Experiment, folder: Path) -> None:
    """Let a holder trade behind the gate, and write ``attribution.json``."""
    write_json(measure_holder(universe, experiment).as_dict(), folder / ATTRIBUTION)


def measure_holder(universe: Universe, experiment: Experiment) -> Holder:
    """A holder through gate, orders and costs, on the schedule of the primary arm."""
    journal = simulate(universe, experiment.rule(HOLDER_ARM), experiment, Journal(keep=lambda _: None))
    equity = pd.DataFrame(journal.equity, columns=pd.Index(EQUITY_COLUMNS))
    equity = equity.assign(time=_times(equity["time"])).set_index("time")
    orders = pd.DataFrame([asdict(order) for order in journal.orders], columns=pd.Index(ORDER_COLUMNS))
    orders = orders.assign(created=_times(orders["created"]), done=_times(orders["done"]))
    year = experiment.evaluation.bars_per_year or bars_per_year(equity.index)
    prices = {market.symbol: market.table for market in universe.markets}
    same_close = experiment.orders.fill == "same_close"
    figures = performance(equity, year, experiment.costs.cash_rate)
    a_bar = mean(returns(equity["equity"]))
    return Holder(
        annual_return=None if a_bar is None else a_bar * year,
        cost_rate=dealing(orders, equity, prices, year, same_close=same_close).cost_rate,
        total_return=figures.total_return,
        max_drawdown=figures.max_drawdown,
        sharpe=figures.sharpe,
    )


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format="ISO8601")
