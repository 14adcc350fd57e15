"""The client interface, on scripted answers."""

import json
import threading
from functools import reduce

import pytest

from llm_strategy.errors import AnswerTimeout, BackendFailure, ConfigurationError, ContractError
from llm_strategy.llm import (
    SUPPORTED_BACKENDS,
    Generation,
    LLMClient,
    MemoryStore,
    Message,
    ModelIdentity,
    RecordingClient,
    Request,
    Slot,
    get_llm_client,
    register_backend,
)
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.settings import LlmSettings

FORM = ('{"label": "', Slot("label", 6, ("bull", "bear")), '", "why": "', Slot("why", 20), '"}')


class Echo(LLMClient):
    """The least a backend must do."""

    identity = ModelIdentity("echo", "echo", "echo", "1")

    def complete(self, request, on_delta=None):
        words = request.messages[-1].content.split()
        for number, word in enumerate(words):
            if on_delta and not on_delta(word):
                words = words[: number + 1]
                break
        return Generation(" ".join(words), len(words), len(words), 0.0)


def test_one_method_makes_a_whole_client():
    client = Echo()
    assert client.generate("rising market").text == "rising market"
    assert [answer.text for answer in client.batch(["one", "two"])] == ["one", "two"]
    assert client.healthcheck().ok
    assert not client.supports_forms
    with client as same:
        assert same is client


def test_a_prompt_becomes_system_and_user_messages():
    client = ScriptedClient(["fine"])
    client.generate("How is it?", system="You advise.", temperature=0.5, max_tokens=7, seed=3, timeout_s=2.0)
    assert client.requests == [
        Request(
            (Message("system", "You advise."), Message("user", "How is it?")),
            temperature=0.5,
            max_tokens=7,
            seed=3,
            timeout_s=2.0,
        )
    ]


def test_what_a_call_leaves_open_comes_from_the_defaults():
    client = ScriptedClient(["{}", "text"])
    client.defaults = Request((), json_mode=True, temperature=0.3, max_tokens=9)
    client.generate("a")
    client.generate("b", json_mode=False, temperature=None)
    assert [(r.json_mode, r.temperature, r.max_tokens) for r in client.requests] == [(True, 0.3, 9), (False, 0.3, 9)]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('\n {"a": 1} \n', '{"a": 1}'),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('```\n{"a": "```"}\n```', '{"a": "```"}'),
    ],
)
def test_json_mode_gives_the_json_text(answer, text):
    assert ScriptedClient([answer]).generate("x", json_mode=True).text == text


@pytest.mark.parametrize("answer", ["", "bull", '{"a": ', '{"a": NaN}', "[" * 100_000])
def test_json_mode_refuses_what_is_not_json(answer):
    with pytest.raises(ContractError, match="invalid JSON") as caught:
        ScriptedClient([answer]).generate("x", json_mode=True)
    assert caught.value.field == "answer"


def test_chat_takes_mappings_and_messages():
    client = ScriptedClient(["yes"])
    client.chat([{"role": "system", "content": "s"}, Message("user", "u")])
    assert client.requests[0].messages == (Message("system", "s"), Message("user", "u"))


@pytest.mark.parametrize(
    "entry", [{"role": "robot", "content": "x"}, {"role": "user"}, {"role": "user", "content": 3}, {"content": "x"}]
)
def test_chat_refuses_what_is_no_message(entry):
    with pytest.raises(ConfigurationError, match="give role"):
        Echo().chat([entry])


def test_an_empty_conversation_is_refused():
    with pytest.raises(ConfigurationError, match="at least one message"):
        Echo().chat([])


@pytest.mark.parametrize("setting", [{"temperature": float("nan")}, {"temperature": -1.0}, {"max_tokens": 0}])
def test_impossible_settings_of_a_call_are_refused(setting):
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        Echo().generate("x", **setting)


def test_a_stream_brings_the_text_and_then_the_whole():
    chunks = list(Echo().chat([Message("user", "up and down")], stream=True))
    assert [chunk.delta for chunk in chunks] == ["up", "and", "down", ""]
    assert [chunk.done for chunk in chunks] == [False, False, False, True]
    assert chunks[-1].generation.text == "up and down"


def test_leaving_a_stream_stops_the_model():
    written = []
    may_go_on = threading.Event()

    class Slow(Echo):
        def complete(self, request, on_delta=None):
            assert on_delta("first")
            may_go_on.wait(timeout=30)
            written.append(on_delta("second"))
            return Generation("first second", 1, 2, 0.0)

    stream = Slow().chat([Message("user", "go")], stream=True)
    assert next(stream).delta == "first"
    threading.Timer(0.05, may_go_on.set).start()
    stream.close()
    assert written == [False]


def test_an_error_in_a_stream_reaches_the_reader():
    client = ScriptedClient([AnswerTimeout("too slow")])
    with pytest.raises(AnswerTimeout, match="too slow"):
        list(client.chat([Message("user", "x")], stream=True))


def test_healthcheck_tells_instead_of_raising():
    class Broken(Echo):
        def complete(self, request, on_delta=None):
            raise BackendFailure("The server is gone: start it.")

    health = Broken().healthcheck()
    assert not health.ok
    assert health.detail == "The server is gone: start it."


