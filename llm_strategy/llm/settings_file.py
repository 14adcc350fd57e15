"""The file of the runtime's settings, ``configs/llm.yaml``: strict YAML, with variables and paths put in place."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.services import OPENAI, SERVICES
from llm_strategy.support.read_regular import at_home, read_text
from llm_strategy.support.secrets import keep_all_secret
from llm_strategy.support.strict_yaml import is_word, parse_yaml

VARIABLE = re.compile(r"\$\{(\w+)\}")
"""What a text names a variable by."""
_BACKEND_FILE = re.compile(r"[^,]+\.py(:\w*)?")
_PATHS = ("instruct_model_path", "model", "script", "replay_from", "lora", "adapter")
"""Settings and options that may name a file, which belongs to the folder of the settings."""
UNQUOTED = "a value with a comma, a colon or a line end in it needs quotation marks around it"
"""The cure for a key that is half of a value; it is not shown, as it may be half of a secret."""


def read_settings_file(
    path: Path, known: Collection[str], variables: Mapping[str, str | None], folder: Path | None = None
) -> dict[str, Any]:
    """The settings of a file, those that are mappings gathered under ``sections``; empty where there is no file.

    ``known`` are the names of settings, ``variables`` those that a value may name as in ``${API_KEY}``. A relative path
    in the file belongs to the ``folder``, where that is an experiment's and the file is there. Raises
    ``ConfigurationError`` without a value in its words."""
    try:
        content = parse_yaml(read_text(path), str(path), secret=True)
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is not a list of settings: write lines such as 'backend: local_llama'.")
    content = _expanded(content, variables)
    content = _from_folder(content, folder)
    content = _with_paths_from(content, path.parent)
    sections = {str(name): value for name, value in content.items() if isinstance(value, dict)}
    settings = {name: value for name, value in content.items() if not isinstance(value, dict)}
    for name in settings:
        if name not in known:
            if name == OPENAI or name in SERVICES:
                raise ConfigurationError(f"{path}: {name} is no mapping of options: write its options below it.")
            if not is_word(name):
                raise ConfigurationError(f"{path} has an unknown key that is no word: {UNQUOTED}.")
            raise ConfigurationError(f"{path} has the unknown key {name!r}{did_you_mean(name, list(known))}")
    keep_all_secret({**settings, "sections": sections})
    return {**settings, "sections": sections}


def _with_paths_from(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The settings with each backend that is ``FILE.py:CLASS`` located from the settings file's own folder."""

    def located(name: Any) -> Any:
        if isinstance(name, list):
            return [located(entry) for entry in name]
        if isinstance(name, dict):
            return name | {"backend": located(name["backend"])} if "backend" in name else name
        return str(folder / at_home(name)) if isinstance(name, str) and _BACKEND_FILE.fullmatch(name) else name

    placed = {located(name): value for name, value in content.items()}
    if isinstance(placed.get("fallback"), str):
        placed["fallback"] = [name.strip() for name in placed["fallback"].split(",") if name.strip()]
    for name in ("backend", "fallback"):
        if name in placed:
            placed[name] = located(placed[name])
    ensemble = placed.get("ensemble")
    if isinstance(ensemble, dict) and "members" in ensemble:
        placed["ensemble"] = ensemble | {"members": located(ensemble["members"])}
    return placed


def _expanded(settings: Any, variables: Mapping[str, str | None]) -> Any:
    """Every text, however deep, with the value of a variable where it names one as in ``${API_KEY}``; what is not set
    stays as it is, since it may never be needed (``check_variables``)."""
    if isinstance(settings, dict):
        return {name: _expanded(value, variables) for name, value in settings.items()}
    if isinstance(settings, list):
        return [_expanded(value, variables) for value in settings]
    return (
        VARIABLE.sub(lambda match: variables.get(match[1]) or match[0], settings)
        if isinstance(settings, str)
        else settings
    )


def _from_folder(settings: Any, folder: Path | None) -> Any:
    """Settings, however deep, with the files that they name by a relative path where they lie in an experiment's own
    folder; in the working folder they are found anyway."""
    if folder is None:
        return settings
    if isinstance(settings, list):
        return [_from_folder(value, folder) for value in settings]
    if not isinstance(settings, dict):
        return settings
    return {
        name: str(folder / value) if _lies_in(folder, name, value) else _from_folder(value, folder)
        for name, value in settings.items()
    }


def _lies_in(folder: Path, name: str, value: Any) -> bool:
    """Whether a setting names a file of this folder, or a run to replay."""
    if name not in _PATHS or not isinstance(value, str) or not value:
        return False
    try:
        return (folder / value).is_file() or (name == "replay_from" and (folder / value).is_dir())
    except OSError:  # no name that a file can have
        return False
