"""Small but complete run and comparison folders in the format of ``simulator.record``, without backtrader and a model.

The accounts are exact: every fill is an order, every round trip a trade, and the equity curve is what they add up to.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simulator.record import EQUITY_COLUMNS, FORMAT_VERSION, ORDER_COLUMNS, TRADE_COLUMNS

WARM_UP = 60
CASH = 100_000.0
COMMISSION, SLIPPAGE = 0.0005, 0.0005
ARMS = ("llm", "buy_and_hold", "sma_cross", "regime_rule", "random", "never")
ALL_ARMS = ("llm", "buy_and_hold", "sma_cross", "momentum", "rsi_reversion", "regime_rule", "random")
ACTIONS = {"bull": "enter_long", "bear": "exit", "sideways": "hold", "turbulent": "exit"}
RATIONALES = {
    "bull": "The close stands above its long average and keeps rising.",
    "bear": "The close stands below its long average; losses go on.",
    "sideways": "No direction | the range holds.",
    "turbulent": "Large moves both ways, <b>no</b> direction.",
}


@dataclass(frozen=True)
class Made:
    """What a factory call made: the folder, and how it was asked for."""

    folder: Path
    arms: tuple[str, ...]


@dataclass
class Book:
    """The account of one arm while its bars pass."""

    cash: float = CASH
    position: float = 0.0
    entry: dict[str, Any] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    equity: list[dict[str, Any]] = field(default_factory=list)

    def send(self, created: str, kind: str, side: int, size: float, price: float | None = None) -> dict[str, Any]:
        order = {
            "order": len(self.orders) + 1, "created": created, "kind": kind, "side": "buy" if side > 0 else "sell",
            "type": {"stop": "stop", "target": "limit"}.get(kind, "market"), "size": size, "price": price,
            "status": "pending", "done": "", "fill_price": None, "filled": 0.0, "commission": 0.0, "reason": "advice",
        }  # fmt: skip
        self.orders.append(order)
        return order

    def fill(self, order: dict[str, Any], time: str, price: float) -> None:
        side = 1 if order["side"] == "buy" else -1
        price *= 1 + side * (0.0 if order["type"] == "limit" else SLIPPAGE)
        fee = price * order["size"] * COMMISSION
        self.cash -= side * price * order["size"] + fee
        self.position += side * order["size"]
        order.update(status="completed", done=time, fill_price=price, filled=order["size"], commission=fee)

    def leave(self, time: str, bar: int, price: float, reason: str, fee: float) -> None:
        entry = self.entry
        gross = (price - entry["price"]) * entry["size"]
        self.trades.append(
            {
                "trade": len(self.trades) + 1, "side": "long", "size": entry["size"], "entered": entry["time"],
                "entry_price": entry["price"], "exited": time, "exit_price": price, "exit_reason": reason,
                "bars_held": bar - entry["bar"], "gross": gross, "commission": entry["fee"] + fee,
                "net": gross - entry["fee"] - fee, "entry_bar_breach": entry["breach"],
                "planned_loss": entry["size"] * (entry["price"] - entry["stop"]["price"]),
            }
        )  # fmt: skip


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


def write_comparison(
    folder: Path,
    *,
    arms: tuple[str, ...] = ARMS,
    bars: int = 320,
    seed: int = 7,
    dead: bool = False,
    failed: str = "",
    samples: int = 400,
    explained: bool = False,
) -> Made:
    """Write a comparison; ``dead`` gives the llm arm one answer for all, ``failed`` names an arm that broke off."""
    prices = make_prices(bars, seed)
    folder.mkdir(parents=True, exist_ok=True)
    prices.to_csv(folder / "prices.csv")
    for arm in arms:
        write_arm(folder / arm, arm, prices, seed=seed, dead=dead, failed=arm == failed, samples=samples)
    usage: dict[str, float] = dict.fromkeys(_usage([]), 0)
    for arm in arms:
        for name, count in json.loads((folder / arm / "manifest.json").read_text())["usage"].items():
            usage[name] += count
    head = _manifest("comparison", prices, usage, samples, failed=False, modelled="llm" in arms)
    _write_json(folder / "manifest.json", head | {"arms": list(arms)})
    if explained:
        _write_json(folder / "explanation.json", EXPLANATION)
    return Made(folder, arms)


def write_run(folder: Path, *, arm: str = "llm", bars: int = 320, seed: int = 7, **how: Any) -> Made:
    """Write a single run with its prices; ``how`` goes to ``write_arm``."""
    prices = make_prices(bars, seed)
    folder.mkdir(parents=True, exist_ok=True)
    prices.to_csv(folder / "prices.csv")
    write_arm(folder, arm, prices, seed=seed, **how)
    return Made(folder, (arm,))


def write_arm(
    folder: Path,
    arm: str,
    prices: pd.DataFrame,
    *,
    seed: int,
    dead: bool = False,
    failed: bool = False,
    samples: int = 400,
) -> None:
    """Trade one arm over the prices and write its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    stop_at = WARM_UP + (len(prices) - WARM_UP) // 2 if failed else len(prices)
    decisions, book = _trade(arm, prices.iloc[:stop_at], random.Random(f"{arm}{seed}"), dead)
    with (folder / "decisions.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in decisions)
    pd.DataFrame(book.orders, columns=ORDER_COLUMNS).to_csv(folder / "orders.csv", index=False)
    pd.DataFrame(book.trades, columns=TRADE_COLUMNS).to_csv(folder / "trades.csv", index=False)
    pd.DataFrame(book.equity, columns=EQUITY_COLUMNS).to_csv(folder / "equity.csv", index=False)
    usage = _usage(decisions) if arm == "llm" else dict.fromkeys(_usage([]), 0)
    manifest = _manifest("run", prices, usage, samples, failed=failed, modelled=arm == "llm")
    evidence = ("decisions.jsonl", "orders.csv", "trades.csv", "equity.csv")
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in evidence}
    _write_json(folder / "manifest.json", manifest | {"arm": arm, "files": files})


