"""Readers of what servers send: bodies, streams and refusals, by themselves and as whole HTTP responses on a wire."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import os
import socketserver
import struct
import threading
from contextlib import suppress
from functools import cache
from urllib.parse import quote

import bedrock_server
import httpx2
import openai
from misbehaving_server import GOOD_ADVICE, MODEL, completion

from llm_strategy.errors import ModelError
from llm_strategy.llm import Message, Request
from llm_strategy.llm.backends.bedrock.client import BedrockBackend
from llm_strategy.llm.backends.http import MOST_TOKENS, brief
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.openai.replies import read_stream, read_whole, refusal
from llm_strategy.llm.client import LLMClient
from llm_strategy.support.secrets import keep_secret, redact, redacted

from .answers import as_text
from .target import Target, told_badly

LONGEST = 50_000
KEY = "sk/planted+key=&0815"
QUESTION = Request((Message("system", "s"), Message("user", "u")), timeout_s=5, max_tokens=64)
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def sound(answer):
    """What is promised of an answer: a text, and counts that can be added up."""
    assert isinstance(answer.text, str)
    assert answer.text
    for count in (answer.tokens_in, answer.tokens_out):
        assert isinstance(count, int)
        assert 0 <= count <= 3 * MOST_TOKENS  # Bedrock counts what is read anew and what is cached


def _bodies():
    thinking = completion(GOOD_ADVICE)
    thinking["choices"][0]["message"]["reasoning_content"] = "So it is."
    parts = completion("")
    parts["choices"][0]["message"]["content"] = [{"type": "text", "text": GOOD_ADVICE}, {"type": "thinking"}]
    tool = completion("")
    tool["choices"][0]["message"] = {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    return [json.dumps(one).encode() for one in (completion(GOOD_ADVICE), thinking, parts, tool)] + [_stream()]


def _stream():
    pieces = [GOOD_ADVICE[at : at + 20] for at in range(0, len(GOOD_ADVICE), 20)]
    chunks = [{"model": MODEL, "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    usage = {"prompt_tokens": 5, "completion_tokens": 9}
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    return b": begun\n\n" + events + b"data: [DONE]\n\n"


async def _pieces(data):
    size = 1 + len(data) % 97
    for at in range(0, len(data), size):
        yield data[at : at + size]


def _body(data, folder):
    sound(asyncio.run(read_whole(_pieces(data), LONGEST)))


def _streamed(data, folder):
    said = []

    def on_text(text):
        said.append(text)
        return True

    reply = asyncio.run(read_stream(_pieces(data), LONGEST, lambda reply: None, on_text))
    sound(reply)
    assert "".join(said) == reply.text


@cache
def _form():
    known = {"answer_format": "json_schema", "reported_model": MODEL}
    return LLMClient(OpenAIBackend(MODEL, ["http://127.0.0.1:9/v1"], "sk-planted-4711", **known)).batch_form()


def _batch_line(data, folder):
    sound(_form().read(_form().parse(data), QUESTION))


def _batch_lines():
    bodies = [completion(GOOD_ADVICE), completion(GOOD_ADVICE, finish="length"), {"error": {"message": "No."}}]
    lines = [{"response": {"status_code": 200, "body": body}, "error": None} for body in bodies]
    lines.append({"response": {"status_code": 400, "body": bodies[2]}, "error": None})
    lines.append({"response": None, "error": {"code": "batch_expired", "message": "Expired."}})
    return [json.dumps({"id": "b", "custom_id": "0" * 64} | line).encode() for line in lines]


def _refused(data, folder):
    """A refusal, whose first line is its status, its headers and its body as JSON."""
    status, _, rest = data.partition(b" ")
    code = int(status) if status.isdigit() and len(status) == 3 else 400
    after, _, raw = rest.partition(b"\n")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = raw.decode(errors="replace")
    asked = httpx2.Request("POST", "http://127.0.0.1:9/v1/chat/completions")
    response = httpx2.Response(max(code, 300), headers=[(b"Retry-After", after.replace(b"\r", b""))], request=asked)
    problem = refusal(openai.APIStatusError("no", response=response, body=body), NOW)
    assert isinstance(problem, ModelError)
    assert not told_badly(problem), problem


def _refusals():
    told = [
        (400, b"", {"message": "This model's maximum context length is 10 tokens", "code": "context_length_exceeded"}),
        (429, b"Wed, 21 Oct 2026 07:28:00 GMT", {"error": {"message": "slow down", "type": "x"}}),
        (503, b"1.5", {"message": "Loading model"}), (422, b"", {"detail": [{"loc": ["body", 0], "msg": "no role"}]}),
        (401, b"", [{"error": "no such key"}]),
    ]  # fmt: skip
    written = [b"%d %b\n%b" % (code, after, json.dumps(body).encode()) for code, after, body in told]
    return [*written, b"502 \n<html><title>Bad</title>"]


def _echoes():
    """A key as servers spell it in what they send back."""
    told = json.dumps({"error": f"no such key: {KEY}"})
    spelled = (KEY, KEY.upper(), quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), told.replace("/", "\\/"))
    return [f"the key {one} is none; authorization: Bearer {one}\n".encode() for one in spelled]


def _struck_out(data, folder):
    keep_secret(KEY)
    text = as_text(data)
    shown = redact(text)
    assert KEY not in shown
    assert KEY not in brief(text)
    assert redact(shown) == shown
    json.dumps(redacted({"a": [text]}))


class _RawServer:
    """Sends to every request these bytes, whatever they are, and closes the connection."""

    def __init__(self):
        owner = self
        self.sent = b""

        class Handler(socketserver.StreamRequestHandler):
            timeout = 2

            def handle(self):
                length = 0
                while line := self.rfile.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                self.rfile.read(length)
                self.wfile.write(owner.sent)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads, request_queue_size = True, 64

            def handle_error(self, request, client_address):
                """A client that does not read to the end."""

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()


@cache
def _served(kind):
    server = _RawServer()
    if kind == "openai":
        known = {"answer_format": "plain", "reported_model": MODEL, "merge_system": False}
        return server, LLMClient(OpenAIBackend(MODEL, [f"{server.url}/v1"], "sk-planted-4711", timeout_s=5, **known))
    os.environ.update(
        AWS_ACCESS_KEY_ID=bedrock_server.KEY,
        AWS_SECRET_ACCESS_KEY=bedrock_server.SECRET,
        AWS_REGION=bedrock_server.REGION,
    )
    return server, LLMClient(BedrockBackend(MODEL, endpoint_url=server.url, timeout_s=5))


def _wire(kind):
    """Reads a whole HTTP response, status line and headers included, as the answer to a question."""

    def read(data, folder):
        server, client = _served(kind)
        server.sent = _framed(data)
        with suppress(ModelError):
            sound(client.complete(QUESTION))
        sound(client.complete(QUESTION, lambda text: True))

    return read


def _framed(data):
    """The events of a list in JSON as Bedrock's frames with the checksums that belong to them; other bytes stay."""
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        events = json.loads(body)
        frames = b"".join(bedrock_server.frame(str(name), payload, str(kind)) for name, payload, kind in events)
    except (ValueError, TypeError, RecursionError, OverflowError, struct.error):
        return data
    return head.replace(b"application/json", b"application/vnd.amazon.eventstream") + b"\r\n\r\n" + frames


