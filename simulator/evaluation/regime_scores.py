"""What the labels of an arm were worth: what followed each of them, whether the labels differ in that by more than
chance, and what they add to the causal rule's.

Chance is told by the same labels at other times. Of one symbol the runs of equal labels are put in another order; of
several symbols, and beside the causal rule, all labels are moved round the run together, so that what belongs together
stays so. Both keep how long a label lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from simulator.evaluation.labelled import HORIZONS, Codes, LabelledCloses, rotated_sums, shuffled_sums
from simulator.evaluation.metrics import Floats
from simulator.evaluation.pairs import FEWEST_SPELLS, kappa_estimate
from simulator.evaluation.regimes import FEWEST_MOVES
from simulator.evaluation.resampling import Estimate, Resampling

PERMUTATIONS = 999
"""Other placements of the labels."""
INFORMATION_HORIZON = 5
"""Bars over which the sign of the return is what a label may tell."""
_LEAST_MOVE = 20
"""A twentieth of the run: moved by less, labels that last would be about where they were."""
_NONE = Estimate(None)


@dataclass(frozen=True, slots=True)
class Followed:
    """What the market did over some bars after a label."""

    mean_return: Estimate
    """Over all of these bars (fraction)."""
    volatility: Estimate
    """Root of the mean square of the one-bar returns in them, a year (fraction)."""


@dataclass(frozen=True, slots=True)
class Spells:
    """Runs of one label on a symbol."""

    count: int
    mean: float | None
    """Decisions."""
    longest: int


@dataclass(frozen=True, slots=True)
class Information:
    """What the label tells of the sign of the return over ``INFORMATION_HORIZON`` bars beyond the causal rule's label:
    the conditional mutual information in bits a decision."""

    bits: float
    by_chance: float
    """Mean over the labels at other times: counted from so few closes it is never below 0."""
    p_value: float


def after_labels(closes: LabelledCloses, year: float, how: Resampling) -> dict[tuple[str, int], Followed]:
    """What followed each label over each horizon, ``year`` bars of prices being a year."""
    found: dict[tuple[str, int], Followed] = {}
    for horizon in HORIZONS:
        moves, swings = closes.ahead[horizon], closes.swing[horizon]

        def figures(sums: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                means = sums[..., 0::3] / sums[..., 2::3]
                return np.concatenate([means, np.sqrt(sums[..., 1::3] / sums[..., 2::3] * year)], axis=-1)

        estimates = _by_label(closes, np.column_stack([moves, swings]), figures, how, least_block=horizon)
        kinds = len(closes.names)
        for at, name in enumerate(closes.names):
            found[name, horizon] = Followed(estimates[at], estimates[kinds + at])
    return found


def until_next(closes: LabelledCloses, per_year: float, how: Resampling) -> dict[str, Followed]:
    """The same until the next decision, both figures a year, of which ``per_year`` decisions are one."""

    def figures(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            means, squares = sums[..., 0::3] / sums[..., 2::3], sums[..., 1::3] / sums[..., 2::3]
            spread = np.sqrt(np.maximum(squares - means**2, 0) * per_year)
            return np.concatenate([means * per_year, spread], axis=-1)

    moves = closes.until_next
    estimates = _by_label(closes, np.column_stack([moves, moves**2]), figures, how)
    kinds = len(closes.names)
    return {name: Followed(estimates[at], estimates[kinds + at]) for at, name in enumerate(closes.names)}


def _by_label(
    closes: LabelledCloses,
    values: Floats,
    figures: Callable[[Floats], Floats],
    how: Resampling,
    *,
    least_block: int = 1,
) -> list[Estimate]:
    """Figures of the sums of two columns and the number, label by label; none of a handful of closes, and no interval
    of a few spells."""
    kinds = len(closes.names)
    known = np.isfinite(values).all(axis=1) & (closes.label >= 0)
    if not known.any():
        return [_NONE] * 2 * kinds
    at, label, of = closes.row[known], closes.label[known], values[known]
    sums = np.zeros((closes.rows, 3 * kinds))
    for column in range(2):
        np.add.at(sums, (at, 3 * label + column), of[:, column])
    np.add.at(sums, (at, 3 * label + 2), 1.0)
    influence = np.bincount(at, of[:, 0] - of[:, 0].mean(), closes.rows).astype(np.float64)
    estimates = how.estimate_all(sums, figures, influence, least_block=least_block)
    counts, runs = sums[:, 2::3].sum(axis=0), label_spells(closes)
    for number, name in enumerate(closes.names):
        for place in (number, kinds + number):
            if counts[number] < FEWEST_MOVES:
                estimates[place] = _NONE
            elif runs[name].count < FEWEST_SPELLS:
                estimates[place] = Estimate(estimates[place].value)
    return estimates


def label_spells(closes: LabelledCloses) -> dict[str, Spells]:
    """The runs of each label."""
    if not len(closes.label):
        return {name: Spells(0, None, 0) for name in closes.names}
    new = np.concatenate([[True], (np.diff(closes.label) != 0) | (np.diff(closes.symbol) != 0)])
    starts = np.flatnonzero(new)
    lengths, labels = np.diff(np.append(starts, len(new))), closes.label[starts]
    found = {}
    for number, name in enumerate(closes.names):
        runs = [int(length) for length in lengths[labels == number]]
        found[name] = Spells(len(runs), fmean(runs) if runs else None, max(runs, default=0))
    return found


def labels_alike(closes: LabelledCloses, series: Sequence[Floats], seed: int) -> list[float | None]:
    """The p-value of "after all labels the same" for each of these ``series`` (one value a close): how often labels at
    other times set the means of the values as far apart; None where fewer than two labels came often enough to be told
    apart. The other times are the same for all series."""
    found: list[float | None] = [None] * len(series)
    columns: dict[int, Floats] = {}
    for place, values in enumerate(series):
        known = np.isfinite(values)
        counts = np.bincount(closes.label[known & (closes.label >= 0)], minlength=len(closes.names))
        if (counts >= FEWEST_MOVES).sum() >= 2:
            columns[place] = np.column_stack([np.where(known, values - values[known].mean(), 0.0), known])
    if columns:
        placed = _placed(closes, np.hstack(list(columns.values())), seed)
        for number, place in enumerate(columns):
            drawn = _spread_of_means(placed[..., 2 * number : 2 * number + 2])
            found[place] = _share_of_larger(drawn[1:], float(drawn[0]))
    return found


def information_beyond_rule(closes: LabelledCloses, seed: int) -> Information | None:
    """What the labels tell beyond the causal rule's; None where nothing came often enough. Both are moved round the run
    together: a label that lasts over several of the rule's counts once."""
    values = closes.ahead[INFORMATION_HORIZON]
    known = np.isfinite(values) & (closes.label >= 0)
    if known.sum() < FEWEST_MOVES:
        return None
    kinds, rules = len(closes.names), len(closes.rule_names)
    pairs = np.where(closes.label >= 0, closes.rule * kinds + closes.label, -1)
    columns = np.column_stack([known & (values > 0), known]).astype(np.float64)
    placed = _rotated(closes, pairs, columns, rules * kinds, np.random.default_rng(seed))
    bits = conditional_information(placed.reshape(-1, rules, kinds, 2))
    chance = float(bits[1:].mean()) if len(bits) > 1 else 0.0
    return Information(float(bits[0]), chance, _share_of_larger(bits[1:], float(bits[0])))


