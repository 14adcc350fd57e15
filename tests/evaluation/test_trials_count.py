"""What the best of many trials shows by luck: exact figures, and the file that a run keeps of the ledger."""

import json

import numpy as np
import pytest

from llm_strategy.errors import RunFolderError
from simulator.evaluation.trials import Opening, SealedTail, TrialCount, expected_best, read_trials, sidak


@pytest.mark.parametrize(
    ("trials", "best"),
    [
        (2, 0.5642), (3, 0.8463), (5, 1.1630), (7, 1.3522), (10, 1.5388), (20, 1.8675), (50, 2.2491), (100, 2.5076),
        (1000, 3.2414),
    ],
)  # fmt: skip
def test_the_expected_best_of_trials_without_skill_is_exact(trials, best):
    assert expected_best(trials) == pytest.approx(best, abs=5e-5)


def test_one_trial_is_the_best_of_nothing():
    assert expected_best(1) == 0
    assert sidak(0.03, 1) == pytest.approx(0.03)


def test_the_expected_best_is_that_of_draws():
    draws = np.random.default_rng(1).standard_normal((40_000, 7)).max(axis=1)
    assert expected_best(7) == pytest.approx(draws.mean(), abs=4 * draws.std() / 200)


def test_sidak_holds_the_size_for_the_best_of_independent_trials():
    """The smallest of 12 p values without an effect, corrected, is below 5% in 5% of cases."""
    smallest = np.random.default_rng(2).uniform(size=(20_000, 12)).min(axis=1)
    share = np.mean([sidak(p, 12) <= 0.05 for p in smallest])
    assert share == pytest.approx(0.05, abs=0.006)


@pytest.mark.parametrize(("p", "trials", "corrected"), [(0.05, 7, 1 - 0.95**7), (1.0, 3, 1.0), (1e-18, 4, 4e-18)])
def test_sidak_is_exact_for_small_and_large_p_values(p, trials, corrected):
    assert sidak(p, trials) == pytest.approx(corrected, rel=1e-12)


def test_what_a_run_keeps_is_read_back(tmp_path):
    count = TrialCount(2, 5, "", {"llm": "c" * 64}, SealedTail("2016-01-04", 300), Opening(2, 4))
    (tmp_path / "trials.json").write_text(json.dumps(count.as_document()))
    assert read_trials(tmp_path) == count
    assert count.number == 5


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"same": -1},
        {"same": True},
        {"overlapping": "7"},
        {"problem": 3},
        {"entries": {"llm": 1}},
        {"entries": ["llm"]},
        {"sealed": {"first": 7, "bars": 1}},
        {"opened": {"number": 1}},
        {"more": 1},
    ],
)
def test_a_file_that_no_run_writes_is_refused_in_a_sentence(tmp_path, change):
    (tmp_path / "trials.json").write_text(json.dumps(TrialCount().as_document() | change))
    with pytest.raises(RunFolderError, match="restore it, or run the experiment again"):
        read_trials(tmp_path)
