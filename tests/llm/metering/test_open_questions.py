"""A question stands beside the audit log from before it is sent until its line is written: whatever moment a program is
killed at, the next one that writes the log gives it the line."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog

FIELDS = ("answer", "failure", "attempts", "status")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def killed_at(tmp_path, moment, *, decision=False):
    """A program that asks one question and is killed at a moment: asking, answered, or writing."""
    program = f"""
        import os, signal
        from pathlib import Path
        from llm_strategy.llm.metering import audit
        from llm_strategy.llm.backends.scripted import ScriptedClient
        moment, log = {moment!r}, audit.AuditLog(Path("audit.jsonl"))
        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)
        def script(request):
            if moment == "asking":
                die()
            return "well\\u2028said"
        client = audit.AuditedClient(ScriptedClient(script), log)
        if moment == "writing":
            plain = audit.append_line
            audit.append_line = lambda path, text: (plain(path, text), die())
        with log.decision() if {decision} else __import__("contextlib").nullcontext():
            client.generate("How is it?")
            die()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path)
    assert done.returncode == -9


@pytest.mark.parametrize(
    ("moment", "decision", "wanted"),
    [
        ("asking", False, (None, "Killed: the program ended before this question did.", 1, None)),
        ("answered", True, ("well\u2028said", None, 1, None)),
        ("answered", False, ("well\u2028said", None, 1, None)),
        ("writing", False, ("well\u2028said", None, 1, None)),
    ],
)
def test_a_question_of_a_killed_program_is_in_the_log(tmp_path, moment, decision, wanted):
    killed_at(tmp_path, moment, decision=decision)
    log = AuditLog(tmp_path / "audit.jsonl")
    log.take_up(alone=False)
    (line,) = lines(log.path)
    assert tuple(line[name] for name in FIELDS) == wanted
    assert line["messages"][-1]["content"] == "How is it?"
    assert len(line["calls"]) == 1
    assert os.listdir(tmp_path) == ["audit.jsonl"]


def test_what_a_running_program_has_open_is_left_to_it(tmp_path):
    log, other = AuditLog(tmp_path / "audit.jsonl"), AuditLog(tmp_path / "audit.jsonl")
    seen = []

    def script(request):
        other.take_up(alone=False)
        seen.extend(lines(log.path))
        return "well"

    AuditedClient(ScriptedClient(script), log).generate("How is it?")
    assert not seen
    assert [line["answer"] for line in lines(log.path)] == ["well"]


@pytest.mark.parametrize("rest", ['{"time": "2026', "\xff\xfe", "{}\n{"])
def test_a_line_that_was_cut_short_is_taken_off_and_the_whole_ones_stay(tmp_path, rest):
    log = AuditLog(tmp_path / "audit.jsonl")
    AuditedClient(ScriptedClient(["one", "two"]), log).generate("first")
    with log.path.open("a", encoding="latin-1") as file:
        file.write(rest)
    log.take_up(alone=True)
    AuditedClient(ScriptedClient(["two"]), log).generate("second")
    assert [line.get("answer") for line in lines(log.path)][:: 2 if "\n" in rest else 1] == ["one", "two"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"time": "cut', b"\xff\n{"])
def test_a_damaged_open_question_hinders_nothing(tmp_path, content):
    log = AuditLog(tmp_path / "audit.jsonl")
    (tmp_path / ".audit.jsonl.999999999-ab.open").write_bytes(content)
    log.take_up(alone=True)
    assert not list(tmp_path.glob(".*"))


def test_a_question_that_cannot_be_noted_is_not_sent(tmp_path):
    asked = []
    client = AuditedClient(
        ScriptedClient(lambda request: asked.append(request) or "x"), AuditLog(tmp_path / "no" / "a")
    )
    with pytest.raises(Exception, match="cannot be written"):
        client.generate("How is it?")
    assert not asked
