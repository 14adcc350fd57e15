"""What holds for every reader of what others wrote: it comes to a value or to an error of ours that says what to do,
soon, with little memory, and what it accepts is what it promises."""

from __future__ import annotations

import random
import re
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from llm_strategy.errors import LONGEST_MESSAGE, BacktraderLLMError, ContractError
from llm_strategy.support.outside_text import spelled_out

from .mutation import mutated

MEMORY_BYTES, MEMORY_PER_BYTE = 100_000_000, 400
"""What reading may take beyond what the process has, and more for each byte of the input."""
ROOM_BYTES = 3_000_000_000
"""Address space beyond what the process has: an allocation above it fails at once, and the machine goes on."""
PLANTED = ("sk-planted", "planted-secret")
"""The beginnings of every key that an input or a client holds."""
_CURE = re.compile(r"[:;,] |\b(?:must|should|did you mean|known are|at most|write|give|set|run|choose)\b")


class Endless(BaseException):
    """The bound of processor time is used up; no reader catches it."""


@dataclass(frozen=True)
class Target:
    """A reader of what others wrote.

    ``read`` gets an input and a folder to write it into, asserts what is promised of what is accepted, and raises one
    of the ``refusals``. ``seeds`` makes honest inputs. ``tries`` is how many are tried in an ordinary run, ``share``
    what this target gets of the time of a long one, ``seconds`` the processor time that one input may take.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes, Path], object]
    refusals: tuple[type[BacktraderLLMError], ...]
    tries: int = 150
    share: float = 1.0
    seconds: float = 2.0
    mutate: Callable[[random.Random, bytes, Sequence[bytes]], bytes] = mutated


@dataclass
class Tally:
    """What trying came to; ``failures`` hold the first input of each kind of failure."""

    accepted: int = 0
    refused: Counter = field(default_factory=Counter)
    slowest: float = 0.0
    failures: dict[str, bytes] = field(default_factory=dict)

    def line(self, name):
        """One line of the table of a long run."""
        refused = sum(self.refused.values())
        tries = self.accepted + refused + len(self.failures)
        return (
            f"{name:20} {tries:9,} tries {self.accepted:9,} accepted {refused:9,} refused {self.slowest:7.2f} s slowest"
            f" {len(self.failures):3} kinds of failure"
        )


def try_one(target, data, folder, tally):
    """Read one input and note what came of it."""
    before = _peak(reset=True)
    begin = time.process_time()
    try:
        with _bounded(target.seconds):
            target.read(data, folder)
        problem = ""
        tally.accepted += 1
    except target.refusals as refusal:
        problem = told_badly(refusal)
        tally.refused[type(refusal).__name__] += 1
    except Endless as endless:
        problem = f"more than {target.seconds} s of processor time at {_place(endless)}"
    except Exception as unexpected:
        problem = f"{type(unexpected).__name__} at {_place(unexpected)}"
        if isinstance(unexpected, AssertionError):
            problem += f": {str(unexpected).splitlines()[0] if str(unexpected) else 'a promise is broken'}"
    tally.slowest = max(tally.slowest, time.process_time() - begin)
    taken = _peak() - before
    if not problem and taken > MEMORY_BYTES + MEMORY_PER_BYTE * len(data):
        problem = "memory out of proportion"
    if problem:
        tally.failures.setdefault(problem, data)


def told_badly(problem):
    """What is wrong with the words of an error; empty where a person is helped by them."""
    kind = type(problem).__name__
    shown = spelled_out(str(problem))
    if any(secret in shown for secret in PLANTED):
        return f"{kind} from {_place(problem)} shows a key"
    if not shown or len(shown.splitlines()) != 1:
        return f"{kind} from {_place(problem)} is not one line"
    if len(str(problem)) > LONGEST_MESSAGE + 10:
        return f"{kind} from {_place(problem)} has more than {LONGEST_MESSAGE:,} characters"
    if not isinstance(problem, ContractError) and not _CURE.search(shown):
        return f"{kind} from {_place(problem)} names no cure"
    return ""


def _place(problem):
    """The innermost line of ours in a traceback."""
    found, traceback = "?", problem.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = Path(code.co_filename)
        if {"llm_strategy", "simulator"} & set(path.parts) or path.parent.name == "fuzz":
            found = f"{path.name}:{code.co_name}"
        traceback = traceback.tb_next
    return found


@contextmanager
def _bounded(seconds):
    def stop(*_):
        raise Endless

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    usual = signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (_size() + ROOM_BYTES, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGVTALRM, usual)


def _size():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _peak(reset=False):
    """The most memory that this process has held, in bytes: since it was last reset, where Linux is asked."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
