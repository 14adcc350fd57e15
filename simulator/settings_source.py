"""Which model answers, and where that was set: the first line of every run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from llm_strategy import config
from llm_strategy.config import LlmSettings

if TYPE_CHECKING:
    from llm_strategy.llm.client import LLMClient


def settings_source() -> str:
    """The places that settings of the model were read from, the strongest first: the environment with the variables in
    question, ``.env``, the settings file; or that the defaults hold."""
    known = {f"LLM_{name.upper()}" for name in LlmSettings.model_fields}
    named = sorted(name for name in os.environ if name.upper() in known and os.environ[name])
    places = [f"the environment ({', '.join(named)})"] if named else []
    if any(name.upper() in known and value for name, value in dotenv_values(config.DOTENV, interpolate=False).items()):
        places.append(str(config.DOTENV))
    if config.SETTINGS_FILE.exists():
        places.append(str(config.SETTINGS_FILE))
    return " and ".join(places) if places else f"the defaults (there is no {config.SETTINGS_FILE})"


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
        return f"Model: an ensemble; settings from {settings_source()}"
    return f"Model: {model} by {settings.backend}; settings from {settings_source()}"
