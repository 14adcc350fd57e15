"""Every error that a user can meet, in one tree.

    BacktraderLLMError
    |-- ConfigurationError      a setting is wrong: which one, and what it may be          exit code 2
    |-- MarketDataError         prices are missing or impossible: which row, and the cure  exit code 3
    |-- ModelError              the model runtime cannot do what was asked                 exit code 4
    |   |-- ModelNotFound       no such file or name
    |   |-- ModelNotLoaded      the file is there and the engine refuses it
    |   |-- BackendMissing      the package behind a backend is not installed
    |   |-- BackendFailure      the engine or server failed while answering
    |   |-- PromptTooLong       the request does not fit the context
    |   |-- AnswerTimeout       no answer within the time allowed
    |   `-- AnswerNotRecorded   replay was asked for an answer that nobody recorded
    |-- ContractError           an answer breaks the advice contract: which field
    |-- SimulationOnlyError     a broker that is not backtrader's simulated one            exit code 5
    |-- RunFolderError          a run folder cannot be written, read or trusted            exit code 6
    `-- TooManyFailures         abstentions exceed the rate that the experiment allows     exit code 7

Each message is one sentence: what was wrong, where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BacktraderLLMError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns."""

    exit_code = 1


class ConfigurationError(BacktraderLLMError):
    """A setting is unknown, of the wrong kind or out of its range."""

    exit_code = 2


class MarketDataError(BacktraderLLMError):
    """Prices are missing, unreadable or impossible."""

    exit_code = 3


class ModelError(BacktraderLLMError):
    """The model runtime cannot do what was asked."""

    exit_code = 4


class ModelNotFound(ModelError):
    """No model of this name, or no file at this path."""


class ModelNotLoaded(ModelError):
    """The engine refuses the model file."""


class BackendMissing(ModelError):
    """The package behind a backend is not installed; the message is the install line."""


class BackendFailure(ModelError):
    """The engine or server failed while answering."""


class PromptTooLong(ModelError):
    """The request does not fit into the model's context."""


class AnswerTimeout(ModelError):
    """No whole answer within the time allowed."""


class AnswerNotRecorded(ModelError):
    """Replay met a request whose answer was never recorded."""


class ContractError(BacktraderLLMError):
    """An answer breaks the advice contract; ``field`` names where."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class SimulationOnlyError(BacktraderLLMError):
    """The broker is not backtrader's simulated one."""

    exit_code = 5


class RunFolderError(BacktraderLLMError):
    """A run folder cannot be written, read or trusted."""

    exit_code = 6


class TooManyFailures(BacktraderLLMError):
    """More decisions failed than the experiment allows."""

    exit_code = 7


def nearest(word: object, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` where a known word is close, or nothing."""
    close = difflib.get_close_matches(str(word), [str(name) for name in known], n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them."""
    names = [str(name) for name in known]
    return nearest(word, names) or (f"; known are {', '.join(names)}." if names else ".")
