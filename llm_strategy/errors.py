"""Every error that a user can meet, in one tree.

    BacktraderLLMError
    |-- ConfigurationError      a setting is wrong: which one, and what it may be          exit code 2
    |-- MarketDataError         prices are missing or impossible: which row, and the cure  exit code 3
    |-- ModelError              the model runtime cannot do what was asked                 exit code 4
    |   |-- ModelNotFound       no such file or name
    |   |-- ModelNotLoaded      the file is there and the engine refuses it
    |   |-- ImagesNotSeen       an image is to be shown to a model that reads text alone
    |   |-- BackendMissing      the package behind a backend is not installed
    |   |-- BackendFailure      the engine or server failed while answering
    |   |   |-- BackendRefused  the server refuses the request: asking again changes nothing
    |   |   |-- ModelLoading    the server is still loading its model: it is asked again for as long as there is time
    |   |   `-- ModelChanged    another model answers than the one asked first
    |   |-- ServerNotReached    a server that is known only from an earlier session does not answer
    |   |-- BreakerOpen         a backend that failed too often in a row is not asked for a while
    |   |-- PromptTooLong       the request does not fit the context
    |   |-- AnswerTimeout       no answer within the time allowed
    |   `-- AnswerNotRecorded   replay was asked for an answer that nobody recorded
    |-- ContractError           an answer breaks the advice contract: which field
    |-- SimulationOnlyError     a broker that is not backtrader's simulated one            exit code 5
    |-- RunFolderError          a run folder cannot be written, read or trusted            exit code 6
    |   |-- ForeignAnswers      its answers are not those to its own questions (an AnswerNotRecorded, too)
    |   `-- RegisterError       a register (of hypotheses, of trials) cannot be written, read or trusted
    |-- BudgetReached           a run has used up what it was allowed; it can go on        exit code 8
    `-- TooManyFailures         abstentions exceed the rate that the experiment allows     exit code 7

Each message is one sentence: what was wrong, where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Self

LONGEST_MESSAGE = 4_000
"""Characters of an error; what it repeats of a file may have any length."""


class BacktraderLLMError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns."""

    exit_code = 1

    def __str__(self) -> str:
        """The message; of a very long one its beginning and its end, where the cure stands."""
        said, half = super().__str__(), LONGEST_MESSAGE // 2
        return said if len(said) <= LONGEST_MESSAGE else f"{said[:half]} ... {said[-half:]}"


class ConfigurationError(BacktraderLLMError):
    """A setting is unknown, of the wrong kind or out of its range."""

    exit_code = 2


class MarketDataError(BacktraderLLMError):
    """Prices are missing, unreadable or impossible."""

    exit_code = 3


class ModelError(BacktraderLLMError):
    """The model runtime cannot do what was asked; ``events`` (``types.Event``) are what happened on the way to
    the failure."""

    exit_code = 4
    events: tuple[Any, ...] = ()

    def reworded(self, message: str) -> Self:
        """The same failure, told otherwise; nothing has happened on the way to it yet."""
        return type(self)(message)


class ModelNotFound(ModelError):
    """No model of this name, or no file at this path."""


class ModelNotLoaded(ModelError):
    """The engine refuses the model file."""


class ImagesNotSeen(ModelError):
    """The question has an image, and who is asked reads text alone: no such question can be answered."""


class BackendMissing(ModelError):
    """The package behind a backend is not installed; the message is the install line."""


class BackendFailure(ModelError):
    """The engine or server failed while answering; ``retry_after_s`` is how long it asked to be left alone, in
    seconds."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def reworded(self, message: str) -> Self:
        """As of any failure, with its ``retry_after_s``."""
        return type(self)(message, retry_after_s=self.retry_after_s)


class BackendRefused(BackendFailure):
    """The server refuses the request (a wrong key, an unknown model): asking again changes nothing."""


class ModelLoading(BackendFailure):
    """The server is still loading its model, and will answer when that is done."""


class ModelChanged(BackendFailure):
    """Another model answers than the one that was asked first, so its answer is not used."""


class ServerNotReached(ModelError):
    """A server that is known only from an earlier session does not answer: what is not on record cannot be asked."""


class BreakerOpen(ModelError):
    """The backend failed too often in a row and is not asked for a number of decisions."""


class PromptTooLong(ModelError):
    """The request does not fit into the model's context."""


class AnswerTimeout(ModelError):
    """No whole answer within the time allowed."""


class AnswerNotRecorded(ModelError):
    """Replay met a request whose answer was never recorded."""


class ContractError(BacktraderLLMError):
    """An answer breaks the advice contract; ``field`` names where, ``cure`` what a person can do about it. What it
    repeats of the answer is cut short."""

    def __init__(self, field: str, problem: str, cure: str = "") -> None:
        field, problem = field[:1000], problem[:1000]
        super().__init__(f"{field}: {problem}" + (f": {cure}" if cure else ""))
        self.field = field
        self.problem = problem
        self.cure = cure


class SimulationOnlyError(BacktraderLLMError):
    """The broker is not backtrader's simulated one."""

    exit_code = 5


class RunFolderError(BacktraderLLMError):
    """A run folder cannot be written, read or trusted."""

    exit_code = 6


class ForeignAnswers(RunFolderError, AnswerNotRecorded):
    """The answers in a run folder are not those to the questions that its prices and experiment ask."""


class RegisterError(RunFolderError):
    """A register of the user, of hypotheses or of trials, cannot be written, read or trusted."""


class BudgetReached(BacktraderLLMError):
    """A run has used up the calls, tokens, seconds or money that it was allowed; the same command goes on."""

    exit_code = 8


class TooManyFailures(BacktraderLLMError):
    """More decisions failed than the experiment allows."""

    exit_code = 7


_LINE_BREAKS = {ord("\n"): "\\n", ord("\r"): "\\r"}


def shown(value: object) -> str:
    """A value in a sentence, on one line: its beginning where it is long."""
    try:
        text = str(value).translate(_LINE_BREAKS)
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(word: object, known: Iterable[str], likeness: float = 0.6) -> str:
    """``, did you mean 'x'?`` where a known word is close (``likeness`` 0 to 1), or nothing."""
    close = difflib.get_close_matches(str(word), [str(name) for name in known], n=1, cutoff=likeness)
    return f", did you mean {close[0]!r}?" if close else ""


def exception_line(problem: BaseException) -> str:
    """What another's code raised, on one line and without a full stop: ``KeyError: 'close'``."""
    return " ".join(f"{type(problem).__name__}: {problem}".split()).rstrip(".")


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them."""
    names = [str(name) for name in known]
    return nearest(word, names) or (f"; known are {', '.join(names)}." if names else ".")