def test_a_form_joins_the_programs_text_and_the_escaped_values():
    client = ScriptedClient([{"label": "bull", "why": 'it said "up"\\'}])
    answer = client.complete(Request((Message("user", "x"),), form=FORM))
    assert answer.values == {"label": "bull", "why": 'it said "up"\\'}
    assert json.loads(answer.text) == dict(answer.values)


def test_a_script_says_what_is_missing():
    client = ScriptedClient([{"label": "bull"}])
    request = Request((Message("user", "x"),), form=FORM)
    with pytest.raises(BackendFailure, match="no value for slot 'why'"):
        client.complete(request)
    with pytest.raises(BackendFailure, match="ran out after 1 answers"):
        client.complete(request)
    with pytest.raises(BackendFailure, match="without form support"):
        ScriptedClient([""], supports_forms=False).complete(request)


def test_a_script_may_be_a_function():
    client = ScriptedClient(lambda request: {"seen": request.messages[-1].content})
    assert json.loads(client.generate("x", json_mode=True).text) == {"seen": "x"}


def test_forms_are_checked_when_they_are_made():
    with pytest.raises(ConfigurationError, match="names a slot twice"):
        Request((), form=(Slot("a", 1), Slot("a", 1)))
    with pytest.raises(ConfigurationError, match="at least 1"):
        Slot("a", 0)
    with pytest.raises(ConfigurationError, match="empty stop text"):
        Slot("a", 1, stop="")


def test_installed_backends_are_known():
    assert {"local_llama", "scripted"} <= set(SUPPORTED_BACKENDS)


def test_a_registered_backend_is_reached_by_name(monkeypatch):
    monkeypatch.delitem(SUPPORTED_BACKENDS, "echo", raising=False)
    register_backend("echo", lambda settings: Echo())
    client = get_llm_client("session", settings=LlmSettings(backend="echo", temperature=0.7, max_tokens=5))
    assert isinstance(client, Echo)
    assert client.run_id == "session"
    assert (client.defaults.temperature, client.defaults.max_tokens) == (0.7, 5)
    del SUPPORTED_BACKENDS["echo"]


def test_an_unknown_backend_is_answered_by_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'local_llama'"):
        get_llm_client(settings=LlmSettings(backend="local_lama"))
    with pytest.raises(ConfigurationError, match=r"unknown backend 'scripte'.*did you mean 'scripted'"):
        get_llm_client(settings=LlmSettings(sections={"scripte": {}}))


def test_the_scripted_backend_reads_a_file(tmp_path, monkeypatch):
    script = tmp_path / "answers.jsonl"
    script.write_text('"plain"\n\n{"a": 1}\n', encoding="utf-8")
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    monkeypatch.setenv("LLM_SCRIPT", str(script))
    client = get_llm_client()
    assert [answer.text for answer in client.batch(["x", "y"])] == ["plain", '{"a": 1}']
    script.write_text("not json", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        get_llm_client()
    monkeypatch.delenv("LLM_SCRIPT")
    with pytest.raises(ConfigurationError, match="LLM_SCRIPT is not set"):
        get_llm_client()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda client: client.generate(None), "prompt is None: give text"),
        (lambda client: client.generate("a", system=5), "system is 5: give text"),
        (lambda client: client.generate("a", temperature="hot"), "temperature is 'hot': give a number"),
        (lambda client: client.generate("a", max_tokens=2.5), "max_tokens is 2.5: give a whole number"),
        (lambda client: client.generate("a", seed=True), "seed is True: give a whole number"),
        (lambda client: client.batch("one question"), "prompts is the text 'one question': give a list"),
        (lambda client: client.chat("one question"), "messages is the text 'one question': give a list"),
        (lambda client: client.chat(["one question"]), "A message is 'one question': give role"),
    ],
)
def test_what_no_model_can_be_asked_is_one_sentence_and_asks_nothing(call, told):
    client = ScriptedClient(["never"])
    with pytest.raises(ConfigurationError, match=told):
        call(client)
    assert client.requests == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({(1, 2): 3}, "raised TypeError"),
        (reduce(lambda inner, _: {"a": inner}, range(100_000), {}), "raised RecursionError"),
        ("a" * 2_000_000, "returned 2000000 characters, and at most"),
    ],
    ids=["a key that is no text", "nested without end", "without end"],
)
def test_what_an_own_generate_returns_is_bounded_and_told(given, told):
    class Own(LLMClient):
        def generate(self, prompt):
            return given

    with pytest.raises(BackendFailure, match=rf"^Own\.generate {told}"):
        Own().complete(Request((Message("user", "How is it?"),)))


def test_no_secret_of_an_own_complete_is_recorded(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "tk-Planted4711-aBcDeF")

    class Own(LLMClient):
        identity = ModelIdentity("own", "own", "own", "1")

        def complete(self, request, on_delta=None):
            return Generation("It is tk-Planted4711-aBcDeF.", 1, 1, 1.0, values={"a": "tk-Planted4711-aBcDeF"})

    store = MemoryStore()
    own = Own()
    answer = RecordingClient(own, own.identity, store).complete(Request((Message("user", "How is it?"),)))
    assert (answer.text, answer.values) == ("It is [secret].", {"a": "[secret]"})
    assert next(iter(store.values())) == answer
