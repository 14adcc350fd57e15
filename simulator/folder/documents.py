"""The retrieval ledger of an arm: each text that its model was shown, once, beside the journal that says when.

The first line of ``documents.jsonl`` is about the collection (how many ``texts`` its files hold, how many of them were
``available`` at the last decision, ``sha256`` of the files), each other one a text as it was shown: ``id``,
``available_at`` (ISO 8601, UTC), ``source``, ``sha256`` of the text and the ``text``. A replay writes it from the
journal and the ledger alone: the collection need not be there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from llm_strategy.advice.citations import DOCUMENTS as SOURCE
from llm_strategy.errors import RunFolderError
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.documents import Documents, framed_texts
from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.write_whole import write_whole
from llm_strategy.types import Decision, Snapshot
from simulator.folder.record_check import DAMAGE, check_regular

LEDGER = "documents.jsonl"


class Library(Protocol):
    """Knows the texts that can be shown: the source of an advisor, or the ledger of an earlier run."""

    def record(self, identity: str) -> Mapping[str, str]:
        """``available_at`` and ``source`` of a text; raises ``KeyError`` for one that it does not know."""
        ...

    def collection(self, last: Snapshot | None) -> Mapping[str, Any]:
        """What the first line says, at the last decision."""
        ...


class Ledger:
    """Takes the decisions of an arm one by one, and keeps each text that was shown."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], None] = {}
        self._last: Snapshot | None = None

    def take(self, decision: Decision) -> None:
        """Keep what was shown at a decision."""
        if self._last is None or decision.snapshot.time >= self._last.time:
            self._last = decision.snapshot
        for shown in decision.context:
            if shown.source == SOURCE:
                for identity, text in zip(shown.ids, framed_texts(shown.text), strict=False):
                    self._shown.setdefault((identity, text))

    def write(self, folder: Path, library: Library) -> None:
        """Write the ledger; raises ``RunFolderError`` for a text that the library does not know."""
        lines = [_line({"collection": dict(library.collection(self._last))})]
        for identity, text in self._shown:
            try:
                about = library.record(identity)
            except KeyError:
                raise RunFolderError(
                    f"{folder / LEDGER} does not hold the text {identity!r:.90} that the journal shows: restore it, or "
                    "run the experiment again."
                ) from None
            known = {"id": identity, "available_at": about["available_at"], "source": about["source"]}
            lines.append(_line({**known, "sha256": _sha256(text), "text": text}))
        write_whole(folder / LEDGER, "".join(lines))


def library_of(advisor: object) -> Library | None:
    """The texts that an advisor can show; None where it has none."""
    context = getattr(advisor, "context", None)
    source = context.source(SOURCE) if isinstance(context, Context) else None
    return source if isinstance(source, Documents) else None


def write_ledger(ledger: Ledger, folder: Path, library: Library | None) -> None:
    """Write a ledger where there are texts to be shown."""
    if library is not None:
        ledger.write(folder, library)


@dataclass(frozen=True)
class LedgerRecord:
    """A ledger as it was written: what it says of the ``about`` collection, and its ``texts`` in their order."""

    about: Mapping[str, Any]
    texts: tuple[Mapping[str, str], ...]
    _by_id: dict[str, Mapping[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {text["id"]: text for text in self.texts})

    @classmethod
    def read(cls, folder: Path) -> LedgerRecord | None:
        """The ledger of an arm's folder; None where there is none; raises ``RunFolderError`` for a damaged one."""
        path = folder / LEDGER
        if not path.exists():
            return None
        check_regular(path)
        try:
            first, *rest = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            about = dict(first["collection"])
            texts = tuple({name: str(row[name]) for name in ("id", "available_at", "source", "text")} for row in rest)
            counts = {name: int(about[name]) for name in ("texts", "available")}
        except (OSError, *DAMAGE) as problem:
            raise RunFolderError(
                f"{path} cannot be read ({problem}): restore it, or run the experiment again."
            ) from None
        return cls(about | counts, texts)

    def record(self, identity: str) -> Mapping[str, str]:
        """As it stands there."""
        return self._by_id[identity]

    def collection(self, last: Snapshot | None) -> Mapping[str, Any]:
        """As it stands there."""
        return self.about


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _line(row: Mapping[str, Any]) -> str:
    return spelled_out_json(json.dumps(row, ensure_ascii=False)) + "\n"
