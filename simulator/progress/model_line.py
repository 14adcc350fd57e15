"""Which model answers, and where that was set: the first line of every run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_strategy.llm.settings import LlmSettings

if TYPE_CHECKING:
    from llm_strategy.llm.client import LLMClient


def model_line(settings: LlmSettings, client: LLMClient | None = None) -> str:
    """The first line of a run: a given ``client``, or the configured model."""
    if client is not None:
        return f"Model: {client.identity.name} by {client.identity.backend}, a client that the program gave"
    model: object = settings.model
    if settings.backend in ("local_llama", "llama_cpp"):
        path = settings.instruct_model_path
        model = path.name if path else Path(settings.model).name
    elif settings.backend == "scripted":
        model = settings.script
    elif settings.backend == "replay":
        model = settings.replay_from
    elif settings.backend == "ensemble":
        return f"Model: an ensemble; settings from {settings.source}"
    return f"Model: {model} by {settings.backend}; settings from {settings.source}"
