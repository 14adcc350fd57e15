"""Files are written whole: a reader meets the old file or the new one, never a part, also after the power has failed.

Content goes under a temporary name in the same folder, onto the disk, and only then under its own name. What a killed
writer leaves there ends in ``UNFINISHED``.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

UNFINISHED = ".part"
_CANNOT = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF}
"""How file systems say that they cannot put this onto the disk at will."""


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole, text as UTF-8 with the line ends it has; raises ``OSError``, the old file left as it was."""
    with whole_file(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def whole_file(
    path: Path,
    mode: str = "w",
    into_place: Callable[[Path, Path], object] = Path.replace,
    *,
    name_may_wait: bool = False,
) -> Iterator[IO[Any]]:
    """A file to write, text (UTF-8, line ends as they are) or bytes by its ``mode``, which is there when all of it is.

    ``into_place`` gives the temporary file its name, which is on the disk at the end, or (``name_may_wait``) as soon as
    the platform brings it there. Raises ``OSError``, the old file left as it was.
    """
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}-{os.urandom(4).hex()}{UNFINISHED}")
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with temporary.open(mode.replace("w", "x"), **text) as file:
            yield file
            file.flush()
            _onto_disk(file.fileno())
        into_place(temporary, path)
        if not name_may_wait:
            names_onto_disk(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def onto_disk(path: Path) -> None:
    """Have the content of a file, and the names in a folder, outlive a power failure; raises ``OSError``."""
    if path.is_dir():
        names_onto_disk(path)
        return
    with path.open("r+b") as file:  # some platforms want the right to write
        _onto_disk(file.fileno())


def names_onto_disk(folder: Path) -> None:
    """Have what the files in a folder are called outlive a power failure, where the platform can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        _onto_disk(descriptor)
    finally:
        os.close(descriptor)


def _onto_disk(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as problem:
        if problem.errno not in _CANNOT:
            raise
