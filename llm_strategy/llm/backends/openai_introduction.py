"""Who a server that speaks like OpenAI is, and how it wants to be asked: found out by a short question, and kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from llm_strategy.errors import AnswerTimeout, BackendFailure, BackendRefused, ModelChanged, ServerNotReached
from llm_strategy.llm.backends.openai_answers import Reply
from llm_strategy.llm.backends.openai_dialect import TRIAL, AnswerFormat, Dialect, is_kept
from llm_strategy.llm.backends.openai_notes import ServerNotes
from llm_strategy.llm.exchange import Request

log = logging.getLogger(__name__)


class Introduction:
    """What is known of the server behind a model's name. Threads may share it.

    ``dialect`` begins with what the settings say; ``ask`` puts a question to the server in this dialect.
    """

    def __init__(self, model: str, dialect: Dialect, notes: ServerNotes, ask: Callable[[Request], Reply]) -> None:
        self.dialect = dialect
        self._model = model
        self._notes = notes
        self._ask = ask
        self._remembered = False
        self._alone = threading.Lock()

    def get_to_know(self, ends: float | None = None, *, in_person: bool = False) -> None:
        """Find out what is not known; where it must be ``in_person``, what the server said in an earlier session is not
        enough. The time for it ``ends`` on the monotonic clock; without that each question has its own time."""
        with self._alone:
            if self.dialect.known and not (in_person and self._remembered):
                return
            try:
                self._introduce(ends)
            except (BackendRefused, ModelChanged):
                raise
            except (BackendFailure, AnswerTimeout) as problem:
                if in_person and self._remembered:
                    raise ServerNotReached(str(problem)) from None
                noted = self._notes.read()
                if in_person or noted is None:
                    raise
                log.warning("%s It is taken for what it was when it last answered.", problem)
                given = self.dialect
                self.dialect = Dialect(
                    given.answer_format or noted.answer_format,
                    noted.reported_model if given.reported_model is None else given.reported_model,
                    noted.tokens_field,
                )
                self._remembered = True
            else:
                self._remembered = False
                self._notes.write(self.dialect)

    def check_model(self, reply: Reply) -> None:
        """Raise ``ModelChanged`` where another model answered than at the introduction."""
        expected = self.dialect.reported_model
        if expected and reply.model and reply.model != expected:
            raise ModelChanged(
                f"answers as {reply.model!r} and not as {expected!r}: answers of two models are not mixed, "
                "name the new one in LLM_MODEL or start the run again"
            )

    def _introduce(self, ends: float | None) -> None:
        """Find out who answers, and the strictest format that the server takes and keeps."""
        pinned = self.dialect
        formats = get_args(AnswerFormat) if pinned.answer_format is None else (pinned.answer_format,)
        for answer_format in formats:
            self.dialect = replace(pinned, answer_format=answer_format)
            try:
                reply = self._try(ends)
            except BaseException as problem:
                if isinstance(problem, BackendRefused) and answer_format != formats[-1]:
                    continue
                self.dialect = pinned
                raise
            if len(formats) == 1 or is_kept(answer_format, reply.text):
                break
        if pinned.reported_model is None:
            self.dialect.reported_model = reply.model
        log.info("%s answers as %s, held to %s", self._model, reply.model or "itself", self.dialect.answer_format)

    def _try(self, ends: float | None) -> Reply:
        try:
            return self._ask(until(ends, TRIAL))
        except BackendRefused as problem:
            if "max_completion_tokens" not in str(problem):
                raise
            self.dialect.tokens_field = "max_completion_tokens"
            return self._ask(until(ends, TRIAL))


def until(ends: float | None, request: Request) -> Request:
    """The request with the time that is left."""
    return request if ends is None else replace(request, timeout_s=max(ends - time.monotonic(), 0.001))
