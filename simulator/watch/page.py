"""The page of a watch: how it stands, from its folder alone, served to this machine alone, for reading alone.

The server listens on the loopback interface. Who has no token in the address gets nothing, and neither does a page of
another site that had its name point here (``Host``). The page holds no script, and its policy lets none run.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from llm_strategy.errors import BacktraderLLMError, ConfigurationError
from llm_strategy.support.secrets import redact
from simulator.reporting.blocks import Block, Column, Heading, Paragraph, Quoted, Table
from simulator.reporting.page_frame import page, secured
from simulator.reporting.render_html import HtmlWriter
from simulator.watch.alerts.outbox import ALERTS, read_outbox
from simulator.watch.events import WatchEvent, WatchState
from simulator.watch.folder import BARS, DECISIONS, EVENTS
from simulator.watch.left_out import LEFT_OUT, told_left_out
from simulator.watch.status import Status, StatusReader, status_of

HOST = "127.0.0.1"
REFRESH_S = 5
_KEPT_S = 30.0
"""Seconds for which a page stands where no file has changed: whether the watch runs is no matter of files."""
_POLICY = re.compile(r'Content-Security-Policy" content="([^"]*)"')
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class StatusServer:
    """Serves the page of the watch in ``folder`` until ``close``, on this ``port`` or any free one. It is a sink of the
    watch, of which it wants to know the end alone. Raises ``ConfigurationError`` where the port is taken."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._pages = _Pages(folder)
        token = secrets.token_urlsafe(24)
        try:
            self._server = _Server((HOST, port), _Handler)
        except OSError as problem:
            raise ConfigurationError(
                f"Port {port} of {HOST} cannot be listened on ({problem.strerror}): name another one with --port."
            ) from None
        port = self._server.server_address[1]
        self.address = f"http://{HOST}:{port}/{token}/"
        """The address with its token; whoever has it may read."""
        self._server.path = f"/{token}/"
        self._server.hosts = frozenset((f"{HOST}:{port}", f"localhost:{port}"))
        self._server.pages = self._pages
        self._thread = threading.Thread(target=self._server.serve_forever, name="status page", daemon=True)
        self._thread.start()

    def take(self, event: WatchEvent) -> None:
        """Nothing: the folder tells it."""

    def show(self, state: WatchState) -> None:
        """Nothing: the folder tells it."""

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