def _response(body, *headers, status=b"200 OK", kind=b"application/json"):
    return b"\r\n".join((b"HTTP/1.1 " + status, b"Content-Type: " + kind, *headers, b"", body))


def _responses_of_openai():
    whole = _bodies()[0]
    return [
        _response(whole, b"Content-Length: %d" % len(whole)), _response(whole),
        _response(b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole), b"Transfer-Encoding: chunked"),
        _response(_stream(), kind=b"text/event-stream"),
        _response(b'{"error": {"message": "slow down"}}', b"Retry-After: 1", status=b"429 Too Many Requests"),
        _response(b"", b"Location: http://127.0.0.1:9/x", status=b"307 Temporary Redirect"),
    ]  # fmt: skip


def _responses_of_bedrock():
    whole = json.dumps(bedrock_server.answer(GOOD_ADVICE)).encode()
    usage = {"inputTokens": 11, "outputTokens": 2, "totalTokens": 13}
    events = [
        ("messageStart", {"role": "assistant"}, "event"),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "well"}}, "event"),
        ("contentBlockStop", {"contentBlockIndex": 0}, "event"),
        ("messageStop", {"stopReason": "end_turn"}, "event"),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 7}}, "event"),
    ]
    refused = [*events[:2], ("throttlingException", {"message": "slow"}, "exception")]
    frames = b"".join(bedrock_server.stream("we", "ll"))
    return [
        _response(whole, b"Content-Length: %d" % len(whole)),
        _response(json.dumps(events).encode()),
        _response(json.dumps(refused).encode()),
        _response(frames, kind=b"application/vnd.amazon.eventstream"),
        _response(b'{"message": "no"}', b"X-Amzn-ErrorType: ValidationException", status=b"400 Bad Request"),
    ]


TARGETS = (
    Target("secrets", _echoes, _struck_out, (), tries=100, seconds=1.0),
    Target("openai body", _bodies, _body, (ModelError,), tries=200),
    Target("openai batch line", _batch_lines, _batch_line, (ModelError,), tries=200),
    Target("openai stream", _bodies, _streamed, (ModelError,), tries=200),
    Target("openai refusal", _refusals, _refused, (ModelError,), tries=200),
    Target("openai on the wire", _responses_of_openai, _wire("openai"), (ModelError,), tries=40, share=2),
    Target("bedrock on the wire", _responses_of_bedrock, _wire("bedrock"), (ModelError,), tries=40, share=2),
)
