"""Small but complete run and comparison folders in the format of ``folder/record.py``, without backtrader and a model.

The accounts are exact: every fill is an order, every round trip a trade, and the equity curve is what they add up to.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record_account import CASH, COMMISSION, SLIPPAGE, WARM_UP, trade
from small_run import seal

from llm_strategy.costs.costs import Costs
from llm_strategy.risk import Limits
from llm_strategy.trading.orders import OrderRules
from simulator.experiment.configuration import EvaluationConfig, Experiment
from simulator.folder.evidence import EQUITY_COLUMNS, ORDER_COLUMNS, TRADE_COLUMNS
from simulator.folder.manifest import FORMAT_VERSION
from simulator.prices.config import DataConfig

ARMS = ("llm", "buy_and_hold", "sma_cross", "regime_rule", "random", "never")
ALL_ARMS = ("llm", "buy_and_hold", "sma_cross", "momentum", "rsi_reversion", "regime_rule", "random")
EVIDENCE = ("decisions.jsonl", "orders.csv", "trades.csv", "equity.csv")
COLUMNS = ["open", "high", "low", "close", "volume"]


@dataclass(frozen=True)
class Made:
    """What a factory call made: the folder, and how it was asked for."""

    folder: Path
    arms: tuple[str, ...]


def make_prices(bars: int, seed: int) -> pd.DataFrame:
    """Daily prices of a market that changes its mood, from 2001-01-01 on."""
    rng = np.random.default_rng(seed)
    mood = np.repeat(rng.integers(0, 3, bars // 40 + 1), 40)[:bars]
    moves = np.array([0.001, -0.0012, 0.0002])[mood] + np.array([0.007, 0.016, 0.009])[mood] * rng.standard_normal(bars)
    close = 1000 * np.exp(np.cumsum(moves))
    open_ = np.append(1000.0, close[:-1]) * np.exp(0.003 * rng.standard_normal(bars))
    swing = np.exp(0.006 * np.abs(rng.standard_normal((2, bars))))
    frame = pd.DataFrame(
        {
            "open": open_,
            "high": np.maximum(open_, close) * swing[0],
            "low": np.minimum(open_, close) / swing[1],
            "close": close,
            "volume": rng.integers(1_000, 9_000, bars),
        },
        index=pd.bdate_range("2001-01-01", periods=bars, name="time"),
    )
    return frame.round(2)


@dataclass(frozen=True)
class Setting:
    """What a record is asked to hold."""

    symbols: tuple[str, ...] = ("SYN",)
    bars: int = 320
    seed: int = 7
    dead: bool = False
    """Gives the llm arm one answer for all."""
    failed: bool = False
    """Breaks the arm off in the middle."""
    samples: int = 400
    ended: int = 0
    """Bars that the data of the last symbol end before the others."""
    max_drawdown: float = 1.0
    fill: str = "next_open"
    advisors: tuple[str, ...] = ("llm",)
    """The arms that a model advises; each one's mistakes are its own."""
    twins: tuple[str, ...] = ()
    """Advisors that decide as the first one does."""
    settings: dict[str, Any] | None = None
    """What the experiment says of its arms, by name."""

    @cached_property
    def prices(self) -> dict[str, pd.DataFrame]:
        made = {symbol: make_prices(self.bars, self.seed + at) for at, symbol in enumerate(sorted(self.symbols))}
        last = max(made)
        return made | {last: made[last].iloc[: self.bars - self.ended]}


def write_comparison(
    folder: Path,
    *,
    arms: tuple[str, ...] = ARMS,
    failed: str = "",
    explained: bool = False,
    harm: dict[str, float] | None = None,
    **how: Any,
) -> Made:
    """Write a comparison; ``failed`` names an arm that broke off, ``how`` goes to ``Setting``."""
    setting = Setting(**how)
    folder.mkdir(parents=True, exist_ok=True)
    _write_prices(folder, setting.prices)
    for arm in arms:
        write_arm(folder / arm, arm, replace(setting, failed=arm == failed))
    usage: dict[str, float] = dict.fromkeys(_usage([]), 0)
    for arm in arms:
        for name, count in json.loads((folder / arm / "manifest.json").read_text())["usage"].items():
            usage[name] += count
    head = _manifest("comparison", setting, usage, modelled=bool({*setting.advisors} & {*arms}))
    _write_json(folder / "manifest.json", head | {"arms": list(arms)})
    if explained:
        _write_json(folder / "explanation.json", EXPLANATION)
    if harm:
        _write_json(folder / "harm.json", harm)
    seal(folder)
    return Made(folder, arms)


def write_run(folder: Path, *, arm: str = "llm", **how: Any) -> Made:
    """Write a single run with its prices; ``how`` goes to ``Setting``."""
    setting = Setting(**how)
    folder.mkdir(parents=True, exist_ok=True)
    _write_prices(folder, setting.prices)
    write_arm(folder, arm, setting)
    seal(folder)
    return Made(folder, (arm,))


def write_arm(folder: Path, arm: str, setting: Setting) -> None:
    """Trade one arm over the prices and write its folder; the same arm of the same setting is traded once a process."""
    folder.mkdir(parents=True, exist_ok=True)
    key = repr((arm, setting))
    if key not in _TRADED:
        _trade_arm(folder, arm, setting)
        _TRADED[key] = {name: (folder / name).read_bytes() for name in (*EVIDENCE, "manifest.json")}
    for name, content in _TRADED[key].items():
        (folder / name).write_bytes(content)


_TRADED: dict[str, dict[str, bytes]] = {}
"""What was written for an arm, by arm and setting."""


