"""Settings of the model runtime: ``configs/llm.yaml`` where it exists, then ``.env``, then the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv.main import resolve_variables
from pydantic import AliasChoices, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from llm_strategy.errors import ConfigurationError, nearest
from llm_strategy.llm.services import OPENAI, SERVICES
from llm_strategy.llm.settings_file import VARIABLE, read_settings_file
from llm_strategy.support.dotenv_file import read_dotenv
from llm_strategy.support.outside_text import encodable
from llm_strategy.support.read_regular import place_of
from llm_strategy.support.secrets import KEY_PLACES, keep_all_secret, keep_secret, redact
from llm_strategy.support.strict_yaml import is_word

SETTINGS_FILE = Path("configs/llm.yaml")
DOTENV = Path(".env")
_CHECKED_IN_USE = ("sections", "api_key", "base_url")
"""Settings whose variables need to be set only where the backend that they are for is asked."""
_folder: ContextVar[Path | None] = ContextVar("folder", default=None)
"""The folder whose files are read while settings are made."""


class LlmSettings(BaseSettings):
    """How to reach a model, and how it answers. Made by ``load_settings``, or directly in a program."""

    model_config = SettingsConfigDict(
        env_prefix="LLM_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        protected_namespaces=(),
    )

    backend: str = "local_llama"
    """Name of a registered backend, or ``FILE.py:CLASS``: a class of a person's own file."""
    model: str = "smollm2-135m"
    """Name of a model that can be pulled, or a GGUF file: its path, or its name in the cache folder."""
    instruct_model_path: Path | None = None
    """Path of a GGUF file; it goes before ``model``."""
    temperature: float = Field(0.0, ge=0, le=5, allow_inf_nan=False)
    """0 is greedy."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Seed of the sampler, for backends that know one (``openai``, ``llama_cpp``); each further draw of an answer has
    one that follows from it. Unset means a new one each time."""
    max_tokens: int = Field(512, ge=1)
    """Bound of a free answer."""
    json_mode: bool = False
    """Whether answers are JSON where a call does not say."""
    timeout_s: float = Field(30.0, gt=0, allow_inf_nan=False)
    """Seconds after which an answer is given up, all attempts and fallbacks included."""
    context_tokens: int = Field(4096, ge=128)
    """Room for prompt and answer together; no more than the model was trained for is used."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Processor threads; unset means as many as are fastest when the model is loaded."""
    strict: bool = False
    """Whether an answer may depend on nothing but the question, the model and the machine: one slot, a fixed number of
    threads (those of ``threads``, else one for each processor, at most 8) and fixed batches, nothing kept from earlier
    questions, no sampler without a seed, no graphics card. ``ConfigurationError`` where a backend cannot promise it. A
    time limit still ends an answer that takes too long."""
    adapter: str = "auto"
    """Adapter of ``llama_cpp`` for the questions in the layout that it was trained on: a GGUF file that ``btllm train``
    wrote, ``auto`` (the package's own, where the model is the one that it was trained for), or ``none``. A question to
    which something else is set than by default is not in that layout, and no adapter answers it."""
    adapter_scale: float = Field(1.0, gt=0, le=8, allow_inf_nan=False)
    """By which the adapter's additions are multiplied."""
    price_in: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Price of a million tokens read, in any currency; unset means unpriced."""
    price_out: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Price of a million tokens written."""
    audit_file: Path | None = None
    """Where scripts note every call that reaches the model, one JSON line each; a run has its own ``audit.jsonl``."""
    attempts: int = Field(4, ge=1)
    """Attempts at a question of a remote backend, all within ``timeout_s``."""
    attempt_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds after which one attempt is given up; unset means that it may take all of ``timeout_s``."""
    backoff_s: float = Field(0.5, ge=0, allow_inf_nan=False)
    """Seconds before the second attempt, about; each further one waits twice as long."""
    backoff_max_s: float = Field(20.0, ge=0, allow_inf_nan=False)
    """Longest wait in seconds, also where a server asks for a longer one."""
    breaker_failures: int = Field(5, ge=0)
    """Failed decisions in a row after which a backend is left alone; 0 means never."""
    breaker_pause: int = Field(20, ge=1)
    """Decisions that go without such a backend before it is tried again."""
    fallback: Annotated[tuple[str, ...], NoDecode] = ()
    """Backends that answer where this one fails, in their order, each within its even share of what is left of
    ``timeout_s``; in the environment separated by commas."""
    base_url: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses of the servers of ``openai``, or of the service that ``backend`` names; in the environment separated by
    commas."""
    api_key: SecretStr | None = Field(None, exclude=True)
    """Key of these servers."""
    script: Path | None = None
    """Answers of the ``scripted`` backend."""
    replay_from: str = ""
    """Whose answers the ``replay`` backend gives: a run folder, or the name of the backend that gave those on
    record."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", validation_alias=AliasChoices("LOG_LEVEL", "log_level")
    )
    """What is logged: INFO shows each question that the model is asked, DEBUG also those answered from the record."""
    sections: dict[str, dict[str, Any]] = Field(default_factory=dict, exclude=True, repr=False)
    """Options of single backends: the mappings of ``configs/llm.yaml`` that are named like a backend."""
    _folder: Path | None = PrivateAttr(None)

    @field_validator("fallback", "base_url", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: Any) -> Any:
        return tuple(filter(None, (name.strip() for name in value.split(",")))) if isinstance(value, str) else value

    @field_validator("api_key")
    @classmethod
    def _kept_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            keep_secret(value.get_secret_value())
        return value

    @field_validator("sections")
    @classmethod
    def _secrets_kept(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        keep_all_secret(value)
        return value

    def for_backend(self, backend: str) -> LlmSettings:
        """The settings with those in place that stand under the backend's own name; ``ConfigurationError`` where one of
        them names a variable that is not set."""
        section = self.sections.get(backend, {})
        check_variables(section, backend)
        own = {
            name: value for name, value in section.items() if name in LlmSettings.model_fields and name != "sections"
        }
        kept = {name: getattr(self, name) for name in LlmSettings.model_fields}
        if backend != self._reached and (backend == OPENAI or backend in SERVICES):
            kept |= {"base_url": (), "api_key": None}  # those of another server
        return load_settings(self._folder, **kept | own | {"backend": backend})

    @property
    def _reached(self) -> str:
        """The backend that ``base_url`` and ``api_key`` are for: the configured service, and else ``openai``."""
        asked = self.replay_from if self.backend == "replay" else self.backend
        return asked if asked in SERVICES else OPENAI

    @property
    def source(self) -> str:
        """Where settings come from: the settings file, ``.env`` and the environment as far as they set something, such
        as ``configs/llm.yaml and the environment``, or ``defaults``."""
        names = [*_variables(), "LOG_LEVEL"]
        dotenv = _place(DOTENV, self._folder)
        file = _place(SETTINGS_FILE, self._folder)
        sources = [
            *([str(file)] if os.path.exists(file) else []),
            *([str(dotenv)] if any(value and name.upper() in names for name, value in _read(dotenv).items()) else []),
            *(
                ["the environment"]
                if any(value and name.upper() in names for name, value in os.environ.items())
                else []
            ),
        ]
        return " and ".join(filter(None, [", ".join(sources[:-1]), *sources[-1:]])) or "defaults"

    def variable(self, name: str) -> str:
        """A variable of the environment, or else of ``.env``; empty where it is not set."""
        return os.environ.get(name) or _read(_place(DOTENV, self._folder)).get(name) or ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, ``.env``, the file, and the defaults."""
        folder = _folder.get()
        written = _read(_place(DOTENV, folder))
        path, known = _place(SETTINGS_FILE, folder), [name for name in cls.model_fields if name != "sections"]
        file = InitSettingsSource(settings_cls, read_settings_file(path, known, {**written, **os.environ}, folder))
        dotenv = EnvSettingsSource(settings_cls, env_ignore_empty=True)
        resolved = resolve_variables(written.items(), override=True)
        dotenv.env_vars = {name.lower(): value for name, value in resolved.items() if value}
        return init_settings, env_settings, dotenv, file


