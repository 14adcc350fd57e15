"""Bodies that end where an answer must have ended (by itself the SDK reads whatever comes into memory), and a
connection for each question alone, so that what a server sends beyond an answer is never the answer to the next one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from llm_strategy.errors import BackendFailure
from llm_strategy.llm.backends.http import longest_body, refuse_beyond
from llm_strategy.support.secrets import keep_secret

_SENT = re.compile(r"(?i)\b(?:(?:x-amz-security-token: |bearer )(\S+)|credential=([^/\s]+))")
"""What the SDK found in its own files and sends, and a server may echo."""


class BoundedBody:
    """A body on its way that raises ``BackendFailure`` beyond ``longest`` bytes; all else is the body's own."""

    def __init__(self, body: Any, longest: int) -> None:
        self._body = body
        self._longest = longest

    def stream(self, *how: Any, **named: Any) -> Iterator[bytes]:
        """The body in pieces, as they come."""
        read = 0
        try:
            for piece in self._body.stream(*how, **named):
                read += len(piece)
                refuse_beyond(self._longest, read, "lower LLM_MAX_TOKENS, or check endpoint_url")
                yield piece
        except BackendFailure as problem:
            raise BackendFailure(f"Bedrock {problem}.") from None
        finally:
            self._body.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def bound_bodies(sdk: Any) -> None:
    """Bound every body that this client of the SDK reads, by the tokens that its request asks for."""
    session = sdk._endpoint.http_session  # there is no public way to a body that was not read yet

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        request.stream_output = True
        for name, value in request.headers.items():
            for found in _SENT.finditer(f"{name}: {value.decode() if isinstance(value, bytes) else value}"):
                keep_secret(found[1] or found[2])
        request.headers["Connection"] = "close"
        answer = session.send(request)
        answer.raw._pool = None  # the connection goes back to nobody, and is closed with its body
        longest = longest_body(json.loads(request.body)["inferenceConfig"]["maxTokens"])
        return AWSResponse(answer.url, answer.status_code, answer.headers, BoundedBody(answer.raw, longest))

    sdk.meta.events.register("before-send.bedrock-runtime", send)
