"""A market in which one statement is true, and an experiment that states it."""

import hashlib
import json

import numpy as np
from markets import from_bars

from llm_strategy.llm.backends.scripted import ScriptedClient

TRUE = {"conditions": ["market.range_position < 0.25"], "direction": "up", "horizon": 5, "effect": 0.002}
FALSE = {"conditions": ["market.range_position < 0.25"], "direction": "down", "horizon": 5, "effect": 0.002}
_LOOKBACKS = {
    "trend": 30, "momentum": 10, "volatility": 10, "volatility_rank": 30, "drawdown": 30, "range_position": 20,
    "volume_ratio": 10,
}  # fmt: skip


def returning_prices(bars=700, seed=5):
    """A price that always comes back to 100: low in its range it rises."""
    random, level, closes = np.random.default_rng(seed), 0.0, []
    for move in random.normal(0, 0.01, bars):
        level = 0.9 * level + move
        closes.append(100 * np.exp(level))
    opens = [100.0, *closes[:-1]]
    return from_bars(opens, closes, random.uniform(0, 0.003, (2, bars)), random.uniform(1e5, 2e5, bars))


def write_prices(folder, prices=None, name="returning.csv"):
    """The prices as a file; its path."""
    path = folder / name
    (prices or returning_prices()).table.to_csv(path, date_format="%Y-%m-%d")
    return path


def stating(folder, csv, hypotheses, arms=("llm", "buy_and_hold"), **more):
    """An experiment as a mapping."""
    return {
        "name": "stated",
        "data": {"source": f"csv:{csv}", "symbol": "ABC"},
        "advisor": {"lookbacks": _LOOKBACKS, "decide_every": 50, "rationale": "never"},
        "evaluation": {"bootstrap_samples": 200, "placebos": 19},
        "hypotheses": {"windows": {"propose": 0.3, "test": 0.4}, "analytics": ["market", "streaks"]} | hypotheses,
        "arms": list(arms),
        "output": {"explain": False, "folder": str(folder / "reports")},
    } | more


def by_hash(request):
    """Probabilities that follow from the question alone."""
    said = json.dumps([request.opening, *(message.content for message in request.messages)])
    at = int(hashlib.sha256(said.encode()).hexdigest(), 16) % len(request.choices)
    share = 1 / (len(request.choices) + 1)
    return json.dumps({each: share * (2 if number == at else 1) for number, each in enumerate(request.choices)})


def scoring():
    """A client that scores choices."""
    return ScriptedClient(by_hash, supports_choices=True)


def of_proposals(client):
    """The questions for proposals among those that a client was asked."""
    return [request for request in client.requests if "You propose a statement" in request.messages[0].content]
