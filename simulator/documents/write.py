"""The rows of loaders as one strict JSONL file, which is read again before it gets its name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.context.texts.corpus import Corpus, parse_row, read_corpus
from llm_strategy.support.write_whole import write_whole


def write_texts(rows: Iterable[Mapping[str, Any]], path: Path) -> Corpus:
    """Write rows in the order of time. A text that came twice (a feed saved on two days) stands there once, from the
    first time on; one that was changed under its id is another text. Returns what the source will read. Raises
    ``ConfigurationError`` and ``MarketDataError``."""
    if path.suffix != ".jsonl":
        raise ConfigurationError(f"{path} does not end in .jsonl: name the file so, such as news.jsonl.")
    first: dict[tuple[str, str, str], tuple[int, dict[str, Any]]] = {}
    for number, row in enumerate(rows, 1):
        document = parse_row(f"text {number}", row)
        key = document.id if "id" in row else "", document.title, document.text
        if key not in first or document.available_at < first[key][0]:
            first[key] = document.available_at, dict(row) | {"id": document.id}
    made: dict[str, tuple[int, dict[str, Any]]] = {}
    for key, (at, row) in sorted(first.items(), key=lambda each: (each[1][0], each[0])):
        if row["id"] in made:
            row["id"] = f"{row['id'][:63]}~{_hash(*key)}"
        made[row["id"]] = at, row
    if not made:
        raise ConfigurationError("There is no text to write: name files that hold some.")
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for _, row in made.values()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, "\n".join(lines) + "\n")
    except OSError as problem:
        said = problem.strerror or os.strerror(problem.errno or 0)
        raise ConfigurationError(f"{path} cannot be written ({said}): name a file that can be.") from None
    return read_corpus([path])


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
