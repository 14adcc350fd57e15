"""Services that speak like OpenAI by their own name: address, key, section, identity and whose key goes where."""

import pytest
from misbehaving_server import MODEL, answer, serving, status
from typer.testing import CliRunner

from llm_strategy.doctor.checks import cure_of_check, diagnose
from llm_strategy.errors import BackendRefused, ConfigurationError
from llm_strategy.llm import SUPPORTED_BACKENDS, get_llm_client, register_backend
from llm_strategy.llm.backends.openai.endpoints import reach_of
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.services import SERVICES
from llm_strategy.llm.settings import load_settings
from simulator.cli.main import app

pytestmark = [pytest.mark.server, pytest.mark.slow]

WITH_KEY = sorted(name for name, service in SERVICES.items() if service.key_variable)
LOCAL = sorted(set(SERVICES) - set(WITH_KEY))
FOUND_OUT = {"answer_format": "plain", "reported_model": MODEL}


@pytest.fixture(autouse=True)
def plain_environment(tmp_path, monkeypatch):
    """A current folder without files, and no settings in the environment."""
    names = [service.key_variable for service in SERVICES.values() if service.key_variable]
    for name in (*names, "OPENAI_API_KEY", "OPENAI_BASE_URL", "SSL_CERT_FILE", "LLM_BASE_URL", "LLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("LLM_BACKEND", "LLM_MODEL", "LLM_FALLBACK", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    return tmp_path


def write(folder, text, name="configs/llm.yaml"):
    (folder / name).write_text(text, encoding="utf-8")


def asked_of(backend, **given):
    return reach_of(load_settings(backend=backend, **given).for_backend(backend))


@pytest.mark.parametrize("name", ["ollama", "vllm", "lmstudio", "together", "groq", "deepseek"])
def test_a_service_has_its_usual_address(name, monkeypatch):
    if SERVICES[name].key_variable:
        monkeypatch.setenv(SERVICES[name].key_variable, f"key-of-{name}")
    assert asked_of(name).urls == (SERVICES[name].url,)
    with get_llm_client(backend=name) as client:
        assert client.inner.backend._servers.pool.endpoints[0].url == SERVICES[name].url


@pytest.mark.parametrize("name", WITH_KEY)
def test_its_key_is_that_of_its_own_variable_or_is_asked_for(name, monkeypatch, tmp_path):
    variable = SERVICES[name].key_variable
    with pytest.raises(ConfigurationError, match=f"The backend {name} has no key: set {variable} or LLM_API_KEY"):
        get_llm_client(backend=name)
    write(tmp_path, f"{variable}=from-dotenv-{name}\n", ".env")
    assert asked_of(name).key == f"from-dotenv-{name}"
    monkeypatch.setenv(variable, f"key-of-{name}")
    assert (asked_of(name).key, asked_of(name).key_variable) == (f"key-of-{name}", variable)
    monkeypatch.setenv("LLM_API_KEY", "key-of-mine")
    assert asked_of(name).key == "key-of-mine"


@pytest.mark.parametrize("name", ["ollama", "mistral", "llama_server", "groq"])
def test_the_address_may_be_another_and_the_identity_is_that_of_openai(name, monkeypatch):
    if variable := SERVICES[name].key_variable:
        monkeypatch.setenv(variable, f"key-of-{name}")
    with serving(answer('{"colour": "teal", "share": 0.5}')) as server:
        monkeypatch.setenv("LLM_BACKEND", name)
        monkeypatch.setenv("LLM_BASE_URL", server.url)
        with get_llm_client(model=MODEL) as client:
            identity = client.identity
        with get_llm_client(model=MODEL, backend="openai") as client:
            assert client.identity == identity
        assert server.requests[0][1]["authorization"] == f"Bearer {f'key-of-{name}' if variable else 'none'}"
    assert (identity.backend, identity.engine, identity.name) == ("openai", "openai", MODEL)


def test_options_stand_under_its_own_name_and_messages_tell_that_name(plain_environment):
    with serving(status(400, message="response_format is unavailable")) as server:
        write(
            plain_environment,
            f"backend: lmstudio\nmodel: {MODEL}\nlmstudio: {{base_url: ['{server.url}'], answer_format: json_schema, "
            "concurrency: 3}\n",
        )
        with get_llm_client() as client:
            assert client.concurrency == 3
            with pytest.raises(BackendRefused, match=r"set lmstudio\.answer_format to json_object") as caught:
                _ = client.identity
    assert "openai." not in str(caught.value)
    assert "lmstudio.answer_format" in cure_of_check("JSON mode", "lmstudio")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ollama: {concurency: 2}", r"unknown option ollama\.concurency, did you mean 'concurrency'"),
        ("backend: deepseek\ndeepseek: {answer_format: xml}", r"deepseek\.answer_format is 'xml'; known are"),
        ("groqq: {model: x}", r"options for the unknown backend 'groqq', did you mean 'groq'"),
        ("backend: olama", r"LLM_BACKEND 'olama' is not installed, did you mean 'ollama'"),
        ("fallback: [togehter]", r"LLM_FALLBACK 'togehter' is not installed, did you mean 'together'"),
    ],
)
def test_what_is_wrong_about_it_is_told(plain_environment, text, told):
    write(plain_environment, text)
    with pytest.raises(ConfigurationError, match=told):
        get_llm_client()


