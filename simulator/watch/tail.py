"""The end of a file of lines that grows: what was read before is not read again."""

from __future__ import annotations

import os
from pathlib import Path

from llm_strategy.errors import RunFolderError
from llm_strategy.support.read_regular import open_regular


class Tail:
    """The lines of the file at ``path``, those behind the last ones at each call of ``read``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._read = 0

    def read(self) -> list[bytes] | None:
        """The whole lines that were not read yet, none where there is no file; None where the file is another one than
        before, or was cut short, so that everything is to be read anew. Raises ``RunFolderError``."""
        try:
            with open_regular(self._path) as file:
                seen = os.fstat(file.fileno())
                known, self._file = self._file, (seen.st_dev, seen.st_ino)
                if known not in (None, self._file) or seen.st_size < self._read:
                    return None
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return [] if self._file is None else None
        except OSError as problem:
            raise RunFolderError(
                f"{self._path} cannot be read ({problem.strerror or problem}): correct its rights."
            ) from None
        whole = data.rfind(b"\n") + 1
        self._read += whole
        return data[:whole].split(b"\n")[:-1]
