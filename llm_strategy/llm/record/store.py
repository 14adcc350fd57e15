"""Where answers are kept, by request hash: in memory, or in a folder of checksummed files. Entries do not expire."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.requests import Generation, canonical_json, digest
from llm_strategy.support.read_regular import read_bytes
from llm_strategy.support.write_whole import whole_file
from llm_strategy.types import Event

log = logging.getLogger(__name__)

_DRAWS = ".draws"
"""Beside an answer, the keys of its further draws, one a line."""
_KEY = re.compile(r"[0-9a-f]{64}")
LARGEST_BYTES = 64_000_000
"""Far above the largest answer that a backend takes."""
_POLL_S = 0.02
QUIET_S = 5.0
"""Seconds of waiting for another process before it is told."""
_thread = threading.local()
_EARLIER = {"answer", "checksum", "key"}
"""An entry of earlier versions: no checksum covers its key."""
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


class AnswerStore(Protocol):
    """Where answers are kept, by request hash."""

    def get(self, key: str) -> Generation | None:
        """The recorded answer, or None."""

    def put(self, key: str, generation: Generation) -> None:
        """Record an answer, in place of an earlier one."""

    def add(self, key: str, generation: Generation) -> Generation:
        """Record an answer where there is none, and return the one that is on record then."""

    def exclusive(self, key: str, most_s: float) -> AbstractContextManager[None]:
        """Be the only process that asks this question; wait so many seconds at most for another that does."""


class MemoryStore(dict[str, Generation]):
    """Answers kept for the life of the process."""

    def put(self, key: str, generation: Generation) -> None:
        """Record an answer, in place of an earlier one."""
        self[key] = generation

    def add(self, key: str, generation: Generation) -> Generation:
        """Record an answer where there is none, and return the one that is on record then."""
        return self.setdefault(key, generation)

    def exclusive(self, key: str, most_s: float) -> AbstractContextManager[None]:
        """No other process sees this memory."""
        return contextlib.nullcontext()


MOST_READ = 16_384
"""Answers that a process keeps of those that it read, for as long as their files stay the same."""
_known: dict[str, tuple[tuple[int, int, int], Generation]] = {}


class FolderStore:
    """Answers in a folder: one JSON file a key, in up to 256 subfolders, each with its own checksums.

    A damaged entry counts as missing, is reported in the log, and is replaced by the next ``put`` or ``add``. Processes
    may share a folder. Raises ``RunFolderError`` where it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = os.path.join(path, "")
        self._has_waited = False

    def get(self, key: str) -> Generation | None:
        """The recorded answer, or None."""
        file = f"{self._folder}{key[:2]}{os.sep}{key}.json"
        try:
            state = os.stat(file)
            version = state.st_ino, state.st_size, state.st_mtime_ns
            known = _known.get(file)
            if known is None or known[0] != version:
                if len(_known) >= MOST_READ:
                    _known.clear()
                known = _known[file] = version, _read(file, key)
            return known[1]
        except FileNotFoundError:
            return None
        except _DAMAGE as problem:
            log.warning("The recorded answer %s is damaged (%s); it counts as missing.", file, problem)
            return None

    def put(self, key: str, generation: Generation) -> None:
        """Record an answer, in place of an earlier one."""
        self._write(key, generation, Path.replace)

    def add(self, key: str, generation: Generation) -> Generation:
        """Record an answer where there is none, and return the one that is on record then."""

        def link(temporary: Path, file: Path) -> None:
            try:
                file.hardlink_to(temporary)  # of two processes that answer at once, one is first
            except OSError:  # it is there by now, or the file system knows no links
                if self.get(key) is None:
                    temporary.replace(file)

        self._write(key, generation, link)
        return self.get(key) or generation

    def note_draw(self, first: str, key: str) -> None:
        """Note that ``key`` is a further draw of the answer ``first``, with which ``remove`` removes it."""
        with self._as_folder_error("recorded in"):
            file = self._file(first).with_suffix(_DRAWS)
            _make_way(file)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{key}\n")

    def keys(self, begin: str) -> list[str]:
        """Keys of the recorded answers that begin so, with two letters at least."""
        with self._as_folder_error("looked for in"):
            return sorted(file.stem for file in (self.path / begin[:2]).glob(f"{begin}*.json"))

    def remove(self, key: str) -> list[str]:
        """Remove an answer and its further draws; returns the keys of these draws."""
        with self._as_folder_error("removed from"):
            draws = self._file(key).with_suffix(_DRAWS)
            there = [draw for draw in _draws_in(draws) if self._file(draw).exists()]
            for removed_key in (*there, key):
                self._file(removed_key).unlink(missing_ok=True)
            draws.unlink(missing_ok=True)
        return there

    @contextmanager
    def exclusive(self, key: str, most_s: float) -> Iterator[None]:
        """Be the only process that asks this question; wait so many seconds at most for another that does.

        The lock goes with a process that dies. Where none can be taken the question is asked all the same.
        """
        if getattr(_thread, "is_alone", False):  # whoever waits holding a lock may be waited for
            yield
            return
        lock = FileLock(self.path / ".locks" / key[:3], poll_interval=_POLL_S)  # 4,096 empty files
        quiet_s = min(QUIET_S, most_s)
        try:
            try:
                lock.acquire(quiet_s)
            except Timeout:
                log.log(
                    logging.INFO if self._has_waited else logging.WARNING,
                    "Another program is asking %s: its answer is waited for, %.0f s at most; end that program if it "
                    "does nothing any more.", key[:12], most_s,
                )  # fmt: skip
                self._has_waited = True  # of two programs with a slow model each waits at every question
                lock.acquire(most_s - quiet_s)
        except Timeout:
            log.warning("Another process has held %s for %.0f s: the question is asked all the same.", key[:12], most_s)
        except (OSError, NotImplementedError) as problem:
            log.info("No lock can be taken in %s (%s): another process may ask the same question.", self.path, problem)
        _thread.is_alone = True
        try:
            yield
        finally:
            _thread.is_alone = False
            with contextlib.suppress(OSError):
                lock.release()

    def _write(self, key: str, generation: Generation, into_place: Callable[[Path, Path], object]) -> None:
        answer = _answer_record(generation)
        entry = {"answer": answer, "checksum": digest(answer), "key": key, "key_checksum": digest([key, answer])}
        file = self._file(key)
        with self._as_folder_error("recorded in"):
            _make_way(file)
            file.parent.mkdir(parents=True, exist_ok=True)
            # An answer that a power failure takes is asked again, so one fsync for each is enough.
            with whole_file(file, into_place=into_place, name_may_wait=True) as out:
                out.write(json.dumps(entry, sort_keys=True, indent=1) + "\n")

    @contextmanager
    def _as_folder_error(self, failed: str) -> Iterator[None]:
        """Tell a failure of the folder as one sentence."""
        try:
            yield
        except OSError as problem:
            raise RunFolderError(
                f"The answer could not be {failed} {self.path} ({problem.strerror}): "
                "free some space, or choose a folder that you may write."
            ) from None

    def _file(self, key: str) -> Path:
        return self.path / key[:2] / f"{key}.json"