def test_no_address_and_no_key_of_one_server_goes_to_another(monkeypatch, plain_environment):
    monkeypatch.setenv("GROQ_API_KEY", "key-of-groq")
    settings = load_settings(
        backend="openai", base_url="http://127.0.0.1:1/v1", api_key="key-of-openai", fallback="groq"
    )
    assert reach_of(settings.for_backend("openai")).key == "key-of-openai"
    other = reach_of(settings.for_backend("groq"))
    assert (other.key, other.urls) == ("key-of-groq", (SERVICES["groq"].url,))
    settings = load_settings(backend="groq", base_url="http://127.0.0.1:1/v1", api_key="key-of-mine", fallback="openai")
    assert reach_of(settings.for_backend("groq")).urls == ("http://127.0.0.1:1/v1",)
    with pytest.raises(ConfigurationError, match="The backend openai has no key and no address"):
        reach_of(settings.for_backend("openai"))
    write(
        plain_environment, "api_key: key-of-openai\nollama: {base_url: ['http://127.0.0.1:2/v1'], api_key: key-of-2}\n"
    )
    member = reach_of(load_settings(backend="ensemble").for_backend("ollama"))
    assert (member.key, member.urls) == ("key-of-2", ("http://127.0.0.1:2/v1",))


def test_the_doctor_tells_where_is_asked_with_which_key(monkeypatch, plain_environment):
    monkeypatch.setenv("TOGETHER_API_KEY", "key-of-together-4711")
    with serving(answer("teal")) as server:
        monkeypatch.setenv("LLM_BASE_URL", server.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        write(plain_environment, "backend: together\n")
        first = next(iter(diagnose()))
        result = CliRunner().invoke(app, ["doctor", "--backend", "together"])
    assert first.ok
    told = (
        f", asked at 127.0.0.1:{server.port} with the key of TOGETHER_API_KEY; settings from configs/llm.yaml and the"
    )
    assert told in first.detail
    assert told in result.output
    assert "4711" not in first.detail + result.output


@pytest.mark.parametrize("name", LOCAL)
def test_a_server_that_does_not_run_is_told_by_its_usual_address(name, monkeypatch):
    monkeypatch.setitem(SERVICES, name, type(SERVICES[name])("http://127.0.0.1:9/v1"))
    (check,) = diagnose(load_settings(backend=name, timeout_s=5))
    assert "endpoint 1 (127.0.0.1:9) cannot be reached" in check.detail
    assert "Start the server" in check.cure


def test_a_backend_of_another_package_goes_before(monkeypatch):
    monkeypatch.setitem(SUPPORTED_BACKENDS, "ollama", SUPPORTED_BACKENDS["ollama"])
    register_backend("ollama", lambda settings: ScriptedClient(["Mine."]))
    settings = load_settings(backend="ollama", sections={"ollama": {"anything": 1}})
    assert get_llm_client(settings=settings).generate("x").text == "Mine."
