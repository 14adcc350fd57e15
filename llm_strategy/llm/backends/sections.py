"""What stands under a backend's own name in ``configs/llm.yaml``: its options, and settings that hold for it alone;
checked and told in one sentence.

A new option of one of our backends is a field of its ``Section`` here. Nothing heavy is imported, so that all sections
can be checked before any backend is connected.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.backends.ensemble.ballots import Vote
from llm_strategy.llm.backends.local.gpt4all_load import Device
from llm_strategy.llm.backends.openai.capabilities import AnswerFormat
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings
from llm_strategy.llm.settings_file import UNQUOTED
from llm_strategy.support.secrets import redact
from llm_strategy.support.strict_yaml import is_word

_OWN_SETTINGS = tuple(name for name in LlmSettings.model_fields if name not in ("backend", "sections", "log_level"))


class Section(BaseModel):
    """The options of one backend; a subclass lists them. A field's ``description`` is the cure for a wrong value."""

    model_config = ConfigDict(extra="forbid")


_Section = TypeVar("_Section", bound=Section)


def read_section(settings: LlmSettings, backend: str, kind: type[_Section]) -> _Section:
    """The options under ``backend:``; raises ``ConfigurationError`` where one is unknown or wrong."""
    section = settings.sections.get(backend, {})
    check_names(section, backend, kind)
    try:
        return kind(**{name: value for name, value in section.items() if name not in _OWN_SETTINGS})
    except ValidationError as problem:
        raise ConfigurationError(redact(f"{SETTINGS_FILE}: {_sentence(problem, backend, kind)}")) from None


def check_sections(settings: LlmSettings, kinds: Mapping[str, type[Section]], answering: Collection[str]) -> None:
    """Check what stands under the names of these backends, whether or not they are asked; where they may be
    ``answering`` the values too. Raises ``ConfigurationError``."""
    for backend, kind in kinds.items():
        if backend in answering:
            read_section(settings, backend, kind)
        else:
            check_names(settings.sections.get(backend, {}), backend, kind)


def check_names(section: Mapping[str, Any], backend: str, kind: type[Section]) -> None:
    """Raise ``ConfigurationError`` for a name that is neither an option of the backend nor a setting."""
    options = [field.alias or name for name, field in kind.model_fields.items()]
    for name in section:
        if name not in options and name not in _OWN_SETTINGS:
            if not is_word(name):
                raise ConfigurationError(f"{SETTINGS_FILE} has an option of {backend} that is no word: {UNQUOTED}.")
            meant = did_you_mean(name, [*options, *_OWN_SETTINGS])
            raise ConfigurationError(f"{SETTINGS_FILE} has the unknown option {backend}.{name}{meant}")


def _choices(annotation: object) -> list[str]:
    """The texts of a ``Literal``, also of one that may be None."""
    parts = get_args(annotation)
    return [text for part in parts for text in ([part] if isinstance(part, str) else _choices(part))]


def _sentence(problem: ValidationError, backend: str, kind: type[Section]) -> str:
    first = problem.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "missing":
        return f"{backend}.{name} is missing: write it under {backend}."
    field = next(field for known, field in kind.model_fields.items() if name in (known, field.alias))
    wrong = f"{backend}.{name} is {first['input']!r}"
    if first["type"] == "literal_error":
        return wrong + did_you_mean(first["input"], _choices(field.annotation))
    return f"{wrong}: {first['msg']}{f'; {field.description}' if field.description else ''}."


JsonWay: TypeAlias = Literal["prompt", "tool"]
"""How a model of Bedrock is asked for JSON: in words, or by a tool that it hands its answer to."""

VOTE_ON = ("regime.label", "action.type")
"""The fields of an advice that an ensemble votes on."""


class LocalLlama(Section):
    """Options of ``local_llama``: what computes."""

    device: Device = "cpu"


class LlamaCpp(Section):
    """Options of ``llama_cpp``: answers under way at once, layers on the graphics card, path of a LoRA adapter."""

    slots: int = Field(1, ge=1, description="give a number from 1")
    gpu_layers: int = Field(0, ge=-1, description="give a number of layers, or -1 for all")
    lora: str | None = None


class OpenAI(Section):
    """Options of ``openai``: see ``OpenAIBackend``."""

    concurrency: int = Field(8, ge=1)
    endpoint_concurrency: list[Annotated[int, Field(ge=1)]] = Field([], description="give a number for each address")
    probe: bool = True
    answer_format: AnswerFormat | None = None
    reported_model: str | None = None
    omit_temperature: bool | None = None
    reasoning_effort: str = ""
    merge_system: bool | None = None


class Bedrock(Section):
    """Options of ``bedrock``: see ``BedrockBackend``."""

    region: str | None = Field(None, min_length=1)
    profile: str | None = Field(None, min_length=1)
    endpoint_url: str | None = Field(None, min_length=1)
    json_way: JsonWay = Field("prompt", alias="json")
    omit_temperature: bool | None = None
    concurrency: int = Field(8, ge=1)


class Ensemble(Section):
    """Options of ``ensemble``: members are names of backends, or mappings with ``backend`` and what is special about
    this member."""

    members: list[str | dict[str, Any]] = Field(min_length=2)
    vote: Vote = "majority"
    vote_on: list[str] = Field(list(VOTE_ON), min_length=1)


class Scripted(Section):
    """``scripted`` has settings alone."""


SECTIONS: dict[str, type[Section]] = {
    "local_llama": LocalLlama,
    "llama_cpp": LlamaCpp,
    "openai": OpenAI,
    "bedrock": Bedrock,
    "ensemble": Ensemble,
    "scripted": Scripted,
}
"""By backend. One of another package reads its own with ``read_section``."""
