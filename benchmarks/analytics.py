"""How long analytics take at a close, each and all together, against what backtrader takes for a bar."""

from __future__ import annotations

import statistics
import time

import backtrader as bt

from llm_strategy.market.analytics.registry import ANALYTICS
from simulator.prices.feed import make_feed
from simulator.prices.load import load_prices
from simulator.runs.lookahead.trial import AnalyticTrial

BARS = 3000


def print_analytics() -> None:
    """Print milliseconds at a close of the slowest, the middle one and all, and the ratio to a bare bar."""
    trial = AnalyticTrial(tuple(ANALYTICS))
    spent = {name: min(trial.milliseconds(name) for _ in range(3)) for name in ANALYTICS}
    bare = _bare_bar()
    slowest = sorted(spent, key=spent.__getitem__)[-3:]
    for name in reversed(slowest):
        print(f"analytic {name + ', ms':41s} {spent[name]:.2f}")
    print(f"analytics, the middle one, ms                      {statistics.median(spent.values()):.2f}")
    print(f"analytics, all {len(spent)}, ms                          {sum(spent.values()):.1f}")
    print(f"    over a bare bar of backtrader                  {sum(spent.values()) / bare:.0f}")


def _bare_bar() -> float:
    """Milliseconds of a bar in a run without a strategy of its own."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(make_feed(load_prices(f"synthetic:cycles?bars={BARS}&seed=5")))
    cerebro.addstrategy(bt.Strategy)
    began = time.perf_counter()
    cerebro.run()
    return 1000 * (time.perf_counter() - began) / BARS


if __name__ == "__main__":
    print_analytics()
