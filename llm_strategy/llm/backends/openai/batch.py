"""Questions and answers as lines of a file, in the form of OpenAI's batches: providers' batch services read and write
it, and so does ``vllm run-batch``.

A line of questions is ``{"custom_id", "method", "url", "body"}``, one of answers ``{"custom_id", "response":
{"status_code", "body"}, "error"}``; the bodies are those of a live question and its answer.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import openai

from llm_strategy.errors import BackendFailure, ModelError
from llm_strategy.llm.backend import BatchState
from llm_strategy.llm.backends.http import brief, words_of
from llm_strategy.llm.backends.openai.capabilities import Capabilities, TokensField
from llm_strategy.llm.backends.openai.hints import NO_COMPLETION
from llm_strategy.llm.backends.openai.replies import Reply, failed_answer, read_object, refusal
from llm_strategy.llm.backends.openai.service import BatchService
from llm_strategy.llm.requests import Generation, Request
from llm_strategy.support.secrets import redact

URL = "/v1/chat/completions"
_ASKED = httpx2.Request("POST", f"https://batch.invalid{URL}")
"""What a refusal in a file is about: the parser of live refusals looks at the address that was asked."""
UNANSWERED = "export the questions again, and hand them in anew"


class OpenAIBatchForm:
    """The lines of one ``model``, which is spoken to as live questions are."""

    def __init__(self, model: str, dialect: Capabilities, tokens_field: TokensField, service: BatchService) -> None:
        self._model = model
        self._dialect = dialect
        self._tokens_field = tokens_field
        self._service = service

    def line(self, key: str, request: Request) -> dict[str, Any]:
        """The line of a question, which its answer names again by ``key`` (at most 64 characters)."""
        body = self._dialect.body(self._model, request, self._tokens_field)
        return {"custom_id": key, "method": "POST", "url": URL, "body": body}

    def parse(self, line: bytes) -> dict[str, Any]:
        """The document in a line of answers, held to what bodies of live answers are; raises ``BackendFailure``."""
        return read_object(line)

    def read(self, line: Mapping[str, Any], request: Request) -> Generation:
        """The answer in a line, read as a live one is; its latency is not known, and 0. Raises ``ModelError`` for a
        line that holds a failure, or the answer of another model."""
        try:
            reply = self._reply(line)
            self._dialect.refuse_another(reply.model)
        except ModelError as problem:
            raise problem.reworded(redact(f"The batch service {str(problem).rstrip('.')}.")) from None
        reply.text = redact(reply.text, known_alone=True)
        return reply.generation(request)

    def submit(self, file: Path) -> str:
        """Hand a file of questions to the service at the first address; returns the name of its batch."""
        return self._service.submit(file, URL)

    def fetch(self, batch: str, folder: Path) -> BatchState:
        """How far a batch is, its files in ``folder`` once it has ended."""
        return self._service.fetch(batch, folder)

    def _reply(self, line: Mapping[str, Any]) -> Reply:
        response = line.get("response")
        response = response if isinstance(response, dict) else {}
        body, error, status = response.get("body"), line.get("error"), _status(response)
        if status < 300 and not error and isinstance(body, dict):
            reply = Reply()
            reply.take(body, "message")
            reply.check()
            return reply
        told = error or body
        if status < 300:
            said = brief(words_of(told))
            problem = (
                f"answered nothing ({said}): {UNANSWERED}" if said else f"sent no chat completion: {NO_COMPLETION}"
            )
            raise BackendFailure(problem)
        if isinstance(told, dict):
            told = told.get("error", told)  # as the SDK hands it over
        refused = openai.APIStatusError("", response=httpx2.Response(status, request=_ASKED), body=told)
        written = failed_answer(refused)
        if written is None:
            raise refusal(refused, datetime.datetime.now(datetime.UTC))
        return Reply(text=written, finish="stop")  # the contract says what is wrong with it


def _status(response: Mapping[str, Any]) -> int:
    """The HTTP status of a response; 200 where there is none that can be one."""
    status = response.get("status_code")
    return status if isinstance(status, int) and 100 <= status <= 599 else 200
