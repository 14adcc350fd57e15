"""Entries of a journal that say what a test is about, and of everything else what most entries say."""

from llm_strategy.trading.decision_lines import entry_of

SNAPSHOT = {
    "symbol": "SYN", "timeframe": "1d", "time": "2020-01-01T00:00:00", "close": 100.0, "trend": 0.0, "momentum": 0.0,
    "volatility": 0.01, "volatility_rank": 0.5, "drawdown": 0.0, "range_position": 0.5, "volume_ratio": 1.0,
}  # fmt: skip
VERDICT = {"intent": "none", "size": 0.0, "stop_pct": None, "target_pct": None, "stop_price": None, "reason": ""}
ROW = {
    "bar": 0, "prompt": "", "request": "", "answer": "", "status": "advised", "advice": None, "abstention": None,
    "policy": {"verdict": "allow", "reasons": [], "coherent": True}, "repairs": [], "clamps": [],
}  # fmt: skip


def advised(label="bull", action="hold"):
    return {
        "symbol": "SYN", "timeframe": "1d", "regime": {"label": label}, "rationale": "", "version": "1.0.0",
        "action": {"type": action, "confidence": 0.7}, "intent": "propose_trade",
    }  # fmt: skip


def entry(snapshot=(), verdict=(), **row):
    """An entry from these parts of its line."""
    return entry_of(ROW | {"snapshot": SNAPSHOT | dict(snapshot), "verdict": VERDICT | dict(verdict)} | row)


def counted(counter, entries):
    """What a counter comes to that has taken these entries."""
    for taken in entries:
        counter.take(taken)
    return counter.counts()
