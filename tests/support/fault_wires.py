"""The two ways over a wire that the matrix of faults runs through: how each is connected, and what it says well or
badly. Everything else, a server may do in either."""

import functools
import json
import time

import bedrock_server
import botocore.session
import misbehaving_server as server_that
from misbehaving_server import GOOD_ADVICE, MODEL

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.llm import Request
from llm_strategy.llm.backends.bedrock.client import BedrockBackend
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.reliability.client import ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.types import AbstentionReason, Snapshot

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
KEY = "sk-planted-4711"
TIMEOUT_S = 0.5
"""Seconds for what never answers."""
PATIENCE_S = 10.0
"""Seconds beyond a time limit by which a decision has ended on the busiest machine: a hang would be longer."""
ENOUGH_S = 30
"""Seconds for what ends by itself, on a busy machine too."""
ATTEMPTS = 3
PATIENCE = RetryPolicy(attempts=ATTEMPTS, backoff_s=0.001, backoff_max_s=0.02)
FAILED, TIMED_OUT, INVALID = AbstentionReason.BACKEND_FAILURE, AbstentionReason.TIMEOUT, AbstentionReason.INVALID
OVERFLOW = AbstentionReason.CONTEXT_OVERFLOW

AWS_CODES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class OpenAIWire:
    """The backend ``openai``."""

    name = "openai"

    def client(self, urls, **options):
        known = {"answer_format": "json_schema", "reported_model": MODEL, "probe": False} | options
        return LLMClient(OpenAIBackend(MODEL, urls, KEY, **known))

    def envelope(self, text=GOOD_ADVICE):
        """The body of a whole answer."""
        return json.dumps(server_that.completion(text)).encode()

    def status(self, code, *headers, message="No."):
        return server_that.status(code, *headers, message=message)

    def stream(self, *pieces, whole=True, end=b""):
        """An answer in pieces; without ``whole`` its end is missing, or is ``end``."""
        return server_that.stream(*pieces, **({} if whole else {"finish": "", "end": end}))


class BedrockWire:
    """The backend ``bedrock``; credentials and region are planted by ``aws``."""

    name = "bedrock"

    def client(self, urls, **options):
        return LLMClient(BedrockBackend(MODEL, endpoint_url=urls[0].removesuffix("/v1"), **options))

    def envelope(self, text=GOOD_ADVICE):
        """The body of a whole answer."""
        return json.dumps(bedrock_server.answer(text)).encode()

    def status(self, code, *headers, message="No.", error=None):
        told = [("X-Amzn-ErrorType", error or AWS_CODES[code])] if error or code in AWS_CODES else []
        return server_that.reply(json.dumps({"message": message}).encode(), status=code, headers=[*told, *headers])

    def stream(self, *pieces, whole=True, end=b""):
        """An answer in pieces; without ``whole`` its end is missing, or is ``end``."""
        frames = bedrock_server.stream(*pieces)
        body = b"".join(frames if whole else [*frames[: 1 + len(pieces)], end])

        def behave(connection, server):
            connection.wfile.write(server_that.head(content_type="application/vnd.amazon.eventstream") + body)

        return behave


OPENAI, BEDROCK = OpenAIWire(), BedrockWire()


def on(*wires):
    """Parametrise a test by the ways over the wire, by both where none is named."""
    chosen = wires or (OPENAI, BEDROCK)
    return {"argnames": "wire", "argvalues": chosen, "ids": [wire.name for wire in chosen]}


SHARED_LOADER = functools.cache(botocore.session.create_loader)
"""What describes the services of AWS is searched for and read once, and not for each client."""


def aws(patch):
    """Credentials that are not real, a region, and no other AWS configuration."""
    patch.setattr(botocore.session, "create_loader", SHARED_LOADER)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_BEARER_TOKEN_BEDROCK"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_ACCESS_KEY_ID", bedrock_server.KEY)
    patch.setenv("AWS_SECRET_ACCESS_KEY", bedrock_server.SECRET)
    patch.setenv("AWS_DEFAULT_REGION", bedrock_server.REGION)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_CONFIG_FILE", "/dev/null")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


def connected(wire, *urls, patience=PATIENCE, sleep=time.sleep, timeout_s=ENOUGH_S, fallbacks=(), **options):
    """A client that asks again, at these addresses."""
    client = ResilientClient(wire.client(urls, **options), patience, fallbacks, sleep=sleep)
    client.defaults = Request((), timeout_s=timeout_s)
    return client


def decide(wire, *urls, **options):
    """The decision, and the seconds that it took."""
    with connected(wire, *urls, **options) as client:
        begin = time.perf_counter()
        return ModelAdvisor(client).decide(SNAPSHOT), time.perf_counter() - begin


def advice(**changes):
    """A good advice with something else in the named places (``action__confidence``)."""
    document = json.loads(GOOD_ADVICE)
    for path, value in changes.items():
        *parents, name = path.split("__")
        inside = document
        for parent in parents:
            inside = inside[parent]
        inside[name] = value
    return json.dumps(document)
