"""Where the servers of ``openai``, or of a service that speaks like it, are, and which key they are sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.network import check_header
from llm_strategy.llm.services import OPENAI, OPENAI_URL, SERVICES
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings


@dataclass(frozen=True, slots=True)
class Reach:
    """Addresses, key, and the variable that the key is from; both empty where none is sent."""

    urls: tuple[str, ...]
    key: str = field(default="", repr=False)
    key_variable: str = ""


def reach_of(settings: LlmSettings) -> Reach:
    """The addresses and the key that settings and environment give the backend ``settings.backend``.

    A key of ``OPENAI_API_KEY`` goes only where ``OPENAI_BASE_URL`` says, or to OpenAI itself; that of a service, such
    as ``GROQ_API_KEY``, to the address of this service alone. Raises ``ConfigurationError`` where a key is missing or
    cannot be sent.
    """
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    key_variable = f"LLM_API_KEY (or api_key in {SETTINGS_FILE})" if key else ""
    if service := SERVICES.get(settings.backend):
        urls, usual = settings.base_url or (service.url,), service.key_variable
    else:
        given = settings.base_url
        urls = given or (settings.variable("OPENAI_BASE_URL") or OPENAI_URL,)
        usual = "" if given else "OPENAI_API_KEY"
    if not key and usual and (key := settings.variable(usual)):
        key_variable = usual
    if not key and urls == (OPENAI_URL,):
        raise ConfigurationError("The backend openai has no key and no address: set LLM_API_KEY or LLM_BASE_URL.")
    if not key and service and service.key_variable and urls == (service.url,):
        raise ConfigurationError(
            f"The backend {settings.backend} has no key: set {service.key_variable} or LLM_API_KEY, or LLM_BASE_URL "
            "where it is served by another address."
        )
    check_header(key, key_variable)
    return Reach(urls, key, key_variable)


def is_like_openai(backend: str) -> bool:
    """Whether a backend of this name is ``openai`` or a service that speaks like it."""
    return backend == OPENAI or backend in SERVICES
