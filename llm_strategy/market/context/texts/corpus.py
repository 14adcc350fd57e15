"""Dated texts, read strictly from JSONL, CSV or Parquet: each says from when on it could be read, and in which zone.

A text has ``available_at`` (ISO 8601 with a zone), ``text``, and if wished ``id``, ``title``, ``source`` and
``symbols``; other columns are left alone. Everything wrong is one sentence with file and line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError, MarketDataError, nearest, shown
from llm_strategy.market.context.moments import parse_zoned
from llm_strategy.support.outside_text import LONGEST_SYMBOL, visible_line
from llm_strategy.support.read_regular import read_bytes, require_file
from llm_strategy.support.strict_json import parse_json

MOST_BYTES = 1 << 29
"""Of one file."""
MOST_TEXTS = 1_000_000
MOST_CHARACTERS = 1 << 29
LONGEST_TEXT = 100_000
"""Characters of one text: a long filing has its own beginning and end, and is better cut into parts."""
_LONGEST = {"id": 80, "source": 200, "title": 1000}
_MOST_SYMBOLS = 100
_FIELDS = ("available_at", "text", "id", "symbols", "source", "title")
_ENDINGS = (".jsonl", ".csv", ".parquet")
_KEPT = 8
_SAYS = re.compile("[0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class Document:
    """One dated text; ``available_at`` in microseconds since 1970 (UTC), ``symbols`` empty where it is about no one
    market."""

    id: str
    available_at: int
    text: str
    symbols: tuple[str, ...] = ()
    source: str = ""
    title: str = ""


class Corpus(tuple[Document, ...]):
    """Texts in the order of time, then id; ``sha256`` is that of the files they were read from."""

    sha256: str

    def __new__(cls, documents: Iterable[Document], sha256: str = "") -> Corpus:
        """Sorted, whatever their order."""
        made = super().__new__(cls, sorted(documents, key=lambda each: (each.available_at, each.id)))
        made.sha256 = sha256
        return made


_corpora: dict[str, Corpus] = {}


def read_corpus(paths: Sequence[Path]) -> Corpus:
    """The texts of these files together; kept, because the arms of a run read the same ones.

    Raises ``ConfigurationError`` for a file that is not there, or is none, and ``MarketDataError`` for what stands in
    it: a time without a zone, an id that stands twice, a text that is empty, too long or none.
    """
    contents = [(path, _content(path)) for path in paths]
    digest = hashlib.sha256()
    for path, content in contents:
        digest.update(hashlib.sha256(content + path.suffix.encode()).digest())
    mark = digest.hexdigest()
    if mark not in _corpora:
        found: dict[str, tuple[str, Document]] = {}
        characters = 0
        for path, content in contents:
            for place, row in _rows(path, content):
                document = parse_row(place, row)
                if document.id in found:
                    raise MarketDataError(_twice(place, found[document.id][0], document, given=bool(row.get("id"))))
                found[document.id] = place, document
                characters += len(document.text)
                if len(found) > MOST_TEXTS or characters > MOST_CHARACTERS:
                    raise MarketDataError(
                        f"{place}: there are more than {MOST_TEXTS:,} texts or {MOST_CHARACTERS:,} characters: keep "
                        "those of the period that you test."
                    )
        if not found:
            raise MarketDataError(f"{paths[0]} holds no text: write one JSON object a line, or rows under a header.")
        while len(_corpora) >= _KEPT:
            del _corpora[next(iter(_corpora))]
        _corpora[mark] = Corpus((document for _, document in found.values()), mark)
    return _corpora[mark]


def _content(path: Path) -> bytes:
    if path.suffix.lower() not in _ENDINGS:
        raise ConfigurationError(
            f"{path} is no file of texts or values by its ending: name one of {', '.join(_ENDINGS)}."
        )
    with require_file(path, _ENDINGS):
        return read_bytes(path, MOST_BYTES)


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a JSONL, CSV or Parquet file with where each stands; raises as ``read_corpus``."""
    return _rows(path, _content(path))


