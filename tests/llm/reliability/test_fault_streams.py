"""A bad stream is an error and never half an answer; see test_fault_matrix for the other cells."""

import bedrock_server
import misbehaving_server as server_that
import pytest
from fault_wires import BEDROCK, OPENAI, TIMEOUT_S, aws, connected, on
from misbehaving_server import reply, serving

from llm_strategy.errors import AnswerTimeout, BackendFailure

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Every cell may run over both wires."""
    aws(monkeypatch)


def sent(*frames):
    """An event stream of these frames, whatever they are."""
    return reply(b"".join(frames), content_type="application/vnd.amazon.eventstream")


def endless(content_type, piece):
    """Twice as much as any answer may take."""

    def behave(connection, server):
        connection.wfile.write(server_that.head(content_type=content_type))
        for _ in range(2_000_000 // len(piece)):
            connection.wfile.write(piece)

    return behave


BEGINNING, FIRST = bedrock_server.stream("a")[:2]
EVERY_WIRE = {
    "cut after a piece": lambda wire: wire.stream("a", whole=False),
    "nothing": lambda wire: wire.stream(whole=False),
    "an empty 200": lambda wire: reply(b""),
    "HTML": lambda wire: reply(b"<html>\n</html>" * 10, content_type="text/html"),
    "reset": lambda wire: server_that.reset,
    "status 429": lambda wire: wire.status(429),
    "status 500": lambda wire: wire.status(500),
}
OPENAI_ALONE = {
    "cut in mid-JSON": lambda wire: wire.stream("a", whole=False, end=b'data: {"choices": [{"del'),
    "no JSON": lambda wire: server_that.stream(end=b"data: what?\n\n"),
    "invalid UTF-8": lambda wire: server_that.stream(end=b"data: \xff\n\n"),
    "an error in it": lambda wire: server_that.stream("a", end=b'data: {"error": {"message": "overloaded"}}\n\n'),
    "another model": lambda wire: server_that.stream("a", model="other-model"),
    "endless comments": lambda wire: endless("text/event-stream", b": wait\n" * 1000),
}
BEDROCK_ALONE = {
    "cut in a frame": lambda wire: wire.stream("a", whole=False, end=FIRST[:20]),
    "a flipped byte": lambda wire: sent(BEGINNING, FIRST[:-6], bytes([FIRST[-6] ^ 1]), FIRST[-5:]),
    "no JSON in a frame": lambda wire: sent(BEGINNING, bedrock_server.frame("contentBlockDelta", b"{nonsense")),
    "throttled in the midst": lambda wire: wire.stream(
        "a", whole=False, end=bedrock_server.frame("throttlingException", {"message": "Slow down"}, kind="exception")
    ),
    "endless frames": lambda wire: endless(
        "application/vnd.amazon.eventstream", bedrock_server.frame("messageStart", {"role": "assistant"}) * 100
    ),
}
CELLS = [
    pytest.param(wire, fault, id=f"{wire.name}: {name}")
    for wire, own in ((OPENAI, OPENAI_ALONE), (BEDROCK, BEDROCK_ALONE))
    for name, fault in (EVERY_WIRE | own).items()
]


def read(client):
    """The text of a whole streamed answer."""
    return "".join(chunk.delta for chunk in client.chat([{"role": "user", "content": "x"}], stream=True))


@pytest.mark.parametrize(("wire", "fault"), CELLS)
def test_a_bad_stream_is_an_error(wire, fault):
    with serving(fault(wire)) as server, connected(wire, server.url) as client, pytest.raises(BackendFailure) as caught:
        read(client)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(**on())
def test_a_good_stream_is_read_whole(wire):
    with serving(wire.stream("one ", "two")) as server, connected(wire, server.url) as client:
        assert read(client) == "one two"


@pytest.mark.parametrize(**on())
def test_a_stream_that_drips_ends_at_its_time(wire):
    with (
        serving(server_that.drip) as server,
        connected(wire, server.url, timeout_s=TIMEOUT_S) as client,
        pytest.raises(AnswerTimeout),
    ):
        read(client)


@pytest.mark.parametrize(**on())
def test_a_stream_is_not_begun_again_once_text_came(wire):
    pieces = []
    with (
        serving(wire.stream("one ", whole=False)) as server,
        connected(wire, server.url) as client,
    ):
        stream = client.chat([{"role": "user", "content": "x"}], stream=True)
        with pytest.raises(BackendFailure, match="stream"):
            pieces.extend(chunk.delta for chunk in stream)
    assert pieces == ["one "]
    assert len(server.questions) == 1
