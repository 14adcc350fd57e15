"""The folder of a run while it is written: a temporary name, one writer, renamed when whole, resumed when cut off."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from llm_strategy.errors import RunFolderError
from simulator.audit_trail import keep_earlier_audits
from simulator.integrity import seal
from simulator.record import read_manifest

ANSWERED = "answered.txt"
"""Hashes of the requests that the model has answered for this folder, while it is written."""


class Workspace:
    """A run folder in the making, beside its final name; use it as a context manager.

    What was written before a kill or an interruption stays under the temporary name and is found again by the next run
    of the same identity. Raises ``RunFolderError`` where the folder cannot be written or another process is writing it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder.with_name(folder.name + ".partial")
        self._lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)

    def __enter__(self) -> Self:
        with as_run_folder_error(self.folder):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout:
                raise RunFolderError(
                    f"Another process is writing {self.folder}: wait for it, or give the experiment another name."
                ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()  # its file stays: removing it would let two processes hold two locks

    def answered_requests(self) -> set[str]:
        """Requests that runs which were cut off had answered, by hash."""
        kept = self.path / ANSWERED
        return set(kept.read_text(encoding="utf-8").split()) if kept.exists() else set()

    def answered(self, request: str) -> None:
        """Note a request as answered, by hash."""
        with (self.path / ANSWERED).open("a", encoding="utf-8") as kept:
            kept.write(f"\n{request}\n")  # a line that a kill cut short stays one of its own

    def forget(self, requests: Set[str]) -> None:
        """Note no more that these requests, by hash, were answered."""
        if kept := self.answered_requests() - requests:
            (self.path / ANSWERED).write_text("".join(f"\n{request}\n" for request in sorted(kept)), encoding="utf-8")
        else:
            (self.path / ANSWERED).unlink(missing_ok=True)

    def finish(self, *, failed: bool) -> Path:
        """Give the folder its final name, in place of an earlier run of the same identity; returns it.

        The calls that the earlier one made of a model stay on record (``audit_trail.py``). A failed run does not take
        the place of a complete one and goes to ``NAME.failed``.
        """
        with as_run_folder_error(self.folder):
            (self.path / ANSWERED).unlink(missing_ok=True)
            name = f"{self.folder.name}.failed" if failed and self._is_complete() else self.folder.name
            target, replaced = self.folder.with_name(name), self.folder.with_name(f"{name}.replaced")
            if target.exists():
                keep_earlier_audits(target, self.path)
            seal(self.path)  # nothing is written into it from here on
            if target.exists():
                shutil.rmtree(replaced, ignore_errors=True)
                target.rename(replaced)
            self.path.rename(target)
            shutil.rmtree(replaced, ignore_errors=True)
        return target

    def _is_complete(self) -> bool:
        try:
            return bool(read_manifest(self.folder).get("status") == "complete")
        except RunFolderError:
            return False


@contextlib.contextmanager
def as_run_folder_error(folder: Path) -> Iterator[None]:
    """Tell a failed write as one sentence."""
    try:
        yield
    except OSError as problem:
        raise RunFolderError(
            f"{folder} cannot be written ({problem.strerror or problem}): free space or choose another output.folder; "
            "answers already given are kept."
        ) from None
