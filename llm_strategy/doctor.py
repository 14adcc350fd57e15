"""Whether the model runtime works here: one check after the other, each with its cure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llm_strategy.config import LlmSettings, load_settings
from llm_strategy.errors import AnswerTimeout, BackendFailure, BacktraderLLMError, ModelNotLoaded, PromptTooLong
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.exchange import Message, ModelIdentity, Request
from llm_strategy.llm.loader import get_llm_client

SLOW_ANSWER_MS = 10_000
"""A short answer that takes longer fails the speed check."""


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
        yield Check("initialization", False, str(problem), _cure(problem, settings))
        return
    with client:
        try:
            identity = client.identity
            _load(client)
        except BacktraderLLMError as problem:
            yield Check("initialization", False, str(problem), _cure(problem, settings))
            return
        engine = f"{identity.name} by {identity.engine} {identity.engine_version}"
        yield Check("initialization", True, f"{engine}{_device(identity)}")
        for name, trial, cure in _TRIALS:
            try:
                yield Check(name, True, trial(client))
            except BacktraderLLMError as problem:
                yield Check(name, False, str(problem), cure)


def _load(client: LLMClient) -> None:
    """Raise where the model cannot be asked at all; what fails in a single answer is for the checks that follow."""
    with contextlib.suppress(AnswerTimeout, BackendFailure, PromptTooLong):
        client.complete(Request((Message("user", "Ready?"),), max_tokens=1, timeout_s=client.defaults.timeout_s))


def _device(identity: ModelIdentity) -> str:
    """What computes the answers of a model on this machine; a remote one keeps that to itself."""
    if not identity.weights_sha256:
        return ""
    settings = dict(identity.settings)
    layers = int(settings.get("gpu_layers", 0))
    if layers:
        return f", {'all layers' if layers < 0 else f'{layers} layers'} on the graphics card"
    return f", on the device {settings.get('device', 'cpu')}"


def _cure(problem: BacktraderLLMError, settings: LlmSettings | None) -> str:
    if isinstance(problem, ModelNotLoaded) and settings is not None:
        if settings.instruct_model_path is not None:
            return "Fetch the file again and compare its size with the published one, or unset LLM_INSTRUCT_MODEL_PATH."
        return f"Run 'btllm models pull {settings.model}', which replaces a damaged file, or choose another LLM_MODEL."
    return "Put the named setting right, then run the doctor again."


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
    answer = client.generate("Give a JSON object with a colour and its name.", json_mode=True, max_tokens=96)
    return f"valid JSON of {len(answer.text)} characters"


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
    if written.latency_ms > SLOW_ANSWER_MS:
        raise BackendFailure(f"A short answer took {written.latency_ms / 1000:.0f} s: {detail}.")
    return detail


_TRIALS: tuple[tuple[str, Callable[[LLMClient], str], str], ...] = (
    ("health", _health, "Check the model file and the free memory; 'btllm models verify' hashes the embedded model."),
    ("generation", _generation, "Choose an instruct model, or run 'btllm models pull smollm2-135m'."),
    ("JSON mode", _json_mode, "Lower LLM_TEMPERATURE, or choose a larger model."),
    ("streaming", _streaming, "Update the package behind LLM_BACKEND."),
    ("error handling", _error_handling, "Update the package behind LLM_BACKEND."),
    (
        "speed",
        _speed,
        "Close what else uses the processors, set LLM_THREADS to the number of free ones, or choose a smaller model.",
    ),
)
