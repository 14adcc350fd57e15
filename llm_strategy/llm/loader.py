"""From settings to a client: the registry of backends, which entry points and ``register_backend`` extend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias, cast

from llm_strategy.errors import (
    BackendMissing,
    BacktraderLLMError,
    ConfigurationError,
    did_you_mean,
    exception_line,
)
from llm_strategy.llm.backend import Backend, OwnBackend
from llm_strategy.llm.backend_class import class_name, connect_class, load_class
from llm_strategy.llm.backends.sections import SECTIONS, check_sections
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog
from llm_strategy.llm.metering.calls import Prices
from llm_strategy.llm.reliability.client import Fallback, ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.llm.requests import Request
from llm_strategy.llm.services import SERVICES
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings, load_settings
from llm_strategy.support.logs import show_log

ENTRY_POINT_GROUP = "backtrader_llm.backends"

Connect: TypeAlias = Callable[[LlmSettings], Backend | LLMClient] | type
"""Makes a backend, or a client of its own kind, from the settings (heavy imports and the model itself wait until they
are needed); or the class of one, with ``answer`` or ``generate``, which ``backend_class.connect_class`` makes."""

_WHAT_MAKES_A_CLIENT = "name a class that has generate, or a function that takes the settings and returns an LLMClient"


def _lazily(entry_point: EntryPoint) -> Connect:
    def connect(settings: LlmSettings) -> LLMClient:
        try:
            load = cast(Connect, entry_point.load())
        except ImportError as problem:
            raise BackendMissing(
                f"Backend {entry_point.name!r} cannot be imported ({problem}): "
                "install what it needs, or choose another LLM_BACKEND."
            ) from None
        except BacktraderLLMError:  # it says itself what it needs
            raise
        except Exception as problem:
            raise ConfigurationError(
                f"Backend {entry_point.name!r} cannot be imported ({exception_line(problem)}): correct it there, or "
                "choose another LLM_BACKEND."
            ) from problem
        return _client(load, entry_point.name, settings)

    return connect


_OF_SERVICES: dict[str, Connect] = {
    name: _lazily(EntryPoint(name, "llm_strategy.llm.backends.openai.client:connect", ENTRY_POINT_GROUP))
    for name in SERVICES
}
_INSTALLED = entry_points(group=ENTRY_POINT_GROUP)
SUPPORTED_BACKENDS: dict[str, Connect] = _OF_SERVICES | {each.name: _lazily(each) for each in _INSTALLED}
"""The known backends by name: services that speak like OpenAI, those of installed packages, and what
``register_backend`` added."""
_OURS = {*_OF_SERVICES, *(each.name for each in _INSTALLED if each.value.startswith(("llm_strategy.", "simulator.")))}


def register_backend(name: str, connect: Connect) -> None:
    """Add a backend, a class or a function of the settings, for this process; packages use the entry point group
    ``backtrader_llm.backends`` instead, and a ``backend`` of the settings that names ``FILE.py:CLASS`` or
    ``package.module:CLASS`` needs neither."""
    SUPPORTED_BACKENDS[name] = connect


def get_llm_client(run_id: str | None = None, *, settings: LlmSettings | None = None, **overrides: Any) -> LLMClient:
    """A client for the configured model; ``run_id`` names the session in the log.

    ``overrides`` are single settings, such as ``backend="replay"``; they go before file and environment.
    Raises ``ConfigurationError`` for an unknown backend, and what the backend raises where it cannot be reached.
    """
    if settings is not None and overrides:
        raise ConfigurationError(f"settings and {', '.join(overrides)} are given: put all of them into settings.")
    for name in overrides:
        if name not in LlmSettings.model_fields:
            raise ConfigurationError(f"There is no setting {name!r}{did_you_mean(name, LlmSettings.model_fields)}")
    whole = settings = _with_sections_of_files(settings or load_settings(**overrides))
    show_log(settings.log_level)
    for name in settings.sections:
        if name not in SUPPORTED_BACKENDS and class_name(name) is None:
            raise ConfigurationError(
                f"{SETTINGS_FILE} has options for the unknown backend {name!r}{did_you_mean(name, SUPPORTED_BACKENDS)}"
            )
    for setting, backend in (
        ("LLM_BACKEND", settings.backend),
        *(("LLM_FALLBACK", name) for name in settings.fallback),
    ):
        if backend not in SUPPORTED_BACKENDS and class_name(backend) is None:
            raise ConfigurationError(
                f"{setting} {backend!r} is not installed{did_you_mean(backend, SUPPORTED_BACKENDS)}"
            )
    services = [name for name, connect in _OF_SERVICES.items() if SUPPORTED_BACKENDS.get(name) is connect]
    kinds = SECTIONS | dict.fromkeys(services, SECTIONS["openai"])
    check_sections(settings, kinds, (settings.backend, *settings.fallback))
    others = _in_its_place(settings)
    settings = settings.for_backend(settings.backend)
    if settings.strict and settings.fallback:
        raise ConfigurationError(
            "strict lets one model answer, and fallback names others for where it fails: leave one of the two out."
        )
    client = _connected(settings.backend, settings)
    if client.remote or settings.fallback:
        fallbacks = [Fallback(name, partial(connect_backend, name, others)) for name in settings.fallback]
        client = ResilientClient(client, _retry_policy(settings), fallbacks)
    client.run_id = run_id or ""
    defaults = Request(
        messages=(),
        json_mode=settings.json_mode,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        timeout_s=settings.timeout_s,
    )
    client.start_from(defaults)
    client.make = partial(get_llm_client, run_id, settings=whole.model_copy(update={"audit_file": None}))
    if settings.audit_file is not None:
        log = AuditLog(settings.audit_file, prices_of(settings))
        log.take_up(alone=False)
        return AuditedClient(client, log)
    return client


def connect_backend(backend: str, settings: LlmSettings) -> LLMClient:
    """One backend with the settings that stand under its name, the prices of its calls among them: a fallback, or a
    member of an ensemble."""
    if backend not in SUPPORTED_BACKENDS and class_name(backend) is None:
        raise ConfigurationError(f"There is no backend {backend!r}{did_you_mean(backend, SUPPORTED_BACKENDS)}")
    settings = settings.for_backend(backend).model_copy(update={"fallback": ()})  # nobody answers in its place
    client = _connected(backend, settings)
    return ResilientClient(client, _retry_policy(settings)) if client.remote else client


def prices_of(settings: LlmSettings) -> Prices:
    """What a call costs with these settings."""
    return Prices(settings.price_in, settings.price_out)


def without_price(settings: LlmSettings) -> tuple[str, ...]:
    """Names of the backends that may answer with these settings and have no price: the configured one, or the members
    of an ensemble, and the fallbacks, each of which needs a price under its own name."""
    configured, others = settings.for_backend(settings.backend), _in_its_place(settings)
    names: list[str] = []
    for own in (configured, *(others.for_backend(name) for name in configured.fallback)):
        if not prices_of(own).known:
            names += _members_without_price(own) if own.backend == "ensemble" else [own.backend]
    return tuple(dict.fromkeys(names))


def _members_without_price(ensemble: LlmSettings) -> list[str]:
    names = []
    for member in ensemble.sections.get("ensemble", {}).get("members", ()):
        entry = member if isinstance(member, dict) else {"backend": member}
        name = str(entry.get("backend"))
        section = ensemble.sections.get(name, {}) | entry
        if not Prices(section.get("price_in"), section.get("price_out")).known:
            names.append(name)
    return names


def _in_its_place(settings: LlmSettings) -> LlmSettings:
    """The settings of a fallback: those of all backends, without the prices, which are those of the configured one."""
    return settings.model_copy(update={"price_in": None, "price_out": None})


def _with_sections_of_files(settings: LlmSettings) -> LlmSettings:
    """The settings, in which what stands under a class's own name is that of the backend ``FILE.py:CLASS``."""
    sections = dict(settings.sections)
    for backend in (settings.backend, *settings.fallback):
        name = class_name(backend)
        if name and name in sections and name not in SUPPORTED_BACKENDS:
            sections[backend] = sections.pop(name) | sections.get(backend, {})
    return settings.model_copy(update={"sections": sections})


