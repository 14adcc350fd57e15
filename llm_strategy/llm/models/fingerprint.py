"""Where the runtime keeps its files, and what a model file is by its hash."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

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
    state = path.stat()
    place = str(path.resolve())
    seen = {"path": place, "size": state.st_size, "modified_ns": state.st_mtime_ns}
    note = cache_folder() / "fingerprints" / f"{hashlib.sha256(place.encode()).hexdigest()}.json"
    try:
        known = json.loads(read_text(note))
        if {key: known[key] for key in seen} == seen:
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    digest = file_sha256(path)
    keep_note(note, json.dumps({**seen, "sha256": digest}))
    return digest


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