class _Pages:
    """The page of a folder, made anew where its files have changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader: StatusReader | None = None
        self._lock = threading.Lock()
        self._stamp: tuple[object, ...] = ()
        self._until = 0.0
        self._page = ""

    def get(self) -> str:
        """The page; raises what the folder raises."""
        with self._lock:
            stamp = tuple(self._look())
            if stamp != self._stamp or time.monotonic() > self._until:
                reader, self._reader = self._reader or StatusReader(self._folder), None
                self._page = page_of(reader.read(), self._folder)
                self._reader = reader  # one that failed is made anew: it has read what it could not tell
                self._stamp, self._until = stamp, time.monotonic() + _KEPT_S
            return self._page

    def _look(self) -> Iterator[object]:
        for name in (BARS, DECISIONS, EVENTS, LEFT_OUT, ALERTS, f"{ALERTS}-wal"):
            try:
                seen = os.stat(self._folder / name)
                yield seen.st_size, seen.st_mtime_ns
            except OSError:
                yield None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    path: str
    hosts: frozenset[str]
    pages: _Pages


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "btllm", ""
    timeout = 10

    def do_GET(self) -> None:
        """The page, for who knows where it is."""
        if self.headers.get("Host", "") not in self.server.hosts:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "This is not the host that you asked for.")
        elif not hmac.compare_digest(self.path.encode(), self.server.path.encode()):
            self._answer(HTTPStatus.NOT_FOUND, "There is nothing here: the address needs its token.")
        else:
            try:
                self._answer(HTTPStatus.OK, self.server.pages.get(), "text/html")
            except BacktraderLLMError as problem:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, redact(str(problem)))

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        data = text.encode()
        found = _POLICY.search(text) if kind == "text/html" else None
        policy = found[1] if found else "default-src 'none'"
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", f"{policy}; frame-ancestors 'none'")
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        if kind == "text/html":
            self.send_header("Refresh", str(REFRESH_S))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *said: object) -> None:  # noqa: A002 - its name
        """Nothing: an address with its token is for no log."""


def status_page(folder: Path) -> str:
    """The page of a watch, as it stands now; raises ``RunFolderError`` where the folder is none of a watch."""
    return page_of(status_of(folder), folder)


def page_of(status: Status, folder: Path) -> str:
    """The page of a status, and of the alerts in the folder."""
    writer = HtmlWriter({})
    sections = [writer.section(blocks) for blocks in (_head(status), _advice(status), _accounts(status), _told(status))]
    return secured(page(status.name, [*sections, writer.section(_alerts(folder))], what="watch"))


def _head(status: Status) -> list[Block]:
    how = "is running" if status.running else "is not running"
    last = _clock(status.last) or "none yet"
    told = f"On paper: no real order exists. It {how}: {status.closes:,} closes, {status.decisions:,} decisions."
    return [
        Heading(Quoted(status.name), "title", 1),
        Paragraph(Quoted(told), "" if status.running else "strong"),
        Paragraph(Quoted(f"Last bar ended {last} UTC; begun {_clock(status.started)} UTC; feed {status.feed}")),
        *([Paragraph(Quoted(told_out))] if (told_out := told_left_out(status.left_out)) else []),
        Paragraph(("Head of the chain: ", Quoted(status.head, "code")), "note"),
    ]


def _advice(status: Status) -> list[Block]:
    rows = []
    for name, arm in status.arms.items():
        for symbol, said in arm["symbols"].items():
            price, confidence = status.prices.get(symbol), said["confidence"]
            cells = (
                symbol,
                name,
                _clock(said["time"]),
                "" if price is None else f"{price:,.6g}",
                said["label"] or "no advice",
                said["action"],
                "" if confidence is None else f"{confidence:.2f}",
                said["intent"],
            )
            rows.append(tuple(map(Quoted, cells)))
    left: list[Column | str] = ["Symbol", "Advisor", "Bar (UTC)", _number("Close"), "Label", "Action"]
    columns = [*left, _number("Confidence"), "After the gate"]
    return [Heading("Advice", "advice"), *_table(columns, sorted(rows, key=lambda row: str(row[0].text)))]


def _accounts(status: Status) -> list[Block]:
    rows = [
        (Quoted(name), Quoted(f"{arm['equity']:,.2f}"), Quoted(f"{arm['cash']:,.2f}"))
        for name, arm in status.arms.items()
        if "equity" in arm
    ]
    return [Heading("Accounts", "accounts"), *_table(["Account", _number("Equity"), _number("Cash")], rows)]


def _told(status: Status) -> list[Block]:
    rows = [(Quoted(_clock(one.time)), Quoted(one.text)) for one in reversed(status.events)]
    return [Heading("What happened", "events"), *_table(["Time (UTC)", Column("What", "long")], rows)]


def _alerts(folder: Path) -> list[Block]:
    channels, alerts = read_outbox(folder)
    states = [
        tuple(map(Quoted, (one.name, f"{one.delivered:,}", f"{one.waiting:,}", f"{one.given_up:,}", one.problem)))
        for one in channels
    ]
    rows = [
        tuple(map(Quoted, (_clock(one["time"]), one["channel"], _with_explanation(one), one["state"])))
        for one in reversed(alerts)
    ]
    heads: list[Column | str] = [
        "Channel",
        _number("Delivered"),
        _number("Waiting"),
        _number("Given up"),
        Column("Problem", "long"),
    ]
    return [
        Heading("Alerts", "alerts"),
        *_table(heads, states),
        *(_table(["Time (UTC)", "Channel", Column("What", "long"), "State"], rows) if rows else ()),
    ]


def _with_explanation(alert: dict[str, str]) -> str:
    return " ".join(filter(None, (alert["text"], alert["explanation"])))


def _table(columns: Sequence[Column | str], rows: Sequence[tuple[Quoted, ...]]) -> list[Block]:
    return [Table(columns, rows, "rows")] if rows else [Paragraph("None yet.", "note")]


def _number(heading: str) -> Column:
    return Column(heading, "number")


def _clock(time: str) -> str:
    return time[:19].replace("T", " ")
