"""What the user asked for, snippet by snippet, on both local backends with the embedded model."""

import json
import logging
import os
import subprocess
import sys
from importlib.resources import files
from typing import Literal

import pytest
from pydantic import BaseModel
from small_run import small

import simulator
from llm_strategy import get_llm_client
from llm_strategy.doctor.checks import diagnose
from llm_strategy.errors import BackendMissing, ConfigurationError, ContractError, ModelNotFound, TooManyFailures
from llm_strategy.llm import SUPPORTED_BACKENDS, LLMClient
from llm_strategy.types import EventKind
from simulator.runs.replaying import replay

pytestmark = pytest.mark.slow

SETTINGS = """\
backend: "local_llama"
model: "Meta-Llama-3-8B-Instruct.Q4_0.gguf"
temperature: 0.2
max_tokens: 512
json_mode: true
timeout_s: 30
"""
SYSTEM = "You are a trading advisor. Provide JSON recommendations only."
ASKED = "Analyze BTCUSDT on 1m timeframe and provide a trading recommendation"


@pytest.fixture(scope="module", params=["local_llama", "llama_cpp"])
def client(request, model_path, tmp_path_factory):
    """The client of a person who wrote the settings of the brief, and set its variables."""
    folder = tmp_path_factory.mktemp("brief")
    (folder / "configs").mkdir()
    (folder / "configs/llm.yaml").write_text(SETTINGS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LLM_BACKEND", request.param)
        patch.setenv("LLM_INSTRUCT_MODEL_PATH", str(model_path))
        patch.setenv("LLM_TEMPERATURE", "0")
        patch.setenv("LLM_MAX_TOKENS", "24")
        patch.setenv("LLM_TIMEOUT_S", "300")
        patch.setenv("LLM_CONTEXT_TOKENS", "1536")
        with get_llm_client(run_id="my_trading_session") as made:
            yield made


def test_basic_usage(client):
    result = client.generate(ASKED, json_mode=True, system=SYSTEM)
    assert isinstance(json.loads(result.text), dict)
    assert (result.tokens_in > 0, result.tokens_out > 0, result.latency_ms > 0) == (True, True, True)
    repaired = [event for event in result.events if event.kind is EventKind.REPAIRED]
    assert len(repaired) == (result.finish == "length")


def test_a_custom_prompt_of_a_file(client, tmp_path):
    path = tmp_path / "system_orchestrator.txt"
    path.write_text("You orchestrate analyses. Answer with a JSON object.\n", encoding="utf-8")
    with open(path) as f:
        system_prompt = f.read()
    result = client.generate("Analyze market conditions", system=system_prompt, json_mode=True)
    assert isinstance(json.loads(result.text), dict)


def test_the_prompt_of_an_orchestrator_comes_with_the_package():
    text = (files("llm_strategy.prompts") / "system_orchestrator.txt").read_text(encoding="utf-8")
    assert "JSON object" in text
    assert "Simulation only." in text


def test_streaming(client):
    chunks = client.chat(messages=[{"role": "user", "content": "Analyze BTCUSDT"}], stream=True, max_tokens=16)
    said = ""
    for chunk in chunks:
        said += chunk.delta
        if chunk.done:
            break
    assert said.lstrip().startswith("{")
    assert isinstance(json.loads(chunk.generation.text), dict)


def test_batch_processing(client):
    symbols = ["BTCUSDT", "ETHUSDT"]
    results = []
    for symbol in symbols:
        result = client.generate(f"Analyze {symbol} and provide trading recommendation", json_mode=True, max_tokens=16)
        results.append(result)
    assert [isinstance(json.loads(result.text), dict) for result in results] == [True, True]
    together = client.batch([f"Analyze {symbol}" for symbol in symbols], max_tokens=8)
    assert [isinstance(json.loads(result.text), dict) for result in together] == [True, True]


def test_health(client):
    health = client.healthcheck()
    assert health.ok, health.detail


class View(BaseModel):
    label: Literal["bull", "bear"]
    strength: int


def test_a_schema_is_kept_and_parsed(client):
    listed = {
        "type": "object",
        "properties": {"regime": {"enum": ["up", "down"]}, "share": {"type": "number", "minimum": 0, "maximum": 1}},
        "required": ["regime", "share"],
    }
    result = client.generate("Prices rose for a year. Say up or down.", schema=listed)
    assert result.parsed == json.loads(result.text)
    assert result.parsed["regime"] in ("up", "down")
    assert isinstance(client.generate("Prices rose for a year.", schema=View).parsed, View)


def test_an_advice_keeps_the_contract_or_names_the_field(client):
    try:
        advice = client.generate(f"{ASKED}. The market is a bull market.", system=SYSTEM, schema="advice").parsed
    except ContractError as problem:
        assert problem.field.split(".")[0] in ("symbol", "timeframe", "regime", "rationale", "action")  # noqa: PT017
    else:
        assert (advice["version"], advice["intent"]) == ("1.0.0", "propose_trade")


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ("advise", r"no schema 'advise', did you mean 'advice'\?"),
        ({"type": "array"}, "type 'object'"),
        ({"type": "objekt"}, "no JSON Schema, at type"),
        (3, "schema is 3: give 'advice'"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}, "it does not define"),
    ],
)
def test_a_wrong_schema_is_one_sentence(schema, told):
    class Silent(LLMClient):
        def generate(self, prompt, **kwargs):
            return "{}"

    with pytest.raises(ConfigurationError, match=told):
        LLMClient.generate(Silent(), "x", schema=schema)


