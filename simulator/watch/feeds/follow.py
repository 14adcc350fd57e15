"""The kind ``follow:``: a CSV or JSONL file that grows, as another program writes it."""

from __future__ import annotations

import csv
import os
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.read_regular import open_regular, place_of
from simulator.prices.sessions import Timeframe
from simulator.watch.feed import Feed, FeedKind, FeedRequest, FeedTrouble, Message
from simulator.watch.messages import LONGEST_MESSAGE, message_of, read_message

_PAUSE_S = 0.2
"""Between two looks at a file that has not grown."""
_OPTION = "?clock=file"
_CHUNK = 1 << 16


class FollowFeed(Feed):
    """Gives the messages of a file's whole lines from its beginning on, and then as they are written. A file that is
    cut short or replaced is read anew; one that is not there is waited for."""

    def __init__(self, path: Path, timeframe: Timeframe, symbol: str, *, uses_wall_clock: bool) -> None:
        self.uses_wall_clock = uses_wall_clock
        self._path = path
        self._timeframe = timeframe
        self._symbol = symbol
        self._is_csv = path.suffix.lower() == ".csv"
        self._file: IO[bytes] | None = None
        self._open = ExitStack()
        self._header: list[str] = []
        self._rest = b""
        self._messages: deque[Message] = deque()
        self._was_lost = self._has_read = False

    @property
    def behind(self) -> bool:
        """As of ``Feed``."""
        return bool(self._messages)

    def take(self, timeout_s: float) -> Message | None:
        """As of ``Feed``."""
        end = time.monotonic() + timeout_s
        while not self._messages:
            if self._read() or self._messages:
                continue
            left = end - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, _PAUSE_S))
        return self._messages.popleft()

    def close(self) -> None:
        """As of ``Feed``."""
        self._open.close()
        self._file = None

    def _read(self) -> bool:
        """Read on; whether there was anything."""
        try:
            if self._file is None:
                self._file = self._open.enter_context(open_regular(self._path))
                self._header, self._rest = [], b""
            data = self._file.read(_CHUNK)
            if data and self._was_lost:
                self._was_lost = False
                self._messages.append(FeedTrouble("back", f"{self._path.name} is there and is read."))
            if not (data or self._has_read):
                self._tell_lost(f"{self._path.name} is empty: its first line is waited for.")
            self._has_read = self._has_read or bool(data)
            if not data and self._is_other_file():
                self.close()
                self._tell_lost(f"{self._path.name} was cut short or replaced: it is read from its beginning.")
                return True
        except FileNotFoundError:
            self._tell_lost(f"{self._path.name} is not there yet: it is waited for.")
            return False
        except OSError as problem:
            self.close()
            self._tell_lost(f"{self._path.name} cannot be read: {problem.strerror or problem}.")
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take_line(line)
        if len(self._rest) > LONGEST_MESSAGE:  # no line that anyone would write
            self._rest = b""
            self._messages.append(FeedTrouble("malformed", f"A line of {self._path.name} has no end."))
        return bool(data)

    def _is_other_file(self) -> bool:
        if self._file is None:
            return False
        now, ours = self._path.stat(), os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino) or now.st_size < self._file.tell()

    def _tell_lost(self, text: str) -> None:
        if not self._was_lost:
            self._was_lost = True
            self._messages.append(FeedTrouble("lost", text))

    def _take_line(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip("\r\ufeff ")
        if not text:
            return
        try:
            if not self._is_csv:
                self._messages.append(read_message(text, self._timeframe, self._symbol))
                return
            cells = next(csv.reader([text], strict=True))
            if not self._header:
                self._header = [cell.strip().lower() for cell in cells]
                return
            if len(cells) != len(self._header):
                raise ValueError(f"it has {len(cells)} cells, not {len(self._header)}")
            self._messages.append(
                message_of(dict(zip(self._header, cells, strict=True)), self._timeframe, self._symbol)
            )
        except (ValueError, csv.Error) as problem:
            self._messages.append(
                FeedTrouble("malformed", f"A line of {self._path.name} cannot be read: {str(problem).rstrip('.')}.")
            )


def open_follow(request: FeedRequest) -> FollowFeed:
    """Follow the file behind the colon; with ``?clock=file`` time passes as the file's own lines say."""
    name = request.name.removesuffix(_OPTION)
    path = place_of(name, request.folder) if name else Path()
    if path.suffix.lower() not in (".csv", ".jsonl", ".ndjson"):
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80}: name a file that ends in .csv or .jsonl, as in follow:ticks.jsonl."
        )
    symbol = request.symbols[0] if len(request.symbols) == 1 else ""
    return FollowFeed(path, request.timeframe, symbol, uses_wall_clock=name == request.name)


FOLLOW = FeedKind("follow", open_follow, "follow:PATH[?clock=file]  a CSV or JSONL file that grows")
