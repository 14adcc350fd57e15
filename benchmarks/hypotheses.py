"""How often a hypothesis is confirmed that is false, and that is true: on paths whose truth is known.

``python -m benchmarks.hypotheses [NULLS] [PLANTED]`` states hypotheses over fields and thresholds drawn at random and
tests them on paths without memory but in their volatility (GARCH), where every one of them is false; then one that is
true by a known effect, on paths made so.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from llm_strategy.market.analytics.registry import find_analytic, vocabulary
from llm_strategy.support.condition import Condition
from simulator.evaluation.event_study import EventStudy, adjust, judge, study
from simulator.experiment.configuration import Experiment
from simulator.hypotheses.statement import Direction, Hypothesis
from simulator.prices.load import Prices
from simulator.prices.universe import Universe
from simulator.runs.hypotheses.field_series import FieldSeries, field_series

NULLS, PLANTED = 200, 50
A_PATH = 10
"""Hypotheses tested on one path."""
RATE, SAMPLES = 0.1, 999
PROPOSED, TESTED = 400, 1000
"""Closes of the window that thresholds are taken from, and of that of the test."""
EFFECTS, HORIZON, FALL = (0.02, 0.03, 0.04), 10, -0.03
"""What is planted: after a fall over 5 bars the close rises by so much more over the next bars."""


class Found(NamedTuple):
    """A hypothesis with what a test found."""

    hypothesis: Hypothesis
    study: EventStudy

    def confirmed(self, adjusted: float | None) -> bool:
        """Whether it is confirmed with this p value."""
        return judge(self.study, adjusted, rate=RATE, effect=self.hypothesis.effect) == "confirmed"


def print_hypotheses(nulls: int = NULLS, planted: int = PLANTED) -> None:
    """Print the shares of confirmed hypotheses with 95% intervals (Clopper and Pearson)."""
    tested = study_nulls(nulls)
    enough = [found for found in tested if found.study.p_value is not None]
    print(f"hypotheses without truth on {-(-nulls // A_PATH)} paths, {TESTED:,} closes   {nulls}")
    print(f"    too few events                          {nulls - len(enough)}")
    low = sum((one.study.p_value or 0) <= RATE for one in enough)
    _print_share(f"    p at most {RATE:g}, of those tested", low, len(enough))
    missed = sum(not (one.study.low or 0) <= 0 <= (one.study.high or 0) for one in enough)
    _print_share("    intervals at 0.9 that miss 0", missed, len(enough))
    _print_share(f"    confirmed alone at {RATE:g}", sum(one.confirmed(one.study.p_value) for one in tested), nulls)
    paths = [tested[first : first + A_PATH] for first in range(0, nulls, A_PATH)]
    by_path = list(chain.from_iterable(map(_confirmed, paths)))
    _print_share("    confirmed, adjusted for those of a path", sum(by_path), nulls)
    _print_share("    confirmed, adjusted for all", sum(_confirmed(tested)), nulls)
    for effect in EFFECTS:
        found = study_planted(planted, effect)
        size = float(np.mean([one.study.effect for one in found if one.study.effect is not None]))
        print(f"planted: {effect:.0%} over {HORIZON} bars after a fall of {-FALL:.0%}; mean effect seen  {size:.2%}")
        _print_share("    confirmed", sum(one.confirmed(one.study.p_value) for one in found), planted)


def study_nulls(count: int, samples: int = SAMPLES) -> list[Found]:
    """Random hypotheses tested on paths on which none is true, interval and p drawn so often."""
    return list(_of_paths(count, A_PATH, samples))


def study_planted(count: int, effect: float, samples: int = SAMPLES) -> list[Found]:
    """The hypothesis that is true by this effect (fraction), on as many paths."""
    return list(_of_paths(count, 1, samples, effect))


def garch_path(seed: int, bars: int, planted: float = 0.0) -> Universe:
    """A path of one symbol, returns of GARCH(1, 1) with a volatility of about 1% a bar and fat tails; after falls it
    rises by what is ``planted`` (fraction)."""
    dice = np.random.default_rng(seed)
    shocks, gaps = dice.standard_t(6, bars) / np.sqrt(1.5), dice.normal(0, 0.002, bars)
    wicks = np.abs(dice.normal(0, 0.003, (2, bars)))
    logs, variance, rising = np.zeros(bars + 1), 1e-4, 0
    for bar in range(bars):
        if planted and bar >= 5 and not rising and np.expm1(logs[bar] - logs[bar - 5]) < FALL:
            rising = HORIZON
        move = 0.0002 + np.sqrt(variance) * shocks[bar] + (planted / HORIZON if rising else 0.0)
        rising = max(0, rising - 1)
        logs[bar + 1] = logs[bar] + move
        variance = 3e-6 + 0.07 * variance * shocks[bar] ** 2 + 0.90 * variance
    closes, opens = 100 * np.exp(logs[1:]), 100 * np.exp(logs[:-1] + gaps)
    table = pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, closes) * (1 + wicks[0]),
            "low": np.minimum(opens, closes) * (1 - wicks[1]),
            "close": closes,
            "volume": 1e6 * np.exp(dice.normal(0, 0.3, bars)),
        },
        index=pd.DatetimeIndex(pd.date_range("2001-01-01", periods=bars, freq="B"), name="time").as_unit("us"),
    )
    return Universe((Prices("benchmark", "PATH", "1d", table),))


def _of_paths(count: int, a_path: int, samples: int, planted: float = 0.0) -> Iterator[Found]:
    experiment = Experiment.starter()
    bars = experiment.warm_up.bars - 1 + PROPOSED + TESTED
    for seed in range(-(-count // a_path)):
        universe = garch_path(seed, bars, planted)
        dice = random.Random(seed)  # noqa: S311 - no secret
        here = min(a_path, count - seed * a_path)
        names = ["returns_by_horizon.bars_5"] if planted else _drawn_fields(dice, 2 * here)
        series = field_series(universe, experiment, names)
        for number in range(here):
            hypothesis = _planted() if planted else _drawn(dice, names[2 * number : 2 * number + 2], series)
            yield Found(hypothesis, _tested(hypothesis, series, experiment, seed, samples))


def _tested(hypothesis: Hypothesis, series: FieldSeries, experiment: Experiment, seed: int, samples: int) -> EventStudy:
    times = series.symbols["PATH"].times
    analytics = [find_analytic(name.partition(".")[0]) for name in hypothesis.fields]
    return study(
        series.events(hypothesis, times[PROPOSED], times[-1]),
        hypothesis.horizon,
        hypothesis.direction,
        memory=max(analytic.lookback or experiment.warm_up.bars for analytic in analytics),
        seed=seed,
        samples=samples,
    )


def _drawn_fields(dice: random.Random, count: int) -> list[str]:
    """Fields of analytics that one symbol has; of different analytics, as far as there are any."""
    fields = [name for name in vocabulary() if "symbols" not in find_analytic(name.partition(".")[0]).needs]
    return dice.sample(fields, count)


def _drawn(dice: random.Random, names: Sequence[str], series: FieldSeries) -> Hypothesis:
    """One or two conditions with thresholds from the first window, and all else at random."""
    conditions = []
    for name in names[: dice.choice((1, 1, 2))]:
        known = [value for value in series.symbols["PATH"].values[name][:PROPOSED] if isinstance(value, float)]
        if vocabulary()[name].words:
            conditions.append(Condition(name, "is", dice.choice(vocabulary()[name].words)))
        else:
            threshold = float(np.quantile(known or [0.0], dice.choice((0.1, 0.25, 0.5, 0.75, 0.9))))
            conditions.append(Condition(name, dice.choice((">", "<")), threshold))
    direction: Direction = dice.choice(("up", "down"))
    return Hypothesis(tuple(conditions), direction, dice.choice((5, 10, 20)), dice.choice((0.005, 0.01, 0.02)))


def _planted() -> Hypothesis:
    return Hypothesis((Condition("returns_by_horizon.bars_5", "<", FALL),), "up", HORIZON, 0.01)


def _confirmed(family: Sequence[Found]) -> list[bool]:
    adjusted = adjust([1.0 if one.study.p_value is None else one.study.p_value for one in family])
    return [one.confirmed(p_value) for one, p_value in zip(family, adjusted, strict=True)]


def _print_share(words: str, count: int, among: int) -> None:
    interval = binomtest(count, max(among, 1)).proportion_ci(method="exact")
    print(
        f"{words:47} {count / max(among, 1):.3f}   ({count} of {among}; 95% {interval.low:.3f} to {interval.high:.3f})"
    )


if __name__ == "__main__":
    print_hypotheses(*map(int, sys.argv[1:]))