OWN = """
from llm_strategy.llm import LLMClient


class MyNewBackend(LLMClient):
    def generate(self, prompt, **kwargs):
        return '{"endpoint": "' + self.endpoint + '", "letters": ' + str(len(self.api_key)) + "}"

    def healthcheck(self):
        return True


class Strict(LLMClient):
    def __init__(self, api_key, endpoint="https://api.myprovider.com"):
        self.api_key, self.endpoint = api_key, endpoint

    def generate(self, prompt, system=None, json_mode=False):
        return {"said": prompt, "system": system, "json": json_mode}

    def healthcheck(self):
        pass


class Mute(LLMClient):
    def generat(self, prompt):
        pass


class Wide(LLMClient):
    def generate(self, prompt, symbol):
        pass


class Passes(LLMClient):
    def generate(self, prompt, **kwargs):
        pass


def connect(settings):
    return MyNewBackend()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An empty folder with a backend beside its settings file; gives what writes the settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_API_KEY", "key-of-mine-123")
    monkeypatch.delenv("LLM_BACKEND", raising=False)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/mine.py").write_text(OWN, encoding="utf-8")

    def write(text):
        (tmp_path / "configs/llm.yaml").write_text(text, encoding="utf-8")

    return write


SECTION = '{api_key: "${MY_API_KEY}", endpoint: "https://api.myprovider.com"}'


@pytest.mark.parametrize("section", ["MyNewBackend", '"mine.py:MyNewBackend"'])
def test_a_backend_of_ones_own_file(own, section):
    own(f'backend: "mine.py:MyNewBackend"\n{section}: {SECTION}\n')
    client = get_llm_client()
    result = client.generate("Analyze", json_mode=True)
    assert json.loads(result.text) == {"endpoint": "https://api.myprovider.com", "letters": len("key-of-mine-123")}
    assert client.healthcheck().ok
    assert next(client.chat([{"role": "user", "content": "x"}], stream=True)).delta == result.text


def test_a_backend_of_ones_own_in_the_registry(own, monkeypatch):
    class MyNewBackend(LLMClient):
        def generate(self, prompt, **kwargs):
            return f"{self.endpoint} heard {prompt} with {sorted(kwargs)}"

        def healthcheck(self):
            return False

    monkeypatch.setitem(SUPPORTED_BACKENDS, "my_new_backend", MyNewBackend)
    own(f'backend: "my_new_backend"\nmy_new_backend: {SECTION}\n')
    client = get_llm_client()
    assert client.generate("x").text == (
        "https://api.myprovider.com heard x with ['json_mode', 'max_tokens', 'temperature', 'timeout_s']"
    )
    assert not client.healthcheck().ok


@pytest.mark.parametrize(
    "fallback", ['"mine.py:MyNewBackend"', '["mine.py:MyNewBackend"]', '"mine.py:MyNewBackend, scripted"']
)
def test_a_backend_of_ones_own_stands_in_for_another(own, fallback):
    own(f'backend: "mine.py:Passes"\nfallback: {fallback}\nMyNewBackend: {SECTION}\n')
    answer = get_llm_client().generate("x", json_mode=True)
    assert json.loads(answer.text)["letters"] == len("key-of-mine-123")
    assert [event.kind for event in answer.events][-1] is EventKind.FALLBACK


def test_a_backend_is_given_what_it_takes_and_nothing_is_lost(own):
    own(f'backend: "mine.py:Strict"\nStrict: {SECTION}\n')
    client = get_llm_client()
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three?"},
    ]
    said = json.loads(client.chat(turns, json_mode=True).text)
    assert said == {
        "said": "User: One?\n\nAssistant: Two.\n\nUser: Three?\n\nAssistant:",
        "system": "Be brief.",
        "json": True,
    }
    with pytest.raises(ConfigurationError, match=r"temperature is 0\.7 and Strict\.generate does not take it"):
        client.generate("x", temperature=0.7)


def test_a_backend_is_known_by_its_file_and_its_options(own, tmp_path):
    own(f'backend: "mine.py:Strict"\nStrict: {SECTION}\n')
    first = get_llm_client().identity
    assert (first.backend, first.name, first.engine) == ("Strict", "Strict", "mine.py")
    assert get_llm_client().identity == first
    own(f'backend: "mine.py:Strict"\nStrict: {SECTION.replace("https", "http")}\n')
    assert get_llm_client().identity != first
    (tmp_path / "configs/mine.py").write_text(OWN + "\nMORE = 1\n", encoding="utf-8")
    assert get_llm_client().identity.engine_version != first.engine_version


FUNCTIONS = """
def answer(prompt):
    return "yes"