def load_settings(folder: Path | None = None, /, **given: Any) -> LlmSettings:
    """The settings in force; ``ConfigurationError`` names the one that is wrong.

    Settings file and ``.env`` are those of ``folder``, which is an experiment's, or else of the working folder.
    """
    dotenv = _place(DOTENV, folder)
    _check_names(dotenv)
    token = _folder.set(folder)
    try:
        settings = LlmSettings(**given)
    except ValidationError as problem:
        first = problem.errors()[0]
        name = str(first["loc"][0])
        variable = "LOG_LEVEL" if name == "log_level" else f"LLM_{name.upper()}"
        source = name if name.isupper() else f"{name} (in {SETTINGS_FILE}, or {variable})"
        if name == "api_key":
            raise ConfigurationError(f"{source} is no text: write it between quotation marks.") from None
        shown = redact(repr(first["input"]))
        shown = shown if len(shown) <= 100 else f"{shown[:97]}..."
        raise ConfigurationError(f"{source} is {shown}: {redact(first['msg'])}.") from None
    finally:
        _folder.reset(token)
    for name, value in settings:
        if isinstance(value, str) and value != encodable(value):
            raise ConfigurationError(f"{name} (LLM_{name.upper()}) holds bytes that are no character: write it anew.")
    settings._folder = folder
    in_use = {name: getattr(settings, name) for name in LlmSettings.model_fields if name not in _CHECKED_IN_USE}
    check_variables(in_use, "")
    if redact(settings.model) != settings.model:
        raise ConfigurationError(
            f"LLM_MODEL (model in {SETTINGS_FILE}) holds a key, which would be written into every run: {KEY_PLACES}."
        )
    return settings