def _client(connect: Connect, backend: str, settings: LlmSettings) -> LLMClient:
    if not callable(connect):
        raise ConfigurationError(
            f"Backend {backend!r} is no class, but of type {type(connect).__name__}: name a class that has generate."
        )
    made = connect_class(connect, backend, settings) if isinstance(connect, type) else connect(settings)
    if not isinstance(made, Backend):
        return made
    return LLMClient(made if type(made).__module__.startswith("llm_strategy.") else OwnBackend(made, {}))


def _connected(backend: str, settings: LlmSettings) -> LLMClient:
    connect = SUPPORTED_BACKENDS[backend] if backend in SUPPORTED_BACKENDS else load_class(backend)
    try:
        client = _client(connect, backend, settings)
    except BacktraderLLMError:
        raise
    except Exception as problem:
        if backend in _OURS:
            raise
        cure = _WHAT_MAKES_A_CLIENT if isinstance(problem, (AttributeError, TypeError)) else "correct it there"
        raise ConfigurationError(
            f"Backend {backend!r} cannot be made ({exception_line(problem)}): {cure}."
        ) from problem
    if not isinstance(client, LLMClient):
        raise ConfigurationError(
            f"Backend {backend!r} makes a {type(client).__name__} and no client: {_WHAT_MAKES_A_CLIENT}."
        )
    client.prices = prices_of(settings)
    if settings.strict and not client.strict:
        client.close()
        raise ConfigurationError(
            f"strict is set, and backend {backend!r} cannot promise to answer a question alike: choose llama_cpp "
            "or local_llama, or leave strict out and let evaluation.draws measure how far answers differ."
        )
    return client


def _retry_policy(settings: LlmSettings) -> RetryPolicy:
    return RetryPolicy(
        attempts=settings.attempts,
        attempt_timeout_s=settings.attempt_timeout_s,
        backoff_s=settings.backoff_s,
        backoff_max_s=settings.backoff_max_s,
        breaker_failures=settings.breaker_failures,
        breaker_pause=settings.breaker_pause,
    )