def shout(prompt):
    return prompt.upper()
"""


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ('"mine.py:MyNewBackand"', ConfigurationError, r"has no class 'MyNewBackand', did you mean 'MyNewBackend'\?"),
        ('"mein.py:MyNewBackend"', ConfigurationError, r"not there, did you mean 'mine\.py'\?"),
        ('"mine.py"', ConfigurationError, r"names no class: write mine\.py:MyNewBackend"),
        ('"mine.py:Mute"', ConfigurationError, r"has no generate, did you mean 'generat'\?"),
        ('"mine.py:Wide"', ConfigurationError, r"Wide\.generate cannot be called with a prompt alone"),
        ('"mine.py:Strict"', ConfigurationError, "Strict needs api_key: write it under"),
        ('"mine.py:Strict"\nStrict: {api_key: k, endpiont: e}', ConfigurationError, "did you mean 'endpoint'"),
        ('"mine.py:OWN"', ConfigurationError, "has no class 'OWN'"),
        ('"broken.py:X"', ConfigurationError, r"broken\.py cannot be imported \(SyntaxError"),
        ('"lacking.py:X"', BackendMissing, r"ModuleNotFoundError: No module named 'no_such_package'\): install"),
        ('"mine.py:answer"', ConfigurationError, "makes a str and no client: name a class that has generate"),
        ('"mine.py:shout"', ConfigurationError, "no attribute 'upper'.*: name a class that has generate"),
        ('"elsewhere.py:X"', BackendMissing, r"correct the import there \(LLMClient.*llm_strategy\.llm\)"),
        ('"copied.py:X"', BackendMissing, "write 'from llm_strategy.llm import LLMClient'"),
    ],
)
def test_a_wrong_backend_is_one_sentence(own, tmp_path, text, error, told):
    (tmp_path / "configs/broken.py").write_text("def x(:\n", encoding="utf-8")
    (tmp_path / "configs/lacking.py").write_text("import no_such_package\n", encoding="utf-8")
    (tmp_path / "configs/mine.py").write_text(OWN + FUNCTIONS, encoding="utf-8")
    (tmp_path / "configs/elsewhere.py").write_text("from llm_strategy import LLMClient\n", encoding="utf-8")
    (tmp_path / "configs/copied.py").write_text("from .base import LLMClient\n", encoding="utf-8")
    own(f"backend: {text}\n")
    with pytest.raises(error, match=told) as caught:
        get_llm_client()
    assert "\n" not in str(caught.value)


def test_a_function_of_the_settings_will_do(own):
    own('backend: "mine.py:connect"\n')
    client = get_llm_client()
    client.endpoint, client.api_key = "here", "k"
    assert client.generate("x") == '{"endpoint": "here", "letters": 1}'


def test_what_a_backend_returns_or_raises_is_told(own):
    own('backend: "mine.py:Passes"\n')
    with pytest.raises(Exception, match=r"Passes\.generate returned nothing: return the text"):
        get_llm_client().generate("x")
    own('backend: "mine.py:MyNewBackend"\n')
    with pytest.raises(Exception, match=r"MyNewBackend\.generate raised AttributeError: .*'endpoint'.*mine\.py"):
        get_llm_client().generate("x")


def test_a_missing_model_is_told(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_INSTRUCT_MODEL_PATH", str(tmp_path / "model.gguf"))
    with pytest.raises(ModelNotFound, match=r"model\.gguf"):
        get_llm_client(backend="local_llama")


def test_a_slow_response_is_told(caplog):
    from llm_strategy.llm import Generation

    class Slow(LLMClient):
        def complete(self, request, on_delta=None):
            return Generation("late", 1, 1, 12_345.0)

    Slow().generate("x")
    assert "The response time was 12.3 s, more than 10 s: lower LLM_MAX_TOKENS" in caplog.text


SCRIPT = """
import json
from llm_strategy import ModelAdvisor, get_llm_client
from llm_strategy.types import Snapshot