def _trade_arm(folder: Path, arm: str, setting: Setting) -> None:
    stop_at = WARM_UP + (setting.bars - WARM_UP) // 2 if setting.failed else setting.bars
    prices = {symbol: table.iloc[:stop_at] for symbol, table in setting.prices.items()}
    modelled = arm in setting.advisors
    dice = random.Random(f"{setting.advisors[0] if arm in setting.twins else arm}{setting.seed}")
    decisions, book = trade(
        "llm" if modelled else arm, prices, dice, dead=setting.dead, max_drawdown=setting.max_drawdown
    )
    with (folder / "decisions.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in decisions)
    pd.DataFrame(book.orders, columns=ORDER_COLUMNS).to_csv(folder / "orders.csv", index=False)
    pd.DataFrame(book.trades, columns=TRADE_COLUMNS).to_csv(folder / "trades.csv", index=False)
    pd.DataFrame(book.equity, columns=EQUITY_COLUMNS).to_csv(folder / "equity.csv", index=False)
    usage = _usage(decisions) if modelled else dict.fromkeys(_usage([]), 0)
    manifest = _manifest("run", setting, usage, modelled=modelled)
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in EVIDENCE}
    said = (setting.settings or {}).get(arm) or {}
    whose = {key: said[key] for key in ("advisor", "null", "null_of") if key in said}
    _write_json(folder / "manifest.json", manifest | {"arm": arm, "files": files} | whose)


def _usage(decisions: list[dict[str, Any]]) -> dict[str, float]:
    distinct = len({decision["request"] for decision in decisions})
    asked = distinct // 2
    return {
        "decisions": len(decisions), "questions": len(decisions), "distinct": distinct, "asked": asked,
        "from_record": len(decisions) - asked,
        "seconds": 0.25 * asked, "tokens_in": 60 * asked, "tokens_out": 20 * asked,
        "mean_seconds": 0.25 if asked else 0.0, "p95_seconds": 0.5 if asked else 0.0,
    }  # fmt: skip


def _manifest(kind: str, setting: Setting, usage: dict[str, float], *, modelled: bool) -> dict[str, Any]:
    prices, failed = setting.prices, setting.failed
    several = len(prices) > 1
    experiment = Experiment(
        name="moods",
        data=DataConfig(sources=dict.fromkeys(prices, "synthetic:moods"), groups={"moody": [min(prices)]})
        if several
        else DataConfig(source="synthetic:moods", symbol=min(prices)),
        risk=Limits(max_position_size=0.9, stop_loss_pct=0.04, max_drawdown=setting.max_drawdown),
        orders=OrderRules(fill=setting.fill),
        costs=Costs(commission_bps=10_000 * COMMISSION, slippage_bps=10_000 * SLIPPAGE, starting_cash=CASH),
        evaluation=EvaluationConfig(bars_per_year=252, bootstrap_samples=setting.samples),
    )
    return {
        "format": FORMAT_VERSION, "kind": kind, "name": "moods", "identity": hashlib.sha256(b"moods").hexdigest(),
        "status": "failed" if failed else "complete",
        "problem": "The backend did not answer for 31 of 130 decisions: start it and run again." if failed else None,
        "experiment": experiment.as_dict() | ({"arms": setting.settings} if setting.settings else {}),
        "prices": {
            "timeframe": "1d", "decide_on": "1d", "sha256": hashlib.sha256(b"prices").hexdigest(),
            "symbols": {
                symbol: {
                    "source": "synthetic:moods", "group": "moody" if several and symbol == min(prices) else "",
                    "first": table.index[0].isoformat(), "last": table.index[-1].isoformat(), "bars": len(table),
                    "first_decision": table.index[WARM_UP].isoformat(),
                }
                for symbol, table in prices.items()
            },
        },
        "model": {"name": "script", "backend": "scripted", "engine_version": "1"} if modelled else None,
        "usage": usage, "versions": {"python": "3.11", "backtrader-llm": "0.1.0"}, "git": None,
        "sampler": None, "prompts": "", "schemas": "", "machine": {"cores": 2},
        "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:01:00+00:00", "files": {},
    }  # fmt: skip


def _write_prices(folder: Path, prices: dict[str, pd.DataFrame]) -> None:
    rows = pd.concat([table.assign(symbol=symbol).reset_index() for symbol, table in sorted(prices.items())])
    rows[["symbol", "time", *COLUMNS]].to_csv(folder / "prices.csv", index=False)


EXPLANATION = {
    "form": 2,
    "paragraphs": [
        {
            "topic": "Against what",
            "manner": "written",
            "sentences": [
                {
                    "text": "The advice was compared with <every> other arm.",
                    "template": "The advice was compared with <every> other arm.",
                    "source": "model",
                    "facts": [],
                },
                {
                    "text": "No arm is said to be better than the others.",
                    "template": "No arm is said to be better than the others.",
                    "source": "program",
                    "facts": [],
                },
            ],
            "statements": [],
            "refused": [{"text": "It made 990% because it is clever.", "why": "990% is no fact"}],
            "asked_again": 1,
            "failure": "",
        },
        {
            "topic": "What one would test next",
            "manner": "program",
            "sentences": [],
            "statements": [
                {"conditions": ["market.drawdown < -0.1"], "direction": "up", "horizon": 20, "effect": 0.01}
            ],
            "refused": [],
            "asked_again": 0,
            "failure": "",
        },
    ],
    "counts": {"written_by_model": 2, "shown": 1, "refused": 1, "asked_again": 1},
    "requests": {},
}


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
