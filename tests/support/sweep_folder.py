"""Folders of sweeps: of small real accounts behind the gate, and of made returns where many are wanted."""

import itertools
import json
import math

import numpy as np
import pandas as pd
from small_run import SMALL

import simulator
from llm_strategy.trading.journal import Journal
from simulator.evaluation.metrics import bars_per_year, dealing, performance, years_between
from simulator.folder.evidence import EQUITY_COLUMNS, ORDER_COLUMNS
from simulator.runs.simulation import simulate
from simulator.runs.strategies.trade import rule_of
from simulator.runs.strategies.ungated import simulate_ungated
from simulator.runs.trials.tail import visible_universe

WINDOWS = (("2001-02-01", "2001-08-31"), ("2001-06-01", "2001-12-31"), ("2001-10-01", "2002-04-30"))
LIMITS = {"risk.stop_loss_pct": [0.02, 0.05, 0.1], "costs.slippage_bps": [0, 25]}
NO_FIGURE = float("nan")


def write_real_sweep(folder, axes=LIMITS, windows=WINDOWS, arms=("regime_rule",), name="limits"):
    """A rule behind the gate in every cell of a grid: real prices, orders, costs and accounts."""
    rows, returns = [], []
    for cell, (values, window) in enumerate(itertools.product(itertools.product(*axes.values()), windows), start=1):
        document = json.loads(json.dumps(SMALL)) | {"arms": [*arms]}
        document["data"]["source"] = "synthetic:cycles?bars=620&seed=5"
        document["data"] |= {"start": window[0], "end": window[1]} if window else {}
        for key, value in zip(axes, values, strict=True):
            section, _, last = key.partition(".")
            document.setdefault(section, {})[last] = value
        experiment = simulator.Experiment.from_mapping(document)
        universe, _ = visible_universe(experiment, minimum_bars=experiment.warm_up.bars + 2)
        market = simulate_ungated(universe, experiment.rule("buy_and_hold"), experiment, _journal())
        for arm in arms:
            journal = simulate(universe, rule_of(experiment.arm(arm), experiment), experiment, _journal())
            equity, year = _equity(journal), bars_per_year(_equity(journal).index)
            found = performance(equity, year)
            orders = pd.DataFrame([[getattr(one, key) for key in ORDER_COLUMNS] for one in journal.orders])
            orders.columns = ORDER_COLUMNS
            orders["done"] = pd.to_datetime(orders["done"], format="ISO8601")
            dealt = dealing(orders, equity, {one.symbol: one.table for one in universe.markets}, year)
            rows.append(
                {"cell": cell, **dict(zip(axes, values, strict=True)), "window": " to ".join(window or ("",)),
                 "arm": arm, "start": equity.index[0].isoformat(), "end": equity.index[-1].isoformat(),
                 "bars": len(equity), "sharpe": found.sharpe, "total_return": found.total_return,
                 "annual_return": found.cagr, "volatility": found.volatility, "max_drawdown": found.max_drawdown,
                 "exposure": found.exposure, "trades": len(journal.trades), "turnover": dealt.turnover,
                 "costs": dealt.costs, "decisions": journal.activity.decisions,
                 "abstained": journal.activity.abstentions.total(), "final_equity": equity["equity"].iloc[-1],
                 "market_sharpe": performance(_equity(market), year).sharpe, "bars_per_year": year}
            )  # fmt: skip
            moves = equity["equity"].pct_change().iloc[1:]
            returns.append(pd.DataFrame({"cell": cell, "arm": arm, "close": moves.index, "return": moves.to_numpy()}))
    return write_folder(folder, axes, pd.DataFrame(rows), pd.concat(returns), arms, windows, name)


def _journal():
    return Journal(keep=lambda entry: None)


def _equity(journal):
    table = pd.DataFrame([tuple(row) for row in journal.equity], columns=EQUITY_COLUMNS)
    return table.set_index(pd.to_datetime(table.pop("time"), format="ISO8601"))


def write_made_sweep(folder, axes, returns, first="2010-01-04", windows=1, name="made", hostile=""):
    """Cells of made ``returns``, shape (bars, configurations), cut into windows that follow each other."""
    closes = pd.bdate_range(first, periods=len(returns) + 1)[1:]
    combinations = list(itertools.product(*axes.values()))
    assert len(combinations) == returns.shape[1]
    parts = np.array_split(np.arange(len(returns)), windows)
    rows, moves = [], []
    for cell, (values, (number, part)) in enumerate(itertools.product(combinations, enumerate(parts)), start=1):
        own = returns[part, (cell - 1) // windows]
        year = (len(part) - 1) / years_between(closes[part])
        spread = own.std(ddof=1)
        rows.append(
            {"cell": cell, **dict(zip(axes, values, strict=True)), "window": f"{hostile}{number + 1}",
             "arm": "llm", "start": closes[part[0]].isoformat(), "end": closes[part[-1]].isoformat(),
             "bars": len(part) + 1, "sharpe": own.mean() / spread * math.sqrt(year) if spread else NO_FIGURE,
             "total_return": np.prod(1 + own) - 1, "annual_return": 0.0, "volatility": spread * math.sqrt(year),
             "max_drawdown": 0.1, "exposure": 0.5, "trades": 12, "turnover": 3.0, "costs": 250.0,
             "decisions": len(part), "abstained": 0, "final_equity": 1e5, "market_sharpe": 0.3,
             "bars_per_year": 252.0}
        )  # fmt: skip
        moves.append(pd.DataFrame({"cell": cell, "arm": "llm", "close": closes[part], "return": own}))
    return write_folder(folder, axes, pd.DataFrame(rows), pd.concat(moves), ("llm",), (), name)


def write_folder(folder, axes, cells, returns, arms, windows, name):
    """The three files as a sweep writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in axes:
        if not pd.api.types.is_numeric_dtype(cells[key]):
            cells[key] = [one if isinstance(one, str) else json.dumps(one) for one in cells[key]]
        else:
            cells[key] = cells[key].astype(float)
    document = {
        "name": name,
        "axes": [{"key": key, "values": list(values)} for key, values in axes.items()],
        "windows": [{"start": start, "end": end} for start, end in filter(None, windows)],
        "cells": int(cells["cell"].nunique()),
        "arms": list(arms),
        "decisions": int(cells["decisions"].sum()),
        "questions": 57,
        "asked": 0,
    }
    (folder / "sweep.json").write_text(json.dumps(document))
    cells.to_parquet(folder / "cells.parquet", index=False)
    returns.to_parquet(folder / "returns.parquet", index=False)
    return folder
