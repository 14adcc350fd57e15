"""What Bedrock sends back: whole answers, event streams and refusals, read with suspicion and within bounds.

By itself the SDK reads whatever comes into memory, and keeps a connection on which more than an answer may have come
(``bound_bodies``).
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.eventstream import ParserError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TransportTimeout

from llm_strategy.errors import AnswerTimeout, BackendFailure, BackendRefused, ImagesNotSeen, ModelError, PromptTooLong
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.backends.bedrock.capabilities import FilteredAnswer, UnsupportedSystem, UnsupportedTemperature
from llm_strategy.llm.backends.http import brief, count_of, longest_body, refuse_beyond, retry_after, sees_no_images
from llm_strategy.support.secrets import keep_secret

_PASSING = frozenset({
    "ThrottlingException", "TooManyRequestsException", "ModelNotReadyException", "ModelErrorException",
    "ModelStreamErrorException", "InternalServerException", "InternalFailure", "ServiceUnavailableException",
})  # fmt: skip
"""Failures that another attempt may not meet, whatever their status."""
_NOT_READY = "ModelNotReadyException"
_NO_CREDENTIALS = (
    NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError,
    UnauthorizedSSOTokenError,
)  # fmt: skip
_NOT_TAKEN = (
    "support", "deprecated", "only the default", "may only be set", "not permitted", "not allowed", "extraneous",
    "unrecognized", "unknown", "unexpected", "not accept", "n't accept", "not enabled", "disabled",
)  # fmt: skip
"""Words of a refusal that is about a parameter itself, and not about a value out of its range."""
_TOO_LONG = ("too long", "too many input tokens", "context window", "maximum context", "context length")


@dataclass(slots=True)
class Reply:
    """An answer as Bedrock gave it. ``text`` is the tool's input as JSON where a tool was used."""

    text: str = ""
    stop_reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    _tool_input: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Reply:
        """A whole answer of Converse."""
        if "output" not in answer:  # as the SDK reads a page that is no JSON
            raise BackendFailure("Bedrock sent what is no answer of Converse: check endpoint_url.")
        reply = cls(stop_reason=answer.get("stopReason", ""))
        for block in answer.get("output", {}).get("message", {}).get("content", []):
            reply.text += block.get("text", "")
            if "toolUse" in block:
                reply._tool_input.append(json.dumps(block["toolUse"]["input"], ensure_ascii=False))
        reply._count(answer.get("usage", {}))
        return reply._checked()

    @classmethod
    def of_stream(cls, answer: Mapping[str, Any], on_text: OnText) -> Reply:
        """An event stream of ConverseStream, ended early where ``on_text`` returns False."""
        reply, stream, stopped = cls(), answer["stream"], False
        try:
            for event in stream:
                delta = event.get("contentBlockDelta", {}).get("delta", {})
                piece = delta.get("text", "") or delta.get("toolUse", {}).get("input", "")
                if "toolUse" in delta:
                    reply._tool_input.append(piece)
                else:
                    reply.text += piece
                reply.stop_reason = event.get("messageStop", {}).get("stopReason", reply.stop_reason)
                reply._count(event.get("metadata", {}).get("usage", {}))
                if piece and not on_text(piece):
                    stopped = True
                    break
        finally:
            stream.close()
        if not reply.stop_reason and not stopped:
            raise BackendFailure("Bedrock ended the stream before the answer: try later, or check endpoint_url.")
        return reply if stopped else reply._checked()

    def _count(self, usage: Mapping[str, Any]) -> None:
        read = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        self.tokens_in = sum(count_of(usage, name) for name in read) or self.tokens_in
        self.tokens_out = count_of(usage, "outputTokens") or self.tokens_out

    def _checked(self) -> Reply:
        if self._tool_input:
            self.text = "".join(self._tool_input)
        if self.stop_reason == "guardrail_intervened":
            raise FilteredAnswer(
                "A guardrail of the AWS account withheld the answer (guardrail_intervened): change the guardrail or "
                "the prompt."
            )
        if self.stop_reason == "content_filtered":
            raise FilteredAnswer(
                "Bedrock's filter of contents withheld the answer (content_filtered): change the guardrail or the "
                "prompt, or choose another LLM_MODEL."
            )
        if self.stop_reason == "model_context_window_exceeded":
            raise PromptTooLong("The prompt and the answer do not fit the model's context: shorten the prompt.")
        if self.stop_reason in ("malformed_model_output", "malformed_tool_use"):
            raise BackendFailure(
                f"Bedrock could not read what the model wrote ({self.stop_reason}): set json under bedrock: to prompt, "
                "or choose another LLM_MODEL."
            )
        if not self.text and self.stop_reason == "max_tokens":
            raise FilteredAnswer("Bedrock's model was cut off while thinking: raise LLM_MAX_TOKENS.")
        if not self.text:
            raise BackendFailure("Bedrock answered with nothing: change the prompt, or choose another LLM_MODEL.")
        return self


