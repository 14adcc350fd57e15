"""What the readers of a run folder rely on, checked where it is read; what is found later is told as damage too."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.support.outside_text import spelled_out

DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What measuring or trading again raises over evidence that no run writes."""

_DEPTH = 2
"""Folders in one another of a comparison: an arm, and in it a draw."""

_MANIFEST = {
    "name": str,
    "status": str,
    "experiment": dict,
    "prices": dict,
    "usage": dict,
    "versions": dict,
    "model": (dict, type(None)),
    "problem": (str, type(None)),
}

_DECISION: dict[str, Any] = {
    "time": str,
    "bar": int,
    "status": str,
    "prompt": str,
    "request": str,
    "snapshot": dict,
    "verdict": dict,
    "advice": (dict, type(None)),
    "policy": (dict, type(None)),
    "abstention": (dict, type(None)),
    "clamps": list,
    "repairs": list,
}

_WITHIN: dict[str, dict[str, Any]] = {
    "snapshot": {"symbol": str, "close": (int, float)},
    "verdict": {"intent": str, "reason": str, "size": (int, float)},
    "advice": {"action": dict, "regime": dict, "rationale": str},
    "policy": {"verdict": str, "reasons": list},
    "abstention": {"reason": str, "detail": str},
}
"""Of the parts of a decision that are there."""

_LARGEST = sys.float_info.max
_ABSENT = object()

_CLAMP = {"limit": str, "before": (int, float), "after": (int, float)}


@contextlib.contextmanager
def as_damage(folder: Path) -> Iterator[None]:
    """Tell as one sentence that a folder holds what no run writes; the error behind it stays the cause."""
    try:
        yield
    except DAMAGE as problem:
        what = f"{type(problem).__name__}: {problem}"
        raise RunFolderError(
            f"{folder} holds what no run writes ({what[:200]}): restore it, or run the experiment again."
        ) from problem


def files_of(folder: Path, leave_out: Collection[str] = ()) -> list[str]:
    """Every file below a run folder by its path in it, sorted; a folder without files, or deeper than that of a draw,
    ends in a slash.

    What a system leaves behind (names that begin with a dot) and the folders to ``leave_out`` are passed over. Raises
    ``RunFolderError`` for a link, a pipe, a device and what cannot be listed.
    """
    found: list[str] = []

    def refuse(problem: OSError) -> None:
        raise RunFolderError(f"{problem.filename} cannot be read ({problem.strerror}); run the experiment again.")

    for path, folders, files in os.walk(folder, onerror=refuse):
        inside = Path(path).relative_to(folder)
        seen = [name for name in (*folders, *files) if not name.startswith(".")]
        folders[:] = [name for name in folders if name in seen and str(inside / name) not in leave_out]
        for name in seen:
            check_regular(Path(path) / name)
        found += [(inside / name).as_posix() for name in files if name in seen]
        if (not seen and inside.parts) or len(inside.parts) > _DEPTH:
            found.append(f"{inside.as_posix()}/")
            folders.clear()
    return sorted(found)


