"""Where answers are kept, by request hash: in memory, or in a folder of checksummed files. Entries do not expire."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.exchange import Generation
from llm_strategy.llm.request_hash import digest
from llm_strategy.types import Event

log = logging.getLogger(__name__)


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
            found = Generation(**answer | {"events": tuple(map(Event.from_record, answer.get("events", ())))})
            if not isinstance(found.text, str) or not all(
                isinstance(one, int | float) for one in (found.tokens_in, found.tokens_out, found.latency_ms)
            ):
                raise TypeError("it is no answer")
            return found
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
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

    def _write(self, key: str, generation: Generation, into_place: Callable[[Path, Path], object]) -> None:
        answer = _answer_record(generation)
        entry = json.dumps({"answer": answer, "checksum": digest(answer), "key": key}, sort_keys=True, indent=1)
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{key[:8]}-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as out:
                    out.write(entry + "\n")
                into_place(Path(temporary), file)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as problem:
            raise RunFolderError(
                f"The answer could not be recorded in {self.path} ({problem.strerror}): "
                "free some space, or choose a folder that you may write."
            ) from None

    def _file(self, key: str) -> Path:
        return self.path / key[:2] / f"{key}.json"


def _answer_record(generation: Generation) -> dict[str, Any]:
    record = asdict(replace(generation, values=dict(generation.values)))
    del record["cached"], record["parsed"]
    return record
