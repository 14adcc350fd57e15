"""An adapter for one layout: it answers the questions that name it, and every other answer stays as it was."""

from dataclasses import replace

import pytest
from lora_files import write_adapter

from llm_strategy.errors import BackendRefused, ConfigurationError
from llm_strategy.llm import LLMClient, Message, Request
from llm_strategy.llm.backends.local.advice_adapter import AdviceAdapter, find_adapter, packaged_adapter
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions
from llm_strategy.llm.models.fingerprint import weights_sha256
from llm_strategy.llm.requests import request_hash
from llm_strategy.llm.settings import load_settings

CHOICES = (" bull", " bear", " sideways", " turbulent")
QUESTION = Request((Message("system", "Market regime"), Message("user", "above rising low none high normal")))


@pytest.fixture(scope="module")
def adapter(model_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("adapter") / "adapter.gguf"
    notes = {"backtrader_llm__layout": "brief", "backtrader_llm__base_sha256": weights_sha256(model_path)}
    return AdviceAdapter.of_file(write_adapter(path, model_path, strength=0.2, **notes))


@pytest.fixture(scope="module")
def plain(model_path, threads):
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(512, threads))) as client:
        yield client


@pytest.fixture(scope="module")
def adapted(model_path, threads, adapter):
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(512, threads, adapter=adapter))) as client:
        yield client


def test_only_questions_that_name_the_adapter_are_answered_by_it(plain, adapted, adapter):
    named = replace(QUESTION, adapter=adapter.name)
    without = plain.score(QUESTION, CHOICES)
    first, other, again = (adapted.score(one, CHOICES) for one in (named, QUESTION, named))
    assert other == without
    assert first == again
    assert max(abs(first[choice] - without[choice]) for choice in CHOICES) > 0.02


def test_the_scale_of_an_adapter_is_a_part_of_its_name(model_path, threads, adapter, adapted):
    half = replace(adapter, scale=0.5)
    assert half.name == f"{adapter.name}@0.5"
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(512, threads, adapter=half))) as client:
        weak = client.score(replace(QUESTION, adapter=half.name), CHOICES)
        with pytest.raises(BackendRefused, match=r"is for the adapter brief@.*: set LLM_ADAPTER as it was"):
            client.score(replace(QUESTION, adapter=adapter.name), CHOICES)
    assert weak != adapted.score(replace(QUESTION, adapter=adapter.name), CHOICES)


def test_the_record_keeps_the_adapters_answers_apart_and_finds_all_others(plain, adapted, adapter):
    named = replace(QUESTION, adapter=adapter.name)
    assert request_hash(QUESTION, adapted.identity) == request_hash(QUESTION, plain.identity)
    assert request_hash(named, adapted.identity) != request_hash(QUESTION, adapted.identity)
    assert "adapter" not in plain.identity.as_dict()
    assert type(adapted.identity).from_dict(adapted.identity.as_dict()) == adapted.identity


def test_an_adapter_that_cannot_be_meant_is_told(model_path, tmp_path, threads):
    foreign = write_adapter(tmp_path / "foreign.gguf", model_path, strength=0.1)
    notes = {"backtrader_llm__layout": "brief", "backtrader_llm__base_sha256": "0" * 64}
    other = write_adapter(tmp_path / "other.gguf", model_path, strength=0.1, **notes)
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    for path, told in (
        (tmp_path / "gone.gguf", r"where there is no file: name the adapter\.gguf"),
        (foreign, r"which no 'btllm train' wrote: as llama_cpp\.lora"),
        (model_path, "which is no LoRA adapter"),
        (text, "LLM_ADAPTER cannot be used: .*does not begin with GGUF"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            find_adapter(load_settings(adapter=str(path)), "")
    found = find_adapter(load_settings(adapter=str(other)), "")
    with pytest.raises(ConfigurationError, match="trained for another model file: choose that model, train one"):
        LlamaCppBackend(model_path, EngineOptions(512, threads, adapter=found))


def test_auto_is_the_packages_own_for_the_model_that_it_was_trained_for_alone(model_path):
    assert find_adapter(load_settings(), "0" * 64) is None
    assert find_adapter(load_settings(adapter="none"), weights_sha256(model_path)) is None
    found = find_adapter(load_settings(), weights_sha256(model_path))
    assert found is not None
    assert found.path == packaged_adapter()
    assert found.path.stat().st_size < 3_000_000
