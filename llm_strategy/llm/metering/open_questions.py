"""Questions without a line in the audit log yet: each stands in a hidden file beside the log, from before it is sent
until its line is written, so that none is missing after the program was killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from llm_strategy.llm.metering.calls import Call

_OPEN = ".open"
_VERDICT = b', "status": '
"""What stands behind it in a line may be added when the decision is made."""


def append_line(path: Path, text: str) -> None:
    """Append a line in one piece, so that processes may share the file and a kill cuts no line; raises ``OSError``."""
    rest = (text + "\n").encode("utf-8", "backslashreplace")
    with path.open("ab", buffering=0) as out:
        while rest:  # a disk that is nearly full takes a part, and refuses the next
            rest = rest[out.write(rest) :]


class OpenQuestion:
    """One question in its own file beside the log: the last line is what is known of it."""

    def __init__(self, log: Path) -> None:
        self._file = log.with_name(f".{log.name}.{os.getpid()}-{os.urandom(4).hex()}{_OPEN}")
        self.calls: list[Call] = []
        """Calls of a model that have begun; before the first there is nothing that could be missing."""

    def note(self, text: str) -> None:
        """Keep the line that the log should hold if the program ended now; raises ``OSError``."""
        append_line(self._file, text)

    def close(self) -> None:
        """The log holds the line by now; raises ``OSError``."""
        if self.calls:
            self._file.unlink(missing_ok=True)


def take_up(log: Path, *, alone: bool) -> None:
    """Give the log the lines of questions that a killed program left open; raises ``OSError``.

    Where this process is not ``alone`` with the log, the questions of programs that still run are left to them.
    """
    if not log.parent.is_dir():
        return
    begin = f".{log.name}."
    names = [name for name in os.listdir(log.parent) if name.startswith(begin) and name.endswith(_OPEN)]
    if alone and log.exists():
        with log.open("r+b") as file:  # a line that was cut short is one of those left open
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
    lines = log.read_bytes().split(b"\n") if names and log.exists() else []
    written = {line.rpartition(_VERDICT)[0] for line in lines}
    for name in sorted(names):
        if alone or _has_ended(name.removeprefix(begin).partition("-")[0]):
            known = [line for line in (log.parent / name).read_bytes().split(b"\n")[:-1] if _is_line(line)]
            if known and known[-1].rpartition(_VERDICT)[0] not in written:
                append_line(log, known[-1].decode("utf-8"))
            (log.parent / name).unlink()


def _is_line(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):  # nothing of ours
        return False


def _has_ended(process: str) -> bool:
    """Whether no process has this number; where that cannot be told, it may still run."""
    if os.name != "posix" or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
