"""A client that first answers as the record of a watch says, and then asks its model: for a watch that goes on after it
was ended or killed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace

from llm_strategy.errors import AnswerNotRecorded, ContractError, ModelError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.layer import Layer
from llm_strategy.llm.requests import Generation, Request, request_hash
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import Event, EventKind
from simulator.runs.answers import Outcome, recorded_answers

_OF_BREAKER = (EventKind.BREAKER_OPENED, EventKind.BREAKER_PROBED, EventKind.BREAKER_CLOSED)
"""Events of the advisor's breaker, which counts anew and tells them itself."""


class ResumedClient(Layer):
    """Answers the questions of these ``entries`` as they were answered, each in its turn, until ``go_on``. While
    recorded decisions are still to come (``pending``) the model is asked nothing: a question that is not recorded
    raises ``AnswerNotRecorded``.

    An advisor asks the same questions again as its bars come again, but for what it remembers: of equal questions with
    a final answer the first alone. So of each question its answers are given in their order, and what is left of them
    at the end was never asked.
    """

    def __init__(self, inner: LLMClient, entries: Iterable[Entry], pending: Callable[[], bool]) -> None:
        super().__init__(inner)
        self._pending = pending
        self._answers: dict[str, deque[Outcome]] = {}
        for key, outcome in recorded_answers(entries):
            if isinstance(outcome, Generation):
                outcome = replace(outcome, events=_without_breaker(outcome.events))
            elif isinstance(outcome, ModelError):
                outcome.events = _without_breaker(outcome.events)
            self._answers.setdefault(key, deque()).append(outcome)

    def go_on(self) -> None:
        """Ask the model from now on."""
        self._answers.clear()

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """The recorded answer, or the model's."""
        found = self._recorded(request)
        return super().complete(request, on_delta) if found is None else found

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """The recorded answer, or the model's."""
        found = self._recorded(request)
        return super().ask(request, ahead=ahead) if found is None else found

    def ask_fallbacks(self, request: Request, problem: ModelError) -> Generation:
        """What was recorded while the model was left alone, or what the fallbacks say."""
        found = self._recorded(request)
        return self.inner.ask_fallbacks(request, problem) if found is None else found

    def is_of_earlier_command(self, request: Request) -> bool:
        """What was recorded is this watch's own."""
        return False if self._answers else self.inner.is_of_earlier_command(request)

    def disregard(self, request: Request) -> bool:
        """What was recorded stands."""
        return False if self._answers else self.inner.disregard(request)

    def _recorded(self, request: Request) -> Generation | None:
        left = self._answers.get(request_hash(request, self.identity))
        if not left:
            if self._pending():
                raise AnswerNotRecorded(
                    "The recorded closes lead to a question that was not asked then: the program, a prompt or a part "
                    "of your own has changed since; bring back the version named in watch.json, or give the "
                    "experiment another name to begin anew."
                )
            return None
        outcome = left.popleft()
        if isinstance(outcome, Generation):
            return outcome
        raise outcome if isinstance(outcome, ContractError) else copy(outcome)


def _without_breaker(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(event for event in events if event.kind not in _OF_BREAKER)