def _trade(arm: str, prices: pd.DataFrame, dice: random.Random, dead: bool) -> tuple[list[dict[str, Any]], Book]:
    book, decisions, plan = Book(), [], None
    closes = prices["close"].tolist()
    rows = list(zip(prices.index, *(prices[name].tolist() for name in ("open", "high", "low", "close")), strict=True))
    for bar in range(WARM_UP, len(prices)):
        stamp, open_, _, low, close = rows[bar]
        time = stamp.isoformat()
        if plan is not None:
            book.fill(plan, time, open_)
            if plan["kind"] == "entry":
                stop = plan["fill_price"] * 0.96
                book.entry = {
                    "time": time, "bar": bar, "price": plan["fill_price"], "size": plan["size"],
                    "fee": plan["commission"], "breach": int(low <= stop),
                    "stop": book.send(time, "stop", -1, plan["size"], stop),
                }  # fmt: skip
            else:
                book.entry["stop"].update(status="canceled", done=time)
                book.leave(time, bar, plan["fill_price"], "advice", plan["commission"])
        elif book.position and low <= book.entry["stop"]["price"]:
            order = book.entry["stop"]
            book.fill(order, time, min(open_, order["price"]))
            book.leave(time, bar, order["fill_price"], "stop", order["commission"])
        equity = book.cash + book.position * close
        decision = _decide(arm, bar, time, closes, dice, dead)
        plan = None
        action = decision["advice"]["action"]["type"] if decision["advice"] else "hold"
        if action == "enter_long" and not book.position:
            size = float(int(0.9 * equity / close))
            decision["verdict"].update(intent="enter_long", size=size, stop_pct=0.04)
            decision["clamps"].append({"limit": "max_position_size", "before": 1.0, "after": 0.9})
            plan = book.send(time, "entry", 1, size)
        elif action == "exit" and book.position:
            decision["verdict"]["intent"] = "exit"
            plan = book.send(time, "exit", -1, book.position)
        elif action == "enter_short":
            decision["verdict"]["reason"] = "Short positions are not allowed."
            decision["clamps"].append({"limit": "allow_short", "before": 1.0, "after": 0.0})
        decisions.append(decision)
        book.equity.append(dict(zip(EQUITY_COLUMNS, (time, close, equity, book.cash, book.position), strict=True)))
    if book.position:
        book.leave(prices.index[-1].isoformat(), len(prices) - 1, closes[-1], "open", 0.0)
    return decisions, book


def _decide(arm: str, bar: int, time: str, closes: list[float], dice: random.Random, dead: bool) -> dict[str, Any]:
    past = closes[bar - WARM_UP : bar + 1]
    mean, moves = sum(past) / len(past), np.diff(np.log(past[-21:]))
    trend, momentum, volatility = past[-1] / mean - 1, past[-1] / past[-21] - 1, float(moves.std())
    label = "turbulent" if volatility > 0.017 else "bull" if trend > 0.01 else "bear" if trend < -0.01 else "sideways"
    action = {
        "buy_and_hold": "enter_long",
        "sma_cross": "enter_long" if sum(past[-10:]) / 10 > mean else "exit",
        "momentum": "enter_long" if momentum > 0 else "exit",
        "rsi_reversion": "enter_long" if trend < -0.03 else "exit" if trend > 0.02 else "hold",
        "random": dice.choice(["enter_long", "exit", *["hold"] * 8]),
        "never": "hold",
    }.get(arm, ACTIONS[label])
    decision: dict[str, Any] = {
        "bar": bar, "time": time, "prompt": "", "request": "", "answer": "", "status": "advised", "abstention": None,
        "snapshot": {
            "symbol": "SYN", "timeframe": "1d", "time": time, "close": closes[bar], "trend": trend,
            "momentum": momentum, "volatility": volatility, "volatility_rank": 0.5,
            "drawdown": past[-1] / max(past) - 1, "range_position": 0.5, "volume_ratio": 1.0,
        },
        "policy": {"verdict": "allow", "reasons": [], "coherent": True}, "repairs": [], "clamps": [],
        "verdict": {"intent": "none", "size": 0.0, "stop_pct": None, "target_pct": None, "reason": ""},
    }  # fmt: skip
    if arm == "llm":
        label, action = _model(decision, label, action, dice, dead)
    decision["advice"] = None if decision["abstention"] else _advice(label, action, dice)
    return decision


