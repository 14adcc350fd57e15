"""Questions asked before their bars, as many at once as a client takes, until too many in a row have failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeAlias, TypeVar

from llm_strategy.advice.modes.mode import Question
from llm_strategy.llm.concurrency.parallel import side_by_side

MOST_FAILURES_AHEAD = 5
"""Questions in a row that failed, as their answers come: then the others wait for their turn."""

OnAnswer: TypeAlias = Callable[[int, int, int], None]
"""Called with the questions answered so far, how many there are, and how many are asked at once."""


class Answered(Protocol):
    """What a question comes to."""

    @property
    def failed(self) -> bool:
        """Whether it was left without an answer."""


_Answered = TypeVar("_Answered", bound=Answered)


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
