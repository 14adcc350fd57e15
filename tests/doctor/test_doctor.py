"""What the doctor says of a runtime that works, and of those that do not."""

import re
import struct

import pytest
from bedrock_server import REGION, BedrockServer

from llm_strategy.advice.options import PromptOptions
from llm_strategy.doctor.checks import cure_of_check, diagnose
from llm_strategy.doctor.speed import read_speed, way_of_asking
from llm_strategy.errors import BackendFailure
from llm_strategy.llm import SUPPORTED_BACKENDS, get_llm_client, register_backend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.settings import LlmSettings

pytestmark = [pytest.mark.server, pytest.mark.slow]

NAMES = ["initialization", "health", "generation", "JSON mode", "streaming", "error handling", "decision", "speed"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def scripted():
    """A function that gives settings for a backend that answers as told."""

    def settings(answers):
        register_backend("patient", lambda given: ScriptedClient(answers))
        return LlmSettings(backend="patient")

    yield settings
    SUPPORTED_BACKENDS.pop("patient", None)


def test_the_embedded_model_is_well(model_path, threads):
    settings = LlmSettings(backend="llama_cpp", instruct_model_path=model_path, threads=threads, timeout_s=300)
    checks = list(diagnose(settings))
    assert [check.name for check in checks] == NAMES
    *of_the_model, speed = checks  # that of this machine, and of what else it does
    assert all(check.ok and check.detail and not check.cure for check in of_the_model), checks
    assert checks[0].detail.endswith(", on the device cpu")
    assert "tokens a second" in speed.detail
    assert re.fullmatch(r"choices: 3 decisions, valid at once, .*; [\d.e+]+ s a decision", checks[-2].detail)
    with get_llm_client(settings=settings) as client:
        assert read_speed(client.identity, way_of_asking(client, PromptOptions())) > 0


@pytest.mark.parametrize("device", ["cuda", "kompute", "metal"])
def test_a_device_that_is_not_there_fails_once(model_path, device):
    section = {"local_llama": {"device": device}}
    (check,) = diagnose(LlmSettings(instruct_model_path=model_path, sections=section))
    assert (check.name, check.ok) == ("initialization", False)
    assert check.detail.startswith(f"local_llama.device is {device}, ")
    assert check.cure == "Put the named setting right, then run the doctor again."


def test_a_missing_model_ends_the_examination_with_the_cure(tmp_path):
    (check,) = diagnose(LlmSettings(instruct_model_path=tmp_path / "gone.gguf"))
    assert not check.ok
    assert "btllm models pull smollm2-135m" in check.detail
    assert check.cure


def _text(value):
    return struct.pack("<Q", len(value)) + value


def test_a_damaged_model_fails_once_with_its_cure(model_path, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    (tmp_path / "smollm2-135m.gguf").write_bytes(model_path.read_bytes()[:60_000_000])
    (check,) = diagnose(LlmSettings(instruct_model_path=None))
    assert (check.name, check.ok) == ("initialization", False)
    assert "btllm models pull smollm2-135m" in check.cure
    (check,) = diagnose(LlmSettings(instruct_model_path=tmp_path / "smollm2-135m.gguf"))
    assert "cut short" in check.detail
    assert "Fetch the file again" in check.cure


def test_a_model_that_the_engine_refuses_fails_once(tmp_path):
    facts = {b"general.architecture": b"llama", b"tokenizer.chat_template": b"{{ messages[0].content }}"}
    entries = [_text(key) + struct.pack("<I", 8) + _text(value) for key, value in facts.items()]
    path = tmp_path / "odd.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries))
    (check,) = diagnose(LlmSettings(instruct_model_path=path))
    assert (check.name, check.ok) == ("initialization", False)
    assert "gpt4all" in check.detail
    assert "Fetch the file again" in check.cure


def test_a_wrong_setting_is_told(monkeypatch):
    monkeypatch.setenv("LLM_TEMPERATURE", "hot")
    (check,) = diagnose()
    assert not check.ok
    assert "LLM_TEMPERATURE" in check.detail


def test_each_failure_has_its_cure_and_the_rest_goes_on(scripted):
    checks = {check.name: check for check in diagnose(scripted(lambda request: "no json"))}
    assert list(checks) == NAMES
    assert checks["generation"].ok
    assert checks["streaming"].ok
    assert not checks["JSON mode"].ok
    assert "invalid JSON" in checks["JSON mode"].detail
    assert not checks["error handling"].ok
    assert checks["error handling"].cure


def test_an_engine_that_fails_is_told_at_every_check(scripted):
    checks = list(diagnose(scripted(lambda request: BackendFailure("The engine broke."))))
    told = [check.detail for check in checks if not check.ok]
    assert len(told) == 6
    assert set(told) == {"The engine broke."}


def test_an_empty_answer_is_a_failure(scripted):
    checks = {check.name: check for check in diagnose(scripted(lambda request: " "))}
    assert not checks["generation"].ok


ADVICE = {"rationale": "Rising.", "label": "bull", "action": "enter_long", "action_confidence": "70"}


def test_a_decision_is_tried_and_judged(scripted):
    checks = {check.name: check for check in diagnose(scripted(lambda request: ADVICE if request.form else "{}"))}
    assert checks["decision"].ok
    assert "slots: 3 decisions, valid at once, the last one bull and enter_long" in checks["decision"].detail
    checks = {check.name: check for check in diagnose(scripted(lambda request: "{}"))}
    assert not checks["decision"].ok
    assert checks["decision"].detail == "regime: is missing"


def test_an_ensemble_is_asked_for_a_decision(scripted):
    voting = scripted(lambda request: ADVICE if request.form else "{}")
    members = {"ensemble": {"members": ["patient", "patient"]}}
    checks = {
        check.name: check for check in diagnose(voting.model_copy(update={"backend": "ensemble", "sections": members}))
    }
    assert checks["decision"].ok, checks
    broken = scripted(lambda request: BackendFailure("The engine broke."))
    checks = list(diagnose(broken.model_copy(update={"backend": "ensemble", "sections": members})))
    assert {check.cure for check in checks if not check.ok} == {
        "Run 'btllm doctor --backend NAME' for each member of the ensemble: one of them is not well."
    }


def test_a_server_that_is_gone_or_refuses_the_key_has_the_cure_of_a_server():
    (check,) = diagnose(LlmSettings(backend="openai", base_url=("http://127.0.0.1:9/v1",), model="m", attempts=1))
    assert (check.name, check.ok) == ("initialization", False)
    assert "LLM_BASE_URL" in check.cure
    assert "pull" not in check.cure


def test_bedrock_without_its_account_has_the_cure_of_an_account(monkeypatch):
    server = BedrockServer()
    server.status, server.headers = 403, {"x-amzn-ErrorType": "UnrecognizedClientException"}
    server.reply = {"message": "The security token is invalid"}
    for name, value in {
        "AWS_ACCESS_KEY_ID": "wrong",
        "AWS_SECRET_ACCESS_KEY": "wrong",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
    }.items():
        monkeypatch.setenv(name, value)
    try:
        (check,) = diagnose(LlmSettings(backend="bedrock", model="some.model", attempts=1, timeout_s=20))
    finally:
        server.close()
    assert (check.name, check.ok) == ("initialization", False)
    assert "aws sts get-caller-identity" in check.cure
    assert "wrong" not in check.detail


@pytest.mark.parametrize(
    "backend", ["local_llama", "llama_cpp", "openai", "bedrock", "ensemble", "replay", "of my own"]
)
def test_every_check_of_every_backend_has_a_cure_of_its_own_kind(backend):
    cures = [cure_of_check(name, backend) for name in (*NAMES[1:], "images")]
    assert all(cures)
    if backend not in ("local_llama", "llama_cpp"):
        assert not any("pull" in cure or "model file" in cure for cure in cures)
