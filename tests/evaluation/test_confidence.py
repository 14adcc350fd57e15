"""Entropy, Brier skill and calibration error against hand formulas."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from journal_entries import advised, entry

from simulator.evaluation.confidence import BARS, measure_confidence
from simulator.evaluation.entropy import label_entropy
from simulator.evaluation.regimes import SymbolDecisions
from simulator.evaluation.resampling import Resampling

HOW = Resampling(200, 7, 0.95)


def decided(confidences, actions, closes, entropies=None):
    times = pd.bdate_range("2001-01-01", periods=len(closes), name="time")
    made = SymbolDecisions()
    for number in range(len(confidences)):
        made.times.append(times[number].isoformat())
        made.actions.append(actions[number])
        made.confidences.append(confidences[number])
        made.entropies.append(math.nan if entropies is None else entropies[number])
    return {"A": made}, {"A": pd.DataFrame({"close": closes}, index=times)}


def market(bars, seed=1):
    return 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(bars + BARS)))


def outcomes(actions, closes):
    rose = closes[BARS:] > closes[:-BARS]
    fell = closes[BARS:] < closes[:-BARS]
    return np.array(
        [up if action == "enter_long" else down for action, up, down in zip(actions, rose, fell, strict=True)]
    )


def test_brier_score_skill_and_calibration_error_by_hand():
    rng, bars = np.random.default_rng(3), 300
    closes, confidences = market(bars), rng.choice([0.25, 0.55, 0.95], bars)
    actions = rng.choice(["enter_long", "exit", "enter_short", "hold"], bars)
    _, found = measure_confidence(*decided(confidences, actions, closes), HOW)
    pointing = actions != "hold"
    p, y = confidences[pointing], outcomes(actions, closes)[pointing].astype(float)
    brier, base = np.mean((p - y) ** 2), y.mean()
    assert (found.actions, found.values) == (pointing.sum(), 3)
    assert (found.brier, found.right) == (pytest.approx(brier), pytest.approx(base))
    assert found.skill.value == pytest.approx(1 - brier / (base * (1 - base)))
    assert found.skill.low < found.skill.value < found.skill.high
    groups = [p == value for value in (0.25, 0.55, 0.95)]
    assert found.ece == pytest.approx(sum(at.mean() * abs(y[at].mean() - p[at].mean()) for at in groups))
    assert [one.actions for one in found.bins] == [at.sum() for at in groups]


def test_a_confidence_that_knows_has_skill():
    bars = 300
    closes = market(bars)
    actions = ["enter_long"] * bars
    confidences = np.where(outcomes(actions, closes), 0.9, 0.1)
    _, found = measure_confidence(*decided(confidences, actions, closes), HOW)
    assert found.skill.low > 0.5


def test_one_confidence_alone_is_held_against_nothing():
    _, found = measure_confidence(*decided([0.7] * 100, ["exit"] * 100, market(100)), HOW)
    assert (found.values, found.brier, found.skill, found.bins) == (1, None, None, ())
    assert measure_confidence(*decided([0.7] * 10, ["exit"] * 10, market(10)), HOW) == (None, None)


def test_less_undecided_is_right_more_often_where_it_is():
    bars = 400
    closes = market(bars)
    actions = ["enter_long"] * bars
    right = outcomes(actions, closes)
    entropies = np.where(right, 0.2, 0.8) + 0.01 * np.random.default_rng(4).random(bars)
    found, _ = measure_confidence(*decided([0.7] * bars, actions, closes, entropies), HOW)
    assert found.decisions == bars
    assert found.mean == pytest.approx(entropies.mean())
    assert found.gap.low > 0.5


def scored(answer):
    further = [{"purpose": "action", "request": "r", "answer": "{}"}]
    return entry(request="r", answer=answer, further=further, advice=advised()).decision


def test_entropy_of_scores():
    even, sure = {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}, {"a": 1.0, "b": 0.0}
    assert label_entropy(scored(json.dumps(even))) == pytest.approx(1.0)
    assert label_entropy(scored(json.dumps(sure))) == 0.0
    half = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert label_entropy(scored(json.dumps({"a": 0.75, "b": 0.25}))) == pytest.approx(half)
    for answer in ("bull", "{}", '{"a": 7, "b": 0}', None):
        assert math.isnan(label_entropy(scored(answer)))
    assert math.isnan(label_entropy(entry(advice=advised()).decision)), "a rule scores nothing"
