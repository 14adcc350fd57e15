"""The tests behind a memory audit, on answers and outcomes whose truth is known."""

import numpy as np
import pytest

from simulator.evaluation.memory import (
    Call,
    Probe,
    holm,
    judge,
    mirage,
    moved_places,
    propensity,
    recall,
    recognition,
    recognition_dose,
    timing_p,
)
from simulator.evaluation.memory_power import Planted, smallest_dose
from simulator.memory.counterfactual import resampled
from simulator.prices.load import load_prices
from simulator.prices.universe import Universe


def test_each_move_holds_every_time_once_and_keeps_runs():
    places = moved_places(50, 20, 1)
    assert all(sorted(row) == list(range(50)) for row in places.tolist())
    follows = (np.diff(places, axis=1) % 50 == 1).mean()
    assert follows > 0.8, "blocks of about seven stay together"
    assert (moved_places(50, 20, 1) == places).all()


def test_answers_that_know_stand_out_and_answers_that_lean_do_not():
    random = np.random.default_rng(3)
    outcomes = random.standard_normal((80, 2)) + 0.3
    places = moved_places(80, 199, 1)
    assert timing_p(np.sign(outcomes), outcomes, places)[1] == 1 / 200
    assert timing_p(np.ones((80, 2)), outcomes, places) == (pytest.approx(0, abs=1e-12), 1.0)
    outcomes[5, 1] = np.nan
    value, p_value = timing_p(np.zeros((80, 2)), outcomes, places)
    assert (value, p_value) == (0.0, 1.0)


def test_tests_of_answers_without_memory_keep_their_size():
    rejected = np.zeros(2)
    for seed in range(120):
        random = np.random.default_rng(seed)
        outcomes = random.standard_t(4, (40, 1))
        answers = np.repeat(random.integers(-1, 2, (8, 1)), 5, axis=0).astype(float)
        ready = np.repeat(random.random((8, 1)), 5, axis=0)
        places = moved_places(40, 99, seed)
        rejected += [
            timing_p(answers, outcomes, places)[1] <= 0.05,
            (propensity(answers, ready, outcomes, places).p_value or 1) <= 0.05,
        ]
    assert (rejected <= 14).all(), rejected  # more than 14 of 120: a probability of 0.1% at 5%


def test_propensity_finds_advice_that_is_right_where_the_model_claims_to_know():
    random = np.random.default_rng(5)
    outcomes, ready = random.standard_normal((100, 1)), (random.random((100, 1)) < 0.4).astype(float)
    read = random.choice([-1.0, 1.0], (100, 1))
    advised = np.where(ready > 0, np.sign(outcomes), read)
    places = moved_places(100, 199, 1)
    assert propensity(advised, ready, outcomes, places).p_value == 1 / 200
    assert "any other" in propensity(advised, np.ones((100, 1)), outcomes, places).problem
    assert "the same on all dates" in propensity(np.ones((100, 1)), ready, outcomes, places).problem


def test_recall_tells_accuracy_against_other_dates_and_where_the_knowledge_ends():
    days = [f"2020-{month:02d}-01" for month in range(1, 13)]
    outcomes = np.array([1, -1, 1, 1, -1, 1, 1, 1, np.nan, np.nan, np.nan, np.nan])[:, None]
    up = np.array([1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0.0])[:, None]
    down = np.array([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0])[:, None]
    found = recall(days, up, down, outcomes, np.zeros((3, 1)))
    assert (found.dates, found.answered, found.right) == (8, 6, 5)
    assert found.accuracy == pytest.approx(5 / 6)
    assert found.chance == pytest.approx(5 / 6 * 6 / 8 + 1 / 6 * 2 / 8)
    assert found.low < 5 / 6 < found.high
    assert found.cutoff == "2020-07-01"  # the mean of June to August is the last above a tenth
    assert recall(days, up, down, outcomes, np.ones((3, 1))).cutoff is None, "it claims to know what nobody can"
    silent = recall(days, 0 * up, 0 * down, outcomes, np.zeros((3, 1)))
    assert (silent.answered, silent.accuracy, silent.chance, silent.cutoff) == (0, None, None, None)


def test_windows_are_recognised_beyond_chance_or_not():
    right = np.eye(4)[[0, 1, 2, 3] * 5]
    assert recognition("x", "year", right, [0, 1, 2, 3] * 5).p_value == pytest.approx(0.25**20)
    lazy = np.tile([0.4, 0.2, 0.2, 0.2], (20, 1))
    found = recognition("x", "year", lazy, [0, 1, 2, 3] * 5)
    assert (found.right, found.share, found.p_value) == (5, 0.25, pytest.approx(0.585, abs=0.001))
    assert found.mean_probability == pytest.approx(0.25)
    few, many = recognition_dose(20, 4, 2, 0.8), recognition_dose(200, 4, 2, 0.8)
    assert 0 < many < few < 1
    assert recognition_dose(1, 2, 2, 0.8) is None


def test_profit_mirage_figures():
    before = [("bull", 0.8), ("bear", 0.6), ("bull", 0.5), ("bear", 0.9)]
    after = [("bull", 0.6), ("bear", 0.6), ("bear", 0.5), ("bull", 0.9)]
    assert mirage(before, after).consistency == 0.5
    assert mirage(before, after).confidence == pytest.approx(0.9)


def test_the_verdict_rests_on_all_probes_together():
    p = [Probe("a", 60, 1.0, 0.03), Probe("b", 60, 0.0, 0.5), Probe("c", 60, problem="not measured")]
    assert judge(p, 0.1, largest_dose=0.5, dead=False).call is Call.CLEAN  # 0.03 of two is 0.06
    assert judge(p, None, largest_dose=0.5, dead=False).call is Call.INCONCLUSIVE
    assert judge(p, 0.1, largest_dose=0.5, dead=True).call is Call.INCONCLUSIVE
    assert judge([], 0.1, largest_dose=0.5, dead=False).call is Call.INCONCLUSIVE
    assert holm({"x": 0.01, "y": 0.04, "z": 0.03}) == pytest.approx({"x": 0.03, "y": 0.06, "z": 0.06})
    found = judge([Probe("a", 60, 1.0, 0.02), p[1]], 0.1, largest_dose=0.5, dead=False)
    assert (found.call, found.found, found.adjusted["a"]) == (Call.CONTAMINATED, ("a",), 0.04)


def test_a_longer_window_finds_a_smaller_dose():
    random = np.random.default_rng(2)

    def dose(times):
        stances, outcomes = random.choice([-1.0, 1.0], (times, 1)), random.standard_normal((times, 1))
        half = times // 2
        return smallest_dose(
            Planted(stances, outcomes, stances[:half], outcomes[:half], outcomes[half : 2 * half]), 4, 1
        )

    assert dose(200) < dose(40)
    assert dose(6) is None


def test_a_resampled_path_has_the_same_bars_in_another_order():
    prices = load_prices("synthetic:crash?bars=400&seed=2")
    drawn = resampled(Universe((prices,)), 3).markets[0].table
    table = prices.table
    assert drawn.index.equals(table.index)
    assert list(drawn.columns) == list(table.columns)
    body = drawn[["open", "close"]]
    assert (drawn["high"] >= body.max(axis=1)).all()
    assert (drawn["low"] <= body.min(axis=1)).all()
    moves, own = (np.round(each["close"].pct_change().dropna(), 9) for each in (drawn, table))
    assert set(moves) <= set(own)
    assert np.std(moves) == pytest.approx(np.std(own), rel=0.4)
    assert not np.allclose(moves, own)
