"""How large a chart is and how long it takes to draw, over 1,000 closes: of the usual options, and of the largest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from llm_strategy.market.context.chart import Chart
from llm_strategy.types import Snapshot, Window

CLOSES = 1000
OPTIONS: dict[str, dict[str, Any]] = {
    "the usual one": {},
    "the largest": {"bars": 250, "averages": (5, 20, 50, 250), "width": 1024, "height": 768},
    "another stretch": {"null": "other"},
}


def print_charts() -> None:
    """Print kilobytes and milliseconds of processor time a chart."""
    for name, options in OPTIONS.items():
        chart, sizes, taken = Chart(**options), [], []
        for snapshot in _closes(chart.lookback):
            began = time.process_time()
            image = chart.show(snapshot).image
            chart.take(snapshot)
            taken.append(1000 * (time.process_time() - began))
            sizes.append(0 if image is None else len(image.content))
        print(
            f"a chart, {name:16}  at most {max(sizes) / 1000:5.1f} kB (mean {statistics.fmean(sizes) / 1000:.1f}), "
            f"{statistics.median(taken):.1f} ms (99 of 100 in {statistics.quantiles(taken, n=100)[-1]:.1f})"
        )


def _closes(lookback: int) -> Iterator[Snapshot]:
    """The closes of a random walk, each with its window."""
    dice = np.random.default_rng(7)
    bars = lookback + CLOSES - 1
    closes = 100 * np.exp(np.cumsum(dice.normal(0, 0.012, bars)))
    opens = np.concatenate([[100.0], closes[:-1]]) * np.exp(dice.normal(0, 0.004, bars))
    wicks = 1 + dice.uniform(0, 0.006, (2, bars))
    columns: Mapping[str, Any] = {
        "open": opens,
        "high": np.maximum(opens, closes) * wicks[0],
        "low": np.minimum(opens, closes) / wicks[1],
        "close": closes,
        "volume": dice.uniform(1e5, 9e5, bars),
    }
    for end in range(lookback, bars + 1):
        window = Window(*(column[end - lookback : end] for column in columns.values()), [""] * lookback)
        close, number = float(closes[end - 1]), f"{end:05d}"
        yield Snapshot(
            "A", "1d", f"2001-01-01T00:00:{number}", close, 0.0, 0.0, 0.01, 0.5, 0.0, 0.5, 1.0, window=window
        )


if __name__ == "__main__":
    print_charts()
