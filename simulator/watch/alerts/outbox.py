"""The outbox of a watch: alerts that wait for their channels, messages that are on their way, and what was delivered.

An alert is entered once for each channel, by the key of its event; entered again it is the same. A message carries one
alert, or several where more wait than may be sent. Once it is composed it stays as it is, under its own id, until it is
delivered: a ``begun`` above ``failed`` is an attempt of which nobody knows how it ended, as a kill leaves it. Where an
event is to be explained, its alerts wait for the explanation until a certain time, and those behind them with them.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from llm_strategy.errors import RunFolderError
from llm_strategy.support.read_regular import open_regular

log = logging.getLogger(__name__)
TOO_LONG = "the model took too long"
ALERTS = "alerts.sqlite"
"""The outbox in the folder of a watch."""
HOUR_S = 3600.0
KEPT_S = 24 * HOUR_S
"""Seconds after which a message that no attempt delivered is given up, so that those behind it go."""
LEAST_FAILURES = 10
"""Attempts before that: the program may have been down for days."""
MOST_GATHERED = 50
"""Alerts in one message."""
_FORM = 1
_WAIT_S = 30.0
_TABLES = """
CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE alerts (number INTEGER PRIMARY KEY, key TEXT NOT NULL, channel TEXT NOT NULL, kind TEXT NOT NULL,
    time TEXT NOT NULL, text TEXT NOT NULL, urgent INTEGER NOT NULL, message TEXT, UNIQUE (key, channel));
CREATE INDEX waiting ON alerts (channel, number) WHERE message IS NULL;
CREATE TABLE messages (id TEXT PRIMARY KEY, number INTEGER NOT NULL, channel TEXT NOT NULL, title TEXT NOT NULL,
    text TEXT NOT NULL, urgent INTEGER NOT NULL, state TEXT NOT NULL, begun INTEGER NOT NULL, failed INTEGER NOT NULL,
    made REAL NOT NULL, due REAL NOT NULL, ended REAL, problem TEXT NOT NULL);
CREATE INDEX states ON messages (channel, state, number);
"""
_EXPLANATIONS = """
CREATE TABLE IF NOT EXISTS explanations (key TEXT PRIMARY KEY, circumstances TEXT NOT NULL, latest REAL NOT NULL,
    text TEXT)
