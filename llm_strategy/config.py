"""Settings of the model runtime: ``configs/llm.yaml`` where it exists, then ``.env``, then the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from llm_strategy.errors import ConfigurationError, did_you_mean

SETTINGS_FILE = Path("configs/llm.yaml")

STARTER = """\
# Settings of the model runtime. The environment (and a file .env) overrides what stands here:
# LLM_BACKEND, LLM_MODEL, LLM_INSTRUCT_MODEL_PATH, LLM_TEMPERATURE, LLM_MAX_TOKENS, LLM_TIMEOUT_S, LOG_LEVEL.

# Who answers: local_llama runs a GGUF file on this machine, through gpt4all.
backend: local_llama

# Name of a model that `btllm models pull` brings, or a GGUF file, by its path or its name in the cache folder.
model: smollm2-135m

# 0 is greedy: the same question gets the same answer.
temperature: 0.0

# Longest free answer, in tokens.
max_tokens: 512

# Whether answers are JSON where a call does not say.
json_mode: false

# Seconds after which an answer is given up.
timeout_s: 30

# Longest prompt and answer together, in tokens; more costs memory.
context_tokens: 4096

# Processor threads. Left out: as many as are fastest when the model is loaded.
# threads: 2

# DEBUG, INFO, WARNING or ERROR.
log_level: WARNING
"""
"""The commented text of a fresh ``configs/llm.yaml``; its values are the defaults."""


class LlmSettings(BaseSettings):
    """How to reach a model, and how it answers. Made by ``load_settings``, or directly in a program."""

    model_config = SettingsConfigDict(
        env_prefix="LLM_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        protected_namespaces=(),
    )

    backend: str = "local_llama"
    """Name of a registered backend."""
    model: str = "smollm2-135m"
    """Name of a model that can be pulled, or a GGUF file: its path, or its name in the cache folder."""
    instruct_model_path: Path | None = None
    """Path of a GGUF file; it goes before ``model``."""
    temperature: float = Field(0.0, ge=0, le=5, allow_inf_nan=False)
    """0 is greedy."""
    max_tokens: int = Field(512, ge=1)
    """Bound of a free answer."""
    json_mode: bool = False
    """Whether answers are JSON where a call does not say."""
    timeout_s: float = Field(30.0, gt=0, allow_inf_nan=False)
    """Seconds after which an answer is given up."""
    context_tokens: int = Field(4096, ge=128)
    """Room for prompt and answer together; no more than the model was trained for is used."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Processor threads; unset means as many as are fastest when the model is loaded."""
    script: Path | None = None
    """Answers of the ``scripted`` backend."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", validation_alias=AliasChoices("LOG_LEVEL", "log_level")
    )
    sections: dict[str, dict[str, Any]] = Field(default_factory=dict, exclude=True)
    """Options of single backends: the mappings of ``configs/llm.yaml`` that are named like a backend."""

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
        file = InitSettingsSource(settings_cls, read_settings_file(SETTINGS_FILE))
        return init_settings, env_settings, dotenv_settings, file


def load_settings(**given: Any) -> LlmSettings:
    """The settings in force in the current folder; ``ConfigurationError`` names the one that is wrong."""
    try:
        return LlmSettings(**given)
    except ValidationError as problem:
        first = problem.errors()[0]
        name = str(first["loc"][0])
        source = name if name.isupper() else f"{name} (in {SETTINGS_FILE}, or LLM_{name.upper()})"
        raise ConfigurationError(f"{source} is {first['input']!r}: {first['msg']}.") from None


def read_settings_file(path: Path) -> dict[str, Any]:
    """The file's settings, mappings gathered under ``sections``; empty where there is no file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise ConfigurationError(f"{path} cannot be read: {' '.join(str(problem).split())}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is not a list of settings: write lines such as 'backend: local_llama'.")
    known = [name for name in LlmSettings.model_fields if name != "sections"]
    sections = {str(name): _expand(value) for name, value in content.items() if isinstance(value, dict)}
    settings = {name: value for name, value in content.items() if not isinstance(value, dict)}
    for name in settings:
        if name not in known:
            raise ConfigurationError(f"{path} has the unknown key {name!r}{did_you_mean(name, known)}")
    return {**settings, "sections": sections}


def _expand(section: Mapping[str, Any]) -> dict[str, Any]:
    """Put the environment's value where a text names a variable, as in ``${API_KEY}``."""
    return {name: os.path.expandvars(value) if isinstance(value, str) else value for name, value in section.items()}
