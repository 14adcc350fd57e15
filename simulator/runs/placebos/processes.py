"""Accounts in as many processes as there are processors, with the outcomes of one process."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator

from llm_strategy.errors import ConfigurationError
from simulator.runs.placebos.measure import Outcome, Work

VARIABLE = "BTLLM_PROCESSES"
"""How many processes placebos are traded in, all processors where it is not set; with 1 a run has no other at all."""
_WORTH_A_PROCESS = 500_000
"""Closes of all accounts from which other processes are begun: some twenty seconds of one, where they take two to
begin."""
_IDLE_SECONDS = 20


def processes() -> int:
    """As many as ``BTLLM_PROCESSES`` says, or as there are processors."""
    if (given := _processes_given()) is not None:
        return given
    from joblib import cpu_count

    return int(cpu_count())


def _processes_given() -> int | None:
    given = os.environ.get(VARIABLE)
    if given is not None and (not given.isdecimal() or not 1 <= int(given) <= 1_000):
        raise ConfigurationError(f"{VARIABLE} is {given!r:.40}: give a whole number of processes from 1 to 1,000.")
    return None if given is None else int(given)


def outcomes(work: Work, number: int) -> Iterator[list[Outcome]]:
    """The outcomes of the account and of so many placebos, in their order, batch by batch."""
    closes = sum(map(len, work.placebos.history.decisions.values()))
    given, batches = _processes_given(), work.batches(number)
    are_worth_it = work.needs_broker and closes * number >= _WORTH_A_PROCESS
    wanted = processes() if are_worth_it and given != 1 and _can_travel(work) else 1  # to count them loads a library
    if wanted == 1:
        yield from map(work.outcomes, batches)
        return
    from joblib import Parallel, delayed

    tasks = (delayed(work.outcomes)(numbers) for numbers in batches)
    yield from Parallel(wanted, backend="loky", return_as="generator", idle_worker_timeout=_IDLE_SECONDS)(tasks)


def _can_travel(work: Work) -> bool:
    """Whether another process can have it: not what was made of objects of a person's own program."""
    try:
        pickle.dumps(work)
    except (AttributeError, TypeError, pickle.PicklingError):
        return False
    return True
