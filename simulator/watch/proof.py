"""What the chains of a watch prove: that nothing was changed, removed or inserted, and how long before its outcome each
decision stood there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from simulator.watch.chain_file import Fault, Head
from simulator.watch.folder import RecordedClose, WatchFolder


@dataclass(frozen=True)
class Proof:
    """The state of a record. ``faults`` is empty where it is whole. Of the decisions ``late`` were made late and
    ``waiting`` have no outcome yet. ``leads`` are seconds from a decision until the next bar of its symbol was known
    here, ``opens`` those until the first trade of that bar by the exchange's time, negative where that came first; the
    latter exist where the feed was ``live``, and not a replay."""

    faults: tuple[Fault, ...]
    closes: int
    decisions: int
    late: int
    missed: int
    waiting: int
    live: bool
    leads: tuple[float, ...]
    opens: tuple[float, ...]
    head: Head

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed, removed or inserted."""
        return not self.faults

    def as_dict(self) -> dict[str, Any]:
        """Plain data: counts, the least and the median of the seconds, and the head."""
        return {
            "whole": self.is_whole,
            "faults": [{"file": one.file, "kind": one.kind, "line": one.line, "text": one.text} for one in self.faults],
            "closes": self.closes,
            "decisions": self.decisions,
            "late": self.late,
            "missed": self.missed,
            "waiting": self.waiting,
            "live": self.live,
            "seconds_before_next_bar": _summary(self.leads),
            "seconds_before_next_trade": _summary(self.opens),
            "after_next_trade": sum(1 for seconds in self.opens if seconds < 0),
            **self.head.as_dict(),
        }

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        for fault in self.faults:
            yield f"{fault.text}."
        if self.faults:
            return
        yield (
            f"Whole: {self.closes:,} closes and {self.decisions:,} decisions, nothing changed, removed or inserted; "
            f"{self.head.lines:,} lines, the last {self.head.hash}."
        )
        if self.leads:
            yield (
                f"Each decision was on the disk before the next bar of its symbol was taken: at least "
                f"{min(self.leads):.3f} s, in the median {median(self.leads):.3f} s."
            )
        if self.live and self.opens:
            after = sum(1 for seconds in self.opens if seconds < 0)
            yield (
                f"{after:,} of {len(self.opens):,} decisions stood there only after the next bar's first trade, by "
                f"{median([-seconds for seconds in self.opens if seconds < 0]):.1f} s in the median: at that open they "
                "could not have been filled."
                if after
                else f"All of them stood there before the next bar's first trade (at least {min(self.opens):.1f} s)."
            )
        if not self.live and self.closes:
            yield "The bars were played from a file: this proves the order of things here, and nothing of the future."
        if self.late or self.missed:
            yield f"{self.late:,} decisions were made late, {self.missed:,} closes were missed and not decided on."
        if self.waiting:
            yield f"{self.waiting:,} decisions have no outcome yet."


def prove(path: Path) -> Proof:
    """Check a folder, and measure its decisions; raises ``RunFolderError`` where it is no folder of a watch."""
    folder = WatchFolder(path)
    faults = folder.faults()
    bars, decisions = folder.bars.read(), folder.decisions.read()
    head = Head(len(decisions), str(decisions[-1].get("hash")) if decisions else folder.root)
    if faults:
        return Proof(tuple(faults), len(bars), 0, 0, 0, 0, False, (), (), head)
    closes = [folder.close_of(line) for line in bars]
    following = _following(closes)
    leads, opens, late, made, waiting = [], [], 0, 0, 0
    for line in map(folder.line_of, decisions):
        if not line.line:
            continue
        made += 1
        late += line.late
        symbol = line.entry.decision.snapshot.symbol
        after = following.get((symbol, line.close))
        if after is None:
            waiting += 1
            continue
        at = datetime.fromisoformat(line.at)
        leads.append((datetime.fromisoformat(after.known) - at).total_seconds())
        if after.live:
            first = after.close.bars[symbol].first or after.close.period.start
            opens.append((first - at).total_seconds())
    missed = sum(1 for close in closes if close.missed)
    live = bool(closes) and all(close.live for close in closes)
    return Proof((), len(closes), made, late, missed, waiting, live, tuple(leads), tuple(opens), head)


def _following(closes: list[RecordedClose]) -> dict[tuple[str, int], RecordedClose]:
    """By symbol and number of a close: the next close at which that symbol has a bar."""
    found: dict[tuple[str, int], RecordedClose] = {}
    last: dict[str, int] = {}
    for close in closes:
        for symbol in close.close.bars:
            if symbol in last:
                found[symbol, last[symbol]] = close
            last[symbol] = close.number
    return found


def _summary(seconds: tuple[float, ...]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {"least": round(min(seconds), 6), "median": round(median(seconds), 6)}
