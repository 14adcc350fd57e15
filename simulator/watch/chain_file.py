"""A file of lines that is only appended to, in which each line holds the hash of the one before it.

A line is a JSON object with its ``number`` (from 1), its content, ``earlier`` (hash of the line before; the first one
holds what the file stands on) and ``hash``: the sha256 over all else, keys sorted. What was changed, removed or
inserted breaks the chain, and is named. Whoever writes the file, the head beside it and all copies of the head anew by
the same rules is not found: no secret is kept here, so a head that is to convince others must be told to them in time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_strategy.errors import RunFolderError
from llm_strategy.support.read_regular import open_regular
from llm_strategy.support.strict_json import parse_json
from llm_strategy.support.write_whole import onto_disk
from simulator.registers.chain import canonical, sha256_of_text

_LONGEST = 10_000_000
"""Characters of a line: a close of thousands of symbols, or a decision with all that was shown."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file: ``kind`` is changed, removed, inserted or cut, ``line`` the first line that
    it concerns (from 1, as the file should be), ``text`` one sentence without its end."""

    file: str
    kind: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Head:
    """How long a chain is, and the hash of its last line."""

    lines: int
    hash: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"lines": self.lines, "hash": self.hash}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Head:
        """What ``as_dict`` gave; raises ``ValueError`` for anything else."""
        lines, text = record.get("lines"), record.get("hash")
        if isinstance(lines, int) and lines >= 0 and isinstance(text, str):
            return cls(lines, text)
        raise ValueError("no head of a chain")


class ChainFile:
    """The file at ``path``, which stands on ``root`` (a hash of what the lines rest on). One process at a time appends;
    raises ``RunFolderError`` where the file cannot be read or written, and where it is not whole (``open``)."""

    def __init__(self, path: Path, root: str) -> None:
        self.path = path
        self.root = root
        self.head = Head(0, root)
        self._descriptor = -1

    def open(self) -> list[dict[str, Any]]:
        """The lines that are there, in order; from then on lines can be appended. A part of a line at the end, as a
        kill leaves it, was never told to anyone and is taken away."""
        lines, whole = self._read()
        if faults := self._faults(lines):
            raise RunFolderError(
                f"{faults[0].text}: bring back the folder {self.path.parent} from a copy, or give the experiment "
                "another name to begin another one."
            )
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.ftruncate(self._descriptor, whole)
        except OSError as problem:
            raise self._not("written", problem) from None
        documents = [line.document for line in lines]
        if lines:
            self.head = Head(len(lines), lines[-1].hash)
        return documents

    def append(self, content: Mapping[str, Any]) -> str:
        """Write one line behind the last and return its hash; ``sync`` puts it onto the disk."""
        document = {**content, "number": self.head.lines + 1, "earlier": self.head.hash}
        digest = sha256_of_text(canonical(document))
        data = (canonical(document | {"hash": digest}) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as problem:
            raise self._not("written", problem) from None
        self.head = Head(self.head.lines + 1, digest)
        return digest

    def sync(self) -> None:
        """Have what was appended outlive a power failure."""
        try:
            onto_disk(self.path)
        except OSError as problem:
            raise self._not("written", problem) from None

    def close(self) -> None:
        """Append no more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self) -> list[dict[str, Any]]:
        """The whole lines as they stand, unchecked; those that are no JSON objects are left out."""
        return [line.document for line in self._read()[0] if line.document]

    def faults(self, head: Head | None = None) -> list[Fault]:
        """Everything that is wrong with the file; with a ``head`` that was kept elsewhere, also what was cut off its
        end, and whether it is the file of that head at all."""
        lines = self._read()[0]
        found = self._faults(lines)
        if head is None or any(fault.kind in ("removed", "inserted") for fault in found):
            return found
        if len(lines) < head.lines:
            gone = head.lines - len(lines)
            text = f"{self.path.name} was cut: its last {gone:,} of {head.lines:,} lines are gone"
            found.append(Fault(self.path.name, "removed", len(lines) + 1, text))
        elif head.lines and lines[head.lines - 1].hash != head.hash and not found:
            text = f"{self.path.name} was written anew: its line {head.lines:,} is not the one that stood there"
            found.append(Fault(self.path.name, "changed", head.lines, text))
        return found

    def _read(self) -> tuple[list[_Line], int]:
        """The whole lines, and the number of bytes that they take."""
        try:
            with open_regular(self.path) as file:
                data = file.read()
        except FileNotFoundError:
            return [], 0
        except OSError as problem:
            raise self._not("read", problem) from None
        whole = data.rfind(b"\n") + 1
        return [_Line.of(text) for text in data[:whole].split(b"\n")[:-1]], whole

    def _faults(self, lines: Sequence[_Line]) -> list[Fault]:
        return list(_faults(lines, self.root, self.path.name))

    def _not(self, verb: str, problem: OSError) -> RunFolderError:
        return RunFolderError(
            f"{self.path} cannot be {verb} ({problem.strerror or problem}): free space or correct its rights, then "
            "start the same command again; everything so far is kept."
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it stands; ``sound`` says that its hash is that of its content."""

    document: dict[str, Any]
    number: int
    earlier: str
    hash: str
    sound: bool

    @classmethod
    def of(cls, text: bytes) -> _Line:
        try:
            found = parse_json(text.decode()[:_LONGEST])
            number, earlier, stated = found["number"], found["earlier"], found["hash"]
            if not (isinstance(number, int) and isinstance(earlier, str) and isinstance(stated, str)):
                raise TypeError
            content = {name: value for name, value in found.items() if name != "hash"}
            is_canonical = canonical(found).encode() == text
            return cls(found, number, earlier, stated, is_canonical and sha256_of_text(canonical(content)) == stated)
        except (ValueError, KeyError, TypeError, RecursionError):
            return cls({}, 0, "", "", False)


def _faults(lines: Sequence[_Line], root: str, file: str) -> Iterator[Fault]:
    """Go through the lines beside the last good one, and name what does not follow."""
    follows: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        if line.sound:
            follows.setdefault(line.earlier, []).append(at)
    good = Head(0, root)
    for at, line in enumerate(lines):
        expected = good.lines + 1
        fits = line.sound and line.earlier == good.hash and line.number == expected
        after = (lines[other] for other in follows.get(good.hash, ()) if other > at)
        is_true_later = any(other.number == expected and other.hash != line.hash for other in after)
        if is_true_later and not (fits and _goes_on(lines, at)):
            yield Fault(file, "inserted", expected, f"{file} was changed: line {at + 1:,} was inserted")
            continue
        if fits:
            good = Head(expected, line.hash)
        elif line.sound and line.number > expected:
            count = line.number - expected
            gone = f"line {expected:,} was" if count == 1 else f"lines {expected:,} to {line.number - 1:,} were"
            words = f"{gone} removed, before what is now line {at + 1:,}"
            yield Fault(file, "removed", expected, f"{file} was changed: {words}")
            good = Head(line.number, line.hash)
        elif line.sound and line.number == expected:
            yield Fault(
                file, "changed", max(1, expected - 1), f"{file} was changed: line {max(1, at):,} was written anew"
                if at else f"{file} was changed: its first line does not stand on what was recorded before it",
            )  # fmt: skip
            good = Head(expected, line.hash)
        else:
            yield Fault(file, "changed", expected, f"{file} was changed: line {at + 1:,} is not what was written")
            good = Head(expected, line.hash)


def _goes_on(lines: Sequence[_Line], at: int) -> bool:
    """Whether the line behind this one follows it."""
    return at + 1 < len(lines) and lines[at + 1].earlier == lines[at].hash
