"""Whether the model runtime works here: one check after the other, each with its cure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from llm_strategy.doctor.sight import try_sight
from llm_strategy.doctor.speed import SLOW_SECONDS, try_decision
from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendMissing,
    BackendRefused,
    BacktraderLLMError,
    ConfigurationError,
    ModelNotFound,
    ModelNotLoaded,
    PromptTooLong,
)
from llm_strategy.llm.backends.openai.endpoints import is_like_openai, reach_of
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import get_llm_client
from llm_strategy.llm.requests import Message, ModelIdentity, Request
from llm_strategy.llm.services import OPENAI, SERVICES
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


def diagnose(settings: LlmSettings | None = None, *, images: bool = False) -> Iterator[Check]:
    """Try the configured model, from connecting to speed, and whether it sees where ``images`` are to be shown; each
    check comes as soon as it is done; failures are told, not raised."""
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
        for name, trial in (*_TRIALS, *([("images", try_sight)] if images else [])):
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


_BLIND = (
    "Choose an LLM_MODEL that sees (a server of one's own needs what it sees by, such as llama-server --mmproj), or "
    "show the chart in numbers (context: chart: {null: text})."
)
_UPDATE = "Update the package behind LLM_BACKEND."
_LOCAL = {
    "health": "Check the model file with 'btllm models verify', and that there is free memory for it.",
    "generation": "Choose an instruct model, or run 'btllm models pull smollm2-135m'.",
    "JSON mode": "Lower LLM_TEMPERATURE, or choose a larger model.",
    "streaming": _UPDATE,
    "error handling": _UPDATE,
    "decision": "Choose a larger model, or LLM_BACKEND=llama_cpp, which scores choices: then every decision is valid.",
    "images": "Choose LLM_BACKEND=openai or bedrock with a model that sees, or show the chart in numbers "
    "(context: chart: {null: text}).",
    "speed": "Close what else uses the processors, set LLM_THREADS to the number of free ones, or choose a smaller "
    "model.",
}
_SERVER = (
    "Start the server and see that LLM_BASE_URL is its address (with /v1 where it has that), LLM_API_KEY its key, and "
    "LLM_MODEL a name that it knows."
)
_OPENAI = {
    "health": _SERVER,
    "generation": "Set LLM_MODEL to a chat model; for one that thinks before it answers raise LLM_MAX_TOKENS.",
    "JSON mode": "Set openai.answer_format to what the server has (json_schema, json_object or plain), or choose a "
    "larger model.",
    "streaming": "Let no proxy on the way hold answers back, or update the server.",
    "error handling": "Raise LLM_TIMEOUT_S, and see that the server is not busy with other work.",
    "decision": "Choose a larger model, a server that keeps to a schema, or show it how (advisor.examples: fixed).",
    "images": _BLIND,
    "speed": "Choose a faster model or server, or give the address of a second one to share the load.",
}
_ACCOUNT = (
    "Check the credentials (aws sts get-caller-identity), the region (AWS_REGION, or bedrock.region), and that the "
    "account has access to LLM_MODEL in that region."
)
_BEDROCK = {
    "health": _ACCOUNT,
    "generation": "Set LLM_MODEL to a text model that speaks Converse.",
    "JSON mode": "Set bedrock.json to tool, or choose a larger model.",
    "streaming": "See that the model streams, and that the account may call ConverseStream.",
    "error handling": "Raise LLM_TIMEOUT_S, or ask AWS for a higher quota.",
    "decision": "Set bedrock.json to tool, or choose a larger model.",
    "images": _BLIND,
    "speed": "Choose a smaller model, a nearer region, or ask AWS for a higher quota.",
}
_MEMBERS = "Run 'btllm doctor --backend NAME' for each member of the ensemble: one of them is not well."
_REPLAY = "Name in LLM_REPLAY_FROM what is to be asked again; a replay answers nothing else, so that this must fail."

_CURES: dict[str, dict[str, str]] = {
    "local_llama": _LOCAL,
    "llama_cpp": _LOCAL,
    "openai": _OPENAI,
    "bedrock": _BEDROCK,
    "ensemble": dict.fromkeys(_LOCAL, _MEMBERS),
    "replay": dict.fromkeys(_LOCAL, _REPLAY),
}
_SETTING = "Put the named setting right, then run the doctor again."


def cure_of_check(name: str, backend: str) -> str:
    """What to do where this check failed."""
    other = f"See what backend {backend!r} says of this, or choose another LLM_BACKEND."
    if backend in SERVICES:
        return _CURES[OPENAI].get(name, other).replace("openai.", f"{backend}.")
    return _CURES.get(backend, {}).get(name, other)


def cure_of_start(problem: BacktraderLLMError, settings: LlmSettings | None) -> str:
    """What to do where the model cannot be asked at all."""
    if settings is None or isinstance(problem, ConfigurationError):
        return _SETTING
    if isinstance(problem, BackendMissing):
        return "Run the command that is named there in this Python, then run the doctor again."
    if isinstance(problem, ModelNotLoaded):
        if settings.instruct_model_path is not None:
            return "Fetch the file again and compare its size with the published one, or unset LLM_INSTRUCT_MODEL_PATH."
        return f"Run 'btllm models pull {settings.model}', which replaces a damaged file, or choose another LLM_MODEL."
    if isinstance(problem, ModelNotFound):
        return _SETTING
    return cure_of_check("health", settings.backend)
