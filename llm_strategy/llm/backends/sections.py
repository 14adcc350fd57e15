"""The options of every backend of ours: what may stand under its name in ``configs/llm.yaml`` beside settings.

A new option is a field here. Nothing heavy is imported, so that all sections can be checked before any backend is
connected.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field

from llm_strategy.llm.backends.ensemble.ballots import Vote
from llm_strategy.llm.backends.local.gpt4all_load import Device
from llm_strategy.llm.backends.openai.capabilities import AnswerFormat
from llm_strategy.llm.backends.options import Section

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