"""
"""What is said beside the sentence of an event: no text yet, an empty one where there is none to come."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told by one channel: of the event with this ``key`` the ``kind``, its ``time``, its sentence, and what a
    model explains of it, where it does."""

    key: str
    channel: str
    kind: str
    time: str
    text: str
    urgent: bool
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is handed, the same at every attempt: ``id`` is made of the keys of its alerts. ``is_doubtful``
    tells that an earlier attempt was cut off, so that it may have arrived."""

    id: str
    channel: str
    title: str
    text: str
    is_doubtful: bool
    due: float


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How one channel stands: alerts that ``wait`` or are on their way, those ``delivered`` and ``given_up``, and the
    ``problem`` of the last attempt, where it failed."""

    name: str
    waiting: int
    delivered: int
    given_up: int
    problem: str

    @property
    def told(self) -> str:
        """The same in a line."""
        given_up = f", {self.given_up:,} given up" if self.given_up else ""
        problem = f" ({self.problem})" if self.problem else ""
        return f"alerts by {self.name}: {self.delivered:,} delivered, {self.waiting:,} waiting{given_up}{problem}"


class Outbox:
    """The outbox at ``path``, made where it is not there; ``is_new`` says so. One process at a time; its threads may
    share it. Times are seconds since 1970. Raises ``RunFolderError`` where it is none or cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with _told(path, "written"):
            self.is_new = not path.exists()
            if not self.is_new:
                with open_regular(path):  # a pipe would be waited for
                    pass
            self._base = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            if not self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._base.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {_FORM};COMMIT;")
            _require_form(path, self._base)
            self._base.execute(_EXPLANATIONS)
            self._base.execute("UPDATE messages SET due = 0 WHERE state = 'open'")  # a new start tries at once
            self._seen = {key for (key,) in self._base.execute("SELECT key FROM seen")}
        self._unwritten: list[str] = []

    def knows(self, key: str) -> bool:
        """Whether an event of this key was taken before, whatever became of it."""
        return key in self._seen

    def take(self, key: str, alerts: Iterable[Alert], circumstances: str = "", latest: float = 0.0) -> None:
        """Take an event with the alerts that follow from it, once; one of which none follows is written by ``flush``
        at the latest. Where there are ``circumstances``, its alerts wait for an explanation until ``latest``."""
        if key in self._seen:
            return
        entries = [(one.key, one.channel, one.kind, one.time, one.text, int(one.urgent)) for one in alerts]
        self._seen.add(key)
        self._unwritten.append(key)
        if entries:
            self._write(entries, [(key, circumstances, latest)] if circumstances else [])

    def unexplained(self) -> tuple[str, str, float] | None:
        """Key, circumstances and latest time of the first event whose alerts wait for an explanation."""
        with self._transaction() as base:
            found: tuple[str, str, float] | None = base.execute(
                "SELECT explanations.key, circumstances, latest FROM explanations JOIN alerts USING (key) "
                "WHERE explanations.text IS NULL ORDER BY number LIMIT 1"
            ).fetchone()
        return found

    def explain(self, key: str, text: str) -> bool:
        """Give the alerts of an event their explanation, an empty one where none can be had; whether they waited for it
        still."""
        with self._transaction() as base:
            update = "UPDATE explanations SET text = ? WHERE key = ? AND text IS NULL"
            return base.execute(update, (text, key)).rowcount == 1

    def give_up_explanations(self) -> int:
        """Let all alerts go that wait for an explanation; returns of how many events they are."""
        with self._transaction() as base:
            return base.execute("UPDATE explanations SET text = '' WHERE text IS NULL").rowcount

    def flush(self) -> None:
        """Have everything that was taken on the disk."""
        if self._unwritten:
            self._write([])

    def next_message(
        self, channel: str, now: float, most: int, compose: Compose, *, quiet: bool, gather: bool
    ) -> Message | None:
        """What is to be sent by a channel, at its ``due``: the message that is on its way already, or else a new one of
        what waits longest. None where nothing waits, or nothing may be sent: because of ``quiet``, or because ``most``
        were within the last hour, from both of which urgent alerts are free, or because the first of them is to be
        explained. The last message that is allowed takes all that waits, and so does one that is to ``gather``."""
        with self._transaction() as base:
            open_one = base.execute(
                "SELECT id, title, text, begun > failed, due FROM messages WHERE channel = ? AND state = 'open' "
                "AND urgent >= ? ORDER BY number LIMIT 1",
                (channel, int(quiet)),
            ).fetchone()
            if open_one is not None:
                name, title, text, doubtful, due = open_one
                return Message(name, channel, title, text, bool(doubtful), due)
            sent = "SELECT count(*) FROM messages WHERE channel = ? AND state = 'delivered' AND ended > ?"
            left = most - base.execute(sent, (channel, now - HOUR_S)).fetchone()[0]
            over = base.execute("UPDATE explanations SET text = '' WHERE text IS NULL AND latest <= ?", (now,)).rowcount
            if over:
                log.warning("Alerts of %d events go without an explanation: %s.", over, TOO_LONG)
            found = base.execute(
                "SELECT number, alerts.key, kind, time, alerts.text, urgent, explanations.text, latest FROM alerts "
                "LEFT JOIN explanations USING (key) WHERE channel = ? AND message IS NULL AND urgent >= ? "
                "ORDER BY number LIMIT ?",
                (channel, int(quiet or left <= 0), MOST_GATHERED if gather or left == 1 else 1),
            )
            rows = list(takewhile(lambda row: row[6] is not None or row[7] is None, found))
            if not rows:
                return None
            alerts = [
                Alert(key, channel, kind, time, text, bool(urgent), explanation or "")
                for _, key, kind, time, text, urgent, explanation, _ in rows
            ]
            name = hashlib.sha256("\n".join([channel, *(alert.key for alert in alerts)]).encode()).hexdigest()[:12]
            title, text = compose(alerts, name)
            urgent = int(any(alert.urgent for alert in alerts))
            made = (name, rows[0][0], channel, title, text, urgent, now, now)
            base.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, 'open', 0, 0, ?, ?, NULL, '')", made)
            base.executemany("UPDATE alerts SET message = ? WHERE number = ?", [(name, row[0]) for row in rows])
            return Message(name, channel, title, text, is_doubtful=False, due=now)

    def begin(self, message: Message) -> None:
        """An attempt begins."""
        with self._transaction() as base:
            base.execute("UPDATE messages SET begun = begun + 1 WHERE id = ?", (message.id,))

    def deliver(self, message: Message, now: float) -> None:
        """The channel has accepted it."""
        with self._transaction() as base:
            base.execute(
                "UPDATE messages SET state = 'delivered', ended = ?, problem = '' WHERE id = ?", (now, message.id)
            )

    def fail(self, message: Message, now: float, problem: str, pause: Callable[[int], float]) -> bool:
        """The channel has not accepted it: it is tried again after ``pause`` seconds, which are given the number of
        failures. Returns whether it is given up, as that has gone on for a day."""
        with self._transaction() as base:
            base.execute("UPDATE messages SET failed = failed + 1, problem = ? WHERE id = ?", (problem, message.id))
            failed, made = base.execute("SELECT failed, made FROM messages WHERE id = ?", (message.id,)).fetchone()
            if failed >= LEAST_FAILURES and now - made > KEPT_S:
                base.execute("UPDATE messages SET state = 'given up', ended = ? WHERE id = ?", (now, message.id))
                return True
            base.execute("UPDATE messages SET due = ? WHERE id = ?", (now + pause(failed), message.id))
            return False

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._base.close()

    def _write(self, entries: list[tuple[Any, ...]], to_explain: Iterable[tuple[str, str, float]] = ()) -> None:
        with self._transaction() as base:
            base.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(key,) for key in self._unwritten])
            base.executemany(
                "INSERT OR IGNORE INTO alerts (key, channel, kind, time, text, urgent) VALUES (?, ?, ?, ?, ?, ?)",
                entries,
            )
            base.executemany("INSERT OR IGNORE INTO explanations VALUES (?, ?, ?, NULL)", to_explain)
        self._unwritten.clear()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _told(self.path, "written"):
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")


