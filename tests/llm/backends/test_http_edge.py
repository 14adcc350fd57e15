"""At the edge to a server: a packed body, a second response, a redirect, a cookie and a flood change no answer, take no
memory and end in one sentence."""

import gzip
import json
import os
import subprocess
import sys
import zlib

import pytest
from fault_wires import BEDROCK, KEY, OPENAI, aws, on
from kept_connections import OK, bedrock_body, chunked, keeping, once, openai_body, plain, without_end
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, completion, head, reply, serving, stream
from one_question import ask

from llm_strategy.errors import AnswerTimeout, BackendFailure, BackendRefused, ModelError
from llm_strategy.llm.backends.openai.replies import NotServed

pytestmark = [pytest.mark.server, pytest.mark.slow]

BODY = {"openai": openai_body, "bedrock": bedrock_body}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Every cell may run over both wires."""
    aws(monkeypatch)


SECOND = {
    "at once": lambda body: plain(body("right")) + plain(body("WRONG")),
    "in chunks": lambda body: chunked(body("right")) + plain(body("WRONG")),
    "three of them": lambda body: plain(body("right")) + 2 * plain(body("WRONG")),
    "half of it": lambda body: plain(body("right")) + plain(body("WRONG"))[:60],
    "bytes beyond the length": lambda body: plain(body("right")) + b"WRONG" * 50,
}


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize(**on())
def test_what_comes_beyond_an_answer_is_no_answer_to_the_next_question(wire, second):
    with keeping(lambda turn, connection: connection.sendall(SECOND[second](BODY[wire.name]))) as server:
        client = wire.client([server.url])
        assert [ask(client, number) for number in range(4)] == ["right"] * 4
        client.close()
    assert server.connections == 4


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "pieces"])
@pytest.mark.parametrize("both", [b"Content-Length: 5\r\n", b"Content-Length: 100000\r\n"], ids=["short", "long"])
def test_a_length_beside_chunks_does_not_count(both, pieces):
    with keeping(once(chunked(openai_body("right")).replace(OK, OK + both))) as server:
        client = OPENAI.client([server.url])
        assert ask(client, pieces=pieces) == "right"
        client.close()


def _packed_twice(size):
    """Zeros packed, and packed again, without ever being held."""
    inner, outer, packed = zlib.compressobj(1, zlib.DEFLATED, 31), zlib.compressobj(9, zlib.DEFLATED, 31), []
    for _ in range(size // 1_000_000):
        packed.append(outer.compress(inner.compress(bytes(1_000_000))))
    return b"".join([*packed, outer.compress(inner.flush()), outer.flush()])


MEMORY = """
import json, os, resource, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
from fault_wires import BEDROCK, OPENAI
from one_question import ask
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
said = []
clients = {}
for name, url, pieces in json.loads(sys.argv[2]):
    if name not in clients:
        clients[name] = {"openai": OPENAI, "bedrock": BEDROCK}[name].client([url])
    try:
        said.append(ask(clients[name], pieces=pieces))
    except Exception as problem:
        said.append(f"{type(problem).__name__}: {problem}")
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, said]))
"""


def test_a_body_that_unpacks_without_end_takes_little_memory():
    """In a process of its own, as the memory of this one has its past."""
    once_, twice = gzip.compress(bytes(100_000_000)), _packed_twice(300_000_000)
    kinds = [("gzip", once_), ("deflate", zlib.compress(bytes(100_000_000))), ("gzip, gzip", twice), ("br", b"x")]
    asked = [(status, packed, body) for status in (200, 400, 503) for packed, body in kinds]
    behaviours = [reply(body, status=status, headers=[("Content-Encoding", packed)]) for status, packed, body in asked]
    calls = len(asked)
    with serving(by_turns(lambda turn, _: behaviours[turn % calls])) as server:
        ways = (("openai", False), ("openai", True), ("bedrock", False))
        given = [(name, server.url, pieces) for name, pieces in ways]
        questions = [one for one in given for _ in range(calls)]
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, os.pathsep.join(sys.path), json.dumps(questions)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
    grown_kb, said = json.loads(done.stdout)
    assert grown_kb < 100_000
    assert len(said) == 3 * calls
    for (status, packed, _), told in zip(3 * asked, said, strict=True):
        assert told.startswith(("BackendFailure: ", "BackendRefused: ", "NotServed: ")), told
        if packed in ("gzip, gzip", "br") and "(127.0.0.1:" in told:
            assert f"packed its answer as {packed!r}, which nobody asked for: switch compression off" in told
        elif status == 200 and "(127.0.0.1:" in told:
            assert "sent more than" in told


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "pieces"])
@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_a_small_answer_that_is_packed_though_nobody_asked_for_it_is_read(packed, pieces):
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}[packed]
    body = pack(json.dumps(completion(GOOD_ADVICE)).encode())
    with serving(reply(body, headers=[("Content-Encoding", packed)])) as server:
        client = OPENAI.client([server.url])
        assert ask(client, pieces=pieces) == GOOD_ADVICE
        client.close()
    assert server.requests[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "pieces"])
@pytest.mark.parametrize("named", ["utf-8", "none", "identity, identity", "aws-chunked", "Identity, GZip", "gzip,"])
def test_a_slip_in_the_name_of_a_packing_costs_no_answer(named, pieces):
    body = json.dumps(completion("right")).encode()
    if "gzip" in named.lower():
        body = gzip.compress(body)
    with serving(reply(body, headers=[("Content-Encoding", named)])) as server:
        client = OPENAI.client([server.url])
        assert ask(client, pieces=pieces) == "right"
        client.close()


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "pieces"])
def test_a_body_that_is_not_packed_as_it_says_is_told(pieces):
    body = json.dumps(completion("right")).encode()
    with serving(reply(body, headers=[("Content-Encoding", "gzip")])) as server:
        client = OPENAI.client([server.url])
        with pytest.raises(BackendFailure, match="sent a body that is not packed as it says: switch compression off"):
            ask(client, pieces=pieces)
        client.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("http://other.example:8443/v1/chat/completions?key=x", "to http://other.example:8443/v1, another host,"),
        ("https://me:pass@127.0.0.1/v1/", "to https://127.0.0.1/v1, and"),
        ("//other.example/v1", "to http://other.example/v1, another host,"),
        ("/v2/chat/completions/", "/v2, and"),
        ("file:///etc/passwd", "to file:/etc/passwd, another host,"),
        ("http://[", "to "),
    ],
    ids=["host", "scheme", "no scheme", "same host", "file", "no address"],
)
def test_a_redirect_is_not_followed_and_names_the_setting(status, target, told):
    with serving(answer()) as other, serving(reply(b"", status=status, headers=[("Location", target)])) as server:
        target = target.replace("other.example:8443", f"localhost:{other.port}")
        told = told.replace("other.example:8443", f"localhost:{other.port}")
        server.behave = lambda turn, body: reply(b"", status=status, headers=[("Location", target)])
        client = OPENAI.client([server.url])
        for pieces in (False, True):
            with pytest.raises(NotServed, match="LLM_BASE_URL") as caught:
                ask(client, pieces=pieces)
            assert f"sends questions on with HTTP status {status} " in str(caught.value)
            assert told in str(caught.value)
            assert "pass" not in str(caught.value).replace("passwd", "")
        client.close()
        assert len(server.requests) == 2
        assert not other.requests


@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/chat/completions/"], ids=["itself", "its slash"])
def test_a_redirect_to_where_the_setting_leads_already_is_the_servers_to_mend(target):
    with serving(reply(b"", status=307, headers=[("Location", target)])) as server:
        client = OPENAI.client([server.url])
        with pytest.raises(NotServed, match=f"to [^ ]+{target}, and none is followed: let the server answer at"):
            ask(client)
        client.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 400])
def test_a_cookie_is_not_sent_back(status):
    behaviour = reply(json.dumps(completion("well")).encode(), status=status, headers=[("Set-Cookie", "a=b; Path=/")])
    with serving(behaviour) as server:
        client = OPENAI.client([server.url])
        for _ in range(2):
            try:
                ask(client)
            except BackendRefused:
                assert status == 400
        client.close()
    assert len(server.requests) == 2
    assert not [headers for _, headers, _ in server.requests if "cookie" in headers]


SSE = OK + b"Content-Type: text/event-stream\r\n\r\n"
ENDLESS = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "processing": (b"", b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n" * 2000),
    "headers": (OK, b"X-A: b\r\n" * 5000),
    "a header": (OK + b"X: ", b"a" * 65_536),
    "a status": (b"HTTP/1.1 200 ", b"a" * 65_536),
    "noise": (b"", b"\x00\xff" * 32_768),
    "comments": (SSE, b": ping\n\n" * 5000),
    "a line": (SSE, b"data: a" * 9000),
    "half documents": (SSE, b"data: {\n" * 5000),
    "a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n", b" " * 65_536),
    "an extension": (OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a" * 65_536),
    "trailers": (chunked(b"{}")[:-2], b"X: y\r\n" * 5000),
}


@pytest.mark.parametrize("flood", ENDLESS)
@pytest.mark.parametrize(**on())
def test_a_flood_ends_in_one_sentence(wire, flood):
    with keeping(without_end(*ENDLESS[flood])) as server:
        client = wire.client([server.url])
        with pytest.raises((BackendFailure, AnswerTimeout)) as caught:
            ask(client, seconds=0.7)
        client.close()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_stream_ends_where_it_says_so_though_its_connection_stays():
    said = {"model": MODEL, "choices": [{"index": 0, "delta": {"content": "right"}, "finish_reason": "stop"}]}
    events = SSE + b"data: " + json.dumps(said).encode() + b"\n\ndata: [DONE]\n\n"
    with keeping(lambda turn, connection: connection.sendall(events)) as server:
        client = OPENAI.client([server.url])
        assert ask(client, pieces=True) == "right"
        client.close()


CHOICE = b'{"choices": [{"message": {"content": "well"}}]'
ODD = {
    "lines of JSON": b'{"message": {"content": "a"}}\n{"message": {"content": "b"}}\n',
    "latin-1": '{"choices": [{"message": {"content": "Fünf"}}]}'.encode("latin-1"),
    "utf-16": '{"choices": []}'.encode("utf-16"),
    "a key twice": b'{"choices": [{"message": {"content": "a", "content": "b"}}]}',
    "nothing": b"",
    "blanks": b" \r\n ",
    "null": b"null",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "digits": b'{"choices": ' + b"9" * 100_000 + b"}",
    "no choice": b'{"choices": []}',
    "a million choices": b'{"choices": [' + b"{}," * 300_000 + b"{}]}",
    "text for choices": b'{"choices": "well"}',
    "a tool": b'{"choices": [{"message": {"tool_calls": [{"function": {"name": "' + b"x" * 9000 + b'"}}]}}]}',
    "a refusal": b'{"choices": [{"message": {"refusal": "' + b"no " * 9000 + b'"}}]}',
    "lists in the content": b'{"choices": [{"message": {"content": [[' + b"]]}}]}",
    "a model of 1 MB": CHOICE + b', "model": "' + b"m" * 900_000 + b'"}',
    "a model of escapes": CHOICE + b', "model": "\\u001b]0;x\\u0007"}',
    "an error of surrogates": b'{"error": {"message": "\\ud800 \\u001b[31m"}}',
    "an error without end": b'{"error":' * 900 + b"1" + b"}" * 900,
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", ["answer", "refusal", "event"])
def test_an_odd_body_ends_in_one_sentence(odd, kind):
    body = ODD[odd]
    behaviour = reply(body, status=400 if kind == "refusal" else 200)
    if kind == "event":
        lines = b"".join(b"data: " + line + b"\n" for line in body.split(b"\n"))
        behaviour = reply(lines + b"\ndata: [DONE]\n\n", content_type="text/event-stream")
    with serving(behaviour) as server:
        client = OPENAI.client([server.url])
        for pieces in (False, True):
            with pytest.raises(ModelError) as caught:
                ask(client, pieces=pieces)
            assert "\n" not in str(caught.value)
            assert "\x1b" not in str(caught.value)
            assert len(str(caught.value)) < 900
        client.close()


@pytest.mark.parametrize(
    "usage",
    [b"1e400", b"-5", b'"many"', b"[1]", b"NaN", b"9" * 4000, b"0.5", b"{}"],
    ids=["infinite", "negative", "text", "list", "none", "4000 digits", "fraction", "object"],
)
@pytest.mark.parametrize("wide", [b"", b', "model": "\\ud800' + MODEL.encode() + b'"'], ids=["", "half a pair"])
def test_an_absurd_count_is_none_and_costs_no_answer(usage, wide):
    with serving(reply(CHOICE + wide + b', "usage": {"prompt_tokens": ' + usage + b"}}")) as server:
        client = OPENAI.client([server.url])
        assert ask(client) == "well"
        client.close()


def test_a_list_of_models_without_end_is_left(monkeypatch):
    """It is asked for where a server was lost, or by the doctor."""
    read = []

    def list_without_end(connection, server):
        connection.wfile.write(head())
        for _ in range(2000):
            connection.wfile.write(b"x" * 100_000)
            read.append(1)

    with serving(stream("well")) as server:
        client = OPENAI.client([server.url])
        monkeypatch.setattr("misbehaving_server.reply", lambda *_: list_without_end)
        health = client.healthcheck()
        client.close()
    assert health.ok
    assert len(read) < 500
    assert KEY not in health.detail
    assert BEDROCK.name not in health.detail
