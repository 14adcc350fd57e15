"""How often the tests of labels stand out by luck, and how often they find labels that know: on real bars, by years and
symbols."""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import pandas as pd

from simulator.evaluation.labelled import labelled_closes
from simulator.evaluation.regime_scores import INFORMATION_HORIZON, information_beyond_rule, labels_alike
from simulator.evaluation.regimes import LABELS, SymbolDecisions
from simulator.prices.load import load_prices

TRIALS = 300
SIZE = 0.05
RUN = 15
"""Mean closes that a label lasts."""
KNOWING = 0.65
"""Share of the labels that know, where some do."""


def print_labels(trials: int = TRIALS) -> None:
    """Print the share of trials in which each test stands out at 5%, with its standard error, and the seconds."""
    tables = [load_prices(f"sample:{name}").table for name in ("sp500", "nasdaq")]
    for knows in (False, True):
        for years, symbols in ((3, 1), (10, 1), (5, 2)):
            began = time.process_time()
            found = np.array([_trial(tables[:symbols], 252 * years, knows, seed) for seed in range(trials)])
            alike, beyond = (found <= SIZE).mean(axis=0)
            error = 100 * math.sqrt(SIZE * (1 - SIZE) / trials)
            kind = f"{'know' if knows else 'blind'}, {years} years, {symbols} symbol{'s' * (symbols > 1)}"
            told = (
                f"{100 * alike:.1f}% alike, {100 * beyond:.1f}% beyond the rule (error {error:.1f} at {100 * SIZE:g})"
            )
            print(f"{kind:<28}{told}   {time.process_time() - began:.0f} s")


def _trial(tables: list[pd.DataFrame], bars: int, knows: bool, seed: int) -> tuple[float, float]:
    """The p-values of both tests over a window that begins by chance."""
    rng = np.random.default_rng(seed)
    first = int(rng.integers(0, len(tables[0]) - bars))
    parts = {f"S{number}": table.iloc[first : first + bars] for number, table in enumerate(tables)}
    rule = _runs(bars, rng)
    made = {}
    for symbol, table in parts.items():
        closes = table["close"].to_numpy()
        labels = _knowing(closes, rng) if knows else _runs(bars, rng)
        made[symbol] = _decided(table, labels, rule)
    closes_of = labelled_closes(made, parts, LABELS, LABELS)
    (alike,) = labels_alike(closes_of, [closes_of.ahead[INFORMATION_HORIZON]], seed)
    told = information_beyond_rule(closes_of, seed)
    return 1.0 if alike is None else alike, 1.0 if told is None else told.p_value


def _runs(bars: int, rng: np.random.Generator) -> list[str]:
    found: list[str] = []
    while len(found) < bars:
        found += [LABELS[rng.integers(len(LABELS))]] * int(rng.geometric(1 / RUN))
    return found[:bars]


def _knowing(closes: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Up or down for the next closes, right in ``KNOWING`` of them; each stays as long as it looks ahead."""
    found: list[str] = []
    for first in range(0, len(closes), INFORMATION_HORIZON):
        rises = closes[min(first + INFORMATION_HORIZON, len(closes) - 1)] > closes[first]
        found += [LABELS[int(rises != (rng.random() < KNOWING))]] * INFORMATION_HORIZON
    return found[: len(closes)]


def _decided(table: pd.DataFrame, labels: list[str], rule: list[str]) -> SymbolDecisions:
    made = SymbolDecisions()
    for number, (when, close) in enumerate(table["close"].items()):
        made.times.append(pd.Timestamp(str(when)).isoformat())
        made.bars.append(number)
        made.closes.append(float(close))
        made.labels.append(labels[number])
        made.rule_labels.append(rule[number])
        made.actions.append(None)
    return made


if __name__ == "__main__":
    print_labels(*map(int, sys.argv[1:2]))