def check_regular(path: Path) -> None:
    """Raise ``RunFolderError`` where a path is there and neither a file nor a folder: a link leads out of the run, a
    pipe or a device is read without end."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        return  # whoever reads it says so
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "link" if stat.S_ISLNK(mode) else "pipe, socket or device"
        raise RunFolderError(
            f"{spelled_out(str(path))} is a {kind}, and a run writes files alone: restore what it wrote, or remove it."
        )


_Content = TypeVar("_Content")


def read_json_file(path: Path, read: Callable[[Any], _Content]) -> _Content | None:
    """What ``read`` makes of a JSON file of a run folder; None where there is none; raises ``RunFolderError`` for one
    that is no file, no JSON, or that ``read`` refuses."""
    check_regular(path)
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ConfigurationError, *DAMAGE) as problem:
        told = str(problem).removeprefix(f"{path}: ").rstrip(".")
        raise RunFolderError(f"{path} cannot be read ({told}): restore it, or run the experiment again.") from None


def check_manifest(manifest: dict[str, Any], path: Path) -> None:
    """Raise ``RunFolderError`` where a manifest lacks a part that every reader needs."""
    if wrong := _wrong(manifest, _MANIFEST):
        raise RunFolderError(f"{path} has no valid {wrong!r}: restore it, or run the experiment again.")


def check_decision(line: object, path: Path, number: int) -> None:
    """Raise ``RunFolderError`` where line ``number`` of a journal is no decision."""
    if not isinstance(line, dict):
        raise RunFolderError(f"{path}, line {number}, is no decision: restore it, or run the experiment again.")
    wrong = _wrong(line, _DECISION)
    for part, wanted in _WITHIN.items():
        if not wrong and line[part] is not None and (inner := _wrong(line[part], wanted)):
            wrong = f"{part}.{inner}"
    if not wrong and (feature := _wrong_feature(line["snapshot"])) is not None:
        wrong = f"snapshot.{feature}"
    if not wrong and any(not isinstance(cut, dict) or _wrong(cut, _CLAMP) for cut in line["clamps"]):
        wrong = "clamps"
    if wrong:
        raise RunFolderError(f"{path}, line {number}, has no valid {wrong!r}: restore it, or run the experiment again.")


def check_table(
    table: pd.DataFrame, path: Path, columns: Collection[str], *, times: Collection[str], texts: Collection[str],
    empty: Collection[str] = (),
) -> None:  # fmt: skip
    """Raise ``RunFolderError`` where a table lacks one of its ``columns`` or one holds what it cannot: ``times``,
    ``texts``, else finite numbers; those in ``empty`` may lack a value."""
    if missing := [name for name in columns if name not in table.columns]:
        raise RunFolderError(f"{path} has no column {missing[0]!r}: restore it, or run the experiment again.")
    for name in columns:
        held = table[name].dropna() if name in empty else table[name]
        if len(held) and name not in texts and not _holds(held, time=name in times):
            what = "times" if name in times else "numbers"
            raise RunFolderError(
                f"{path} holds more than {what} in the column {name!r}: restore it, or run the experiment again."
            )


def _holds(cells: pd.Series[Any], *, time: bool) -> bool:
    if time:
        return pd.api.types.is_datetime64_any_dtype(cells) and cells.dt.tz is None and not cells.isna().any()
    return pd.api.types.is_numeric_dtype(cells) and bool(np.isfinite(cells.to_numpy(float)).all())


def _wrong_feature(snapshot: dict[str, Any]) -> str | None:
    """The first key of a snapshot that holds what none can; None where there is none."""
    for key, held in snapshot.items():
        if (type(held) is not float or held - held != 0) and not _is_feature(key, held):
            return key
    return None


def _is_feature(key: str, held: object) -> bool:
    if key == "extra":
        return isinstance(held, dict) and all(_is(value, (int, float)) for value in held.values())
    if type(held) is float:
        return held - held == 0  # neither infinite nor no number
    return isinstance(held, str) if key in ("symbol", "time", "timeframe") else _is(held, (int, float))


def _wrong(held: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first key that is absent or of another kind; empty where there is none."""
    shape = (id(wanted), *held, *map(type, held.values()))
    numbers = _SOUND.get(shape)
    if numbers is not None and all(abs(held[key]) <= _LARGEST for key in numbers):
        return ""
    if not (wrong := _first_wrong(held, wanted)) and len(_SOUND) < _MOST_SHAPES:
        _SOUND[shape] = tuple(key for key in wanted if isinstance(held[key], (int, float)))
    return wrong


_SOUND: dict[tuple[object, ...], tuple[str, ...]] = {}
"""Keys and kinds that were found to be as wanted, and which of the wanted ones are numbers: the lines of a journal are
nearly all of a few shapes."""
_MOST_SHAPES = 1_000


def _first_wrong(held: dict[str, Any], wanted: dict[str, Any]) -> str:
    for key, kind in wanted.items():
        value = held.get(key, _ABSENT)
        if not isinstance(value, kind) or (isinstance(value, (int, float)) and not abs(value) <= _LARGEST):
            return key
    return ""


def _is(held: object, kind: Any) -> bool:
    """Whether a value of JSON is of a kind; a number lies within what can be computed with."""
    return isinstance(held, kind) and (not isinstance(held, (int, float)) or abs(held) <= _LARGEST)
