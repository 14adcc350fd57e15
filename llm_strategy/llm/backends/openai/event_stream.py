"""Server-sent events out of pieces of bytes, however a server ends its lines, splits its data and leaves out blanks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

DONE = b"[DONE]"
"""The data by which servers end a stream."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK = b" \t\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


class EventStream:
    """The data of each event, as its pieces come. Comments and other fields are left out.

    Data over several lines belong together until a blank line, as the standard has it; a line that is a whole JSON
    document by itself is an event also where a server leaves the blank line out.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The events that end in this piece."""
        if self._after_return and piece.startswith(b"\n"):
            piece = piece[1:]  # the second half of a line end that the pieces split
        self._after_return = piece.endswith(b"\r")
        *ended, rest = _LINE_END.split(piece)
        for line in ended:
            self._line += line
            whole = bytes(self._line)
            self._line.clear()
            yield from self._take(whole)
        self._line += rest

    def end(self) -> Iterator[bytes]:
        """What stands at the end without a blank line behind it, where it is whole."""
        yield from self._take(bytes(self._line))
        rest = b"\n".join(self._data)
        if _is_whole(rest):
            yield rest

    def _take(self, line: bytes) -> Iterator[bytes]:
        if not line.strip(_BLANK):
            if self._data:
                yield b"\n".join(self._data)
            self._data.clear()
            return
        field, _, value = line.partition(b":")
        value = value.strip(_BLANK)
        if field.strip(_BLANK) != b"data" or not value:
            return
        if not self._data and _is_whole(value):
            yield value
        else:
            self._data.append(value)


def looks_like_events(body: bytes) -> bool:
    """Whether a body holds server-sent events."""
    return body.lstrip(_BLANK + b"\r\n").startswith(_FIELDS)


def _is_whole(data: bytes) -> bool:
    if data == DONE:
        return True
    if not data.endswith(b"}"):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
