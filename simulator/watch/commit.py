"""Closes and decisions on their way into the chains: what is recorded is held against what comes again, what is new is
appended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from llm_strategy.errors import RunFolderError
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import EquityRow, Journal
from simulator.watch.chain_file import ChainFile
from simulator.watch.folder import RecordedLine


class CloseStamp:
    """The close that is being decided: its ``number``, when its bars were on the disk (monotonic seconds), and whether
    it is decided ``late``."""

    def __init__(self) -> None:
        self.number = 0
        self.late = False
        self._since = 0.0

    def begin(self, number: int, *, late: bool) -> None:
        """The bars of this close are on the disk now."""
        self.number, self.late, self._since = number, late, time.monotonic()

    @property
    def delay_s(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self._since


class Committer:
    """Writes the lines of one arm: the sink of its journal. While lines are ``recorded``, what the arm decides again
    must be what stands there, byte for byte; then lines are appended to the chain before anything is traded on them."""

    def __init__(
        self,
        arm: str,
        chain: ChainFile,
        recorded: Iterable[RecordedLine],
        stamp: CloseStamp,
        now: Callable[[], datetime],
        version: str,
    ) -> None:
        self._arm = arm
        self._chain = chain
        self._recorded = deque(recorded)
        self._stamp = stamp
        self._now = now
        self._version = version
        self._rows = 0
        self.entries: list[Entry] = []
        """Decisions since they were taken last."""
        self.journal = Journal(self, keep=self.entries.append)  # type: ignore[arg-type] # it writes and flushes alone

    @property
    def resumes(self) -> bool:
        """Whether lines of the record are still to come."""
        return bool(self._recorded)

    def write(self, line: str) -> int:
        """A decision of the arm, before it is traded."""
        text = line.rstrip("\n")
        if self._recorded:
            expected = self._recorded.popleft()
            if expected.line != text or expected.close != self._stamp.number:
                raise self._other(f"what it decides from the bars of close {self._stamp.number:,}")
        else:
            self._append({"line": text})
        return len(line)

    def flush(self) -> None:
        """Nothing waits."""

    def account(self) -> EquityRow | None:
        """Commit the account after a close, where there is a new row of it."""
        rows = self.journal.equity
        if len(rows) == self._rows:
            return None
        self._rows = len(rows)
        row = rows[-1]
        if self._recorded:
            expected = self._recorded.popleft()
            if expected.account != tuple(row) or expected.close != self._stamp.number:
                raise self._other(f"its account after close {self._stamp.number:,}")
        else:
            self._append({"account": list(row)})
        return row

    def _append(self, content: dict[str, Any]) -> None:
        late = {"late": True} if self._stamp.late else {}
        self._chain.append(
            {
                "arm": self._arm,
                "close": self._stamp.number,
                "at": self._now().isoformat(),
                "delay_s": round(self._stamp.delay_s, 6),
                **late,
                **content,
            }
        )

    def _other(self, what: str) -> RunFolderError:
        return RunFolderError(
            f"{self._arm}: {what} is not what stands in {self._chain.path}: the program or a part of your own has "
            f"changed since; bring back version {self._version}, or give the experiment another name to begin anew."
        )
