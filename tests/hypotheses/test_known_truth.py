"""Hypotheses over fields of the registry on paths whose truth is known: the short form of ``benchmarks.hypotheses``."""

from pathlib import Path

import pytest


@pytest.fixture
def known_truth(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import hypotheses

    return hypotheses


def test_random_hypotheses_on_a_path_without_memory_are_hardly_ever_confirmed(known_truth):
    found = known_truth.study_nulls(5, samples=199)
    assert sum(one.study.p_value is not None for one in found) >= 2
    assert sum(one.confirmed(one.study.p_value) for one in found) <= 2  # more of them: a probability of 0.01 at 0.1


def test_a_planted_effect_over_a_field_of_the_registry_is_found(known_truth):
    found = known_truth.study_planted(4, 0.04, samples=199)
    assert sum(one.confirmed(one.study.p_value) for one in found) >= 3
