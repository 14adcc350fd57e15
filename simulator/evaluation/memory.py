"""Does a model remember what came after a date, rather than read what it is shown? The tests of the memory audit, and
the one decision that rests on all of them.

Answers are held against what came afterwards, and against the same answers moved to other times in blocks: the moved
ones keep how often and in what runs the model answers, and know nothing of what came. Stances are 1 for long, -1 for
out or short and 0 for neither; outcomes are returns after the close.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.evaluation.metrics import NOTHING, Floats

SIZE = 0.05
"""Probability with which a model that remembers nothing is called contaminated, at most."""
FEWEST_DATES = 20
"""Dates below which nothing is tested."""
MOVES = 999
"""How often answers are moved to other times."""
DIRECTIONAL = 0.1
"""Share of directional answers from which a model claims to know a date (HindsightBench)."""
_SMOOTHED = 3
"""Dates of which the mean is taken before the cutoff is read off."""


class Call(StrEnum):
    """What an audit comes to."""

    CONTAMINATED = "contaminated"
    CLEAN = "clean"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Probe:
    """One test: ``value`` is what it measured, ``p_value`` its chance without memory (one-sided, never 0), both None
    where it could not be measured, which ``problem`` then says in a sentence."""

    name: str
    dates: int
    value: float | None = None
    p_value: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision over all probes: those that ``found`` memory after Holm's correction, and their p-values with it."""

    call: Call
    found: tuple[str, ...]
    adjusted: Mapping[str, float]


def judge(probes: Sequence[Probe], dose: float | None, *, largest_dose: float, dead: bool) -> Judgement:
    """Contaminated where a probe finds memory after Holm's correction, so that all probes together err in ``SIZE`` of
    the models without memory; clean where none does and a model that remembers the ``dose`` of the dates would have
    been found in four of five audits, if that is no more than ``largest_dose``; else inconclusive, as for an advisor
    that is ``dead``."""
    adjusted = holm({probe.name: probe.p_value for probe in probes if probe.p_value is not None})
    found = tuple(name for name, value in adjusted.items() if value <= SIZE)
    if found:
        return Judgement(Call.CONTAMINATED, found, adjusted)
    seen = bool(adjusted) and not dead and dose is not None and dose <= largest_dose
    return Judgement(Call.CLEAN if seen else Call.INCONCLUSIVE, (), adjusted)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values after Holm's correction (1979): how often any of them all would be as small by chance."""
    adjusted: dict[str, float] = {}
    least = 0.0
    for rank, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_value))
        adjusted[name] = least
    return {name: adjusted[name] for name in p_values}


