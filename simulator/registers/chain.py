"""An append-only file of entries (SQLite), each of which holds the hash of the one before it.

What was changed in the file breaks the chain of hashes, and what was cut off its end is missed by the head: a small
file beside it with the number of entries and the hash of the last. Whoever writes both anew by the same rules is not
found; no secret is kept here.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from llm_strategy.errors import ConfigurationError, RegisterError, nearest, shown
from llm_strategy.support.read_regular import open_regular, read_text
from llm_strategy.support.strict_json import parse_json
from llm_strategy.support.write_whole import write_whole

WAIT_S = 20.0
"""Seconds for which another process may hold the file."""
_FORM = 1
_TABLES = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, statement TEXT NOT NULL, at TEXT NOT NULL, content TEXT NOT NULL,
    earlier TEXT NOT NULL, hash TEXT NOT NULL UNIQUE
);
CREATE TABLE windows (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
CREATE TRIGGER entries_follow BEFORE INSERT ON entries
    WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM entries)
    BEGIN SELECT RAISE(ABORT, 'an entry follows the last one'); END;
CREATE TRIGGER windows_stay BEFORE UPDATE ON windows BEGIN SELECT RAISE(ABORT, 'windows are never changed'); END;
CREATE TRIGGER windows_remain BEFORE DELETE ON windows BEGIN SELECT RAISE(ABORT, 'windows are never removed'); END;
"""


@dataclass(frozen=True)
class Entry:
    """A line of a register: its ``kind``, the ``statement`` that it is about (the id of a hypothesis or of a
    configuration), ``at`` (when it was written, ISO 8601, UTC), and the ``content``, which names a window of data by
    its hash."""

    number: int
    kind: str
    statement: str
    at: str
    content: Mapping[str, Any]
    earlier: str
    """Hash of the entry before; empty for the first."""
    hash: str = ""

    @property
    def digest(self) -> str:
        """What its hash must be: the sha256 over all else."""
        parts = [self.number, self.kind, self.statement, self.at, self.content, self.earlier]
        return sha256_of_text(canonical(parts))


def find_statement(entries: Iterable[Entry], text: str, noun: str, where: str, cure: str) -> str:
    """The id that begins so, of what these entries are about: ``noun`` calls that, ``where`` says where it stands, and
    ``cure`` what shows those that do. Raises ``ConfigurationError`` where there is none, or several."""
    known = list(dict.fromkeys(entry.statement for entry in entries))
    found = [each for each in known if text and each.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"{len(found)} {noun}s begin with {shown(text)!r}: write more of the id.")
    raise ConfigurationError(f"No {noun} {shown(text)!r} {where}{nearest(text, known) or ':'} {cure}")


