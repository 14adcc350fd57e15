"""Questions before their bars: asked as many at once as a client takes, until too many in a row have failed, or found
in the record without asking."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from llm_strategy.advice.modes.mode import Mode, Question, Recorded
from llm_strategy.errors import AnswerNotRecorded, ContractError
from llm_strategy.llm.concurrency.parallel import side_by_side
from llm_strategy.llm.requests import Request
from llm_strategy.llm.structured.answer_text import as_contract_error
from llm_strategy.market.context.menu import Measurement
from llm_strategy.types import Exchange, Purpose

MOST_FAILURES_AHEAD = 5
"""Questions in a row that failed, as their answers come: then the others wait for their turn."""

OnAnswer: TypeAlias = Callable[[int, int, int], None]
"""Called with the questions answered so far, how many there are, and how many are asked at once."""


class Answered(Protocol):
    """What a question comes to."""

    @property
    def failed(self) -> bool:
        """Whether it was left without an answer."""


class PlanAnswer(NamedTuple):
    """The analytics that a plan runs, by name, and the exchanges about it."""

    names: tuple[str, ...]
    exchanges: tuple[Exchange, ...]

    @property
    def failed(self) -> bool:
        """Whether it was left without an answer."""
        return bool(self.exchanges) and self.exchanges[-1].answer is None


_Answered = TypeVar("_Answered", bound=Answered)
_Read = TypeVar("_Read")


def answer_ahead(
    questions: Iterable[Question],
    ask: Callable[[Question], _Answered],
    keep: Callable[[Question, _Answered], None],
    at_once: int,
    on_answer: OnAnswer | None = None,
) -> None:
    """Ask these questions, so many ``at_once``, and ``keep`` what each that did not fail comes to.

    Until the first answer no more are under way at once than may fail, and after ``MOST_FAILURES_AHEAD`` failures in a
    row no more are begun. Raises as ``ask`` does, once what is under way has ended.
    """
    waiting = deque(questions)
    whole = len(waiting)
    answered = failed = 0

    def next_ones(*, until_answered: bool) -> Iterator[Question]:
        while waiting and failed < MOST_FAILURES_AHEAD and not (until_answered and answered):
            yield waiting.popleft()

    def take(question: Question, outcome: _Answered) -> None:
        nonlocal answered, failed
        if outcome.failed:
            failed += 1
        else:
            answered, failed = answered + 1, 0
            keep(question, outcome)
        if on_answer is not None:
            on_answer(answered, whole, at_once)

    side_by_side(ask, next_ones(until_answered=True), min(at_once, MOST_FAILURES_AHEAD), take)
    side_by_side(ask, next_ones(until_answered=False), at_once, take)


class _NotOnRecord(AnswerNotRecorded):
    """The record holds no answer to a request."""

    def __init__(self, request: Request) -> None:
        super().__init__("A request has no recorded answer: ask it.")
        self.request = request


class _FromRecord:
    """Answers the requests of one decision from the record alone (``modes.mode.Ask``); what never met the contract
    stays what it is."""

    def __init__(self, recorded: Recorded) -> None:
        self.answer: str | None = None
        self._recorded = recorded

    def __call__(self, request: Request, purpose: Purpose, read: Callable[[str], _Read]) -> _Read:
        """What is read in the answer on record."""
        self.answer, problem = self._recorded(request, read)
        if self.answer is None:
            raise _NotOnRecord(request)
        if problem is not None:
            raise problem
        return read(self.answer)

    def note_plan(self, results: Sequence[Measurement]) -> None:
        """Nobody asks for it here."""

    def disregard(self, requests: Sequence[Request]) -> bool:
        """Nothing is asked again."""
        return False


def next_request(question: Question, mode: Mode, defaults: Request, recorded: Recorded) -> Request | None:
    """The first request of a decision to which the record has no answer: the one that opens it, or one that follows
    from what was answered, as the repair of an answer that broke the contract. None where the record decides it."""
    try:
        with as_contract_error():
            mode.decide(question, defaults, _FromRecord(recorded))
    except _NotOnRecord as found:
        return found.request
    except ContractError:  # an abstention is decided, too
        pass
    return None
