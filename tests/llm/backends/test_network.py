"""Proxies, certificates, keys and addresses that cannot be used: one sentence before anything is asked, never a
traceback, never a key."""

import logging
import shutil

import misbehaving_server as server_that
import pytest
from misbehaving_server import MODEL, answer, by_turns, reply, serving, status
from typer.testing import CliRunner

from llm_strategy.doctor.checks import diagnose
from llm_strategy.errors import BackendFailure, BackendRefused, ConfigurationError, ModelError
from llm_strategy.llm import Message, Request, get_llm_client
from llm_strategy.llm.backends import network
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.settings import load_settings
from llm_strategy.support.logs import warn_once
from simulator.cli.main import app

pytestmark = pytest.mark.server

KNOWN = {"answer_format": "json_schema", "reported_model": MODEL}
ASKED = Request((Message("user", "x"),), timeout_s=5)
FAR = "http://model.test/v1"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
KEY = "sk-planted-4711-0815"


@pytest.fixture(autouse=True)
def plain_environment(tmp_path, monkeypatch):
    """A current folder without files, and nothing in the environment that says anything of servers."""
    names = (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "LLM_BASE_URL", "LLM_API_KEY", "LLM_BACKEND", "LLM_MODEL")
    for name in names:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    warn_once.cache_clear()


def client_at(*urls, key=KEY):
    return LLMClient(OpenAIBackend(MODEL, urls, key, **KNOWN, timeout_s=5))


UNUSABLE_PROXIES = [
    ("ALL_PROXY", "socks://10.0.0.1:7890/", "socks:// is no kind of proxy"),
    ("all_proxy", "socks4://10.0.0.1:1080", "socks4:// is no kind of proxy"),
    ("HTTPS_PROXY", "ftp://10.0.0.1", "ftp:// is no kind of proxy"),
    ("HTTP_PROXY", "http://10.0.0.1:port", "no address of a proxy"),
    ("http_proxy", "http://[::1", "no address of a proxy"),
    ("ALL_PROXY", "http://", "no address of a proxy"),
    ("HTTPS_PROXY", "http://10.0.0.1:3128\x01", "no address of a proxy"),
    ("https_proxy", "10.0.0.1:99999", "no address of a proxy"),
]


@pytest.mark.parametrize(("variable", "value", "told"), UNUSABLE_PROXIES)
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(monkeypatch, variable, value, told):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{variable} is .*{told}.* or unset it\\.$"):
        client_at(FAR)


@pytest.mark.skipif(network.importlib.util.find_spec("socksio") is not None, reason="socksio is installed")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_the_package_that_a_socks_proxy_needs_is_told(monkeypatch, scheme):
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://user:geheim@10.0.0.1:1080")
    with pytest.raises(ConfigurationError, match=r"pip install 'httpx2\[socks\]'") as caught:
        client_at(FAR)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(("variable", "value", "told"), [*UNUSABLE_PROXIES, ("HTTP_PROXY", "http://127.0.0.1:9", "")])
def test_this_machine_is_asked_past_every_proxy(monkeypatch, caplog, variable, value, told):
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("NO_PROXY", "")
    with serving(answer("Up.")) as server, client_at(server.url) as client:
        assert client.complete(ASKED).text == "Up."
    assert (variable in caplog.text and "is asked without it" in caplog.text) == bool(told)


def test_localhost_by_name_is_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(answer("Up.")) as server, client_at(server.url.replace("127.0.0.1", "localhost")) as client:
        assert client.complete(ASKED).text == "Up."


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.8.9.1/v1", True),
        ("https://[::1]:8/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://api.localhost/v1", True),
        ("http://0.0.0.0:11434/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example/v1", False),
        ("http://model.test/v1", False),
    ],
)
def test_which_addresses_are_this_machines_own(url, own):
    assert network.is_loopback(url) is own


def test_what_goes_through_a_proxy_says_so_where_it_fails(monkeypatch):
    with server_that.nobody_listens() as nobody:
        proxy = nobody.removesuffix("/v1")
        monkeypatch.setenv("http_proxy", proxy.replace("//", "//user:geheim@"))
        with client_at(FAR) as client, pytest.raises(BackendFailure) as caught:
            client.complete(ASKED)
    told = str(caught.value)
    assert f"endpoint 1 (model.test, through the proxy '{proxy}' of http_proxy)" in told
    assert "let NO_PROXY name model.test" in told
    assert "geheim" not in told


def test_a_refusal_of_the_proxy_itself_names_it_and_a_host_that_no_proxy_is_for_does_not(monkeypatch):
    with serving(status(403, message="Forbidden by policy")) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        with client_at(FAR) as client, pytest.raises(BackendRefused, match=r"through the proxy .* of ALL_PROXY\)"):
            client.complete(ASKED)
        assert proxy.requests[0][0] == f"{FAR}/chat/completions"
    monkeypatch.setenv("NO_PROXY", "model.test")
    assert network.proxy_for(FAR) is None


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END"])
def test_a_certificate_file_that_is_none_is_told(tmp_path, monkeypatch, content):
    file = tmp_path / "own.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ConfigurationError, match=r"^SSL_CERT_FILE is '.*own\.pem', which .*, or unset it\.$"):
        client_at(FAR)