Compose = Callable[[list[Alert], str], tuple[str, str]]
"""Of the alerts of a message and its id the title and the text."""


def read_outbox(folder: Path, last: int = 10) -> tuple[list[ChannelState], list[dict[str, Any]]]:
    """How each channel of a folder's outbox stands, and its ``last`` alerts with the state of each, oldest first; both
    are empty where it has none. It may be read while a watch writes. Raises ``RunFolderError``."""
    path = folder / ALERTS
    if not path.exists():
        return [], []
    with _told(path, "read"):
        with open_regular(path):
            pass
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=_WAIT_S, uri=True)) as base:
            _require_form(path, base)
            joined = "FROM alerts LEFT JOIN messages ON messages.id = alerts.message"
            rows = base.execute(
                "SELECT alerts.channel, sum(coalesce(state, 'open') = 'open'), sum(coalesce(state, '') = 'delivered'), "
                f"sum(coalesce(state, '') = 'given up') {joined} GROUP BY alerts.channel ORDER BY min(alerts.number)"
            ).fetchall()
            failing = "SELECT problem FROM messages WHERE channel = ? AND state = 'open' ORDER BY number LIMIT 1"
            problems = {row[0]: base.execute(failing, row[:1]).fetchone() for row in rows}
            states = [
                ChannelState(name, waiting, delivered, given_up, (problems[name] or ("",))[0])
                for name, waiting, delivered, given_up in rows
            ]
            explained = base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'explanations'").fetchone()[0]
            explanation = "(SELECT text FROM explanations WHERE key = alerts.key)" if explained else "NULL"
            told = base.execute(
                "SELECT alerts.time, alerts.channel, kind, alerts.text, coalesce(state, 'open'), coalesce(id, ''), "
                f"coalesce({explanation}, '') {joined} ORDER BY alerts.number DESC LIMIT ?",
                (last,),
            ).fetchall()
    names = ("time", "channel", "kind", "text", "state", "message", "explanation")
    words = {"open": "waiting"}
    alerts = [dict(zip(names, row, strict=True)) for row in reversed(told)]
    return states, [alert | {"state": words.get(alert["state"], alert["state"])} for alert in alerts]


def _require_form(path: Path, base: sqlite3.Connection) -> None:
    names = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if base.execute("PRAGMA user_version").fetchone()[0] != _FORM or not {"seen", "alerts", "messages"} <= names:
        raise RunFolderError(f"{path} is no outbox of this version: move it away, and a new one is made.")


@contextmanager
def _told(path: Path, verb: str) -> Iterator[None]:
    """Have what the file system and SQLite raise be told in a sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as problem:
        said = (getattr(problem, "strerror", None) or str(problem)).rstrip(".")
        raise RunFolderError(
            f"The outbox {path} cannot be {verb} ({said}): correct its rights, or move it away, and a new one is made."
        ) from None
