"""The cells of a text file: its encoding, separators, header, and what stands above the header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm_strategy.errors import MarketDataError
from simulator.prices.reading.columns import is_price_header
from simulator.prices.reading.options import FileOptions
from simulator.prices.reading.several_symbols import yfinance_header
from simulator.prices.source import with_option, without_folder
from simulator.prices.table import HEADER

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_OPTION_OF = {";": "separator=semicolon", "\t": "separator=tab", "|": "separator=bar"}
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")
_ENCODINGS = ("gb18030", "shift_jis", "euc_kr", "big5", "cp1251", "cp1252")
LONGEST_LINE, MOST_CELLS = 1_000_000, 10_000
"""Bytes of a line and cells of a row: more were made to use up memory, or a file has lost its line ends."""
_LONG_LINE = re.compile(rb"(?:\A|[\r\n])[^\r\n]{%d}" % (LONGEST_LINE + 1))
"""Tried where a line begins alone: to try it at every byte takes the square of a line's length."""
_FARTHEST_HEADER = 30
"""Lines in which a header is looked for below a title."""
KLINE = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume"
"""The columns of a kline file of Binance, which has no header; a twelfth is ignored."""


@dataclass(frozen=True, slots=True)
class CsvRows:
    """Cells below the header, each row with its line in the file; ``notes`` say what was passed over."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    notes: tuple[str, ...] = ()


def read_rows(content: bytes, source: str, options: FileOptions) -> CsvRows:
    """Header and rows of a text file; ``MarketDataError`` says why they cannot be told apart, and a cure."""
    _refuse_other_kinds(content, source)
    rows, lines = _split(_decode(content, source, options), source, options)
    if not rows:
        raise MarketDataError(f"{source} is empty: it needs a header line and one line a bar.")
    if options.columns:
        return _named_by_person(rows, lines, source, options)
    above = next((at for at, row in enumerate(rows[:_FARTHEST_HEADER]) if is_price_header(row)), 0)
    if any(_is_bar(row) for row in rows[:above]):
        above = 0
    notes = tuple(_title_note(source, line, row) for row, line in zip(rows[:above], lines[:above], strict=True))
    rows, lines = rows[above:], lines[above:]
    _check_separator(rows, source, options)
    if joined := yfinance_header(rows, source, options.symbol):
        height, header = joined
        return _checked(header, rows[height:], lines[height:], source, notes)
    if any(_NUMBER.fullmatch(cell.strip()) for cell in rows[0]):
        if _is_kline(rows[0]):
            header = [*KLINE.split(","), *["ignored"] * (len(rows[0]) - 11)]
            note = "has no header line, its columns were read as those of Binance's klines."
            return _checked(header, rows, lines, source, (f"{without_folder(source)} {note}",))
        raise _no_header(rows[0], source)
    if len(rows) == 1:
        raise MarketDataError(f"{source} has a header line and no rows: write one line a bar below it.")
    return _checked([_clean(cell) for cell in rows[0]], rows[1:], lines[1:], source, notes)


def _refuse_other_kinds(content: bytes, source: str) -> None:
    """Name what is no text of cells: what downloads and wrong kinds of a source most often are."""
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if content.startswith(b"PAR1"):
        raise MarketDataError(f"{source} is a parquet file: write parquet: in place of csv:.")
    if content.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xd0\xcf\x11\xe0")):
        raise MarketDataError(f"{source} is a spreadsheet or a compressed file: save it as CSV, or unpack it first.")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise MarketDataError(f"{source} is a web page and no CSV: download the prices themselves.")
    if start.startswith((b"{", b"[{", b"[[", b"[\n")):
        raise MarketDataError(f"{source} is JSON and no CSV: save its rows as CSV.")
    if long := _LONG_LINE.search(content):
        line = content.count(b"\n", 0, long.end()) + 1
        raise MarketDataError(
            f"{source}, line {line} has more than {LONGEST_LINE:,} characters: write one line a bar, without more."
        )


def _decode(content: bytes, source: str, options: FileOptions) -> str:
    if options.encoding is not None:
        if codecs.lookup(options.encoding).name.startswith(("utf-16", "utf-32")) and b"\0" not in content:
            raise MarketDataError(f"{source} is not {options.encoding} text: leave encoding out, or name another.")
        try:
            return content.decode(options.encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, UnicodeError) as problem:
            reason = f"{options.encoding} text" + (
                f" (byte {problem.start + 1})" if isinstance(problem, UnicodeDecodeError) else ""
            )
            raise MarketDataError(
                f"{source} is not {reason}: correct the encoding, or save the file as UTF-8 and leave encoding out."
            ) from None
    wide = _wide_encoding(content)
    if wide is not None:
        raise MarketDataError(
            f"{source} is not UTF-8 text, it is {wide.upper()}: save it as UTF-8, or read it as "
            f"{with_option(source, f'encoding={wide}')}."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        seen = f"byte {problem.start + 1} is {content[problem.start]:#04x}"
        likely = _likely_encoding(content)
        words = (
            f"read it as {with_option(source, f'encoding={likely}')}"
            if likely
            else f"name its encoding, as in {with_option(source, 'encoding=cp1252')} (Western European; cp1251 is "
            "Cyrillic, gb18030 Chinese, shift_jis Japanese)"
        )
        raise MarketDataError(f"{source} is not UTF-8 text ({seen}): save it as UTF-8, or {words}.") from None


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16 or UTF-32 by their marks, or UTF-16 without one by the zero bytes of plain letters."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = content[:200]
    if len(start) > start.count(0) > len(start) / 3:
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    return None


def _likely_encoding(content: bytes) -> str | None:
    """The first encoding under which the first lines hold a header of prices."""
    for encoding in _ENCODINGS:
        try:
            head = content.decode(encoding).splitlines()[:3]
        except UnicodeDecodeError:
            continue
        if any(is_price_header(re.split(r"[,;\t|]", line)) for line in head):
            return encoding
    return None


def _split(text: str, source: str, options: FileOptions) -> tuple[list[list[str]], list[int]]:
    """Rows that hold anything, and the line on which each ends."""
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise MarketDataError(
            f"{source}, line {line} holds NUL characters, as a file does that was cut off: fetch it again."
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=options.separator)
    rows, lines = [], []
    try:
        for row in reader:
            if len(row) > MOST_CELLS:
                raise csv.Error(f"it has {len(row):,} cells, and at most {MOST_CELLS:,} are read")
            if any(map(str.strip, row)):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as problem:
        raise MarketDataError(f"{source}, line {reader.line_num}: {problem}: save the file as plain CSV.") from None
    return rows, lines


def _check_separator(rows: Sequence[Sequence[str]], source: str, options: FileOptions) -> None:
    head = [row[0] for row in rows[:3] if len(row) == 1]
    separators = [found[0] for cell in head if (found := re.search(r"[;\t|]", cell))]
    if not separators or (len(head) < min(len(rows), 3) and len(rows[0]) > 1):
        if len(rows[0]) == 1 and options.separator != "," and "," in rows[0][0]:
            raise MarketDataError(f"{source} has commas between its cells: leave separator out.")
        return
    separator = separators[0]
    told = with_option(source, _OPTION_OF[separator])
    decimals = any(re.search(r"\d,\d", cell) for row in rows[1:3] for cell in [",".join(row)])
    told = with_option(told, "decimal=comma") if decimals and separator == ";" else told
    raise MarketDataError(
        f"{source} has {_SEPARATORS[separator]} between its cells: save it with commas and with decimal points, or "
        f"read it as {told}."
    )


def _named_by_person(rows: list[list[str]], lines: list[int], source: str, options: FileOptions) -> CsvRows:
    named = list(options.columns)
    if is_price_header(rows[0]):
        raise MarketDataError(f"{source} has a header line: leave columns out, which names those of a file without.")
    if len(named) > len(rows[0]):
        raise MarketDataError(
            f"{source}: columns names {len(named)} and line {lines[0]} has {len(rows[0])} cells: name those alone."
        )
    header = [*named, *["ignored"] * (len(rows[0]) - len(named))]
    return _checked(header, rows, lines, source, ())


def _checked(
    header: list[str], rows: list[list[str]], lines: list[int], source: str, notes: tuple[str, ...]
) -> CsvRows:
    """Rows of one cell a column; cells that every row has too many of are dropped where all of them are empty."""
    width = len(header)
    if not rows:
        raise MarketDataError(f"{source} has a header line and no rows: write one line a bar below it.")
    if all(len(row) == width + 1 and not row[-1].strip() for row in rows):
        rows = [row[:-1] for row in rows]
    for row, line in zip(rows, lines, strict=True):
        if len(row) == width:
            continue
        if width == 1 and len(row) > 1:
            raise MarketDataError(
                f"{source}, line {line} has {len(row)} cells where the header has 1 ({header[0][:60]!r}): if that is a "
                "title, remove it, so that the names of the columns stand in the first line."
            )
        if line == lines[-1] and len(row) < width:
            cure = "write one cell a column, or remove the line if it is no bar"
        else:
            points = ", with decimal points if these are decimal commas" if len(row) > width else ""
            cure = f"write one cell a column{points}"
        raise MarketDataError(f"{source}, line {line} has {len(row)} cells where the header has {width}: {cure}.")
    told = next((at for at, name in enumerate(header) if name), 0)
    alike = ((row, line) for row, line in zip(rows, lines, strict=True) if header[told] in row[told])
    again = next((line for row, line in alike if [_clean(cell) for cell in row] == header), None)
    if again is not None:
        raise MarketDataError(f"{source}, line {again} is the header once more: remove that line.")
    return CsvRows(header, rows, lines, notes)


def _title_note(source: str, line: int, row: Sequence[str]) -> str:
    return f"{without_folder(source)}, line {line} ({','.join(row)[:60]!r}) stands above the header and was not read."


def _no_header(row: Sequence[str], source: str) -> MarketDataError:
    names = ["time", *HEADER.split(",")[1:]]
    if len(row) > 6 and re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", row[1].strip()):
        names = ["date", *names]
    names = names[: len(row)]
    told = with_option(source, f"columns={','.join(names)}")
    return MarketDataError(
        f"{source} has no header line: write {HEADER} above its first row, or name its columns in their order (of "
        f"{len(row)}, further ones are not read) as in {told}."
    )


def _is_bar(row: Sequence[str]) -> bool:
    """Whether a row holds as many numbers as a bar does."""
    return sum(_NUMBER.fullmatch(cell.strip()) is not None for cell in row) >= 4


def _is_kline(row: Sequence[str]) -> bool:
    """A row of Binance's klines: opening and closing time in milliseconds or microseconds around five numbers."""
    if len(row) not in (11, 12) or not all(_NUMBER.fullmatch(cell.strip()) for cell in row):
        return False
    start, end = row[0].strip(), row[6].strip()
    return len(start) in (13, 16) and len(start) == len(end) and start.isdecimal() and end.isdecimal() and start < end


def _clean(cell: str) -> str:
    """A header's cell without blanks, marks and quotes around it."""
    return cell.strip(" \t\u00a0\ufeff\u200b'\"")