class Chain:
    """The entries of one file, which sentences call by a ``noun``. Raises ``RegisterError``, one sentence, for a file
    that cannot be read or written."""

    def __init__(self, path: Path, noun: str = "register") -> None:
        self.path = path
        self.noun = noun
        self.head = path.with_name(f"{path.name}.head")

    def entries(self) -> list[Entry]:
        """All entries, the first one first; none where there is no file."""
        with self._reading() as base:
            return [] if base is None else _entries(base)

    def window(self, name: str) -> dict[str, Any] | None:
        """A window by its hash; None where there is none."""
        with self._reading() as base:
            rows = [] if base is None else base.execute("SELECT document FROM windows WHERE id = ?", (name,)).fetchall()
            return _document(rows[0][0]) if rows else None

    def fault(self) -> str | None:
        """What is wrong with the file, in a sentence without its end: changed, cut, or deleted; None where it is
        whole."""
        with self._reading() as base:
            return self._fault([], {}) if base is None else self._fault(_entries(base), _windows(base))

    @contextlib.contextmanager
    def writing(self) -> Iterator[Appender]:
        """Append entries while nobody else does; all of them are there at the end, or none."""
        with self._locked(), contextlib.closing(self._open()) as base, self._told("written"):
            base.execute("BEGIN IMMEDIATE")
            known = _entries(base)
            if fault := self._fault(known, _windows(base)):
                raise RegisterError(f"{fault}: {self.cure}.")
            appender = Appender(base, known)
            yield appender
            if len(appender.entries) > len(known):
                if self._read_head() is None:  # one that is behind is taken up; whoever is killed now leaves that
                    self._write_head(known)
                base.execute("COMMIT")
                self._write_head(appender.entries)

    @property
    def cure(self) -> str:
        """What a person can do about a file that cannot be trusted."""
        return f"bring back {self.path.name} and {self.head.name} from a copy, or move both away and begin another"

    def _fault(self, entries: list[Entry], windows: Mapping[str, str]) -> str | None:
        head = self._read_head()
        count, last = head or (0, "")
        if count > len(entries):
            lost = "is gone" if not entries else "was cut"
            return f"The {self.noun} {self.path} {lost}: it has {len(entries)} of {count} entries"
        earlier, hashes = "", {name: sha256_of_text(document) for name, document in windows.items()}
        for number, entry in enumerate(entries, 1):
            if entry.number != number or entry.earlier != earlier or entry.hash != entry.digest:
                return f"The {self.noun} {self.path} was changed at entry {number}"
            name = entry.content.get("window")
            if name is not None and hashes.get(name) != name:
                return f"The {self.noun} {self.path} was changed: the window of entry {number} is not what it was"
            earlier = entry.hash
        if count and entries[count - 1].hash != last:
            return f"The {self.noun} {self.path} was written anew: its entry {count} is not the one that stood there"
        return f"The {self.noun} {self.path} has lost its head {self.head.name}" if entries and head is None else None

    def _read_head(self) -> tuple[int, str] | None:
        """The number of entries and the hash of the last, as the head has them; None where there is no head."""
        try:
            found = parse_json(read_text(self.head, 10_000))
            count, last = found["entries"], found["hash"]
            if isinstance(count, int) and isinstance(last, str) and count >= 0:
                return count, last
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        raise RegisterError(f"{self.head} is no head of a {self.noun}: {self.cure}.")

    def _write_head(self, entries: list[Entry]) -> None:
        last = entries[-1].hash if entries else ""
        write_whole(self.head, json.dumps({"entries": len(entries), "hash": last}) + "\n")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=WAIT_S)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise RegisterError(
                f"The {self.noun} {self.path} has been held by another process for {WAIT_S:.0f} seconds: "
                "wait until that has ended, and start again."
            ) from None
        except OSError as problem:
            raise self._not("written", problem) from None
        try:
            yield
        finally:
            lock.release()

    def _open(self) -> sqlite3.Connection:
        with self._told("written"):
            is_new = not self.path.exists()
            if not is_new:
                with open_regular(self.path):  # a pipe would be waited for
                    pass
            base = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)
            try:
                base.execute("PRAGMA journal_mode = WAL")
                base.execute("PRAGMA synchronous = FULL")
                if _is_empty(base):
                    base.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {_FORM};COMMIT;")
                self._require_form(base)
            except BaseException:
                base.close()
                raise
            return base

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        with self._told("read"):
            try:
                with open_regular(self.path) as file:
                    is_empty = not file.read(1)
            except (FileNotFoundError, NotADirectoryError):
                is_empty = True
            if is_empty:  # as a run leaves it that was killed before the first entry
                yield None
                return
            with contextlib.closing(self._connect_to_read()) as base:
                if _is_empty(base):
                    yield None
                    return
                self._require_form(base)
                yield base

    def _connect_to_read(self) -> sqlite3.Connection:
        """A connection that writes nothing; in a folder that cannot be written the file alone is read."""
        for how in ("mode=ro", "mode=ro&immutable=1"):
            base = sqlite3.connect(f"{self.path.absolute().as_uri()}?{how}", timeout=WAIT_S, uri=True)
            try:
                base.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError as problem:
                base.close()
                if "unable to open" not in str(problem) and "readonly" not in str(problem):
                    raise
                continue
            except BaseException:
                base.close()
                raise
            return base
        raise sqlite3.OperationalError("unable to open database file")

    def _require_form(self, base: sqlite3.Connection) -> None:
        form = base.execute("PRAGMA user_version").fetchone()[0]
        names = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if form != _FORM or not {"entries", "windows"} <= names:
            raise RegisterError(
                f"{self.path} is a database and no {self.noun} of this version (its form is {form}, not {_FORM}): "
                f"{self.cure}."
            )

    @contextlib.contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        """Have what the file system and SQLite raise be told in a sentence."""
        try:
            yield
        except (OSError, sqlite3.Error) as problem:
            raise self._not(verb, problem) from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise RegisterError(f"The {self.noun} {self.path} holds what is no entry: {self.cure}.") from None

    def _not(self, verb: str, problem: Exception) -> RegisterError:
        said = (getattr(problem, "strerror", None) or str(problem)).rstrip(".")
        where = f"The {self.noun} {self.path} cannot be {verb} ({said})"
        if isinstance(problem, sqlite3.OperationalError) and "locked" in said:
            return RegisterError(f"{where}: end the program that holds it, and start again.")
        if "disk is full" in said or getattr(problem, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return RegisterError(f"{where}: free space, and run the same command again, which enters what is missing.")
        if isinstance(problem, sqlite3.DatabaseError) and not isinstance(problem, sqlite3.OperationalError):
            return RegisterError(f"{where}: {self.cure}.")
        return RegisterError(f"{where}: correct its rights, or set BTLLM_DATA_DIR to a folder that you may write.")


class Appender:
    """Appends to the ``entries`` that are there, within ``Chain.writing``."""

    def __init__(self, base: sqlite3.Connection, entries: list[Entry]) -> None:
        self._base = base
        self.entries = list(entries)

    def add(
        self, kind: str, statement: str, content: Mapping[str, Any], window: Mapping[str, Any] | None, at: str = ""
    ) -> Entry:
        """Append an entry, now or ``at`` a time (ISO 8601); its content gets the hash of the window, which is kept."""
        name = None
        if window is not None:
            text = canonical(window)
            name = sha256_of_text(text)
            self._base.execute("INSERT OR IGNORE INTO windows VALUES (?, ?)", (name, text))
        content = json.loads(canonical({**content, "window": name}))
        earlier = self.entries[-1].hash if self.entries else ""
        now = at or datetime.now(UTC).isoformat(timespec="seconds")
        entry = Entry(len(self.entries) + 1, kind, statement, now, content, earlier)
        entry = replace(entry, hash=entry.digest)
        row = (entry.number, kind, statement, entry.at, canonical(content), earlier, entry.hash)
        self._base.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self.entries.append(entry)
        return entry


def _entries(base: sqlite3.Connection) -> list[Entry]:
    rows = base.execute("SELECT number, kind, statement, at, content, earlier, hash FROM entries ORDER BY number")
    found = []
    for number, kind, statement, at, content, earlier, hashed in rows:
        if not all(isinstance(text, str) for text in (kind, statement, at, content, earlier, hashed)):
            raise TypeError("a column of an entry is no text")
        document = _document(content)
        found.append(Entry(number, kind, statement, at, document, earlier, hashed))
    return found


def _windows(base: sqlite3.Connection) -> dict[str, str]:
    return dict(base.execute("SELECT id, document FROM windows").fetchall())


def _is_empty(base: sqlite3.Connection) -> bool:
    return not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _document(text: Any) -> dict[str, Any]:
    found = parse_json(text)
    if not isinstance(found, dict):
        raise TypeError("an entry holds no document")
    return found


def canonical(value: Any) -> str:
    """JSON with sorted keys and without spaces: the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_of_text(text: str) -> str:
    """Of a text as UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
