"""Settings of the model runtime: ``configs/llm.yaml`` where it exists, then ``.env``, then the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from llm_strategy.errors import ConfigurationError, did_you_mean, nearest
from llm_strategy.secrets import is_secret_name, keep_secret

SETTINGS_FILE = Path("configs/llm.yaml")

STARTER = """\
# Settings of the model runtime. The environment (and a file .env) overrides what stands here:
# LLM_BACKEND, LLM_MODEL, LLM_INSTRUCT_MODEL_PATH, LLM_TEMPERATURE, LLM_MAX_TOKENS, LLM_TIMEOUT_S, LOG_LEVEL, and
# LLM_NAME for every other setting.

# Who answers: local_llama runs a GGUF file on this machine, through gpt4all; llama_cpp through llama.cpp, which also
# scores choices (pip install 'backtrader-llm[llama-cpp]'); openai asks a server that speaks like OpenAI; bedrock asks
# AWS; ensemble lets several vote.
backend: local_llama

# Name of a model that `btllm models pull` brings, or a GGUF file, by its path or its name in the cache folder.
model: smollm2-135m

# 0 is greedy: the same question gets the same answer.
temperature: 0.0

# Longest free answer, in tokens.
max_tokens: 512

# Whether answers are JSON where a call does not say.
json_mode: false

# Seconds after which an answer is given up: all attempts, fallbacks and the repair of an answer among them.
timeout_s: 30

# Longest prompt and answer together, in tokens; more costs memory.
context_tokens: 4096

# Processor threads. Left out: as many as are fastest when the model is loaded.
# threads: 2

# true: one slot, a fixed number of threads and fixed batches, and every question read anew, so that on one machine an
# answer depends on nothing but the question. Slower, for llama_cpp and local_llama alone; other backends can promise
# nothing and are refused. What strict answers is recorded apart from what was answered without it.
strict: false

# DEBUG, INFO, WARNING or ERROR.
log_level: WARNING

# Options of llama_cpp alone: answers under way at once (above 1 greedy is no longer reproducible), layers on the
# graphics card (-1 for all), a LoRA adapter.
# llama_cpp:
#   slots: 1
#   gpu_layers: 0
#   lora: adapter.gguf

# Price of a million tokens, read and written, for the audit log and budgets in money. Left out: unpriced.
# price_in: 0.15
# price_out: 0.60

# Where a script notes every call of the model. Runs note theirs in audit.jsonl in their own folder.
# audit_file: audit.jsonl

# A model of AWS Bedrock; region, profile and credentials are found the AWS way where they are left out.
# bedrock:
#   model: anthropic.claude-3-haiku-20240307-v1:0
#   region: eu-central-1
#   json: prompt                # or tool: the model hands its answer to a tool with a schema
# What follows is for backends over a network (openai), and for any backend that has a fallback.

# Attempts at a question, all of them within timeout_s; and seconds after which one is given up (left out: never). A
# backend or an address that has others behind it gives up after its even share of the time that is left.
attempts: 4
# attempt_timeout_s: 10

# Seconds before the second attempt; each further one waits twice as long, up to the longest. A server's Retry-After
# goes before, up to the longest.
backoff_s: 0.5
backoff_max_s: 20

# After so many failed decisions in a row (0: never) so many go without the backend before it is tried again.
breaker_failures: 5
breaker_pause: 20

# Backends that answer where this one fails, in their order. (A rule in place of a model: advisor.fallback in the
# experiment.) Each has its share of timeout_s: with one fallback a backend has half of it, and the fallback what is
# left. Options of a backend stand under its name and may be settings, too: local_llama: {threads: 1}
# fallback: [local_llama]

# A server that speaks like OpenAI. Left out: the model above, LLM_BASE_URL and LLM_API_KEY (or OPENAI_BASE_URL and
# OPENAI_API_KEY) of the environment.
# openai:
#   model: gpt-4o-mini
#   base_url: [http://127.0.0.1:8080/v1, http://127.0.0.1:8081/v1]
#   api_key: ${MY_API_KEY}
#   concurrency: 8
#   answer_format: json_schema      # or json_object, or plain; left out: found out by asking
#   reported_model: gpt-4o-mini-2024-07-18      # left out: found out by asking

# Several models that vote on label and action by majority. Where all members score choices (llama_cpp) vote: average is
# the mean of their probabilities; a written answer gives its label none, and average then counts a majority too.
# ensemble:
#   members: [local_llama, {backend: openai, model: gpt-4o-mini}]
#   vote: majority
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
    """Addresses of the ``openai`` backend's servers; in the environment separated by commas."""
    api_key: SecretStr | None = Field(None, exclude=True)
    """Key of the ``openai`` backend's servers."""
    script: Path | None = None
    """Answers of the ``scripted`` backend."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", validation_alias=AliasChoices("LOG_LEVEL", "log_level")
    )
    sections: dict[str, dict[str, Any]] = Field(default_factory=dict, exclude=True, repr=False)
    """Options of single backends: the mappings of ``configs/llm.yaml`` that are named like a backend."""

    @field_validator("fallback", "base_url", mode="before")
    @classmethod
    def _separated_by_commas(cls, given: Any) -> Any:
        return tuple(filter(None, (name.strip() for name in given.split(",")))) if isinstance(given, str) else given

    def for_backend(self, backend: str) -> LlmSettings:
        """The settings with those in place that stand under the backend's own name."""
        section = self.sections.get(backend, {})
        own = {
            name: value for name, value in section.items() if name in LlmSettings.model_fields and name != "sections"
        }
        kept = {name: getattr(self, name) for name in LlmSettings.model_fields}
        return load_settings(**kept | own | {"backend": backend})

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
    _check_dotenv(Path(".env"))
    try:
        return LlmSettings(**given)
    except ValidationError as problem:
        first = problem.errors()[0]
        name = str(first["loc"][0])
        source = name if name.isupper() else f"{name} (in {SETTINGS_FILE}, or LLM_{name.upper()})"
        raise ConfigurationError(f"{source} is {first['input']!r}: {first['msg']}.") from None


def _check_dotenv(path: Path) -> None:
    """Raise ``ConfigurationError`` for a key that is nearly a setting's name; others may belong to other programs."""
    known = [f"LLM_{name.upper()}" for name in LlmSettings.model_fields if name not in ("sections", "log_level")]
    try:
        given = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{path} cannot be read: {' '.join(str(problem).split())}.") from None
    for name, value in given.items():
        if value and is_secret_name(name):
            keep_secret(value)
        if name.upper() not in (*known, "LOG_LEVEL") and (meant := nearest(name.upper(), (*known, "LOG_LEVEL"), 0.8)):
            raise ConfigurationError(f"{path} has the unknown key {name!r}{meant}")


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
    expanded = {name: os.path.expandvars(value) if isinstance(value, str) else value for name, value in section.items()}
    for name, value in expanded.items():
        if isinstance(value, str) and is_secret_name(str(name)):
            keep_secret(value)
    return expanded