advisor = ModelAdvisor(get_llm_client("session"))
print(advisor.decide(Snapshot("S", "1d", "2008-10-10T00:00:00", 9.0, 0.2, 0.1, 0.03, 0.2, 0.0, 0.9, 1.0)).status)
"""


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
def test_a_script_shows_each_question_at_log_level_debug(tmp_path, level):
    answer = {"label": "bull", "action": "enter_long", "action_confidence": "70", "rationale": "\x1b[31mAbove average."}
    (tmp_path / "answers.jsonl").write_text(json.dumps(answer) + "\n", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"LLM_BACKEND": "scripted", "LLM_SCRIPT": "answers.jsonl", "LOG_LEVEL": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "advised"
    line = "2008-10-10T00:00:00 S advice: bull, enter_long; "
    assert (line in told.stderr) == (level != "WARNING")
    assert ("tokens in" in told.stderr and "asked now" in told.stderr) == (level != "WARNING")


def test_a_program_that_listens_keeps_its_own_log(monkeypatch):
    from llm_strategy.support.logs import show_log

    logger = logging.getLogger("llm_strategy")
    before = logger.level, list(logger.handlers)
    show_log("DEBUG")
    try:
        assert logger.level == logging.DEBUG
        assert logger.handlers == before[1]  # pytest listens at the root
    finally:
        for name in ("llm_strategy", "simulator"):
            logging.getLogger(name).setLevel(before[0])


RULE = """
import json
from pathlib import Path

from llm_strategy.llm import LLMClient


class Mine(LLMClient):
    def generate(self, prompt, **kwargs):
        with Path("asked.txt").open("a") as asked:
            asked.write("x")
        market = prompt.rpartition("User: ")[2]
        if not market.startswith("Market: "):  # but results, of which it has nothing to say
            return {"sentences": [], "hypotheses": []}
        up = "above" in market
        label, action = ("bull", "enter_long") if up else ("bear", "exit")
        why = f"{'Above' if up else 'Below'} the long average."
        return {"regime": {"label": label}, "rationale": why, "action": {"type": action, "confidence": 0.7}}

    def healthcheck(self):
        pass


class Breaks(LLMClient):
    def generate(self, prompt, **kwargs):
        return {}["price"]
"""


def test_a_run_is_decided_by_a_backend_of_ones_own_and_asked_once(own, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "configs/mine.py").write_text(RULE, encoding="utf-8")
    own('backend: "mine.py:Mine"\n')
    first = simulator.run(small(tmp_path))
    manifest = first.record.manifest["model"]
    assert (manifest["backend"], manifest["engine"]) == ("Mine", "mine.py")
    assert {line["status"] for line in first.record.arm("llm").decisions} == {"advised"}
    asked = (tmp_path / "asked.txt").read_text()
    assert len(asked) > 1
    simulator.run(small(tmp_path))
    assert (tmp_path / "asked.txt").read_text() == asked
    assert all(check.same for check in replay(first.folder))


def test_a_backend_that_breaks_ends_no_run_without_its_reason(own, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "configs/mine.py").write_text(RULE, encoding="utf-8")
    own('backend: "mine.py:Breaks"\nbreaker_failures: 0\n')
    with pytest.raises(TooManyFailures, match=r"Breaks\.generate raised KeyError: 'price': correct it in mine\.py"):
        simulator.run(small(tmp_path))


def test_the_doctor_examines_a_backend_of_ones_own(own, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "configs/mine.py").write_text(RULE, encoding="utf-8")
    own('backend: "mine.py:Mine"\n')
    checks = {check.name: check for check in diagnose()}
    assert [name for name, check in checks.items() if not check.ok] == []