def _placed(closes: LabelledCloses, columns: Floats, seed: int) -> Floats:
    """Sums by label as they are, and then at other times; shape (1 + times, labels, columns)."""
    rng, kinds = np.random.default_rng(seed), len(closes.names)
    if len(closes.symbols) > 1:
        return _rotated(closes, closes.label, columns, kinds, rng)
    shuffled = shuffled_sums(closes.label, columns, kinds, PERMUTATIONS, rng)
    return np.concatenate([_summed(closes.label, columns, kinds), shuffled])


def _rotated(closes: LabelledCloses, codes: Codes, columns: Floats, kinds: int, rng: np.random.Generator) -> Floats:
    """Sums by code as they are, and with the codes of all symbols moved round the run together."""
    least = max(1, closes.rows // _LEAST_MOVE)
    moves = rng.permutation(np.arange(least, closes.rows - least + 1))[:PERMUTATIONS]
    return np.concatenate([_summed(codes, columns, kinds), rotated_sums(closes, codes, columns, kinds, moves)])


def _summed(codes: Codes, columns: Floats, kinds: int) -> Floats:
    sums = np.zeros((1, kinds, columns.shape[1]))
    np.add.at(sums[0], codes[codes >= 0], columns[codes >= 0])
    return sums


def conditional_information(counts: Floats) -> Floats:
    """Mutual information of label and sign given the rule's label, in bits, of counts (..., rules, labels, 2): those
    that rose, and all."""
    rose, every = counts[..., 0], counts[..., 1]
    total = every.sum(axis=(-2, -1))
    of_rule = every.sum(axis=-1, keepdims=True)
    found = np.zeros(total.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for cell in (rose, every - rose):
            told = cell * of_rule / (every * cell.sum(axis=-1, keepdims=True))
            terms = np.where(cell > 0, cell * np.log2(np.where(cell > 0, told, 1.0)), 0.0)
            found += terms.sum(axis=(-2, -1))
        bits: Floats = np.where(total > 0, found / total, 0.0)
    return bits


def _spread_of_means(sums: Floats) -> Floats:
    """Sum over labels of (sum of values)^2 / number, the values being centred; of sums (..., labels, 2)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(sums[..., 1] > 0, sums[..., 0] ** 2 / sums[..., 1], 0.0)
    spread: Floats = parts.sum(axis=-1)
    return spread


def _share_of_larger(drawn: Floats, real: float) -> float:
    """Plus-one rule; what differs in the last digits alone is as large."""
    return (int((drawn >= real - 1e-12 * max(1.0, abs(real))).sum()) + 1) / (len(drawn) + 1)


def rule_agreement(closes: LabelledCloses, how: Resampling) -> Estimate:
    """Cohen's kappa of the labels and the causal rule's, where both are of the same names."""
    known = np.flatnonzero(closes.label >= 0)
    ours: list[str | None] = [closes.names[code] for code in closes.label[known]]
    rules: list[str | None] = [closes.rule_names[code] for code in closes.rule[known]]
    return kappa_estimate(how, closes.row[known], closes.rows, ours, rules) if len(known) else _NONE
