"""``strict``: an answer that depends on nothing but the question, from backends that can promise it and no others."""

from dataclasses import replace

import pytest

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import SUPPORTED_BACKENDS, LLMClient, Message, Request, Slot, get_llm_client
from llm_strategy.llm.backends.local.gpt4all import Gpt4AllBackend
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions
from llm_strategy.llm.backends.local.native import processors
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import ModelIdentity
from llm_strategy.llm.settings import LlmSettings

pytestmark = pytest.mark.slow

SYSTEM = Message("system", "You read markets.")
FORM = ('{"label": "', Slot("label", 6, ("bull", "bear")), '", "why": "', Slot("why", 8), '"}')


def question(state, **fields):
    return Request((SYSTEM, Message("user", f"The market is {state}.")), **fields)


def settings_of(model_path, backend, **given):
    return LlmSettings(backend=backend, instruct_model_path=model_path, strict=True, **given)


@pytest.fixture(scope="module")
def options():
    return EngineOptions(1024, 1, strict=True)


@pytest.fixture(scope="module")
def strict_llama_cpp(model_path, options):
    with LLMClient(LlamaCppBackend(model_path, options)) as client:
        yield client


@pytest.mark.parametrize("backend", ["llama_cpp", "local_llama"])
def test_threads_are_a_part_of_a_strict_identity_alone(model_path, backend, monkeypatch):
    monkeypatch.delenv("LLM_THREADS", raising=False)
    one, two = (get_llm_client(settings=settings_of(model_path, backend, threads=count)).identity for count in (1, 2))
    loose = get_llm_client(settings=LlmSettings(backend=backend, instruct_model_path=model_path, threads=1))
    assert dict(one.settings) == dict(loose.identity.settings) | {"strict": True, "threads": 1}
    assert dict(two.settings)["threads"] == 2
    assert {"strict", "threads"}.isdisjoint(dict(loose.identity.settings))
    assert ModelIdentity.from_dict(one.as_dict()) == one
    unset = get_llm_client(settings=settings_of(model_path, backend))
    assert dict(unset.identity.settings)["threads"] == min(processors(), 8)


def test_llama_cpp_reads_every_question_anew(strict_llama_cpp, model_path, options):
    long = question("rising " * 60, form=FORM)
    first = strict_llama_cpp.complete(long)
    strict_llama_cpp.complete(question("falling", opening="I would ", choices=("hold", "exit")))
    again = strict_llama_cpp.complete(long)
    assert again.text == first.text
    with LLMClient(LlamaCppBackend(model_path, replace(options, strict=False))) as loose:
        loose.complete(long)
        reused = min(loose.complete(long).engine_ms for _ in range(3))
    assert min(first.engine_ms, again.engine_ms) > 1.5 * reused


def test_a_strict_sampler_has_a_seed_that_follows_from_the_question(strict_llama_cpp):
    asked = question("rising", temperature=1.5, max_tokens=20)
    texts = [strict_llama_cpp.complete(asked).text for _ in range(2)]
    others = [strict_llama_cpp.complete(replace(asked, draw=draw)).text for draw in (2, 2, 3)]
    assert texts[0] == texts[1]
    assert others[0] == others[1]
    assert len({texts[0], *others}) == 3


def test_a_seed_gives_each_draw_a_sample_that_comes_again(model_path, threads):
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(1024, threads))) as loose:
        asked = question("rising", temperature=1.5, max_tokens=20, seed=3)
        texts = [[loose.complete(replace(asked, draw=draw)).text for draw in (0, 2, 3)] for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) == 3


def test_gpt4all_is_strict_on_fixed_threads_and_without_a_sampler(model_path):
    with LLMClient(Gpt4AllBackend(model_path, context_tokens=1024, threads=1, strict=True)) as client:
        asked = question("rising", form=FORM)
        first = client.complete(asked)
        client.complete(question("falling", max_tokens=4))
        assert client.complete(asked).text == first.text
        with pytest.raises(ConfigurationError, match="gpt4all has no seed: set LLM_TEMPERATURE"):
            client.complete(question("rising", temperature=0.5))


@pytest.mark.parametrize("section", [{"slots": 2}, {"gpu_layers": 4}])
def test_llama_cpp_computes_one_answer_at_a_time_on_the_processor(model_path, section):
    with pytest.raises(ConfigurationError, match="set them to 1 and 0, or leave strict out"):
        get_llm_client(settings=settings_of(model_path, "llama_cpp", sections={"llama_cpp": section}))


def test_local_llama_computes_on_the_processor(model_path):
    section = {"local_llama": {"device": "kompute"}}
    with pytest.raises(ConfigurationError, match=r"local_llama\.device is kompute: set it to cpu"):
        get_llm_client(settings=settings_of(model_path, "local_llama", sections=section))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"backend": "openai", "model": "m", "base_url": ("http://127.0.0.1:9/v1",)}, "'openai' cannot promise"),
        ({"backend": "bedrock", "model": "m"}, "'bedrock' cannot promise"),
        ({"backend": "mine"}, "'mine' cannot promise"),
        ({"backend": "ensemble", "sections": {"ensemble": {"members": ["local_llama", "mine"]}}}, "'mine' cannot"),
        ({"backend": "local_llama", "fallback": ("mine",)}, "leave one of the two out"),
    ],
)
def test_who_can_promise_nothing_is_refused(model_path, given, told, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setitem(SUPPORTED_BACKENDS, "mine", lambda settings: ScriptedClient([]))
    with pytest.raises(ConfigurationError, match=told) as caught:
        get_llm_client(settings=LlmSettings(instruct_model_path=model_path, strict=True, **given))
    assert "\n" not in str(caught.value)


def test_an_ensemble_is_as_strict_as_its_members(model_path):
    members = {"members": ["local_llama", "llama_cpp"]}
    client = get_llm_client(settings=settings_of(model_path, "ensemble", sections={"ensemble": members}))
    assert isinstance(client, LLMClient)
    assert client.strict


def test_the_environment_sets_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_STRICT", "true")
    assert LlmSettings().strict
