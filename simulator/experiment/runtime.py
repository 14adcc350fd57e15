"""Who answers an advisor: the settings of ``configs/llm.yaml``, with those in place that the advisor sets itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.backend_class import class_name
from llm_strategy.llm.backends.sections import SECTIONS, read_section
from llm_strategy.llm.loader import SUPPORTED_BACKENDS
from llm_strategy.llm.services import OPENAI, SERVICES
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings, load_settings
from llm_strategy.support.secrets import KEY_PLACES
from simulator.experiment.advisor import RUNTIME, AdvisorConfig

_EMBEDDED = ("local_llama", "llama_cpp")
"""Backends that read the same model files, so that a model of the one is one of the other, too."""
_NAME_A_MODEL = (OPENAI, *SERVICES, "bedrock")
"""Backends that need the name of a model, and have none by themselves."""
_NOT_AN_OPTION = {
    "backend": "write it beside options",
    "model": "write it beside options",
    "base_url": "write it beside options",
    "instruct_model_path": "write the path as model, beside options",
    "api_key": f"a key would be written into every run: {KEY_PLACES}",
    "audit_file": "a run writes its own into its folder",
    "log_level": "it holds for the whole command: set LOG_LEVEL",
}


def sets_runtime(config: AdvisorConfig) -> bool:
    """Whether an advisor sets who answers."""
    return any(getattr(config, name) for name in RUNTIME)


def runtime_settings(config: AdvisorConfig, folder: Path | None, where: str) -> LlmSettings:
    """The settings of the model runtime of an advisor in an experiment of this folder.

    A backend of its own comes with the model of its section in ``configs/llm.yaml``, or else with its default, and not
    with the model, address, key, price and fallbacks of another backend. Raises ``ConfigurationError``, which begins
    with ``where``, for what is wrong or would change nothing.
    """
    base = load_settings(folder)
    if not sets_runtime(config):
        return base
    backend = config.backend or base.backend
    if config.backend and backend not in SUPPORTED_BACKENDS and class_name(backend) is None:
        raise ConfigurationError(
            f"{where}.backend {backend!r} is not installed{did_you_mean(backend, SUPPORTED_BACKENDS)}"
        )
    section = dict(base.sections.get(backend, {}))
    settings = base.for_backend(backend)
    own: dict[str, Any] = {}
    if backend != base.backend:
        settings = settings.model_copy(update=_of_another(base, backend, section, config, where))
    for name, value in config.options.items():
        if name in _NOT_AN_OPTION:
            raise ConfigurationError(f"{where}.options.{name} is no option: {_NOT_AN_OPTION[name]}.")
        own[name] = value
    if config.model is not None:
        own |= {"model": _placed(config.model, folder), "instruct_model_path": None}
    if config.base_url:
        if backend != OPENAI and backend not in SERVICES:
            raise ConfigurationError(
                f"{where}.base_url is set, and the backend {backend} has no address: set {where}.backend, such as "
                f"{OPENAI}, or leave base_url out."
            )
        own["base_url"] = config.base_url
    made = settings.model_copy(update={"backend": backend, "sections": base.sections | {backend: section | own}})
    _check_options(made, backend, config.options, where)
    return made


def _check_options(settings: LlmSettings, backend: str, options: Mapping[str, Any], where: str) -> None:
    """Tell what is wrong with an option of an advisor where it stands, and not as one of the settings file."""
    kind = SECTIONS.get(OPENAI if backend in SERVICES else backend)
    try:
        settings.for_backend(backend)
        if kind is not None:
            read_section(settings, backend, kind)
    except ConfigurationError as problem:
        told = str(problem)
        for name in options:
            here = f"{where}.options.{name}"
            for there, instead in (
                (f"{name} (in {SETTINGS_FILE}, or LLM_{name.upper()})", here),
                (f"{SETTINGS_FILE}: {backend}.{name}", here),
                (f"{SETTINGS_FILE} has the unknown option {backend}.{name}", f"{where}.options has no option {name}"),
            ):
                if told.startswith(there):
                    raise ConfigurationError(instead + told.removeprefix(there)) from None
        raise


def _of_another(
    base: LlmSettings, backend: str, section: dict[str, Any], config: AdvisorConfig, where: str
) -> dict[str, Any]:
    """What a backend has of its own where the configured one is another."""
    kept: dict[str, Any] = {name: section.get(name) for name in ("price_in", "price_out")}
    kept["fallback"] = _names(section.get("fallback", ()))
    named = config.model is not None or "model" in section or section.get("instruct_model_path") is not None
    if named or (backend in _EMBEDDED and base.backend in _EMBEDDED):
        return kept
    if backend in _NAME_A_MODEL:
        raise ConfigurationError(
            f"{where}.backend is {backend}, and no model of it is named: write {where}.model, or model under {backend} "
            f"in {SETTINGS_FILE}."
        )
    return kept | {"model": LlmSettings.model_fields["model"].default, "instruct_model_path": None}


def _names(value: Any) -> tuple[str, ...]:
    return tuple(map(str.strip, value.split(","))) if isinstance(value, str) else tuple(value)


def _placed(model: str, folder: Path | None) -> str:
    """A model's file in the experiment's folder, where it lies there; any other name as it is."""
    try:
        return str(folder / model) if folder is not None and (folder / model).is_file() else model
    except OSError:  # no name that a file can have
        return model