def _model(decision: dict[str, Any], label: str, action: str, dice: random.Random, dead: bool) -> tuple[str, str]:
    """What makes the model's arm differ from a rule: prompts, mistakes, repairs, abstentions."""
    seen = decision["snapshot"]
    prompt = f"trend: {seen['trend']:.0%}; momentum: {seen['momentum']:.0%}; volatility: {seen['volatility']:.1%}"
    request = hashlib.sha256(prompt.encode()).hexdigest()
    decision.update(prompt=prompt, request=request, answer='{"regime": ...}')
    if dead:
        return "bull", "enter_long"
    chance = dice.random()
    if chance < 0.03:
        reason, detail = dice.choice([("timeout", "No answer within 30 s."), ("invalid", "action.type: is 'buy|sell'")])
        decision.update(status="abstained", abstention={"reason": reason, "detail": detail})
        decision["verdict"]["reason"] = "No advice: an open position keeps its stop, nothing new is opened."
    elif chance < 0.08:
        decision.update(status="repaired", repairs=["code fence"])
    elif chance < 0.12:
        decision["policy"] = {
            "verdict": "review", "reasons": [f"label and action: enter_short in a {label} market"], "coherent": False,
        }  # fmt: skip
        action = "enter_short"
    elif chance < 0.2:
        label = dice.choice(sorted(ACTIONS))
        action = ACTIONS[label]
    return label, action


def _advice(label: str, action: str, dice: random.Random) -> dict[str, Any]:
    return {
        "version": "1.0.0", "intent": "propose_trade", "symbol": "SYN", "timeframe": "1d",
        "regime": {"label": label}, "rationale": RATIONALES[label],
        "action": {"type": action, "confidence": round(dice.uniform(0.5, 1), 2)},
    }  # fmt: skip


def _usage(decisions: list[dict[str, Any]]) -> dict[str, float]:
    distinct = len({decision["request"] for decision in decisions})
    asked = distinct // 2
    return {
        "requests": len(decisions), "distinct": distinct, "asked": asked, "from_cache": distinct - asked,
        "seconds": 0.25 * asked, "tokens_in": 60 * asked, "tokens_out": 20 * asked,
    }  # fmt: skip


def _manifest(
    kind: str, prices: pd.DataFrame, usage: dict[str, float], samples: int, *, failed: bool, modelled: bool
) -> dict[str, Any]:
    experiment = {
        "data": {"source": "synthetic:moods", "symbol": "SYN", "timeframe": "1d"},
        "advisor": {"backend": "scripted"} if modelled else None,
        "risk": {"max_position_size": 0.9, "stop_loss_pct": 0.04, "allow_short": False},
        "costs": {"commission_bps": 10_000 * COMMISSION, "slippage_bps": 10_000 * SLIPPAGE, "starting_cash": CASH},
        "evaluation": {"bars_per_year": 252, "confidence_level": 0.95, "bootstrap_samples": samples, "seed": 7},
        "output": {"folder": "reports"},
    }
    return {
        "format": FORMAT_VERSION, "kind": kind, "name": "moods", "identity": hashlib.sha256(b"moods").hexdigest(),
        "status": "failed" if failed else "complete",
        "problem": "The backend did not answer for 31 of 130 decisions: start it and run again." if failed else None,
        "experiment": experiment,
        "prices": {
            "source": "synthetic:moods", "symbol": "SYN", "timeframe": "1d",
            "sha256": hashlib.sha256(b"prices").hexdigest(),
            "first": prices.index[0].isoformat(), "last": prices.index[-1].isoformat(), "bars": len(prices),
            "first_decision": prices.index[WARM_UP].isoformat(),
        },
        "model": {"name": "script", "backend": "scripted", "engine_version": "1"} if modelled else None,
        "usage": usage, "versions": {"python": "3.11", "backtrader-llm": "0.1.0"}, "git": None, "machine": {"cores": 2},
        "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:01:00+00:00", "files": {},
    }  # fmt: skip


EXPLANATION = {
    "paragraphs": [
        {
            "topic": "Result",
            "sentences": [
                {
                    "text": "The advice was compared with <every> other arm.",
                    "source": "model",
                    "facts": [],
                    "refused": None,
                },
                {
                    "text": "No arm is said to be better than the others.",
                    "source": "program",
                    "facts": ["llm.sharpe"],
                    "refused": {"text": "It made 990% because it is clever.", "why": "990% is no fact"},
                },
            ],
        }
    ],
    "counts": {"written_by_model": 2, "shown": 1, "refused": 1},
    "requests": {},
}


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
