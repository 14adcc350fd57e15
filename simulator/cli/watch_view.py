"""A watch on a terminal: how symbols, advice, gate, accounts and alerts stand, written anew as closes come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from llm_strategy.errors import RunFolderError
from llm_strategy.support.outside_text import spelled_out
from simulator.watch.alerts.outbox import ChannelState, read_outbox
from simulator.watch.events import WatchEvent, WatchState
from simulator.watch.left_out import told_left_out

_EVENTS = 8
_OUTBOX_EVERY_S = 2.0
_OTHER_LINES = 8
"""Lines of the screen for heads, the first line and what is empty."""
_FEEDS = {"live": "green", "stale": "bold red", "lost": "bold red"}
_KINDS = {
    "kill_switch": "bold red",
    "stale_feed": "bold red",
    "budget": "bold red",
    "cut": "yellow",
    "abstention": "yellow",
}
_COLUMNS = (
    "symbol", "bar (UTC)", "close", "advisor", "label", "action", "confidence", "gate", "position",
)  # fmt: skip


class TerminalView:
    """A sink that shows a watch in this ``folder`` on the terminal of ``console``; what is logged goes above it."""

    def __init__(self, console: Console, folder: Path) -> None:
        self._console = console
        self._folder = folder
        self._state: WatchState | None = None
        self._events: deque[WatchEvent] = deque(maxlen=_EVENTS)
        self._keys: set[str] = set()
        self._channels: list[ChannelState] = []
        self._looked = float("-inf")
        self._lock = threading.Lock()
        self._live = Live(console=console, get_renderable=self._rendered, refresh_per_second=4, redirect_stdout=False)

    def take(self, event: WatchEvent) -> None:
        """Show it among the last ones."""
        with self._lock:
            if event.key not in self._keys:
                self._keys.add(event.key)
                self._events.append(event)

    def show(self, state: WatchState) -> None:
        """Show how things stand now."""
        with self._lock:
            self._state = state
        if not self._live.is_started:
            self._live.start()

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._looked = float("-inf")
        if self._live.is_started:
            self._live.stop()

    def _rendered(self) -> RenderableType:
        with self._lock:
            state, events = self._state, list(self._events)
        if state is None:
            return Text("")
        channels = self._outbox()
        taken = _OTHER_LINES + len(events) + len(channels) + len(state.accounts)
        most = max(3, self._console.height - taken)
        parts: list[RenderableType] = [_head(self._folder.name, state)]
        parts += [Text(told, style="yellow")] if (told := told_left_out(state.left_out)) else []
        parts.append(_symbols(state, most))
        parts += [_accounts(state.accounts)] if state.accounts else []
        parts += [Text(_line(one.told), style="red" if one.problem else "dim") for one in channels]
        parts += [
            Text(_line(f"{one.time[:19].replace('T', ' ')} {one.text}"), style=_KINDS.get(one.kind, "dim"))
            for one in events
        ]
        return Group(*parts)

    def _outbox(self) -> list[ChannelState]:
        now = time.monotonic()
        if now - self._looked > _OUTBOX_EVERY_S:
            self._looked = now
            try:
                self._channels, _ = read_outbox(self._folder, 0)
            except RunFolderError:  # whoever sends tells it
                self._channels = []
        return self._channels


def _head(name: str, state: WatchState) -> Text:
    head = Text(_line(name), style="bold")
    head.append(" on paper, feed ", style="not bold")
    head.append(state.feed, style=_FEEDS.get(state.feed, "not bold"))
    last = state.time[:19].replace("T", " ") or "none yet"
    lag = "" if state.lag_s is None else f", decided on {state.lag_s:.1f} s after its end"
    told = f": {state.bars:,} closes, {state.decisions:,} decisions; last bar {last}{lag}"
    return head.append(told, style="not bold")


def _symbols(state: WatchState, most: int) -> Table:
    table = _table(_COLUMNS, left=("symbol", "bar (UTC)", "advisor", "label", "action", "gate"))
    rows = [
        (symbol, one, arm, said) for symbol, one in sorted(state.symbols.items()) for arm, said in one["arms"].items()
    ]
    for symbol, one, arm, said in rows[:most]:
        close, confidence = one["close"], said.get("confidence")
        cells = (
            symbol,
            str(one["bar"])[:16].replace("T", " "),
            "" if close is None else f"{close:,.6g}",
            arm,
            (said["label"] or "no advice") if "label" in said else "",
            said.get("action", ""),
            "" if confidence is None else f"{confidence:.2f}",
            said.get("intent", ""),
            f"{said.get('position', 0):g}",
        )
        table.add_row(*map(_cell, cells))
    if len(rows) > most:
        table.add_row(_cell(f"and {len(rows) - most:,} more"))
    return table


def _accounts(accounts: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table(("account", "equity", "cash", "gross", "drawdown"), left=("account",))
    for arm, one in accounts.items():
        money = (f"{one[name]:,.2f}" for name in ("equity", "cash", "gross"))
        table.add_row(_cell(arm), *map(_cell, money), _cell(f"{abs(one['drawdown']):.1%}"))
    return table


def _table(columns: Iterable[str], left: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True, overflow="ellipsis")
    return table


def _cell(text: object) -> Text:
    return Text(_line(str(text)))


def _line(text: str) -> str:
    return spelled_out(text).replace("\n", " ")
