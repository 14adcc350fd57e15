"""A backend as a class: found in a person's file, made with the options of its section, asked through ``generate``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from llm_strategy.errors import (
    BackendMissing,
    BacktraderLLMError,
    ConfigurationError,
    did_you_mean,
    exception_line,
    nearest,
)
from llm_strategy.llm.backend import Backend, OwnBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings
from llm_strategy.support.plugins import import_file, load_reference
from llm_strategy.support.read_regular import at_home

_REFERENCE = re.compile(r"(?P<place>.+\.py|[A-Za-z_][\w.]*(?=:))(:(?P<name>\w*))?\Z", re.DOTALL)


def class_name(backend: str) -> str | None:
    """The class that a backend ``FILE.py:CLASS`` or ``package.module:CLASS`` names; None for any other name."""
    match = _REFERENCE.fullmatch(backend)
    return None if match is None else match["name"] or ""


def load_class(backend: str) -> Any:
    """The class of a backend ``FILE.py:CLASS`` or ``package.module:CLASS``; a path is one from the current folder.

    Raises ``ConfigurationError`` where module or class are not there, and ``BackendMissing`` where the file needs what
    is not installed.
    """
    file, _, name = backend.rpartition(":") if ":" in backend else (backend, "", "")
    if not file.endswith(".py"):
        return load_reference("backend", backend)
    path = at_home(file)
    cure = f"correct it (in {SETTINGS_FILE} it is a path from that file's folder)"
    module = import_file(f"Backend {backend!r}", path, cure=cure, failure=partial(_not_imported, path))
    own = [
        key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == module.__name__
    ]
    if not name:
        raise ConfigurationError(f"Backend {backend!r} names no class: write {path.name}:{own[0] if own else 'CLASS'}.")
    if name not in vars(module):
        raise ConfigurationError(f"{path} has no class {name!r}{did_you_mean(name, own)}")
    return vars(module)[name]


def _not_imported(path: Path, _: str, problem: BaseException) -> BacktraderLLMError:
    problem_text = exception_line(problem)
    if not isinstance(problem, ImportError):
        return ConfigurationError(f"{path} cannot be imported ({problem_text}): correct it there.")
    cure = "install what it needs"
    if "relative import" in str(problem):
        cure = "write 'from llm_strategy.llm import LLMClient' in place of 'from .base import LLMClient'"
    elif "cannot import name" in str(problem):
        cure = "correct the import there (LLMClient, Request and Generation stand in llm_strategy.llm)"
    return BackendMissing(f"{path} cannot be imported ({problem_text}): {cure}.")


def connect_class(kind: type, backend: str, settings: LlmSettings) -> LLMClient:
    """A client of this class, made with what stands under the ``backend``'s name in the settings file.

    Options are the keywords of its constructor; a class without one finds them as attributes; one whose constructor
    takes ``settings`` is given those. Raises ``ConfigurationError`` in one sentence where they do not fit, or where the
    class has none of ``answer``, ``generate`` and ``complete``.
    """
    _check(kind, backend)
    options = settings.sections.get(backend, {})
    own = _make(kind, backend, options, settings)
    if isinstance(own, LLMClient) and type(own).complete is not LLMClient.complete:
        return own
    return LLMClient(OwnBackend(own, options))


def _check(kind: type, backend: str) -> None:
    generate = getattr(kind, "generate", None)
    own = generate is not None and generate is not LLMClient.generate
    answers = getattr(kind, "answer", Backend.answer) is not Backend.answer
    if not own and not answers and getattr(kind, "complete", LLMClient.complete) is LLMClient.complete:
        meant = nearest("generate", [name for name in vars(kind) if not name.startswith("_")])
        cure = meant or f": write def generate(self, prompt, **kwargs) into {kind.__name__}."
        raise ConfigurationError(f"Backend {backend!r} has no generate{cure}")
    if own:
        try:
            inspect.signature(generate).bind(None, "prompt")  # type: ignore[arg-type]  # it is not None
        except TypeError as problem:
            raise ConfigurationError(
                f"{kind.__name__}.generate cannot be called with a prompt alone ({problem}): write "
                "def generate(self, prompt, **kwargs)."
            ) from None


def _make(kind: type, backend: str, options: Mapping[str, Any], settings: LlmSettings) -> Any:
    if kind.__init__ in (object.__init__, LLMClient.__init__):  # type: ignore[misc]  # asked of the class
        for name in options:
            if hasattr(kind, name) and callable(getattr(kind, name)):
                raise ConfigurationError(
                    f"{SETTINGS_FILE} gives {backend} the option {name}, which is a method of {kind.__name__}: call it "
                    "something else."
                )
        client = kind()
        for name, value in options.items():
            setattr(client, name, value)
        return client
    parameters = inspect.signature(kind).parameters
    names = list(parameters)
    if names and names[0] == "settings":
        return kind(settings)
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    keywords = {
        name: value
        for name, value in options.items()
        if takes_all or name in parameters or name not in LlmSettings.model_fields
    }
    for name in keywords:
        if not takes_all and name not in parameters:
            raise ConfigurationError(
                f"{SETTINGS_FILE} gives {backend} the option {name!r}, which {kind.__name__} does not take"
                f"{did_you_mean(name, names)}"
            )
    for name, parameter in parameters.items():
        optional = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if parameter.default is parameter.empty and not optional and name not in keywords:
            raise ConfigurationError(
                f"{kind.__name__} needs {name}: write it under {backend}: in {SETTINGS_FILE}, or give it a default."
            )
    try:
        return kind(**keywords)
    except BacktraderLLMError:
        raise
    except Exception as problem:
        raise ConfigurationError(
            f"Backend {backend!r} cannot be made ({exception_line(problem)}): correct it there."
        ) from problem
