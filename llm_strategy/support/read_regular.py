"""Where a file that a person or a stranger names lies, and how it is read: a regular file, at once, up to a bound.

A relative path of an experiment is looked for in the experiment's own folder, then in the working folder.

A pipe may wait for ever for its writer, and a device may have no end. What is no such file raises ``OSError`` whose
text is the end of a sentence that begins with the file's name ("... cannot be read: ").
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from llm_strategy.errors import ConfigurationError, nearest
from llm_strategy.support.logs import warn_once


def place_of(given: str | Path, folder: Path | None) -> Path:
    """The file that a person means by this path: the one in ``folder`` where there is one, else the one in the working
    folder, which is told; where neither is there, the path in ``folder``. Absolute paths and ``~`` stand for
    themselves, and so does every path where there is no folder."""
    path = at_home(given)
    if folder is None or path.is_absolute():
        return path
    own = folder / path
    try:
        if folder.resolve() == Path.cwd() or (own.exists() and path.exists() and own.samefile(path)):
            return path
        here, there = path.exists(), own.exists()
    except OSError:  # no name that a file can have: whoever reads it says so
        return path
    if not here:
        return own
    if there:
        warn_once(
            __name__, f"{path} is there twice: that in the experiment's folder {folder} is used, and not the one here."
        )
        return own
    warn_once(__name__, f"{path} is not in the experiment's folder {folder}: the one in the working folder is used.")
    return path


def at_home(given: str | Path) -> Path:
    """A path with ``~`` put in place; ``ConfigurationError`` where that is nobody's home."""
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{given} begins with a home that is not there: write the path without ~.") from None


@contextmanager
def require_file(path: Path, endings: Collection[str], of: str = "") -> Iterator[None]:
    """Make a ``ConfigurationError`` of what goes wrong within, where a person's file is read: it names a file beside
    it with one of these ``endings`` and nearly its name; ``of`` says of what it is the path, as in `` of the prompt``.
    """
    try:
        yield
    except FileNotFoundError:
        there = sorted(file.name for file in path.parent.glob("*") if file.suffix in endings)
        meant = nearest(path.name, there) or f": correct the path{of}."
        raise ConfigurationError(f"There is no file {path}{meant}") from None
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem}.") from None


MOST_TEXT = 4_000_000
"""Bytes of a file of settings, a wording or a program: a thousand times what a person writes."""
_KINDS = (
    (
        stat.S_ISFIFO,
        "it is a pipe, read once and perhaps without an end: save what it gives as a file and name that",
    ),
    (stat.S_ISSOCK, "it is a socket: name a file"),
)
_WIDE = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """The text of a file in UTF-8, without a mark of byte order; a file in another encoding is an ``OSError``."""
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        wide = next((f", it is {name}" for mark, name in _WIDE if content.startswith(mark)), "")
        byte = f"byte {problem.start + 1} is {content[problem.start]:#04x}"
        raise OSError(f"it is not UTF-8 text ({byte}){wide}: save it as UTF-8") from None


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file of at most so many bytes, which does not change meanwhile."""
    with open_regular(path, most) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            content = file.read(size + 1)
        except OSError as problem:
            raise _in_words(problem) from None
    if len(content) != size:
        raise OSError("its size changed while it was read: try again when whatever writes it is done")
    return content


@contextmanager
def open_regular(path: Path, most: int | None = None) -> Iterator[BufferedReader]:
    """A file open for reading; ``OSError`` at once where it is no regular file, or longer than ``most`` bytes.

    ``FileNotFoundError`` is raised as such, so that a caller can say what else there is.
    """
    try:
        _check(os.stat(path).st_mode)  # to open a device may do something already
        file = open(path, "rb", opener=_at_once)  # noqa: SIM115 - what is raised here is worded here
    except ValueError:  # a NUL character, or half of a surrogate pair
        raise OSError("that is no name of a file: correct it") from None
    except OSError as problem:
        if isinstance(problem, FileNotFoundError) and path.is_symlink():
            raise OSError("it is a link to a file that is not there: correct the link") from None
        raise _in_words(problem) from None
    with file:
        state = os.fstat(file.fileno())
        _check(state.st_mode)  # another file may have taken its name
        if most is not None and state.st_size > most:
            raise OSError(f"it has {state.st_size:,} bytes, and at most {most:,} are read: name a smaller one")
        yield file


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody at the other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError("it is a folder: name a file in it")
    if not stat.S_ISREG(mode):
        raise OSError(next((told for is_kind, told in _KINDS if is_kind(mode)), "it is a device: name a file"))


def _in_words(problem: OSError) -> OSError:
    """The same error without its number and a path that the caller tells anyway."""
    if not problem.strerror:  # it is in our words
        return problem
    return type(problem)(f"{problem.strerror.lower()}: correct the path, or the permissions on it")
