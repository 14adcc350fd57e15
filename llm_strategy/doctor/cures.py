"""What to do about a check of the doctor that failed, by the backend that was checked."""

from __future__ import annotations

from llm_strategy.errors import BackendMissing, BacktraderLLMError, ConfigurationError, ModelNotFound, ModelNotLoaded
from llm_strategy.llm.services import OPENAI, SERVICES
from llm_strategy.llm.settings import LlmSettings

_UPDATE = "Update the package behind LLM_BACKEND."
_LOCAL = {
    "health": "Check the model file with 'btllm models verify', and that there is free memory for it.",
    "generation": "Choose an instruct model, or run 'btllm models pull smollm2-135m'.",
    "JSON mode": "Lower LLM_TEMPERATURE, or choose a larger model.",
    "streaming": _UPDATE,
    "error handling": _UPDATE,
    "decision": "Choose a larger model, or LLM_BACKEND=llama_cpp, which scores choices: then every decision is valid.",
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
    "decision": "Choose a larger model, or a server that keeps to a JSON schema.",
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
