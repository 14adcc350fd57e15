"""The folder of a run while it is written: a temporary name, one writer, renamed when whole, resumed when cut off.

``audit.jsonl`` holds the questions of the command that wrote the folder, and of those that were cut off before it. An
earlier one in which the model was really asked is kept beside it as ``audit-TIME.jsonl``, TIME being that of its first
line; one whose answers all came from the record holds no calls, and goes with the folder that it told of. They hold
wall-clock times, so they are no evidence, and a replay neither reads nor compares them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Self

from filelock import Timeout

from llm_strategy.errors import RunFolderError
from llm_strategy.support.write_whole import UNFINISHED, names_onto_disk, onto_disk, write_whole
from simulator.folder.integrity import seal
from simulator.folder.manifest import REPLACED, lock_of, put_back_alone, read_manifest

ANSWERED = "answered.txt"
"""Hashes of the requests that the model has answered for this folder, while it is written."""


class Workspace:
    """A run folder in the making, beside its final name; use it as a context manager.

    What was written before a kill or an interruption stays under the temporary name and is found again by the next run
    of the same identity. A link or a file under one of the names is taken away, and what a link leads to is left alone.
    Raises ``RunFolderError`` where the folder cannot be written or another process is writing it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder.with_name(folder.name + ".partial")
        self._lock = lock_of(folder)

    def __enter__(self) -> Self:
        with as_run_folder_error(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout:
                raise RunFolderError(
                    f"Another process is writing {self.folder}: wait for it, or give the experiment another name."
                ) from None
            try:
                for name in (self.folder, self._failed):
                    put_back_alone(name)
                if self.path.is_symlink() or not self.path.is_dir():
                    _remove(self.path)
                self.path.mkdir(exist_ok=True)
                for left in self.path.rglob("*"):
                    whole = left.is_dir() or (left.is_file() and not left.name.endswith(UNFINISHED))
                    if left.is_symlink() or not whole:
                        left.unlink()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()  # its file stays: removing it would let two processes hold two locks

    @property
    def _failed(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.failed")

    def answered_requests(self) -> set[str]:
        """Requests that runs which were cut off had answered, by hash."""
        kept = self.path / ANSWERED
        return set(kept.read_text(encoding="utf-8", errors="replace").split()) if kept.is_file() else set()

    def answered(self, request: str) -> None:
        """Note a request as answered, by hash."""
        with (self.path / ANSWERED).open("a", encoding="utf-8") as kept:
            kept.write(f"\n{request}\n")  # a line that a kill cut short stays one of its own

    def forget(self, requests: Set[str]) -> None:
        """Note no more that these requests, by hash, were answered."""
        if kept := self.answered_requests() - requests:
            write_whole(self.path / ANSWERED, "".join(f"\n{request}\n" for request in sorted(kept)))
        else:
            (self.path / ANSWERED).unlink(missing_ok=True)

    def finish(self, *, failed: bool, seal: Callable[[Path], None] = seal) -> Path:
        """Give the folder its final name, in place of an earlier run of the same identity; returns it.

        Everything in it is on the disk before. The calls that the earlier one made of a model stay on record
        (``audit-TIME.jsonl``). A failed run does not take the place of a complete one and goes to ``NAME.failed``.
        What is no run has a ``seal`` of its own.
        """
        with as_run_folder_error(self.folder):
            (self.path / ANSWERED).unlink(missing_ok=True)
            target = self._failed if failed and self._is_complete() else self.folder
            if target.is_dir():
                keep_earlier_audits(target, self.path)
            seal(self.path)  # nothing is written into it from here on
            for inside in (*self.path.rglob("*"), self.path, self.path.parent):
                onto_disk(inside)
            replaced = target.with_name(target.name + REPLACED)
            _remove(replaced)
            if os.path.lexists(target):
                target.rename(replaced)  # killed here, the next command puts it back
            self.path.rename(target)
            names_onto_disk(target.parent)
            with contextlib.suppress(OSError):
                _remove(replaced)
        return target

    def _is_complete(self) -> bool:
        try:
            return bool(read_manifest(self.folder).get("status") == "complete")
        except RunFolderError:
            return False


def _remove(path: Path) -> None:
    """Take away a folder, a file or a link, but nothing that a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def as_run_folder_error(folder: Path | str, place: str = "choose another output.folder") -> Iterator[None]:
    """Tell a failed write as one sentence; ``place`` says where else to write."""
    try:
        yield
    except OSError as problem:
        raise RunFolderError(
            f"{folder} cannot be written ({problem.strerror or problem}): free space or {place}; "
            "answers already given are kept."
        ) from None


AUDIT = "audit.jsonl"


def keep_earlier_audits(old: Path, new: Path) -> None:
    """Copy the logs of a run folder into the one that takes its place."""
    for earlier in sorted(old.glob("audit-*.jsonl")):
        if _is_log(earlier):
            _keep(earlier, new / earlier.name)
    last = old / AUDIT
    if _is_log(last) and (began := _first_call(last)) is not None:
        _keep(last, new / f"audit-{began}.jsonl")


def _is_log(path: Path) -> bool:
    """Whether it is a file of the folder: a pipe would be read without end, and a link leads elsewhere."""
    return path.is_file() and not path.is_symlink()


def _keep(source: Path, target: Path) -> None:
    number = 2
    wanted = target
    while target.exists() and target.read_bytes() != source.read_bytes():
        target = wanted.with_stem(f"{wanted.stem}-{number}")
        number += 1
    shutil.copyfile(source, target)


def _first_call(log: Path) -> str | None:
    """When the log began, for a file name; None where the model was asked nothing. A damaged line counts as a call."""
    began, asked = "", False
    with log.open(encoding="utf-8", errors="replace") as lines:
        for text in lines:
            try:
                line = json.loads(text)
                began = began or str(line["time"])
                asked = asked or not line["cached"]
            except (ValueError, LookupError, TypeError, RecursionError):
                asked = True
    digits = "".join(mark for mark in began.partition("+")[0] if mark.isdigit() or mark in "T.")
    return (digits or "unknown") if asked else None
