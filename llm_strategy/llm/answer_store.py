"""Where answers are kept, by request hash: in memory, or in a folder of checksummed files. Entries do not expire."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.exchange import Generation
from llm_strategy.llm.request_hash import digest
from llm_strategy.types import Event

log = logging.getLogger(__name__)

_DRAWS = ".draws"
"""Beside an answer, the keys of its further draws, one a line."""


class AnswerStore(Protocol):
    """Where answers are kept, by request hash."""

    def get(self, key: str) -> Generation | None:
        """The recorded answer, or None."""

    def put(self, key: str, generation: Generation) -> None:
        """Record an answer, in place of an earlier one."""

    def add(self, key: str, generation: Generation) -> Generation:
        """Record an answer where there is none, and return the one that is on record then."""


class MemoryStore(dict[str, Generation]):
    """Answers kept for the life of the process."""

    def put(self, key: str, generation: Generation) -> None:
        """Record an answer, in place of an earlier one."""
        self[key] = generation

    def add(self, key: str, generation: Generation) -> Generation:
        """Record an answer where there is none, and return the one that is on record then."""
        return self.setdefault(key, generation)


class FolderStore:
    """Answers in a folder: one JSON file a key, in up to 256 subfolders, each with its own checksum.

    A damaged entry counts as missing, is reported in the log, and is replaced by the next ``put`` or ``add``. Processes
    may share a folder. Raises ``RunFolderError`` where it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, key: str) -> Generation | None:
        """The recorded answer, or None."""
        file = self._file(key)
        try:
            entry = json.loads(file.read_bytes())
            answer = entry["answer"]
            if entry["key"] != key or entry["checksum"] != digest(answer):
                raise ValueError("its checksum does not match")
            return Generation(**answer | {"events": tuple(map(Event.from_record, answer.get("events", ())))})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            log.warning("The recorded answer %s is damaged (%s); it counts as missing.", file, problem)
            return None

    def put(self, key: str, generation: Generation) -> None:
        """Record an answer, in place of an earlier one."""
        self._write(key, generation, lambda temporary, file: temporary.replace(file))

    def add(self, key: str, generation: Generation) -> Generation:
        """Record an answer where there is none, and return the one that is on record then."""

        def link(temporary: Path, file: Path) -> None:
            try:
                file.hardlink_to(temporary)  # of two processes that answer at once, one is first
                temporary.unlink()
            except OSError:  # it is there by now, or the file system knows no links
                if self.get(key) is None:
                    temporary.replace(file)
                else:
                    temporary.unlink()

        self._write(key, generation, link)
        return self.get(key) or generation

    def note_draw(self, first: str, key: str) -> None:
        """Note that ``key`` is a further draw of the answer ``first``, with which ``remove`` removes it."""
        with self._told("recorded in"):
            file = self._file(first).with_suffix(_DRAWS)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{key}\n")

    def keys(self, begin: str) -> list[str]:
        """Keys of the recorded answers that begin so, with two letters at least."""
        return sorted(file.stem for file in (self.path / begin[:2]).glob(f"{begin}*.json"))

    def remove(self, key: str) -> list[str]:
        """Remove an answer and its further draws; returns the keys of these draws."""
        with self._told("removed from"):
            draws = self._file(key).with_suffix(_DRAWS)
            noted = dict.fromkeys(draws.read_text(encoding="utf-8").split()) if draws.exists() else {}
            there = [draw for draw in noted if self._file(draw).exists()]
            for one in (*there, key):
                self._file(one).unlink(missing_ok=True)
            draws.unlink(missing_ok=True)
        return there

    def _write(self, key: str, generation: Generation, into_place: Callable[[Path, Path], object]) -> None:
        answer = _answer_record(generation)
        entry = json.dumps({"answer": answer, "checksum": digest(answer), "key": key}, sort_keys=True, indent=1)
        file = self._file(key)
        with self._told("recorded in"):
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{key[:8]}-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as out:
                    out.write(entry + "\n")
                into_place(Path(temporary), file)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    @contextmanager
    def _told(self, failed: str) -> Iterator[None]:
        """Tell a failed write as one sentence."""
        try:
            yield
        except OSError as problem:
            raise RunFolderError(
                f"The answer could not be {failed} {self.path} ({problem.strerror}): "
                "free some space, or choose a folder that you may write."
            ) from None

    def _file(self, key: str) -> Path:
        return self.path / key[:2] / f"{key}.json"


def _answer_record(generation: Generation) -> dict[str, Any]:
    record = asdict(replace(generation, values=dict(generation.values)))
    del record["cached"], record["parsed"]
    return record