def _rows(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    match path.suffix.lower():
        case ".parquet":
            return _parquet_rows(path, content)
        case ".csv":
            return _csv_rows(path, _text(path, content))
    return _json_rows(path, _text(path, content))


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise MarketDataError(f"{path}, line {line}: this is not UTF-8 text: save the file as UTF-8.") from None


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            row = parse_json(line)
        except json.JSONDecodeError as problem:
            raise MarketDataError(f"{place}: this is no JSON ({problem.msg}): write one object a line.") from None
        except (ValueError, RecursionError) as problem:
            raise MarketDataError(f"{place}: this is no strict JSON ({shown(problem)}): correct the line.") from None
        if not isinstance(row, dict):
            raise MarketDataError(f'{place}: this is no JSON object: write it as {{"available_at": ..., "text": ...}}.')
        yield place, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            place = f"{path}, line {reader.line_num}"
            if not header:
                header = [cell.strip() for cell in cells]
                if twice := next((name for name in header if name and header.count(name) > 1), None):
                    raise MarketDataError(f"{place}: the column {twice!r:.60} stands twice: rename one.")
            elif cells:
                if len(cells) != len(header):
                    raise MarketDataError(
                        f"{place}: it has {len(cells)} cells and the header {len(header)}: put cells with commas into "
                        "quotation marks."
                    )
                yield place, {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
    except csv.Error as problem:
        raise MarketDataError(f"{path}, line {reader.line_num}: this is no CSV ({problem}): correct it.") from None


def _parquet_rows(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(pa.BufferReader(content)).iter_batches(batch_size=500):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", {name: cell for name, cell in row.items() if cell is not None}
    except (pa.ArrowException, OSError, ValueError, OverflowError) as problem:
        said = shown(" ".join(str(problem).split()))
        raise MarketDataError(f"{path} is no Parquet file that can be read ({said}): write it again.") from None


def parse_row(place: str, row: Mapping[str, Any]) -> Document:
    for name in ("available_at", "text"):
        if row.get(name) in (None, ""):
            others = [other for other in row if other not in _FIELDS]
            empty = name in row and isinstance(row[name], str)
            told = f"its {name} is empty" if empty else f"it has no {name}"
            raise MarketDataError(f"{place}: {told}{nearest(name, others) or ': every text needs one.'}")
    for name in row.keys() - set(_FIELDS):
        if meant := nearest(name, _FIELDS, 0.85):
            raise MarketDataError(f"{place}: there is a field {name!r:.60}{meant}")
    try:
        available_at = parse_zoned(row["available_at"])
    except (ValueError, OverflowError) as problem:
        raise MarketDataError(f"{place}: available_at {shown(row['available_at'])!r} {problem}.") from None
    text = _string(place, "text", row["text"])
    if len(text) > LONGEST_TEXT:
        raise MarketDataError(
            f"{place}: its text has {len(text):,} characters, and at most {LONGEST_TEXT:,} are read: cut it into parts."
        )
    title, source = (_short(place, name, row.get(name, "")) for name in ("title", "source"))
    if not (_SAYS.search(text) or visible_line(text, 1)):
        raise MarketDataError(f"{place}: its text is empty: every text needs one.")
    given = _short(place, "id", row.get("id", ""))
    if row.get("id") is not None and given != row["id"]:
        raise MarketDataError(f"{place}: its id {shown(row['id'])!r} has signs that cannot be seen: rename it.")
    made = hashlib.sha256(f"{available_at}\n{title}\n{text}".encode("utf-8", "replace")).hexdigest()[:16]
    return Document(given or made, available_at, text, _symbols(place, row.get("symbols", ())), source, title)


def _string(place: str, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise MarketDataError(
            f"{place}: its {name} is of type {type(value).__name__}, and not text: write it in quotes."
        )
    return value


def _short(place: str, name: str, value: object) -> str:
    text = _string(place, name, value)
    if len(text) > _LONGEST[name]:
        raise MarketDataError(
            f"{place}: its {name} has {len(text):,} characters, and at most {_LONGEST[name]:,} are read: shorten it."
        )
    return visible_line(text, _LONGEST[name])


def _symbols(place: str, value: object) -> tuple[str, ...]:
    """A list of names, or one text in which commas or semicolons stand between them."""
    names = value.replace(";", ",").split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise MarketDataError(f'{place}: its symbols are no list of names: write them as ["AAPL", "MSFT"].')
    made = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(made) > _MOST_SYMBOLS or any(len(name) > LONGEST_SYMBOL for name in made):
        raise MarketDataError(
            f"{place}: it has more than {_MOST_SYMBOLS} symbols, or one of more than {LONGEST_SYMBOL} characters: "
            "leave symbols out of a text that is about everything."
        )
    return made


def _twice(place: str, earlier: str, document: Document, *, given: bool) -> str:
    if given:
        return f"{place}: the id {document.id!r} stands in {earlier} already: give each text its own."
    return f"{place}: the same text of the same time stands in {earlier} already: leave one out."
