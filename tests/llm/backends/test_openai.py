"""The openai backend: what it sends, what it finds out, where it asks, and what it never tells."""

import hashlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import misbehaving_server as server_that
import pytest
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, serving, status
from typer.testing import CliRunner

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.written_prompt import ADVICE_FORM
from llm_strategy.errors import BackendFailure, BackendRefused, ConfigurationError, ModelError
from llm_strategy.llm import FolderStore, Message, RecordingClient, Request, get_llm_client
from llm_strategy.llm.backends.openai.client import OPENAI_URL, OpenAIBackend, connect
from llm_strategy.llm.backends.openai.endpoints import LOOK_AGAIN_AFTER
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.reliability.client import ResilientClient
from llm_strategy.llm.requests import request_hash
from llm_strategy.llm.settings import LlmSettings, load_settings
from llm_strategy.llm.structured.schema_form import form_schema, form_values
from llm_strategy.market.view import View
from llm_strategy.types import EventKind, Snapshot
from simulator.cli.main import app

pytestmark = pytest.mark.server

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
KEY = "sk-planted-4711"
KNOWN = {"answer_format": "json_schema", "reported_model": MODEL}
ASKED = Request((Message("user", "x"),), timeout_s=5)
TRIAL_ANSWER = '{"colour": "teal", "share": 0.5}'


def client_of(*servers, **options):
    return LLMClient(
        OpenAIBackend(
            MODEL, [server.url for server in servers], KEY, **KNOWN | {"timeout_s": 5, "probe": False} | options
        )
    )


def echo(turn, body):
    """Answer with the last message."""
    return answer(body["messages"][-1]["content"])


@pytest.fixture(autouse=True)
def no_settings(tmp_path, monkeypatch):
    """A current folder without files, and no settings in the environment."""
    for name in ("LLM_BASE_URL", "LLM_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY", "LLM_MODEL", "LLM_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_request_goes_out_as_asked_and_the_answer_comes_back_counted():
    with serving(answer("Up.", finish="length")) as server, client_of(server) as client:
        request = Request((Message("system", "s"), Message("user", "u")), temperature=0.3, max_tokens=7, seed=5)
        got = client.complete(request)
    (path, headers, body) = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "temperature": 0.3,
        "max_tokens": 7,
        "seed": 5,
    }
    assert (got.text, got.tokens_in, got.tokens_out, got.finish) == ("Up.", 10, 5, "length")
    assert got.latency_ms > 0


def test_the_seed_of_the_settings_goes_out_and_each_draw_has_one_that_follows_from_it(no_settings, monkeypatch):
    question = (Message("user", "x"),)
    with serving(answer("x")) as server:
        settings = {"backend": "openai", "base_url": (server.url,), "model": MODEL, "sections": {"openai": KNOWN}}
        with get_llm_client(settings=load_settings(**settings)) as client:
            unseeded = replace(client.defaults, messages=question)
            client.complete(unseeded)
            key = request_hash(unseeded, client.identity)
            assert key == request_hash(Request(question, timeout_s=30), client.identity)
        monkeypatch.setenv("LLM_SEED", "7")
        with get_llm_client(settings=load_settings(**settings)) as client:
            for draw in (0, 2, 3, 2):
                client.complete(replace(client.defaults, messages=question, draw=draw))
            assert request_hash(replace(client.defaults, messages=question), client.identity) != key
        (no_settings / "configs").mkdir()
        (no_settings / "configs/llm.yaml").write_text("seed: 8\n")
        monkeypatch.delenv("LLM_SEED")
        with get_llm_client(settings=load_settings(**settings)) as client:
            client.generate("x")
    seeds = [asked.get("seed") for asked in server.questions]
    assert seeds[:2] == [None, 7]
    assert seeds[2] == seeds[4]
    assert len(set(seeds[1:5])) == 3
    assert seeds[5] == 8
    monkeypatch.setenv("LLM_SEED", "-1")
    with pytest.raises(ConfigurationError, match="LLM_SEED"):
        load_settings()