def _variables() -> list[str]:
    """The variables that set something."""
    return [f"LLM_{name.upper()}" for name in LlmSettings.model_fields if name not in ("sections", "log_level")]


def _read(dotenv: Path) -> dict[str, str | None]:
    return read_dotenv(dotenv, [*_variables(), "LOG_LEVEL"])


def _check_names(dotenv: Path) -> None:
    """Raise ``ConfigurationError`` for a variable that is nearly a setting's name, in ``.env`` or in the environment;
    others may belong to other programs."""
    known = [*_variables(), "LOG_LEVEL"]
    for name, value in _read(dotenv).items():
        keep_all_secret({name: value})
        if name.upper() not in known and (meant := nearest(name.upper(), known, 0.8)):
            if not is_word(name):
                raise ConfigurationError(f"{dotenv} has a name that is no word{meant} Write NAME=value.")
            raise ConfigurationError(f"{dotenv} has the unknown key {name!r}{meant}")
    for name, value in os.environ.items():
        ours = value and name.upper().startswith("LLM_")
        if ours and name.upper() not in known and (meant := nearest(name.upper(), known, 0.8)):
            raise ConfigurationError(f"The environment has the unknown variable {name!r}{meant}")


def _place(path: Path, folder: Path | None) -> Path:
    """The settings file or ``.env`` that is in force: that of the folder, or else of the working folder."""
    place = place_of(path, folder)
    try:
        return place if place.exists() else path
    except OSError:  # whoever reads it says so
        return place


def check_variables(settings: Any, place: str) -> None:
    """Raise ``ConfigurationError`` where a text, however deep, names a variable that is not set."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            check_variables(value, f"{place}.{name}" if place else str(name))
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            check_variables(value, place)
    elif isinstance(settings, SecretStr):
        check_variables(settings.get_secret_value(), place)
    elif isinstance(settings, (str, Path)) and (variable := VARIABLE.search(str(settings))):
        raise ConfigurationError(
            f"{place} (in {SETTINGS_FILE}) names the variable {variable[1]}, which is not set: export it, or write it "
            f"into {DOTENV}."
        )
