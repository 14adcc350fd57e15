"""How the made-up arms of ``record_factory`` decide and trade: an account in which every fill is an order."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from simulator.folder.evidence import EQUITY_COLUMNS

WARM_UP = 60
CASH = 100_000.0
COMMISSION, SLIPPAGE = 0.0005, 0.0005
ACTIONS = {"bull": "enter_long", "bear": "exit", "sideways": "hold", "turbulent": "exit"}
RATIONALES = {
    "bull": "The close stands above its long average and keeps rising.",
    "bear": "The close stands below its long average; losses go on.",
    "sideways": "No direction | the range holds.",
    "turbulent": "Large moves both ways, <b>no</b> direction.",
}


@dataclass
class Book:
    """The account of one arm while its bars pass; positions and what belongs to them by symbol."""

    gated: bool = True
    """Whether a stop stands behind each position."""
    cash: float = CASH
    positions: dict[str, float] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    closes: dict[str, float] = field(default_factory=dict)
    peak: float = 0.0
    killed: bool = False
    orders: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    equity: list[dict[str, Any]] = field(default_factory=list)

    def send(
        self, symbol: str, created: str, kind: str, side: int, size: float, price: float | None = None
    ) -> dict[str, Any]:
        order = {
            "order": len(self.orders) + 1, "symbol": symbol, "created": created, "kind": kind,
            "side": "buy" if side > 0 else "sell", "type": {"stop": "stop", "target": "limit"}.get(kind, "market"),
            "size": size, "price": price, "status": "pending", "done": "", "fill_price": None, "filled": 0.0,
            "commission": 0.0, "reason": "advice",
        }  # fmt: skip
        self.orders.append(order)
        return order

    def fill(self, order: dict[str, Any], time: str, price: float) -> None:
        side = 1 if order["side"] == "buy" else -1
        price *= 1 + side * (0.0 if order["type"] == "limit" else SLIPPAGE)
        fee = price * order["size"] * COMMISSION
        self.cash -= side * price * order["size"] + fee
        self.positions[order["symbol"]] = self.held(order["symbol"]) + side * order["size"]
        order.update(status="completed", done=time, fill_price=price, filled=order["size"], commission=fee)

    def held(self, symbol: str) -> float:
        return self.positions.get(symbol, 0.0)

    def leave(self, symbol: str, time: str, bar: int, price: float, reason: str, fee: float) -> None:
        entry = self.entries[symbol]
        gross = (price - entry["price"]) * entry["size"]
        self.trades.append(
            {
                "trade": len(self.trades) + 1, "symbol": symbol, "side": "long", "size": entry["size"],
                "entered": entry["time"], "entry_price": entry["price"], "exited": time, "exit_price": price,
                "exit_reason": reason, "bars_held": bar - entry["bar"], "gross": gross,
                "commission": entry["fee"] + fee, "net": gross - entry["fee"] - fee,
                "entry_bar_breach": entry["breach"],
                "planned_loss": entry["size"] * (entry["price"] - entry["stop"]["price"]) if self.gated else 0.0,
            }
        )  # fmt: skip

    def close(self, time: str, max_drawdown: float) -> float:
        """The account at this close; returns equity."""
        net = sum(size * self.closes[symbol] for symbol, size in self.positions.items())
        equity = self.cash + net
        self.peak = max(self.peak, equity)
        self.killed = self.killed or 1 - equity / self.peak >= max_drawdown
        self.equity.append(dict(zip(EQUITY_COLUMNS, (time, equity, self.cash, net, net, 0.0), strict=True)))
        return equity


def trade(
    arm: str, prices: dict[str, pd.DataFrame], dice: random.Random, *, dead: bool, max_drawdown: float
) -> tuple[list[dict[str, Any]], Book]:
    """The decisions of an arm over the prices, and its account."""
    book, decisions = Book(gated=arm != "market"), []
    closes = {symbol: table["close"].tolist() for symbol, table in prices.items()}
    for stamp in max((table.index for table in prices.values()), key=len)[WARM_UP:]:
        time = stamp.isoformat()
        traded = {symbol: table.index.get_loc(stamp) for symbol, table in prices.items() if stamp in table.index}
        for symbol, bar in traded.items():
            row = prices[symbol].iloc[bar]
            _fill(book, symbol, time, bar, float(row["open"]), float(row["low"]))
            book.closes[symbol] = closes[symbol][bar]
        equity = book.close(time, max_drawdown)
        for symbol, bar in traded.items():
            decision = _decide(arm, symbol, bar, time, closes[symbol], dice, dead)
            share = 0.9 if book.gated else 0.99
            _judge(book, symbol, time, decision, share / len(prices) * equity / closes[symbol][bar])
            decisions.append(decision)
    for symbol, table in prices.items():
        if book.held(symbol):
            book.leave(symbol, table.index[-1].isoformat(), len(table) - 1, closes[symbol][-1], "open", 0.0)
    return decisions, book


def _fill(book: Book, symbol: str, time: str, bar: int, open_: float, low: float) -> None:
    plan = book.plans.pop(symbol, None)
    if plan is not None:
        book.fill(plan, time, open_)
        if plan["kind"] == "entry":
            stop = plan["fill_price"] * 0.96
            book.entries[symbol] = {
                "time": time, "bar": bar, "price": plan["fill_price"], "size": plan["size"],
                "fee": plan["commission"], "breach": int(book.gated and low <= stop),
                "stop": book.send(symbol, time, "stop", -1, plan["size"], stop) if book.gated else None,
            }  # fmt: skip
        else:
            if book.gated:
                book.entries[symbol]["stop"].update(status="canceled", done=time)
            book.leave(symbol, time, bar, plan["fill_price"], plan["reason"], plan["commission"])
    elif book.gated and book.held(symbol) and low <= book.entries[symbol]["stop"]["price"]:
        order = book.entries[symbol]["stop"]
        book.fill(order, time, min(open_, order["price"]))
        book.leave(symbol, time, bar, order["fill_price"], "stop", order["commission"])


def _judge(book: Book, symbol: str, time: str, decision: dict[str, Any], size: float) -> None:
    action = decision["advice"]["action"]["type"] if decision["advice"] else "hold"
    if book.killed and (book.held(symbol) or action == "enter_long"):
        decision["clamps"].append({"limit": "max_drawdown", "before": 0.3, "after": 0.0})
        decision["verdict"]["reason"] = "The drawdown limit was reached."
        if book.held(symbol):
            decision["verdict"]["intent"] = "exit"
            book.plans[symbol] = book.send(symbol, time, "exit", -1, book.held(symbol))
            book.plans[symbol]["reason"] = "kill_switch"
    elif action == "enter_long" and not book.held(symbol):
        size = float(int(size))
        decision["verdict"].update(intent="enter_long", size=size, stop_pct=0.04 if book.gated else None)
        if book.gated:
            decision["clamps"].append({"limit": "max_position_size", "before": 1.0, "after": 0.9})
        book.plans[symbol] = book.send(symbol, time, "entry", 1, size)
    elif action == "exit" and book.held(symbol):
        decision["verdict"]["intent"] = "exit"
        book.plans[symbol] = book.send(symbol, time, "exit", -1, book.held(symbol))
    elif action == "enter_short":
        decision["verdict"]["reason"] = "Short positions are not allowed."
        decision["clamps"].append({"limit": "allow_short", "before": 1.0, "after": 0.0})


def _decide(
    arm: str, symbol: str, bar: int, time: str, closes: list[float], dice: random.Random, dead: bool
) -> dict[str, Any]:
    past = closes[bar - WARM_UP : bar + 1]
    mean, moves = sum(past) / len(past), np.diff(np.log(past[-21:]))
    trend, momentum, volatility = past[-1] / mean - 1, past[-1] / past[-21] - 1, float(moves.std())
    label = "turbulent" if volatility > 0.017 else "bull" if trend > 0.01 else "bear" if trend < -0.01 else "sideways"
    action = {
        "buy_and_hold": "enter_long",
        "market": "enter_long",
        "sma_cross": "enter_long" if sum(past[-10:]) / 10 > mean else "exit",
        "momentum": "enter_long" if momentum > 0 else "exit",
        "rsi_reversion": "enter_long" if trend < -0.03 else "exit" if trend > 0.02 else "hold",
        "random": dice.choice(["enter_long", "exit", *["hold"] * 8]),
        "never": "hold",
    }.get(arm, ACTIONS[label])
    decision: dict[str, Any] = {
        "bar": bar, "time": time, "prompt": "", "request": "", "answer": "", "status": "advised", "abstention": None,
        "snapshot": {
            "symbol": symbol, "timeframe": "1d", "time": time, "close": closes[bar], "trend": trend,
            "momentum": momentum, "volatility": volatility, "volatility_rank": 0.5,
            "drawdown": past[-1] / max(past) - 1, "range_position": 0.5, "volume_ratio": 1.0,
        },
        "policy": {"verdict": "allow", "reasons": [], "coherent": True}, "repairs": [], "clamps": [],
        "verdict": {
            "intent": "none", "size": 0.0, "stop_pct": None, "target_pct": None, "stop_price": None, "reason": "",
        },
    }  # fmt: skip
    if arm == "llm":
        label, action = _model(decision, label, action, dice, dead)
    decision["advice"] = None if decision["abstention"] else _advice(symbol, label, action, dice)
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


def _advice(symbol: str, label: str, action: str, dice: random.Random) -> dict[str, Any]:
    return {
        "version": "1.0.0", "intent": "propose_trade", "symbol": symbol, "timeframe": "1d",
        "regime": {"label": label}, "rationale": RATIONALES[label],
        "action": {"type": action, "confidence": round(dice.uniform(0.5, 1), 2)},
    }  # fmt: skip