def test_a_form_goes_out_as_a_schema_and_its_values_come_back():
    with serving(answer(GOOD_ADVICE)) as server, client_of(server) as client:
        got = client.complete(Request((Message("user", "u"),), form=ADVICE_FORM))
    wanted = server.questions[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["schema"] == form_schema(ADVICE_FORM)
    assert got.values == {"rationale": "Below.", "label": "bear", "action": "exit", "action_confidence": "7"}


def test_the_schema_of_a_form_keeps_order_choices_and_constants():
    schema = form_schema(('{"kind": "fixed", "n": 2, "list": [1], ', *ADVICE_FORM[0][1:], *ADVICE_FORM[1:]))
    assert list(schema["properties"]) == ["kind", "n", "list", "rationale", "regime", "action"]
    assert schema["properties"]["kind"] == {"enum": ["fixed"]}
    assert schema["properties"]["n"] == {"type": "number", "enum": [2]}
    assert schema["properties"]["regime"]["properties"]["label"]["enum"] == ["bull", "bear", "sideways", "turbulent"]
    assert schema["properties"]["action"]["properties"]["confidence"] == {"type": "number"}
    assert form_schema(("no json ", ADVICE_FORM[1])) is None
    assert form_values(ADVICE_FORM, "no json") == {}
    assert form_values(ADVICE_FORM, '{"regime": 3, "action": {"confidence": "high"}}') == {}


def offering(formats):
    """A server that takes these formats and no others."""

    def behave(turn, body):
        wanted = body.get("response_format", {}).get("type", "plain")
        if wanted not in formats:
            return status(400, message=f"response_format {wanted} is not supported")
        return answer({"json_schema": TRIAL_ANSWER, "json_object": "{}", "plain": "Teal."}[wanted])

    return by_turns(behave)


@pytest.mark.parametrize(
    ("formats", "found"),
    [
        (("json_schema", "json_object", "plain"), "json_schema"),
        (("json_object", "plain"), "json_object"),
        (("plain",), "plain"),
    ],
)
def test_how_a_server_can_be_held_to_json_is_found_out_and_recorded(formats, found):
    with serving(offering(formats)) as server, client_of(server, answer_format=None, reported_model=None) as client:
        identity = client.identity
    assert dict(identity.settings) == {"answer_format": found}
    assert identity.engine_version == MODEL
    assert identity.supports_forms


def test_a_format_that_a_server_takes_and_does_not_keep_is_not_believed():
    with serving(answer("Teal is nice.")) as server, client_of(server, answer_format=None) as client:
        assert dict(client.identity.settings) == {"answer_format": "plain"}


def test_a_server_that_bounds_answers_by_another_name_is_understood():
    def behave(turn, body):
        if "max_tokens" in body:
            return status(400, message="Use 'max_completion_tokens' instead.")
        return answer(TRIAL_ANSWER)

    with serving(by_turns(behave)) as server, client_of(server, answer_format=None) as client:
        client.complete(ASKED)
    assert server.questions[-1]["max_completion_tokens"] == ASKED.max_tokens


def test_the_file_behind_a_model_is_named_and_its_folder_is_not():
    unknown = {"answer_format": None, "reported_model": None}
    behaviour = answer(TRIAL_ANSWER, model="/srv/secret/tiny.gguf")
    with serving(behaviour) as server, client_of(server, **unknown) as client:
        assert client.identity.engine_version == "tiny.gguf"
        assert client.complete(ASKED).text == TRIAL_ANSWER


def test_a_server_that_cannot_be_asked_who_it_is_is_told_and_asked_again_later():
    behaviour = by_turns(lambda turn, body: status(401) if turn < 1 else answer(TRIAL_ANSWER))
    with serving(behaviour) as server, client_of(server, answer_format=None) as client:
        with pytest.raises(BackendRefused, match=r"401.*LLM_API_KEY"):
            _ = client.identity
        assert client.identity.name == MODEL


def test_a_stream_comes_in_pieces_and_may_be_left():
    behaviour = server_that.stream("one ", "two ", "three")
    with serving(behaviour) as server, client_of(server) as client:
        chunks = list(client.chat([Message("user", "count")], stream=True))
        assert [chunk.delta for chunk in chunks] == ["one ", "two ", "three", ""]
        assert chunks[-1].generation.text == "one two three"
        stream = client.chat([Message("user", "count")], stream=True)
        assert next(stream).delta == "one "
        stream.close()
    assert server.questions[0]["stream"] is True


def test_64_concurrent_questions_keep_order_and_bounds():
    release = threading.Event()

    def slowly(turn, body):
        def behave(connection, server):
            if server.open_now >= 8:
                release.set()
            release.wait(10)
            echo(turn, body)(connection, server)

        return behave

    with serving(by_turns(slowly)) as server, client_of(server, concurrency=8) as client:
        answers = client.batch([f"question {number}" for number in range(64)])
    assert [got.text for got in answers] == [f"question {number}" for number in range(64)]
    assert server.most_open == 8


def name_of(question):
    """A name for a question, in letters."""
    return hashlib.sha256(question.encode()).hexdigest()[:12].translate(str.maketrans("0123456789", "ghijklmnop"))


def test_64_concurrent_decisions_land_at_their_own_bars(tmp_path):
    def read(turn, body):
        text = json.loads(GOOD_ADVICE) | {"rationale": name_of(body["messages"][-1]["content"])}

        def behave(connection, server):
            time.sleep((turn * 7 % 5) / 200)  # answers overtake each other
            answer(json.dumps(text))(connection, server)

        return behave

    snapshots = [
        Snapshot("SECRETCO", "1d", f"bar {number}", 100.0, number / 100, 0.1, 0.01, 0.3, -0.1, 0.5, 1.0)
        for number in range(64)
    ]
    with serving(by_turns(read)) as server, client_of(server, concurrency=16) as model:
        advisor = ModelAdvisor(RecordingClient(model, model.identity, FolderStore(tmp_path)), view=View("numbers", 2))
        decisions = advisor.decide_all(snapshots)
        assert server.most_open > 1
        for decision, snapshot in zip(decisions, snapshots, strict=True):
            assert decision.snapshot == snapshot
            assert decision.advice.rationale == name_of(advisor.request(decision.snapshot).messages[-1].content)
        assert len({decision.prompt for decision in decisions}) == len(server.questions) == 64
        again = [advisor.decide(snapshot) for snapshot in snapshots]
    assert [decision.advice for decision in again] == [decision.advice for decision in decisions]
    assert advisor.client.usage.asked == len(server.questions) == 64


def test_the_least_busy_server_is_asked():
    everybody = threading.Barrier(4, timeout=10)

    def together(connection, server):
        everybody.wait()
        answer("x")(connection, server)

    with serving(together) as one, serving(together) as other, client_of(one, other, concurrency=4) as client:
        client.batch(["a", "b", "c", "d"])
    assert len(one.questions) == len(other.questions) == 2


def test_a_server_that_dies_in_mid_run_loses_no_answer_and_comes_back():
    dead = threading.Event()

    def mortal(turn, body):
        return server_that.reset if dead.is_set() else answer("x")

    with serving(by_turns(mortal)) as one, serving(answer("x")) as other, client_of(one, other) as client:
        client.complete(ASKED)
        dead.set()
        lost = client.complete(ASKED)
        assert lost.text == "x"
        assert [event.kind for event in lost.events] == [EventKind.FAILOVER, EventKind.FINGERPRINT]
        assert "endpoint 1 (127.0.0.1" in lost.events[0].detail
        before = len(one.questions)
        client.batch(["x"] * (LOOK_AGAIN_AFTER - 2))
        assert len(one.questions) == before
        dead.clear()
        for _ in range(200):
            client.complete(ASKED)
            if len(one.questions) > before:
                break
        assert len(one.questions) > before
        assert client.complete(ASKED).events[0].kind is EventKind.FINGERPRINT


def test_health_names_the_server_that_is_gone():
    with (
        serving(answer("ready")) as one,
        server_that.nobody_listens() as nobody,
        LLMClient(OpenAIBackend(MODEL, [one.url, nobody], **KNOWN, timeout_s=5, probe=False)) as client,
    ):
        health = client.healthcheck()
    assert not health.ok
    assert "endpoint 2" in health.detail


def test_a_refusal_is_not_taken_to_the_next_server():
    with (
        serving(status(400)) as one,
        serving(answer("x")) as other,
        client_of(one, other) as client,
        pytest.raises(BackendRefused),
    ):
        client.complete(ASKED)
    assert other.questions == []


def leak(code):
    return status(code, message=f"Incorrect API key provided: {KEY}. \x1b[2J")


@pytest.mark.parametrize("behaviour", [leak(401), leak(500), answer(f"Your key is {KEY}"), server_that.reset])
def test_the_key_is_in_no_message_log_answer_record_or_identity(behaviour, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with serving(behaviour) as server, client_of(server) as model:
        client = RecordingClient(
            ResilientClient(model, sleep=lambda seconds: None), model.identity, FolderStore(tmp_path)
        )
        decision = ModelAdvisor(client).decide(SNAPSHOT)
        told = f"{decision} {model.identity} {vars(model)} {caplog.text}"
        try:
            told += client.complete(ASKED).text
        except ModelError as problem:
            told += f"{problem} {problem!r} {problem.__cause__} {problem.events}"
    told += " ".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert server.requests[0][1]["authorization"] == f"Bearer {KEY}"
    assert KEY not in told
    assert "\x1b" not in told


def test_the_key_is_not_in_settings_or_their_errors(no_settings, monkeypatch):
    monkeypatch.setenv("LLM_API_KEY", KEY)
    (no_settings / "configs").mkdir()
    (no_settings / "configs/llm.yaml").write_text(
        "backend: openai\nopenai:\n  api_key: ${LLM_API_KEY}\n  base_url: [http://127.0.0.1:1/v1]\n  concurency: 3\n"
    )
    settings = load_settings()
    assert KEY not in f"{settings!r} {settings.model_dump()}"
    with pytest.raises(ConfigurationError, match=r"openai\.concurency, did you mean 'concurrency'") as caught:
        get_llm_client(settings=settings)
    assert KEY not in str(caught.value)


def test_settings_reach_the_client_from_file_and_environment(no_settings, monkeypatch):
    (no_settings / "configs").mkdir()
    (no_settings / "configs/llm.yaml").write_text(
        "backend: openai\nattempts: 2\nopenai:\n  model: named\n  concurrency: 3\n  answer_format: plain\n"
    )
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1, http://127.0.0.1:2/v1")
    client = get_llm_client()
    assert isinstance(client, ResilientClient)
    assert client.patience.attempts == 2
    assert (client.inner.backend.model, client.concurrency) == ("named", 3)
    assert [endpoint.url for endpoint in client.inner.backend._servers.pool.endpoints] == [
        "http://127.0.0.1:1/v1",
        "http://127.0.0.1:2/v1",
    ]


def test_a_key_for_openai_goes_nowhere_else(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(answer("x")) as server:
        settings = LlmSettings(backend="openai", base_url=(server.url,), sections={"openai": KNOWN})
        with LLMClient(connect(settings)) as client:
            client.complete(ASKED)
        assert KEY not in str(server.requests)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        with LLMClient(connect(LlmSettings(backend="openai", sections={"openai": KNOWN}))) as client:
            client.complete(ASKED)
        assert KEY in str(server.requests)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no key and no address"),
        ({"base_url": "ftp://x"}, "number 1 is not an address"),
        ({"base_url": "http://user:secret@127.0.0.1/v1"}, "put a key into LLM_API_KEY"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, "not an address"),
        ({"api_key": "${UNSET_VARIABLE}"}, "not set"),
    ],
)
def test_wrong_settings_are_told(given, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        connect(LlmSettings(backend="openai", **given))
    assert "secret" not in str(caught.value)


def test_openai_itself_is_where_a_key_alone_leads(monkeypatch):
    monkeypatch.setenv("LLM_API_KEY", KEY)
    with LLMClient(connect(load_settings(backend="openai"))) as client:
        assert [endpoint.url for endpoint in client.backend._servers.pool.endpoints] == [OPENAI_URL]


def test_a_dead_server_at_the_start_is_one_sentence():
    with server_that.nobody_listens() as url:
        settings = LlmSettings(backend="openai", base_url=(url,), backoff_s=0.0)
        with get_llm_client(settings=settings) as client, pytest.raises(BackendFailure, match="start it, or set"):
            _ = client.identity


def test_without_the_sdk_the_answer_is_the_line_that_installs_it():
    program = (
        "import sys; sys.modules['openai'] = None\n"
        "from llm_strategy.llm.settings import LlmSettings\n"
        "from llm_strategy.errors import BackendMissing\n"
        "from llm_strategy.llm import get_llm_client\n"
        "try:\n    get_llm_client(settings=LlmSettings(backend='openai'))\n"
        "except BackendMissing as problem:\n    print(problem)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "The backend openai needs its SDK: pip install 'httpx2>=" in told
    assert " 'openai>=" in told


def test_the_doctor_takes_the_backend_by_name(monkeypatch):
    with serving(by_turns(echo)) as server:
        monkeypatch.setenv("LLM_BASE_URL", server.url)
        told = CliRunner().invoke(app, ["doctor", "--backend", "openai", "--json"])
    checks = {check["name"]: check for check in json.loads(told.stdout)}
    assert checks["initialization"]["ok"]
    assert "by openai" in checks["initialization"]["detail"]
    assert checks["health"]["ok"]
    with server_that.nobody_listens() as url:
        monkeypatch.setenv("LLM_BASE_URL", url)
        monkeypatch.setenv("LLM_ATTEMPTS", "1")
        told = CliRunner().invoke(app, ["doctor", "--backend", "openai"])
    assert told.exit_code == 4
    assert "FAIL  initialization: The endpoint 1" in told.stdout


def test_an_interruption_does_not_wait_for_a_server_that_hangs():
    program = (
        "import sys\n"
        "from llm_strategy.llm import LLMClient\n"
        "from llm_strategy.llm.backends.openai.client import OpenAIBackend\n"
        "model = OpenAIBackend('m', [sys.argv[1]], answer_format='plain', reported_model='m', timeout_s=60)\n"
        "client = LLMClient(model)\n"
        "try:\n    client.generate('x')\n"
        "except KeyboardInterrupt:\n    client.close()\n    print('interrupted')"
    )
    with serving(server_that.hang) as server:
        command = [sys.executable, "-c", program, server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 60
            while not server.questions and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            told, complaints = process.communicate(timeout=50)
    assert (told.strip(), complaints, process.returncode) == ("interrupted", "", 0)