def _read(file: str, key: str) -> Generation:
    """The answer in a file; raises one of ``_DAMAGE`` where it is not what ``_write`` wrote under this key."""
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # nobody may ever write into a pipe
    with open(descriptor, "rb") as content:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        text = content.read(LARGEST_BYTES + 1)
    if len(text) > LARGEST_BYTES:
        raise ValueError("it is larger than any answer")
    entry = json.loads(text)
    answer = entry["answer"]
    written = canonical_json(answer)
    with_key = _sha256(f"[{json.dumps(key)},{written}]")
    if not (
        entry["key"] == key
        and entry["checksum"] == _sha256(written)
        and (entry.keys() == _EARLIER or (entry["key_checksum"] == with_key and len(entry) == 4))
    ):
        raise ValueError("its checksum does not match")
    found = Generation(**answer | {"events": tuple(map(Event.from_record, answer.get("events", ())))})
    if not (
        isinstance(found.text, str)
        and all(type(answer[name]) is int and 0 <= answer[name] < 2**53 for name in ("tokens_in", "tokens_out"))
        and all(math.isfinite(answer.get(name, 0.0)) for name in ("latency_ms", "engine_ms"))
        and found.finish in ("stop", "length")
        and all(isinstance(value, str) for value in dict(found.values).values())
        and found.cached is False
        and found.parsed is None
    ):
        raise ValueError("it is no answer")
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _draws_in(draws: Path) -> list[str]:
    """The keys that stand in a file of draws, each once; what is no key, and could be the name of any file, is none."""
    try:
        lines = read_bytes(draws, LARGEST_BYTES).decode("ascii", "replace").split()
    except OSError:  # there is none, or what could be none
        return []
    return [line for line in dict.fromkeys(lines) if _KEY.fullmatch(line)]


def _make_way(file: Path) -> None:
    """Put aside what can be no entry: a folder or a pipe at the place of the file, a file at that of its folder."""
    for place, is_folder in ((file.parent, True), (file, False)):
        if place.exists() and not (place.is_dir() if is_folder else place.is_file()):
            place.rename(place.with_name(f"{place.name[:40]}.{os.urandom(4).hex()}.damaged"))


def _answer_record(generation: Generation) -> dict[str, Any]:
    record = asdict(replace(generation, values=dict(generation.values)))
    del record["cached"], record["parsed"]
    return record
