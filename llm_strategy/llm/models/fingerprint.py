"""Where the runtime keeps its files, and what a model file is by its hash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from llm_strategy.support.read_regular import at_home, open_regular, read_text
from llm_strategy.support.write_whole import write_whole


def cache_folder() -> Path:
    """Where models, their fingerprints and recorded answers are kept: ``BTLLM_CACHE_DIR``, or the user's cache
    folder."""
    chosen = os.environ.get("BTLLM_CACHE_DIR")
    return at_home(chosen) if chosen else user_cache_path("backtrader-llm")


def weights_sha256(path: Path) -> str:
    """SHA-256 (hex) of a model file, remembered in the cache folder for as long as its size and time stay the same."""
    known = known_sha256(path)
    if known is None:
        known = file_sha256(path)
        keep_of_file(path, "fingerprints", {"sha256": known})
    return known


def known_sha256(path: Path) -> str | None:
    """The hash that is remembered of a model file, which is not opened; None where there is none."""
    known = kept_of_file(path, "fingerprints").get("sha256")
    return None if known is None else str(known)


def kept_of_file(path: Path, kind: str) -> dict[str, Any]:
    """What was found out about a file as long as its size and time are the same; empty where that is not known."""
    try:
        seen = _seen(path)
        known = json.loads(read_text(_note_of(path, kind)))
        if {key: known[key] for key in seen} == seen:
            return dict(known)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return {}


def keep_of_file(path: Path, kind: str, found: Mapping[str, Any]) -> None:
    """Note for later commands what was found out about a file."""
    keep_note(_note_of(path, kind), json.dumps({**_seen(path), **found}))


def _seen(path: Path) -> dict[str, Any]:
    state = path.stat()
    return {"path": str(path.resolve()), "size": state.st_size, "modified_ns": state.st_mtime_ns}


def _note_of(path: Path, kind: str) -> Path:
    return cache_folder() / kind / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()}.json"


def keep_note(file: Path, text: str) -> None:
    """Write a note whole; a folder that cannot be written only costs that what it says is found out again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)
    except OSError:
        pass


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, read in full."""
    return file_hash(path, "sha256")


def file_hash(path: Path, algorithm: str) -> str:
    """Hash (hex) of a file, read in full, which shows that it came whole; it keeps no secret."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
