"""A body without end is left early: not in memory, not in the journal, not in the audit log; see test_fault_matrix for
the other cells."""

import tracemalloc

import misbehaving_server as server_that
import pytest
from fault_runs import decisions, environment, run_here, write_experiment
from fault_wires import BEDROCK, FAILED, OPENAI, aws, connected, decide, on
from misbehaving_server import MODEL, reply, serving

from llm_strategy.errors import BackendFailure
from llm_strategy.types import Status

pytestmark = pytest.mark.server

PIECE = b"x" * 65_536
SENT = 40_000_000
"""Bytes that a server without end sends at most."""
MOST = 12_000_000
"""Bytes of memory that a decision may take at once: an answer may have 1 MB, and is held a few times while it is
read."""


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Every cell may run over both wires."""
    aws(monkeypatch)


def without_end(beginning, **how):
    """A body that goes on and on."""

    def behave(connection, server):
        connection.wfile.write(server_that.head(**how) + beginning)
        for _ in range(SENT // len(PIECE)):
            connection.wfile.write(PIECE)

    return behave


def stem(wire):
    """An answer up to the first letter of its text."""
    return wire.envelope("@").partition(b"@")[0]


def peak(act):
    """The most bytes that were held at once while this was done."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("status", [200, 400, 500], ids=["answer", "refusal", "failure"])
@pytest.mark.parametrize(**on())
def test_a_body_without_end_takes_little_memory(wire, status):
    with serving(without_end(stem(wire), status=status)) as server:
        decide(wire, server.url)  # what is imported at first is no part of it
        made = []
        assert peak(lambda: made.append(decide(wire, server.url)[0])) < MOST
    assert made[0].status is Status.ABSTAINED
    assert made[0].abstention.reason is FAILED
    assert len(repr(made[0])) < 10_000


@pytest.mark.parametrize("wire", [OPENAI], ids=["openai"])
def test_a_line_of_a_stream_without_end_takes_little_memory(wire):
    def read():
        with connected(wire, server.url) as client, pytest.raises(BackendFailure, match="more than"):
            list(client.chat([{"role": "user", "content": "x"}], stream=True))

    with serving(without_end(b"data: ", content_type="text/event-stream")) as server:
        read()
        assert peak(read) < MOST


@pytest.mark.parametrize(**on())
def test_neither_journal_nor_audit_log_repeat_an_answer_of_10_mb(tmp_path, monkeypatch, wire):
    write_experiment(tmp_path, 5)
    with serving(reply(wire.envelope("x" * 10_000_000))) as server:
        settings = environment(server.url, tmp_path / "cache", LLM_ATTEMPTS="1", LLM_BACKEND=wire.name)
        if wire is BEDROCK:
            (tmp_path / "configs" / "llm.yaml").write_text(
                f"bedrock: {{model: {MODEL}, endpoint_url: '{server.url.removesuffix('/v1')}'}}"
            )
        run_here(monkeypatch, tmp_path, settings)
    assert {decision["abstention"]["reason"] for decision in decisions(tmp_path)} == {"backend_failure"}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum("audit" in path.name for path in written) == 1
    for path in written:
        if path.name != "report.html":
            assert path.stat().st_size < 200_000, path
        assert b"x" * 1000 not in path.read_bytes(), path
