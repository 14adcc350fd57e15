"""Labels with a known truth: those that know the future, those that know nothing, and those of the rule itself."""

import math
from itertools import groupby

import numpy as np
import pandas as pd
import pytest

from llm_strategy.market.regimes import Regimes
from simulator.evaluation.hindsight import label_directions, lags_after, phase_fit, turns_of
from simulator.evaluation.labelled import labelled_closes
from simulator.evaluation.regime_scores import (
    PERMUTATIONS,
    after_labels,
    conditional_information,
    information_beyond_rule,
    label_spells,
    labels_alike,
    rule_agreement,
    until_next,
)
from simulator.evaluation.regimes import LABELS, SymbolDecisions
from simulator.evaluation.resampling import Resampling

HOW = Resampling(300, 7, 0.95)
UP, DOWN, OTHER = LABELS[0], LABELS[1], LABELS[2]


def prices(bars, seed):
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(bars)))
    return pd.DataFrame({"close": closes}, index=pd.bdate_range("2001-01-01", periods=bars, name="time"))


def runs(bars, seed, mean=8, names=(UP, DOWN)):
    """Labels in runs that know nothing."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < bars:
        found += [names[rng.integers(len(names))]] * int(1 + rng.geometric(1 / mean))
    return found[:bars]


def decided(table, labels, rule):
    made = SymbolDecisions()
    for number, (time, close) in enumerate(table["close"].items()):
        made.times.append(time.isoformat())
        made.bars.append(number)
        made.closes.append(close)
        made.labels.append(labels[number])
        made.rule_labels.append(rule[number])
        made.actions.append("hold")
    return made


def closes_of(tables, labels, rules):
    made = {name: decided(tables[name], labels[name], rules[name]) for name in tables}
    return labelled_closes(made, tables, LABELS, LABELS)


def one(bars, seed, labels=None, rule=None):
    table = prices(bars, seed)
    labels = runs(bars, seed + 1) if labels is None else labels(table["close"].to_numpy())
    rule = runs(bars, seed + 2) if rule is None else rule
    return closes_of({"A": table}, {"A": labels}, {"A": rule})


def foresight(closes):
    """Up where the next five bars rise; each label stays for five bars, so that it comes in runs."""
    ahead = np.append(closes[5:] > closes[:-5], [True] * 5)
    return [UP if ahead[5 * (number // 5)] else DOWN for number in range(len(closes))]


def test_labels_that_know_the_next_bars_are_found():
    closes = one(600, 1, labels=foresight)
    assert labels_alike(closes, [closes.ahead[5]], 7)[0] == 1 / (PERMUTATIONS + 1)
    told = information_beyond_rule(closes, 7)
    assert told.p_value < 0.002, "no other move of so many does as well"
    assert told.bits > 10 * told.by_chance > 0


def test_labels_that_know_nothing_are_told_apart_as_often_as_the_size_says():
    alike, told = [], []
    for seed in range(40):
        closes = one(300, 10 * seed)
        alike.append(labels_alike(closes, [closes.ahead[5]], seed)[0])
        told.append(information_beyond_rule(closes, seed).p_value)
    for values in (alike, told):
        assert sum(value <= 0.05 for value in values) <= 6
        assert 0.3 < np.mean(values) < 0.7


def test_series_together_are_each_by_itself():
    tables = {name: prices(300, seed) for seed, name in enumerate(("A", "B"))}
    labels = {name: runs(300, seed) for seed, name in enumerate(tables)}
    for closes in (one(300, 1), closes_of(tables, labels, labels)):
        nothing = np.full(len(closes.label), np.nan)
        series = [closes.ahead[1], nothing, closes.swing[20], closes.ahead[20]]
        assert labels_alike(closes, series, 7) == [labels_alike(closes, [values], 7)[0] for values in series]


def test_the_rule_against_itself_tells_exactly_nothing_more():
    rule = runs(400, 3, names=LABELS)
    closes = one(400, 4, labels=lambda _: rule, rule=rule)
    told = information_beyond_rule(closes, 7)
    assert (told.bits, told.by_chance, told.p_value) == (0.0, 0.0, 1.0)
    assert rule_agreement(closes, HOW).value == 1.0


def test_several_symbols_that_move_together_are_no_more_evidence_than_one():
    """Ten copies of one market with the same labels: chance is as large as for one of them."""
    table, labels, rule = prices(400, 5), runs(400, 6), runs(400, 8)
    names = [f"S{number}" for number in range(10)]
    many = closes_of(dict.fromkeys(names, table), dict.fromkeys(names, labels), dict.fromkeys(names, rule))
    two = closes_of(dict.fromkeys(names[:2], table), dict.fromkeys(names[:2], labels), dict.fromkeys(names[:2], rule))
    values = [labels_alike(closes, [closes.ahead[5]], 7)[0] for closes in (many, two)]
    assert values[0] == pytest.approx(values[1])
    told = [information_beyond_rule(closes, 7) for closes in (many, two)]
    assert told[0].bits == pytest.approx(told[1].bits)
    assert told[0].p_value == pytest.approx(told[1].p_value)


def test_several_symbols_with_foresight_are_found():
    tables = {name: prices(300, seed) for seed, name in enumerate(("A", "B", "C"))}
    labels = {name: foresight(table["close"].to_numpy()) for name, table in tables.items()}
    closes = closes_of(tables, labels, {name: runs(300, 9) for name in tables})
    assert labels_alike(closes, [closes.ahead[5]], 7)[0] < 0.01
    assert information_beyond_rule(closes, 7).p_value < 0.01


def test_information_against_its_definition():
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 9, (3, 4, 2)).astype(float)  # rule, label, (fell, rose)
    total, bits = counts.sum(), 0.0
    for rule in range(3):
        for label in range(4):
            for sign in range(2):
                if cell := counts[rule, label, sign]:
                    told = cell * counts[rule].sum() / (counts[rule, label].sum() * counts[rule, :, sign].sum())
                    bits += cell / total * math.log2(told)
    given = np.stack([counts[..., 1], counts.sum(axis=-1)], axis=-1)
    assert float(conditional_information(given)) == pytest.approx(bits)


def test_what_followed_a_label_is_counted_by_hand():
    closes = one(800, 11)
    table, labels = prices(800, 11)["close"].to_numpy(), runs(800, 12)
    at = [number for number in range(780) if labels[number] == UP]
    found = after_labels(closes, 252, HOW)[UP, 20]
    assert found.mean_return.value == pytest.approx(np.mean([table[number + 20] / table[number] - 1 for number in at]))
    assert found.mean_return.low < found.mean_return.value < found.mean_return.high
    bars = table[1:] / table[:-1] - 1
    swing = np.mean([np.mean(bars[number : number + 20] ** 2) for number in at])
    assert found.volatility.value == pytest.approx(math.sqrt(252 * swing))
    soon = until_next(closes, 252, HOW)[UP].mean_return
    at = [number for number in range(799) if labels[number] == UP]
    assert soon.value == pytest.approx(252 * np.mean([table[number + 1] / table[number] - 1 for number in at]))
    lengths = [len([*run]) for label, run in groupby(labels) if label == UP]
    assert (label_spells(closes)[UP].count, label_spells(closes)[UP].longest) == (len(lengths), max(lengths))


def test_too_little_is_no_figure():
    few = one(20, 1)
    assert labels_alike(few, [few.ahead[5]], 7)[0] is None
    assert information_beyond_rule(few, 7) is None
    assert after_labels(few, 252, HOW)[UP, 1].mean_return.value is None
    same = one(300, 1, labels=lambda closes: [UP] * len(closes))
    assert labels_alike(same, [same.ahead[5]], 7)[0] is None
    spell = after_labels(same, 252, HOW)[UP, 1].mean_return
    assert spell.value is not None
    assert spell.low is None, "one spell has no interval"


def test_labels_fit_phases_that_are_known_afterwards():
    curve = np.concatenate([np.linspace(100, 160, 61), np.linspace(159, 110, 50), np.linspace(111, 180, 70)])
    table = pd.DataFrame({"close": curve}, index=pd.bdate_range("2001-01-01", periods=len(curve), name="time"))
    late = [UP] * 68 + [DOWN] * 50 + [UP] * (len(curve) - 118)
    closes = closes_of({"A": table}, {"A": late}, {"A": late})
    pointing = {UP: 1, DOWN: -1}
    dated = turns_of(closes, {"A": table}, 252)["lunde_timmermann"]
    fit = phase_fit(closes, pointing, dated, HOW)
    assert fit.turns == 3
    assert 0.6 < fit.kappa.value < 1
    lags = lags_after(closes, pointing, dated)
    assert (lags.turns, lags.missed, lags.median) == (3, 0, 7.0)
    never = closes_of({"A": table}, {"A": [OTHER] * len(curve)}, {"A": late})
    assert lags_after(never, pointing, dated).missed == 3
    assert phase_fit(never, pointing, dated, HOW).kappa.value is None


def test_labels_of_ones_own_point_by_their_actions():
    own = {
        "on": {"meaning": "m", "actions": ["enter_long", "hold"]},
        "off": {"meaning": "m", "actions": ["exit"]},
        "any": "m",
        "wait": {"meaning": "m", "actions": ["hold"]},
    }
    assert label_directions(Regimes.from_document(own)) == {"on": 1, "off": -1}
    assert label_directions(Regimes.from_document(None)) == {"bull": 1, "bear": -1}
