"""Where a relative path of an experiment lies: in the experiment's own folder, or else in the working folder."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from llm_strategy.errors import ConfigurationError

log = logging.getLogger(__name__)


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
        _tell(f"{path} is there twice: that in the experiment's folder {folder} is used, and not the one here.")
        return own
    _tell(f"{path} is not in the experiment's folder {folder}: the one in the working folder is used.")
    return path


def at_home(given: str | Path) -> Path:
    """A path with ``~`` put in place; ``ConfigurationError`` where that is nobody's home."""
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{given} begins with a home that is not there: write the path without ~.") from None


@cache
def _tell(text: str) -> None:
    log.warning(text)
