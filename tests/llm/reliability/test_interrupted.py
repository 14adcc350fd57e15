"""Ctrl-C while several answers are under way: the program comes back at once, and never aborts."""

import contextlib
import signal
import subprocess
import sys
import time

import misbehaving_server as server_that
import pytest
import yaml
from fault_runs import ended, environment, start_run, write_experiment
from misbehaving_server import serving

from llm_strategy.llm.concurrency.parallel import in_order
from llm_strategy.support.threads import GRACE_S, NativeCalls, Worker, abandon

pytestmark = [pytest.mark.server, pytest.mark.slow]

PATIENCE_S = 15
"""Far below the time limit of the answers (60 s), and far above what it takes on a busy machine (about 2 s)."""

REMOTE = """
import sys
from llm_strategy.llm import LLMClient, Request
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend
def model():
    known = dict(answer_format='plain', reported_model='m', timeout_s=60, concurrency=4)
    client = LLMClient(OpenAIBackend('m', [sys.argv[1]], **known))
    client.defaults = Request((), timeout_s=60)
    return client
"""

LOCAL = """
import os
import sys
from pathlib import Path
from llm_strategy.llm import LLMClient, Message, Request
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_engine import EngineOptions
from llm_strategy.llm.concurrency.parallel import in_order
class Telling(LlamaCppBackend):
    def answer(self, request, on_text=None):
        def told(text):
            if request.max_tokens > 1:
                os.write(1, b'writing\\n')  # whole, whichever of the answers comes first
            return True
        return super().answer(request, told)
def model(slots):
    client = LLMClient(Telling(Path(sys.argv[1]), EngineOptions(1024, 1, slots)))
    client.generate('Hello', max_tokens=1)
    return client
"""
LONG = "Request((Message('user', 'Tell a very long story.'),), max_tokens=900)"


@contextlib.contextmanager
def program(setting, act):
    """A process of its own, which does not outlive the test when the test fails."""
    with subprocess.Popen(
        [sys.executable, "-c", setting[0] + act, setting[1]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process):
    """Seconds until it is gone, and what it said."""
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    return time.monotonic() - begin, out, err


def await_questions(server, count):
    deadline = time.monotonic() + 60
    while len(server.questions) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(server.questions) >= count


@pytest.mark.parametrize(
    ("act", "questions"),
    [
        ("EnsembleClient([model(), model()]).generate('x')", 2),
        ("EnsembleClient([model(), model()]).batch(['a', 'b', 'c', 'd', 'e'])", 8),
        ("model().batch(['a', 'b', 'c', 'd', 'e'])", 4),
        ("print(list(model().chat([{'role': 'user', 'content': 'x'}], stream=True)))", 1),
    ],
    ids=["ensemble", "batch of an ensemble", "batch", "stream"],
)
def test_a_server_that_hangs_is_left_behind(act, questions):
    caught = f"try:\n    {act}\nexcept KeyboardInterrupt:\n    print('interrupted')"
    with serving(server_that.hang) as server, program((REMOTE, server.url), caught) as process:
        await_questions(server, questions)
        seconds, out, err = interrupt(process)
    assert (out.strip(), err, process.returncode) == ("interrupted", "", 0)
    assert seconds < PATIENCE_S


@pytest.mark.parametrize(
    "act",
    [
        f"client = model(2)\nin_order(client.complete, [{LONG}] * 2, 2)",
        "client = model(2)\nclient.batch(['Tell a very long story.'] * 3, max_tokens=900)",
        f"EnsembleClient([model(1), model(1)]).complete({LONG})",
        f"in_order(EnsembleClient([model(2), model(2)]).complete, [{LONG}] * 2, 2)",
    ],
    ids=["two slots", "batch", "ensemble", "ensembles side by side"],
)
def test_a_model_in_the_process_is_stopped_before_the_program_ends(model_path, act):
    with program((LOCAL, str(model_path)), act) as process:
        assert process.stdout.readline() == "writing\n"
        seconds, _, err = interrupt(process)
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert "FATAL" not in err
    assert process.returncode == -signal.SIGINT
    assert seconds < PATIENCE_S


def test_the_command_line_leaves_an_ensemble_behind_with_its_own_exit_code(tmp_path):
    write_experiment(tmp_path, 20)
    settings = yaml.safe_load((tmp_path / "configs" / "llm.yaml").read_text())
    settings["ensemble"] = {"members": ["openai", "openai"]}
    settings["openai"]["concurrency"] = 4
    (tmp_path / "configs" / "llm.yaml").write_text(yaml.safe_dump(settings))
    with serving(server_that.hang) as server:
        process = start_run(tmp_path, environment(server.url, tmp_path / "cache", LLM_BACKEND="ensemble"))
        await_questions(server, 8)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        code, said = ended(process)
        assert time.monotonic() - begin < PATIENCE_S
    assert code == 130
    assert said.strip().splitlines()[-1].startswith("Error: interrupted; every answer")
    assert "Traceback" not in said


def test_a_model_that_does_not_stop_cannot_hold_the_command_line():
    """A native call that asks nobody, as when one step of a large model takes minutes."""
    stuck = """
import threading, simulator.cli.main as command
from llm_strategy.support.threads import native_calls
def app():
    def compute():
        with native_calls.track():
            inside.set()
            threading.Event().wait()
    inside = threading.Event()
    threading.Thread(target=compute, daemon=True).start()
    inside.wait()
    print('said')
    raise SystemExit(130)
command.app = app
command.main()
"""
    done = subprocess.run([sys.executable, "-c", stuck], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("said\n", "", 130)


def test_what_a_worker_began_is_left_behind_with_it():
    calls, asked = NativeCalls(), []

    def native(item):
        with calls.track() as must_stop:
            while not must_stop():
                asked.append(item)
                time.sleep(0.001)

    def begin():
        with contextlib.suppress(KeyboardInterrupt):
            in_order(native, [1, 2], 2)

    outer = Worker(begin, "outer")
    outer.start()
    while {1, 2} - set(asked):
        time.sleep(0.001)
    assert not calls.ended(0.01)
    abandon([outer])
    assert calls.ended(GRACE_S)
    assert not outer.is_alive()


def test_no_native_call_begins_once_the_program_ends():
    calls = NativeCalls()
    calls.end()
    with pytest.raises(KeyboardInterrupt), calls.track():
        pass


def test_an_interruption_while_the_program_is_loaded_is_one_sentence():
    impatient = "\n".join(
        [
            "import sys",
            "class Impatient:",
            "    def find_spec(self, name, *rest):",
            "        if name == 'typer': raise KeyboardInterrupt",
            "sys.meta_path.insert(0, Impatient())",
            "import simulator.cli.main",
        ]
    )
    done = subprocess.run([sys.executable, "-c", impatient], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "Error: interrupted before anything was done.\n")
