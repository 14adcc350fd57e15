"""What a server said of itself, kept beside the record of answers: where every answer is on record, the server may be
gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from llm_strategy.llm.backends.openai.capabilities import AnswerFormat, Capabilities
from llm_strategy.llm.models.fingerprint import keep_note
from llm_strategy.support.secrets import redact


class ServerNotes:
    """The note on one model at these addresses, thinking with this ``effort``, in ``folder`` (None: nothing is kept).

    It holds what a ``Capabilities`` says; addresses only as a hash, and no key. A damaged note counts as missing.
    """

    def __init__(self, folder: Path | None, urls: Sequence[str], model: str, effort: str = "") -> None:
        asked = [sorted(urls), model, *filter(None, [effort])]  # a model that thinks less may take a temperature
        about = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        self._file = None if folder is None else folder / f"{about}.json"

    def read(self) -> Capabilities | None:
        """What the server said when it was last asked, or None."""
        try:
            noted = json.loads(self._file.read_bytes()) if self._file else {}
            said = noted["dialect"]
            known: dict[str, Any] = {"omit_temperature": False, "merge_system": False}  # before notes said so
            known |= {field.name: said[field.name] for field in fields(Capabilities) if field.name in said}
            if noted["checksum"] == _checksum(said) and said["answer_format"] in get_args(AnswerFormat):
                return Capabilities(**known)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return None

    def write(self, dialect: Capabilities) -> None:
        """Keep what the server said; a folder that cannot be written only costs a question the next time."""
        said = asdict(dialect)
        text = json.dumps({"dialect": said, "checksum": _checksum(said)}, indent=1)
        if self._file is None or redact(text) != text:
            return
        keep_note(self._file, text + "\n")


def _checksum(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