@contextlib.contextmanager
def as_model_errors(model: str, proxy: str = "") -> Iterator[None]:
    """Whatever the SDK raises, as an error of ours that says whether another attempt makes sense; ``proxy`` is what
    stands in the way, in words."""
    try:
        yield
    except ModelError:
        raise
    except ClientError as problem:
        raise _refusal(problem, model) from None
    except _NO_CREDENTIALS as problem:
        raise ModelError(
            f"There are no AWS credentials to use ({_brief(problem)}): run 'aws configure' or 'aws sso login', or set "
            "AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from None
    except ParamValidationError as problem:
        raise ModelError(f"The SDK refuses the request ({_brief(problem)}): correct LLM_MODEL.") from None
    except (ReadTimeoutError, ConnectTimeoutError, TransportTimeout):
        raise AnswerTimeout(
            "Bedrock kept silent for all of LLM_TIMEOUT_S: raise it, or choose a faster model."
        ) from None
    except (BotoConnectionError, HTTPClientError, HTTPError) as problem:
        raise BackendFailure(
            f"The connection to Bedrock failed ({type(problem).__name__}{proxy}): check network and region"
            f"{', and the proxy' if proxy else ''}."
        ) from None
    except BotoCoreError as problem:
        raise BackendFailure(
            f"Bedrock's answer cannot be used ({_brief(problem)}): try later, or check endpoint_url."
        ) from None
    except (
        ParserError,
        ResponseParserError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as problem:
        raise BackendFailure(
            f"Bedrock sent what is no answer of Converse ({type(problem).__name__}): check endpoint_url."
        ) from None


def _refusal(problem: ClientError, model: str) -> ModelError:
    said = problem.response.get("Error", {})
    about = problem.response.get("ResponseMetadata", {})
    code = str(said.get("Code", ""))
    code = code[:1].upper() + code[1:]  # in a stream the same names begin with a small letter
    words = _brief(said.get("Message", "") or "it gave no reason")
    status = about.get("HTTPStatusCode", 0)
    if code == "ModelTimeoutException":
        return AnswerTimeout(
            f"Bedrock's model took too long ({words}): ask for fewer tokens, or choose a faster model."
        )
    if code == "ValidationException" and any(sign in words.lower() for sign in _TOO_LONG):
        return PromptTooLong(f"The prompt does not fit {model} ({words}): shorten it, or choose a larger context.")
    refused = f"Bedrock refuses {model} with {code or status} ({words})"
    if code == "ValidationException" and _is_not_taken("temperature", words):
        return UnsupportedTemperature(f"{refused}: set omit_temperature under bedrock: to true.")
    if code == "ValidationException" and _is_not_taken("system", words):
        return UnsupportedSystem(f"{refused}: choose another LLM_MODEL, which knows system messages.")
    if code == "ValidationException" and sees_no_images(words):
        return ImagesNotSeen(
            f"{refused}: choose an LLM_MODEL that sees, or show no image (context has chart: {{null: text}})."
        )
    if code in _PASSING or status >= 500 or status in (408, 429):
        wait = retry_after(about.get("HTTPHeaders", {}), datetime.datetime.now(datetime.UTC))
        cure = _cure_of_a_failure(code, status)
        return BackendFailure(f"Bedrock failed with {code or status} ({words}): {cure}.", retry_after_s=wait)
    return BackendRefused(f"{refused}: {_cure(code, status, words)}.")


def _is_not_taken(parameter: str, words: str) -> bool:
    said = words.lower()
    return parameter in said and any(sign in said for sign in _NOT_TAKEN)


def _cure_of_a_failure(code: str, status: int) -> str:
    if code in ("ThrottlingException", "TooManyRequestsException") or (status == 429 and code != _NOT_READY):
        return "lower concurrency under bedrock:, or ask AWS for a higher quota"
    if code == _NOT_READY:
        return "try again in a few minutes"
    return "try later, or in another region"


def _cure(code: str, status: int, words: str) -> str:
    if code in ("ExpiredTokenException", "ExpiredToken"):
        return "get new credentials, with 'aws sso login' or from whoever gave the old ones"
    if code == "ResourceNotFoundException" or status == 404:
        return "check LLM_MODEL and the region"
    if code in ("InvalidSignatureException", "SignatureDoesNotMatch"):
        return "check the credentials (AWS_SECRET_ACCESS_KEY first), and the clock of this machine"
    if code in ("UnrecognizedClientException", "InvalidClientTokenId"):
        return "check the credentials, which AWS does not know"
    if code == "AccessDeniedException":
        return (
            "check the credentials, and that the account may use the model in this region: ask for it under Model "
            "access in the console of Bedrock, and let its policy allow bedrock:InvokeModel (and "
            "bedrock:InvokeModelWithResponseStream)"
        )
    if status in (401, 403):
        return "check the credentials, and that the account may use the model"
    if "inference profile" in words.lower():
        return "set LLM_MODEL to an inference profile"
    if "tool" in words.lower():
        return "set json under bedrock: to prompt"
    return "check LLM_MODEL and the prompt"


def _brief(words: object) -> str:
    return brief(words).rstrip(".")


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
