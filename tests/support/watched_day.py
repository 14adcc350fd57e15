"""A day of one-minute bars of three symbols, and a program that watches it with a scripted model:
``python watched_day.py FOLDER [FEED] [BARS]``. It can be killed at any moment."""

import csv
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from small_run import reader

from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.watch.offline import shadow
from simulator.watch.watch import watch

SYMBOLS = ("AAA", "BBB", "CCC")
OPENING = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HISTORY = 60
LOOKBACKS = {
    "trend": 30, "momentum": 10, "volatility": 10, "volatility_rank": 40, "drawdown": 40, "range_position": 10,
    "volume_ratio": 10,
}  # fmt: skip


def rows(symbol, bars):
    """Minutes of one symbol from before the opening on: ``start,open,high,low,close,volume``; some are missing."""
    rng = np.random.default_rng(SYMBOLS.index(symbol) + 11)
    price = 100.0
    for minute in range(-HISTORY, bars):
        steps = price * np.exp(np.cumsum(rng.normal(0.0003 * np.sin(minute / 25), 0.0015, 4)))
        if symbol == "CCC" and minute % 17 == 5:
            price = float(steps[-1])
            continue
        seen = [price, *steps]
        values = [round(float(each), 4) for each in (seen[0], max(seen), min(seen), seen[-1])]
        yield OPENING + timedelta(minutes=minute), *values, int(rng.integers(5000, 20000))
        price = float(steps[-1])


def write_day(folder, bars=390, history_only=False):
    """The prices as CSV files, one a symbol; returns the section ``data`` of an experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = {}
    for symbol in SYMBOLS:
        path = folder / f"{symbol}.csv"
        sources[symbol] = f"csv:{path}"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["time", "open", "high", "low", "close", "volume"])
            for time, *values in rows(symbol, 0 if history_only else bars):
                writer.writerow([time.isoformat(), *values])
    start = {} if history_only else {"start": OPENING.replace(tzinfo=None).isoformat()}
    return {"sources": sources, "timeframe": "1m", **start}


def experiment(folder, bars=390, history_only=False, **more):
    """The experiment as a mapping; its prices are written into the folder, and its run goes there."""
    data = folder / "prices"
    section = write_day(data, bars, history_only)
    return {
        "name": "day",
        "data": section,
        "advisor": {"lookbacks": LOOKBACKS},
        "arms": ["llm", "buy_and_hold", "regime_rule"],
        "risk": {"max_position_size": 0.3, "stop_loss_pct": 0.01, "max_holding_bars": 40, "max_gross_exposure": 0.5},
        "evaluation": {"bootstrap_samples": 100, "placebos": 19},
        "output": {"folder": str(folder / "reports"), "explain": False},
        **more,
    }


class Steps:
    """A sink that keeps events and states, and does ``then(state)`` behind each close."""

    def __init__(self, then=lambda state: None):
        self.events, self.states, self.closed = {}, [], False
        self._then = then

    def take(self, event):
        self.events.setdefault(event.key, event)

    def show(self, state):
        self.states.append(state)
        self._then(state)

    def close(self):
        self.closed = True

    def of(self, kind):
        return [event for event in self.events.values() if event.kind == kind]


def lines_of(folder, file="decisions.chain.jsonl"):
    return [json.loads(line) for line in (folder / file).read_text().splitlines()]


def differing(folder):
    """What is otherwise when the bars of a watch are traded again offline."""
    return [check for check in shadow(folder) if not check.same]


def committed(folder):
    """What stands in the chain of decisions, by arm: lines of decisions and rows of accounts, in their order."""
    found = {}
    for line in lines_of(folder):
        found.setdefault(line["arm"], []).append(line.get("line") or line["account"])
    return found


def accounts(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "accounts").rglob("*.csv"))}


def main():
    """Watch until the feed ends."""
    folder = Path(sys.argv[1])
    feed = sys.argv[2] if len(sys.argv) > 2 else "replay:"
    bars = int(sys.argv[3]) if len(sys.argv) > 3 else 390
    made = experiment(folder, bars, history_only=feed != "replay:", watch={"feed": feed})
    watch(made, client=ScriptedClient(reader))


if __name__ == "__main__":
    main()
