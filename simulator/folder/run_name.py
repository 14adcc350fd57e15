"""The name of a run folder while a run takes the place of an earlier one: who may give it, and to whom it goes back."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

REPLACED = ".replaced"
"""The end of the name that an earlier run has until the one in its place is whole."""


def lock_of(folder: Path) -> FileLock:
    """The lock of who writes a run folder; it does not wait."""
    return FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)


def put_back(folder: Path) -> bool:
    """Give a run its name again that was killed while it took the place of an earlier one; whether there was one."""
    folder = Path(os.path.abspath(folder))
    if not folder.name or not os.path.lexists(folder.with_name(folder.name + REPLACED)):
        return False
    try:
        with lock_of(folder):
            return put_back_alone(folder)
    except (OSError, Timeout):  # a folder that only may be read, or one that is being written
        return False


def put_back_alone(folder: Path) -> bool:
    """As ``put_back``, by who holds the lock."""
    replaced = folder.with_name(folder.name + REPLACED)
    if os.path.lexists(folder) or not os.path.lexists(replaced):
        return False
    replaced.rename(folder)
    return True
