"""Another backend in the place of one that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Request


class Fallback:
    """A backend that answers in another one's place; it is connected when it is first needed."""

    def __init__(self, name: str, connect: Callable[[], LLMClient]) -> None:
        self.name = name
        self._connect = connect
        self._client: LLMClient | None = None
        self._connecting = threading.Lock()

    def client(self) -> LLMClient:
        """The client, connected now if it was not yet."""
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def close(self) -> None:
        """Close the client where there is one."""
        if self._client is not None:
            self._client.close()


def fitting(request: Request, client: LLMClient) -> Request:
    """The request as this client can take it: where it fills no forms, the model writes the whole JSON object."""
    return replace(request, form=(), json_mode=True) if request.form and not client.supports_forms else request
