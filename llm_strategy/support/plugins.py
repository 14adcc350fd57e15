"""Parts that a person brings: found as ``package.module:name``, as ``FILE.py:name``, or as an installed entry point."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, did_you_mean, exception_line, nearest
from llm_strategy.support.read_regular import MOST_TEXT, place_of, read_bytes

_EVIDENCE = ("prices.csv", "decisions.jsonl")
_REFERENCE = re.compile(r"(?P<place>.+\.py|[A-Za-z_][\w.]*)(?P<colon>:)(?P<name>\w*)\Z", re.DOTALL)


def is_reference(text: str) -> bool:
    """Whether a name says where the part is: ``package.module:name`` or ``FILE.py:name``."""
    return _REFERENCE.fullmatch(text) is not None


def find_plugin(kind: str, text: str, group: str, known: Mapping[str, Any]) -> Any:
    """The part that a name means: one of the ``known``, one of the entry points of the ``group``, or a reference.

    ``kind`` is what the part is, as it reads in a sentence ("baseline"). Raises ``ConfigurationError`` in one sentence
    where there is no such name, or the module cannot be imported.
    """
    if text in known:
        return known[text]
    if is_reference(text) or text.endswith(".py"):
        return load_reference(kind, text)
    installed = {entry.name: entry for entry in entry_points(group=group)}
    if text not in installed:
        raise ConfigurationError(f"There is no {kind} {text!r}{did_you_mean(text, [*known, *installed])}")
    try:
        return installed[text].load()
    except (Exception, SystemExit) as problem:
        raise _not_imported(f"The {kind} {text!r}", problem) from None


def load_reference(kind: str, text: str, folder: Path | None = None) -> Any:
    """The part that ``package.module:name`` or ``FILE.py:name`` means; a relative path is one from the current folder,
    or from ``folder`` where it is there.

    Raises ``ConfigurationError`` where the module cannot be imported or holds no such name.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"The {kind} {text!r} is no reference: write package.module:name or FILE.py:name.")
    place, name = found["place"], found["name"]
    told = f"The {kind} {text!r}"
    if place.endswith(".py"):
        module = import_file(told, place_of(place, folder))
    else:
        refuse_run_folder(told, _file_of(place))
        module = _imported(told, place)
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    objects = [key for key, value in vars(module).items() if type(value).__module__.startswith("llm_strategy.")]
    if not name:
        raise ConfigurationError(f"{told} names nothing in it: write {place}:{own[0] if own else 'NAME'}.")
    if name not in vars(module):
        raise ConfigurationError(f"{told}: {place} has no {name!r}{did_you_mean(name, [*own, *objects])}")
    return vars(module)[name]


def place_reference(text: str, folder: Path | None) -> str:
    """``FILE.py:name`` with its file looked for in this folder before the working folder; any other name as it is."""
    place, _, name = text.rpartition(":")
    return f"{place_of(place, folder)}:{name}" if place.endswith(".py") else text


def refuse_run_folder(told: str, path: Path | None) -> None:
    """Raise ``ConfigurationError`` for a file within a run folder, which may be a stranger's: nothing there is run."""
    if path is not None and _is_in_run_folder(path):
        raise ConfigurationError(f"{told} lies in a run folder, which holds data alone: move the file.")


def source_sha256(text: str, group: str) -> str:
    """sha256 of the file in which a part stands that ``find_plugin`` finds, which is not run for it; empty where there
    is none that can be read, as in a notebook."""
    if not is_reference(text):
        text = next((entry.value for entry in entry_points(group=group) if entry.name == text), "")
    place = text.rpartition(":")[0]
    try:
        path = place_of(place, None) if place.endswith(".py") else _file_of(place)
        return hashlib.sha256(read_bytes(path, MOST_TEXT)).hexdigest() if path else ""
    except OSError:
        return ""


def _file_of(module: str) -> Path | None:
    """The file of a module, whose packages are imported and not itself; None where there is none, or it cannot be told
    without what importing it raises. A package in a run folder is the answer for all that it holds."""
    file: str | None = None
    try:
        for name in accumulate(module.split("."), "{}.{}".format):
            if file is not None and _is_in_run_folder(Path(file)):
                break
            spec = None if name in sys.modules else importlib.util.find_spec(name)
            file = getattr(sys.modules[name], "__file__", None) if spec is None else spec.origin
    except (Exception, SystemExit):
        return None
    return Path(file) if file else None


def _is_in_run_folder(path: Path) -> bool:
    """Whether a file lies in the folder of a run: that may be a stranger's, and nothing in it is code. A damaged
    manifest is one too, where evidence stands beside it."""
    for folder in Path(os.path.realpath(path)).parents if "\0" not in str(path) else ():
        if (folder / "manifest.json").exists() and any((folder / name).exists() for name in _EVIDENCE):
            return True
        with suppress(OSError, ValueError, TypeError, RecursionError):
            if "experiment" in json.loads(read_bytes(folder / "manifest.json", 1 << 30)):
                return True
    return False


def import_file(
    told: str,
    path: Path,
    *,
    cure: str = "correct the path, or start in the folder that it leads from",
    failure: Callable[[str, BaseException], BacktraderLLMError] | None = None,
) -> ModuleType:
    """The module of a file, read once for each content that it has; an error begins with ``told``.

    ``cure`` is for a file that is not there, and ``failure`` the error for one that cannot be imported, where the usual
    ones say too little.
    """
    try:
        content = read_bytes(path, MOST_TEXT)
    except FileNotFoundError:
        there = sorted(file.name for file in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise ConfigurationError(
            f"{told} names the file {path}, which is not there{nearest(path.name, there) or f': {cure}.'}"
        ) from None
    except OSError as problem:
        raise ConfigurationError(f"{told}: {path} cannot be read: {problem}.") from None
    refuse_run_folder(told, path)
    path = path.resolve()
    mark = hashlib.sha256(str(path).encode() + content).hexdigest()[:12]
    name = f"{path.stem}_{mark}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{told}: {path} is no Python file: name one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # the file may import its neighbours, also later
    try:
        spec.loader.exec_module(module)
    except BaseException as problem:
        del sys.modules[name]
        if not isinstance(problem, (Exception, SystemExit)):
            raise
        raise (failure or _not_imported)(told, problem) from None
    return module


def _imported(told: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as problem:
        raise _not_imported(told, problem) from None


def _not_imported(told: str, problem: BaseException) -> BacktraderLLMError:
    if isinstance(problem, BacktraderLLMError):  # what it makes of our classes is told in their words
        return ConfigurationError(f"{told}: {problem}")
    cure = "install what it needs, or correct the name" if isinstance(problem, ImportError) else "correct it there"
    return ConfigurationError(f"{told} cannot be imported ({exception_line(problem)}): {cure}.")
