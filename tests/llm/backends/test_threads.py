"""How many threads an engine is given, and when it is given fewer."""

import pytest

from llm_strategy.llm.backends.local.native import Pace, fastest


@pytest.mark.parametrize(
    ("seconds", "count"),
    [
        ({8: 1.0, 4: 2.0}, 8),
        ({8: 4.0, 4: 2.0, 2: 3.0}, 4),
        ({8: 4.0, 4: 3.0, 2: 2.0, 1: 1.0}, 1),
        ({2: 25.0, 1: 1.0}, 1),
        ({3: 1.0, 1: 1.0}, 1),
        ({1: 1.0}, 1),
    ],
)
def test_the_fastest_number_of_threads_is_found_from_above(seconds, count):
    assert fastest(max(seconds), seconds.__getitem__) == count


def test_a_few_slow_steps_are_no_reason():
    pace = Pace()
    assert not any(pace.lost(seconds) for seconds in [0.01, 0.5, 0.5, 0.01, 0.5, 0.5, 0.07, 0.07, 0.07])


def test_slow_steps_in_a_row_are_noticed():
    pace = Pace()
    assert [pace.lost(seconds) for seconds in [0.01, 0.012, 0.3, 0.2, 0.4]] == [False] * 4 + [True]


def test_an_engine_that_is_slow_from_the_start_keeps_its_pace():
    pace = Pace()
    assert not any(pace.lost(1.0 + number % 3) for number in range(50))