def moved_places(times: int, moves: int, seed: int) -> NDArray[np.int64]:
    """For each move the time whose answer stands at each time: blocks of about the root of their number, in another
    order and from another beginning."""
    random = np.random.default_rng(seed)
    block = max(1, math.ceil(math.sqrt(times)))
    blocks = math.ceil(times / block)
    rank = random.permuted(np.tile(np.arange(blocks), (moves, 1)), axis=1)
    start = random.integers(0, times, (moves, 1))
    order = np.argsort(rank[:, np.arange(times) // block], axis=1, kind="stable")
    places: NDArray[np.int64] = (order + start) % times
    return places


def timing_p(answers: Floats, outcomes: Floats, places: NDArray[np.int64]) -> tuple[float, float]:
    """How far answers go with outcomes, and the plus-one share of the ``places`` at which they go as far.

    Both have a row a time and a column a symbol, NaN where a symbol has none; rows are moved together. Outcomes are
    taken from their mean, so that answers that lean to one side at all times earn nothing by it. The first figure is
    the sum of their products over the sum of the sizes: 1 is always right by as much as outcomes usually are.
    """
    known = _in_deviations(outcomes)
    given = np.nan_to_num(answers)
    own = float((given * known).sum())
    others = np.zeros(len(places))
    for column in range(given.shape[1]):  # one symbol at a time: a move of all of them may not fit into memory
        others += given[:, column][places] @ known[:, column]
    size = float(np.abs(given).sum())
    share = (1 + int((others >= own - NOTHING).sum())) / (len(places) + 1)
    return (own / size if size else 0.0), share


def _in_deviations(outcomes: Floats) -> Floats:
    """Outcomes from their mean in standard deviations, each symbol by its own; 0 where there is none, or none moves."""
    scale = np.nanstd(outcomes, axis=0)
    found: Floats = np.nan_to_num((outcomes - np.nanmean(outcomes, axis=0)) / np.where(scale < NOTHING, np.inf, scale))
    return found


@dataclass(frozen=True, slots=True)
class Recall:
    """What a model says of dates alone; None where nothing can be said."""

    dates: int
    directional: float
    """Mean probability of up or down, on dates whose outcome is known."""
    answered: int
    """Dates on which up or down is likelier than not knowing."""
    right: int
    accuracy: float | None
    low: float | None
    high: float | None
    """Interval of the accuracy (Clopper and Pearson, 95%)."""
    chance: float | None
    """Accuracy of one who says up as often, at other dates."""
    cutoff: str | None
    """The last date on which the share of directional answers is above ``DIRECTIONAL``."""
    beyond: float
    """Mean probability of up or down on days that nobody can know: above ``DIRECTIONAL`` the model claims to know
    anything, and its answers tell no cutoff."""


def recall(days: Sequence[str], up: Floats, down: Floats, outcomes: Floats, beyond: Floats) -> Recall:
    """What a model with these probabilities of up and down recalls: a row a day, in order, and a column a symbol.
    ``outcomes`` are NaN for days whose outcome is not known here, and ``beyond`` is the probability of either on days
    that nobody can know."""
    known = np.isfinite(outcomes)
    either = up + down
    answers = known & (either >= 0.5)
    said, rose = up[answers] > down[answers], outcomes[answers] > 0
    right, count = int((said == rose).sum()), int(answers.sum())
    interval = _binomial_test(right, count).proportion_ci() if count else None
    base = float((outcomes[known] > 0).mean()) if known.any() else math.nan
    ups = float(said.mean()) if count else math.nan
    smooth = np.convolve(either.mean(axis=1), np.ones(_SMOOTHED) / _SMOOTHED, mode="valid")
    above = np.flatnonzero(smooth > DIRECTIONAL)
    claims = float(beyond.mean())
    tells = len(above) > 0 and claims <= DIRECTIONAL
    return Recall(
        int(known.sum()),
        float(either[known].mean()) if known.any() else 0.0,
        count,
        right,
        right / count if count else None,
        None if interval is None else float(interval.low),
        None if interval is None else float(interval.high),
        ups * base + (1 - ups) * (1 - base) if count else None,
        days[int(above[-1]) + _SMOOTHED // 2] if tells else None,
        claims,
    )


def propensity(stances: Floats, either: Floats, outcomes: Floats, places: NDArray[np.int64]) -> Probe:
    """Look-ahead propensity: outcomes on stance, on the probability of an answer to the date alone, and on their
    product, whose positive coefficient is memory; it is held against outcomes that are moved to the ``places``.

    Tables as of ``timing_p``. Errors by HAC were measured to call 8 to 9% of the models without memory at 60 dates.
    """
    name, dates = "propensity", len(stances)
    given, ready = np.nan_to_num(stances).ravel(), either.ravel()
    if float(np.ptp(ready)) < NOTHING:
        return Probe(name, dates, problem="The model is as ready to answer one date as any other.")
    if float(np.ptp(given)) < NOTHING:
        return Probe(name, dates, problem="The advice is the same on all dates.")
    design = np.column_stack([np.ones(len(given)), given, ready, given * ready])
    known = _in_deviations(outcomes)
    if np.linalg.matrix_rank(design) < design.shape[1] or not known.any():
        return Probe(name, dates, problem="Advice and readiness to answer cannot be told apart.")
    coefficient, own = _last_coefficient(design, known.ravel()[None])
    _, moved = _last_coefficient(design, known[places].reshape(len(places), -1))
    share = (1 + int((moved >= own[0] - NOTHING).sum())) / (len(places) + 1)
    return Probe(name, dates, float(coefficient[0]), share)


def _last_coefficient(design: Floats, outcomes: Floats) -> tuple[Floats, Floats]:
    """The last coefficient of the regression of each row of outcomes, and its t-value."""
    inverse = np.linalg.inv(design.T @ design)
    fitted = outcomes @ design @ inverse
    left = outcomes - fitted @ design.T
    variance = (left**2).sum(axis=1) / (design.shape[0] - design.shape[1])
    error = np.sqrt(np.maximum(variance * inverse[-1, -1], NOTHING**2))
    coefficient: Floats = fitted[:, -1]
    return coefficient, coefficient / error


@dataclass(frozen=True, slots=True)
class Recognition:
    """How often a model says which of some choices a masked window is."""

    level: str
    question: str
    windows: int
    choices: int
    right: int
    share: float
    low: float
    high: float
    """Interval of the share (Clopper and Pearson, 95%)."""
    mean_probability: float
    """Of the true choice; 1 for a plain answer."""
    p_value: float
    """Chance of as many right answers by guessing (binomial, one-sided)."""


def recognition(level: str, question: str, probabilities: Floats, truths: Sequence[int]) -> Recognition:
    """What the probabilities of the choices (a row a window) come to."""
    windows, choices = probabilities.shape
    right = int((probabilities.argmax(axis=1) == np.array(truths)).sum())
    test = _binomial_test(right, windows, 1 / choices, alternative="greater")
    interval = _binomial_test(right, windows).proportion_ci()
    mean = float(probabilities[np.arange(windows), np.array(truths)].mean())
    ends = float(interval.low), float(interval.high)
    return Recognition(level, question, windows, choices, right, right / windows, *ends, mean, float(test.pvalue))


def recognition_dose(windows: int, choices: int, tests: int, power: float) -> float | None:
    """The smallest share of windows that a model must recognise, and guess the others, so that one of so many tests
    finds it with this power; None where none does."""
    from scipy.stats import binom  # takes longer to load than all of a page that shows no audit

    numbers = np.arange(windows + 1)
    p_values = binom.sf(numbers - 1, windows, 1 / choices)
    needed = np.flatnonzero(p_values <= SIZE / tests)
    for dose in np.arange(1, 101) / 100 if len(needed) else ():
        if binom.sf(needed[0] - 1, windows, dose + (1 - dose) / choices) >= power:
            return float(dose)
    return None


@dataclass(frozen=True, slots=True)
class Mirage:
    """How little advice changes when the path is another and the name the same (Profit Mirage, arXiv 2510.07920)."""

    consistency: float
    """PC: share of decisions that stay as they were."""
    confidence: float | None
    """CI: 1 less the mean change of the confidence, over those."""
    divergence: float | None
    """IDS: mean Kullback-Leibler divergence of the labels' probabilities; None where the backend gives none."""


def mirage(
    before: Sequence[tuple[str, float]], after: Sequence[tuple[str, float]], divergences: Sequence[float] = ()
) -> Mirage:
    """Of decisions (what was advised and how confidently) before and after the path was exchanged."""
    pairs = list(zip(before, after, strict=True))
    same = [1 - abs(one[1] - other[1]) for one, other in pairs if one[0] == other[0]]
    return Mirage(
        len(same) / len(pairs),
        sum(same) / len(same) if same else None,
        sum(divergences) / len(divergences) if divergences else None,
    )


def change_share(first: Floats, second: Floats) -> float:
    """Share of decisions that differ."""
    known = np.isfinite(first) & np.isfinite(second)
    return float((first[known] != second[known]).mean()) if known.any() else 0.0


def _binomial_test(right: int, count: int, *how: float, **further: str) -> Any:
    from scipy.stats import binomtest  # as slow to load

    return binomtest(right, count, *how, **further)
