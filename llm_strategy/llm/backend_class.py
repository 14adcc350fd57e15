"""A backend as a class: found in a person's file, made with the options of its section, asked through ``generate``."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from llm_strategy.errors import BackendMissing, BacktraderLLMError, ConfigurationError, did_you_mean, nearest
from llm_strategy.llm.backend import answer_of, identity_of
from llm_strategy.llm.client import LLMClient, OnDelta
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings
from llm_strategy.support.places import at_home
from llm_strategy.support.read_regular import MOST_TEXT, read_bytes

_IN_A_FILE = re.compile(r"(?P<file>.+\.py)(:(?P<name>\w*))?\Z")


def class_name(backend: str) -> str | None:
    """The class that a backend ``FILE.py:CLASS`` names; None for any other name."""
    found = _IN_A_FILE.fullmatch(backend)
    return None if found is None else found["name"] or ""


def load_class(backend: str) -> Any:
    """The class of a backend ``FILE.py:CLASS``; the path is one from the current folder.

    Raises ``ConfigurationError`` where file or class are not there or the class is no backend, and ``BackendMissing``
    where the file needs what is not installed.
    """
    found = _IN_A_FILE.fullmatch(backend)
    if found is None:
        raise ValueError(backend)
    path, name = at_home(found["file"]), found["name"]
    try:
        content = read_bytes(path, MOST_TEXT)
    except FileNotFoundError:
        there = sorted(file.name for file in path.parent.glob("*.py")) if path.parent.is_dir() else []
        cure = nearest(path.name, there) or f": correct it (in {SETTINGS_FILE} it is a path from that file's folder)."
        raise ConfigurationError(f"Backend {backend!r} names the file {path}, which is not there{cure}") from None
    except OSError as problem:
        raise ConfigurationError(f"Backend {backend!r}: {path} cannot be read: {problem}.") from None
    module = _imported(path, content)
    own = [
        key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == module.__name__
    ]
    if not name:
        raise ConfigurationError(f"Backend {backend!r} names no class: write {path.name}:{own[0] if own else 'CLASS'}.")
    if name not in vars(module):
        raise ConfigurationError(f"{path} has no class {name!r}{did_you_mean(name, own)}")
    return vars(module)[name]


def _imported(path: Path, content: bytes) -> ModuleType:
    """The module of a file; it is read once for each content that it has."""
    path = path.resolve()
    mark = hashlib.sha256(str(path).encode() + content).hexdigest()[:12]
    name = f"{path.stem}_{mark}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is no Python file: name one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # the file may import its neighbours, also later
    try:
        spec.loader.exec_module(module)
    except BaseException as problem:
        del sys.modules[name]
        if not isinstance(problem, Exception):
            raise
        told = " ".join(f"{type(problem).__name__}: {problem}".split()).rstrip(".")
        if isinstance(problem, ImportError):
            cure = "install what it needs"
            if "relative import" in str(problem):
                cure = "write 'from llm_strategy.llm import LLMClient' in place of 'from .base import LLMClient'"
            elif "cannot import name" in str(problem):
                cure = "correct the import there (LLMClient, Request and Generation stand in llm_strategy.llm)"
            raise BackendMissing(f"{path} cannot be imported ({told}): {cure}.") from None
        raise ConfigurationError(f"{path} cannot be imported ({told}): correct it there.") from None
    return module


def connect_class(kind: type, backend: str, settings: LlmSettings) -> LLMClient:
    """A client of this class, made with what stands under the ``backend``'s name in the settings file.

    Options are the keywords of its constructor; a class without one finds them as attributes; one whose constructor
    takes ``settings`` is given those. Raises ``ConfigurationError`` in one sentence where they do not fit, or where the
    class has neither ``generate`` nor ``complete``.
    """
    _check(kind, backend)
    options = settings.sections.get(backend, {})
    client = _made(kind, backend, options, settings)
    if isinstance(client, LLMClient) and type(client).complete is not LLMClient.complete:
        return client
    return OwnBackend(client, options)


def _check(kind: type, backend: str) -> None:
    generate = getattr(kind, "generate", None)
    own = generate is not None and generate is not LLMClient.generate
    if not own and getattr(kind, "complete", LLMClient.complete) is LLMClient.complete:
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


def _made(kind: type, backend: str, options: Mapping[str, Any], settings: LlmSettings) -> Any:
    if kind.__init__ is object.__init__:  # type: ignore[misc]  # asked of the class
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
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    given = {
        name: value
        for name, value in options.items()
        if takes_all or name in parameters or name not in LlmSettings.model_fields
    }
    for name in given:
        if not takes_all and name not in parameters:
            raise ConfigurationError(
                f"{SETTINGS_FILE} gives {backend} the option {name!r}, which {kind.__name__} does not take"
                f"{did_you_mean(name, names)}"
            )
    for name, one in parameters.items():
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and name not in given:
            raise ConfigurationError(
                f"{kind.__name__} needs {name}: write it under {backend}: in {SETTINGS_FILE}, or give it a default."
            )
    try:
        return kind(**given)
    except BacktraderLLMError:
        raise
    except Exception as problem:
        told = " ".join(f"{type(problem).__name__}: {problem}".split()).rstrip(".")
        raise ConfigurationError(f"Backend {backend!r} cannot be made ({told}): correct it.") from problem


class OwnBackend(LLMClient):
    """A client in front of an object that has ``generate`` and perhaps ``healthcheck``, ``close``, ``identity``,
    ``concurrency``, ``remote`` and ``strict``, with all that a client does built on them."""

    def __init__(self, inner: Any, options: Mapping[str, Any]) -> None:
        self.inner = inner
        self.remote = bool(getattr(inner, "remote", False))
        self.strict = bool(getattr(inner, "strict", False))
        self.concurrency = int(getattr(inner, "concurrency", 1))
        own = any("identity" in vars(kind) for kind in type(inner).__mro__ if kind is not LLMClient)
        said = inner.identity if own or "identity" in vars(inner) else None
        self.identity = said if isinstance(said, ModelIdentity) else identity_of(inner, options)
        if isinstance(said, str):
            self.identity = ModelIdentity(type(inner).__name__, said, self.identity.engine, "")

    def complete(self, request: Request, on_delta: OnDelta | None = None) -> Generation:
        """Ask ``generate``; a reader of a stream gets the answer in one piece."""
        answer = answer_of(self.inner, request)
        if on_delta is not None:
            on_delta(answer.text)
        return answer

    def healthcheck(self) -> Health:
        """What its own check says: a ``Health``, whether all is well, or nothing, which leaves it to a question."""
        check = getattr(type(self.inner), "healthcheck", LLMClient.healthcheck)
        if check is LLMClient.healthcheck:
            return super().healthcheck()
        try:
            said = self.inner.healthcheck()
        except Exception as problem:
            return Health(False, f"{type(problem).__name__}: {problem}", 0.0)
        if said is None:
            return super().healthcheck()
        return said if isinstance(said, Health) else Health(bool(said), f"{self.identity.name} says {said!r}.", 0.0)

    def close(self) -> None:
        """Close it where it can be closed."""
        close = getattr(self.inner, "close", None)
        if callable(close):
            close()
