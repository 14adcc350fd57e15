"""How many threads an engine is given, and when it is given fewer."""

import pytest

from llm_strategy.llm.backends.local.native import Pace, Threads, fastest


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


class _Machine:
    """Two processors, of which other programs hold one for a while; work takes a second of a free processor."""

    def __init__(self, busy_until):
        self.now, self.busy_until, self.threads, self.trials = 0.0, busy_until, 0, 0

    def use(self, threads):
        self.threads = threads

    def trial(self):
        self.trials += 1
        seconds = 25.0 if self.now < self.busy_until and self.threads == 2 else 0.1 / self.threads
        self.now += seconds
        return seconds


def test_a_processor_that_becomes_free_is_used():
    machine = _Machine(busy_until=30.0)
    threads = Threads(2, machine.use, lambda: machine.now)
    threads.choose(machine.trial)
    assert threads.count == machine.threads == 1
    machine.now += 400
    threads.choose(machine.trial)
    assert threads.count == machine.threads == 1, "a trial that took 25 seconds is not repeated every 15"
    machine.now += 200
    threads.choose(machine.trial)
    assert threads.count == machine.threads == 2
    machine.now += 1e6
    threads.choose(machine.trial)
    assert machine.trials == 4, "with all processors in use nothing is left to try"


def test_threads_that_were_given_up_are_tried_again():
    machine = _Machine(busy_until=0.0)
    threads = Threads(2, machine.use, lambda: machine.now)
    threads.choose(machine.trial)
    assert threads.count == 2
    for _ in range(5):
        threads.mind(0.01)
    for _ in range(3):
        threads.mind(1.0)
    assert threads.count == machine.threads == 1
    threads.choose(machine.trial)
    assert threads.count == 1
    machine.now += 20
    threads.choose(machine.trial)
    assert threads.count == machine.threads == 2
