"""Whether the model runtime works here: one check after the other, each with its cure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from llm_strategy.doctor.cures import cure_of_check, cure_of_start
from llm_strategy.doctor.decision import try_decision
from llm_strategy.doctor.speed import SLOW_SECONDS
from llm_strategy.errors import AnswerTimeout, BackendFailure, BackendRefused, BacktraderLLMError, PromptTooLong
from llm_strategy.llm.backends.openai.endpoints import is_like_openai, reach_of
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import get_llm_client
from llm_strategy.llm.requests import Message, ModelIdentity, Request
from llm_strategy.llm.settings import LlmSettings, load_settings
from llm_strategy.llm.structured.answer_text import as_contract_error
from llm_strategy.llm.structured.json_repair import json_text

_COLOUR = json.dumps(
    {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried: what came out, and the cure where it failed (empty where all is well)."""

    name: str
    ok: bool
    detail: str
    cure: str = ""


def diagnose(settings: LlmSettings | None = None) -> Iterator[Check]:
    """Try the configured model, from connecting to speed; each check comes as soon as it is done; failures are told,
    not raised."""
    try:
        settings = settings or load_settings()
        client = get_llm_client("doctor", settings=settings)
    except BacktraderLLMError as problem:
        yield Check("initialization", False, str(problem), cure_of_start(problem, settings))
        return
    with client:
        try:
            identity = client.identity
            _load(client)
        except BacktraderLLMError as problem:
            yield Check("initialization", False, str(problem), cure_of_start(problem, settings))
            return
        engine = f"{identity.name} by {identity.engine} {identity.engine_version}".rstrip()
        yield Check("initialization", True, f"{engine}{_device(identity)}{_way(settings)}")
        for name, trial in _TRIALS:
            try:
                with as_contract_error():
                    told = trial(client)
                yield Check(name, True, told)
            except BacktraderLLMError as problem:
                yield Check(name, False, str(problem), cure_of_check(name, settings.backend))


def _load(client: LLMClient) -> None:
    """Raise where the model cannot be asked at all; what fails in a single answer is for the checks that follow."""
    try:
        client.complete(Request((Message("user", "Ready?"),), max_tokens=1, timeout_s=client.defaults.timeout_s))
    except BackendRefused:
        raise
    except (AnswerTimeout, BackendFailure, PromptTooLong):
        return


def _device(identity: ModelIdentity) -> str:
    """What computes the answers of a model on this machine; a remote one keeps that to itself."""
    if not identity.weights_sha256:
        return ""
    settings = dict(identity.settings)
    layers = int(settings.get("gpu_layers", 0))
    if layers:
        return f", {'all layers' if layers < 0 else f'{layers} layers'} on the graphics card"
    return f", on the device {settings.get('device', 'cpu')}"


def _way(settings: LlmSettings) -> str:
    """Where a server that speaks like OpenAI is asked, which variable its key is from, and where the settings are from
    that say so."""
    if not is_like_openai(settings.backend):
        return ""
    reach = reach_of(settings.for_backend(settings.backend))
    places = ", ".join(urlsplit(url).netloc for url in reach.urls)
    key = f"the key of {reach.key_variable}" if reach.key_variable else "no key"
    return f", asked at {places} with {key}; settings from {settings.source}"


def _health(client: LLMClient) -> str:
    health = client.healthcheck()
    if not health.ok:
        raise BackendFailure(health.detail)
    return f"{health.detail} ({health.latency_ms:.0f} ms)"


def _generation(client: LLMClient) -> str:
    answer = client.generate("Name one colour.", max_tokens=16, json_mode=False)
    if not answer.text.strip():
        raise BackendFailure("The answer is empty.")
    return f"{answer.tokens_out} tokens in {answer.latency_ms:.0f} ms"


def _json_mode(client: LLMClient) -> str:
    asked = Message("user", 'Give a JSON object with a colour, such as {"colour": "red"}.')
    request = replace(client.defaults, messages=(asked,), json_mode=True, json_schema=_COLOUR, max_tokens=96)
    return f"valid JSON of {len(json_text(client.complete(request).text))} characters"


def _streaming(client: LLMClient) -> str:
    turns = [{"role": "user", "content": "Count to three."}]
    chunks = list(client.chat(turns, stream=True, max_tokens=16, json_mode=False))
    if not chunks[-1].done or len(chunks) < 2:
        raise BackendFailure("The answer did not come in chunks.")
    return f"{len(chunks) - 1} chunks"


def _error_handling(client: LLMClient) -> str:
    try:
        client.generate("Tell a long story.", timeout_s=1e-6, json_mode=False)
    except AnswerTimeout:
        client.generate("Name one colour.", max_tokens=4, json_mode=False)
        return "an answer that takes too long is given up, and the next one comes"
    raise BackendFailure("A time limit of a microsecond was not kept.")


def _speed(client: LLMClient) -> str:
    prompt = "The market rose, then it fell, and then it went nowhere for a while. " * 16
    read = client.generate(prompt, max_tokens=1, json_mode=False)
    again = client.generate(prompt, max_tokens=1, json_mode=False)  # an engine may keep what it has read
    written = client.generate(prompt, max_tokens=33, json_mode=False)
    seconds = max(written.latency_ms - again.latency_ms, 1.0) / 1000
    detail = (
        f"{read.tokens_in / max(read.latency_ms, 1.0) * 1000:.0f} prompt tokens and "
        f"{max(written.tokens_out - again.tokens_out, 0) / seconds:.0f} written tokens a second"
    )
    if written.latency_ms > 1000 * SLOW_SECONDS:
        raise BackendFailure(f"A short answer took {written.latency_ms / 1000:.0f} s: {detail}.")
    return detail


_TRIALS: tuple[tuple[str, Callable[[LLMClient], str]], ...] = (
    ("health", _health),
    ("generation", _generation),
    ("JSON mode", _json_mode),
    ("streaming", _streaming),
    ("error handling", _error_handling),
    ("decision", try_decision),
    ("speed", _speed),
)