@pytest.mark.parametrize("kind", ["missing", "empty", "a file"])
def test_a_folder_of_certificates_that_is_none_is_told(tmp_path, monkeypatch, kind):
    folder = tmp_path / "authorities"
    if kind == "empty":
        folder.mkdir()
    elif kind == "a file":
        folder.write_text("x")
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    with pytest.raises(ConfigurationError, match=r"^SSL_CERT_DIR is .* run 'openssl rehash'"):
        client_at(FAR)
    shutil.rmtree(folder, ignore_errors=True)


BAD_KEYS = [
    "sk-gr\u00fcn-12345",
    "sk-planted\r",
    "sk-planted\r\n",
    " sk-planted",
    "sk plan ted",
    "sk-\u201cplanted\u201d",
    "a\tb",
    "\u200bsk-x",
]


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("command", [["doctor"], ["run", "experiment.yaml"]])
def test_a_key_that_no_header_can_hold_is_told_and_not_shown(tmp_path, monkeypatch, key, command):
    (tmp_path / "experiment.yaml").write_text("data: {source: 'synthetic:cycles?bars=400'}\n")
    with serving(answer("x")) as server:
        monkeypatch.setenv("LLM_BACKEND", "openai")
        monkeypatch.setenv("LLM_BASE_URL", server.url)
        monkeypatch.setenv("LLM_API_KEY", key)
        result = CliRunner().invoke(app, command)
        assert server.requests == []
    assert result.exit_code == (4 if command == ["doctor"] else 2)
    assert "LLM_API_KEY (or api_key in configs/llm.yaml)" in result.output
    assert "Traceback" not in result.output
    assert key.strip() not in result.output


@pytest.mark.parametrize(("variable", "value"), [("OPENAI_ORG_ID", "\u00fcber"), ("OPENAI_PROJECT_ID", "p\r")])
def test_what_else_goes_into_a_header_is_checked(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{variable} "):
        client_at(FAR)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("https://host/openai/v1/chat/completions", "https://host/openai/v1"),
        ("http://host:1/v1/chat/completions/", "http://host:1/v1"),
        ("http://host:1/v1/completions", "http://host:1/v1"),
        ("http://host:1/chat/completions", "http://host:1/v1"),
        ("http://host:1/v1/models", "http://host:1/v1"),
        ("http://host:1/v1/responses/", "http://host:1/v1"),
        ("http://host:11434/api/chat", "http://host:11434/v1"),
        ("http://host:11434/api/generate", "http://host:11434/v1"),
    ],
)
def test_an_address_with_the_path_of_a_question_is_told_with_the_right_one(given, right):
    with pytest.raises(ConfigurationError, match=r"^LLM_BASE_URL number 2 ends in /.*: write ") as caught:
        client_at(FAR, given)
    assert str(caught.value).endswith(f"write {right}.")


@pytest.mark.parametrize(
    "given", ["http://[::1/v1", "http://ex ample/v1", "http://host\x01/v1", "host:1/v1", "http://h:70000"]
)
def test_what_is_no_address_is_told(given):
    with pytest.raises(ConfigurationError, match=r"LLM_BASE_URL number 1 is not an address"):
        client_at(given)


def only_below_v1(server_says):
    """A server whose API begins at /v1, and what it says of other paths."""

    def behave(connection, server):
        path = server.requests[-1][0]
        (answer("Up.") if path.startswith("/v1/") else server_says)(connection, server)

    return behave


@pytest.mark.parametrize(
    "says",
    [
        status(404, message="page not found"),
        reply(b"404 page not found", status=404, content_type="text/plain"),
        status(405),
        reply(b"<html>Welcome</html>"),
        reply(b"Ollama is running"),
        reply(b'{"error": "Unexpected endpoint or method. (POST /chat/completions)"}'),
    ],
    ids=["404", "404 in words", "405", "a page", "words", "LM Studio"],
)
def test_an_address_without_v1_is_told_with_the_one_to_try(says):
    with serving(only_below_v1(says)) as server:
        bare = server.url.removesuffix("/v1")
        for url in (bare, f"{bare}/"):
            with (
                client_at(url) as client,
                pytest.raises(ModelError, match=f"has no /v1 at its end.*try {server.url}\\.$"),
            ):
                client.complete(ASKED)


def test_a_404_below_v1_is_about_the_model():
    with serving(status(404)) as server, client_at(server.url) as client, pytest.raises(ModelError) as caught:
        client.complete(ASKED)
    assert "set LLM_MODEL and LLM_BASE_URL to what the server has" in str(caught.value)
    assert "at its end" not in str(caught.value)


def test_the_doctor_tells_all_of_it_in_its_first_check(monkeypatch):
    monkeypatch.setenv("LLM_BACKEND", "openai")
    monkeypatch.setenv("LLM_BASE_URL", FAR)
    for variable, value in (("HTTPS_PROXY", "ftp://x"), ("SSL_CERT_FILE", "/gone.pem"), ("LLM_API_KEY", "sk\u00fc")):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            (check,) = diagnose(load_settings())
        assert (check.name, check.ok) == ("initialization", False)
        assert check.detail.startswith(variable)
        assert check.cure


def test_the_key_in_no_log_of_all_this(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ALL_PROXY", "socks://10.0.0.1")
    with serving(by_turns(lambda turn, body: status(404))) as server:
        monkeypatch.setenv("LLM_API_KEY", KEY)
        with get_llm_client(backend="openai", base_url=(server.url,), model=MODEL) as client:
            assert not client.healthcheck().ok
    assert KEY not in caplog.text
