"""What to do about a refusal of a server that speaks like OpenAI, by its status and its words."""

from __future__ import annotations

WRONG_ADDRESS = "check that LLM_BASE_URL names the API itself, which often ends in /v1"
NO_COMPLETION = "check that LLM_BASE_URL names a server of chat completions"
NO_ANSWER = "try another openai.answer_format, or choose another LLM_MODEL"
WITHHELD = "change the prompt, or choose another LLM_MODEL"
THOUGHT_ALONE = (
    "raise LLM_MAX_TOKENS, lower openai.reasoning_effort, or take the reasoning parser off the server where it takes "
    "the answer for thoughts"
)
TOOL_CALLED = "choose another LLM_MODEL, or take the tool parser off the server"
LOADING = "wait until it is there, or raise LLM_TIMEOUT_S to wait longer"
UNSTEADY = "look into the server's log, or lower openai.concurrency"
TOO_MUCH = "lower LLM_MAX_TOKENS, or check LLM_BASE_URL"
UNPACKED = "switch compression off in the server or the proxy before it"
BLIND = (
    "choose an LLM_MODEL that sees, start its server with what it sees by (llama-server --mmproj), or show no image "
    "(context has chart: {null: text})"
)
TOO_LONG = "show fewer examples, or choose a model with a larger context"

_BY_WORD = (
    (
        "temperature",
        "give one that it takes in LLM_TEMPERATURE, or set openai.omit_temperature to true where it takes none",
    ),
    ("system role", "set openai.merge_system to true"),
    ("system message", "set openai.merge_system to true"),
    ("system prompt", "set openai.merge_system to true"),
    ("roles must alternate", "set openai.merge_system to true"),
    ("reasoning_effort", "correct openai.reasoning_effort, or leave it out"),
    ("response_format", "set openai.answer_format to json_object or plain"),
    ("json_schema", "set openai.answer_format to json_object or plain"),
    ("seed", "leave LLM_SEED out"),
    ("max_tokens", "lower LLM_MAX_TOKENS"),
    ("max_completion_tokens", "lower LLM_MAX_TOKENS"),
)
"""What a refusal of a request is about, as the server names it."""
_BY_STATUS = {
    401: "set LLM_API_KEY",
    402: "top up the account, or set the LLM_API_KEY of another",
    403: "use a key that may ask this model",
    404: "set LLM_MODEL and LLM_BASE_URL to what the server has",
    405: WRONG_ADDRESS,
    408: "raise LLM_TIMEOUT_S, or lower openai.concurrency",
    413: TOO_LONG,
    429: "lower openai.concurrency, or ask for a higher limit",
    500: "look into the server's log",
    501: "choose another LLM_MODEL, or another server in LLM_BASE_URL",
}


def is_no_completion(said: str) -> bool:
    """Whether a failure says that no API of chat completions answers at this address."""
    return WRONG_ADDRESS in said or NO_COMPLETION in said or "unexpected endpoint" in said.lower()


def cure(status: int, said: str) -> str:
    """What to do about this HTTP status and the words that came with it."""
    words = said.lower()
    if status in (400, 422):
        named = next((told for name, told in _BY_WORD if name in words), "")
        return named or "correct the setting that it names, or choose another LLM_MODEL"
    if status == 429 and ("quota" in words or "billing" in words):
        return _BY_STATUS[402]
    if status > 501:
        return "try later, or name another server in LLM_BASE_URL or a backend in LLM_FALLBACK"
    return _BY_STATUS.get(status, "try later, or check LLM_BASE_URL")
