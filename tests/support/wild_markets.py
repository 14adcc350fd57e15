"""Cases for property tests: markets that jump, halt and lock, under any legal limits, costs, rules and advice.

Everything is drawn as a few small numbers over seeded random walks, so that a failing case shrinks to a readable one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import cycle

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from wild_answers import Script, answers, steps
from wild_limits import legal_costs, legal_limits, limit_rules, market_rules

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.costs.costs import Costs
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.risk import Limits
from llm_strategy.trading.orders import OrderRules
from simulator.prices.load import Prices
from simulator.prices.universe import Universe


@dataclass(frozen=True)
class Event:
    """What happens to one symbol from ``bar`` (of the active part) on; ``size`` is a fraction, ``bars`` how long."""

    kind: str
    bar: int
    size: float = 0.0
    bars: int = 1


@dataclass(frozen=True)
class Shape:
    """One symbol: a seeded walk, its price level, its volatility a bar, its usual volume, and what befalls it."""

    seed: int = 0
    price: float = 100.0
    daily: float = 0.01
    volume: float = 1e6
    late: int = 0
    early: int = 0
    events: tuple[Event, ...] = ()

    def table(self, active, timeframe, rewritten_from=None):
        """Warm-up and ``active`` bars; from the active bar ``rewritten_from`` on the future is another one."""
        bars = LONGEST_LOOKBACK - 1 + active
        jumps, moves, up, down, volumes = self._walk(bars, self.seed)
        first = LONGEST_LOOKBACK - 1
        missing = np.zeros(bars, bool)
        for event in self.events:
            there = slice(first + event.bar, min(bars, first + event.bar + event.bars))
            match event.kind:
                case "gap":
                    jumps[first + event.bar : first + event.bar + 1] = math.log1p(event.size)
                case "halt":
                    jumps[there] = moves[there] = up[there] = down[there] = volumes[there] = 0
                case "locked":
                    jumps[there] = math.log1p(event.size / 6)
                    moves[there] = up[there] = down[there] = 0
                    volumes[there] /= 100
                case "wide":
                    up[there] = down[there] = abs(event.size)
                case "missing":
                    missing[there] = True
        if rewritten_from is not None:
            for mine, other in zip((jumps, moves, up, down, volumes), self._walk(bars, self.seed + 77), strict=True):
                mine[first + rewritten_from :] = 3 * other[first + rewritten_from :]
        closes = self.price * np.exp(np.cumsum(jumps + moves))
        opens = closes / np.exp(moves)
        times = times_of(bars, timeframe)
        table = pd.DataFrame(
            {
                "open": opens,
                "high": np.maximum(opens, closes) * (1 + up),
                "low": np.minimum(opens, closes) * (1 - down),
                "close": closes,
                "volume": volumes,
            },
            index=times,
        )
        kept = ~missing
        kept[: self.late] = False
        kept[bars - self.early :] = False
        short = max(0, LONGEST_LOOKBACK - int(kept.sum()))  # a symbol without a single decision is refused
        kept[np.flatnonzero(~kept)[len(kept) - int(kept.sum()) - short :]] = True
        return table[kept]

    def _walk(self, bars, seed):
        source = np.random.default_rng(seed)
        jumps, moves = source.normal(0, self.daily / 2, bars), source.normal(0, self.daily, bars)
        up, down = source.uniform(0, self.daily / 2, (2, bars))
        return jumps, moves, up, down, np.round(self.volume * source.uniform(0.5, 1.5, bars))


def times_of(bars, timeframe):
    """The times of bars that none is missing of."""
    frequency = {"1d": "D", "1h": "h"}[timeframe]
    return pd.DatetimeIndex(pd.date_range("2001-01-01", periods=bars, freq=frequency).as_unit("us"), name="time")


@dataclass(frozen=True)
class Case:
    """Everything that decides a run. With ``answers`` a language model that says just these is asked; otherwise
    ``plans`` holds (action, constraints, confidence) by symbol."""

    shapes: dict[str, Shape]
    active: int = 30
    timeframe: str = "1d"
    limits: Limits = field(default_factory=Limits)
    costs: Costs = field(default_factory=Costs)
    rules: OrderRules = field(default_factory=OrderRules)
    groups: dict[str, str] = field(default_factory=dict)
    plans: dict = field(default_factory=dict)
    answers: tuple = ()

    def universe(self, rewritten_from=None, order=1):
        markets = [
            Prices("wild", name, self.timeframe, shape.table(self.active, self.timeframe, rewritten_from))
            for name, shape in self.shapes.items()
        ]
        return Universe(tuple(markets[::order]), self.groups)

    def last_time_before(self, bar):
        """ISO time of the last bar before an active one."""
        return times_of(LONGEST_LOOKBACK - 1 + bar, self.timeframe)[-1].isoformat()

    def advisor(self):
        if not self.answers:
            return Script(self.plans)
        said = cycle(self.answers)
        return ModelAdvisor(ScriptedClient(lambda request: next(said)), remember=False)


SYMBOLS = ("A", "B", "C", "D")


@st.composite
def shapes(draw, active):
    """One symbol."""
    kinds = st.sampled_from(["gap", "halt", "locked", "wide", "missing"])
    bars = st.sampled_from([active // 2, active // 3]) | st.integers(0, active - 1)  # often together with others
    events = st.builds(Event, kinds, bars, st.floats(-0.6, 0.6), st.integers(1, 5))
    return Shape(
        seed=draw(st.integers(0, 30)),
        price=draw(st.sampled_from([100.0, 0.02, 7.0, 60_000.0])),
        daily=draw(st.sampled_from([0.01, 0.001, 0.05])),
        volume=draw(st.sampled_from([1e6, 1e10, 0.0, 3_000.0])),
        late=draw(st.sampled_from([0, 1, 6])),
        early=draw(st.sampled_from([0, 3])),
        events=tuple(draw(st.lists(events, max_size=5))),
    )


mostly_plain = st.sampled_from([False, False, True])


@st.composite
def cases(draw, rules=market_rules | limit_rules, raw=mostly_plain, costs=None):
    """A whole case of one to four symbols and 10 to 60 active bars."""
    active = draw(st.integers(10, 60))
    names = SYMBOLS[: draw(st.integers(1, 4))]
    rule = draw(rules)
    cost = draw(legal_costs() if costs is None else costs)
    said = {"answers": tuple(draw(st.lists(answers, min_size=1, max_size=12)))} if draw(raw) else {}
    if not said:
        said = {"plans": {name: tuple(draw(st.lists(steps, min_size=1, max_size=8))) for name in names}}
    limits = draw(legal_limits(cost.leverage))
    if rule.entry == "limit":
        rule = replace(rule, limit_offset_pct=min(rule.limit_offset_pct, limits.gap_buffer))
    return Case(
        {name: draw(shapes(active)) for name in names},
        active,
        draw(st.sampled_from(["1d", "1h"])),
        limits,
        cost,
        rule,
        {name: group for name in names if (group := draw(st.sampled_from(["one", "two", ""])))},
        **said,
    )
