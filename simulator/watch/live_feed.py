"""Feeds that listen in a thread of their own: a lost connection is told and made again, with growing pauses.

Whoever writes a kind of such feeds says how to connect and what a message means; what is the same for all stands here.
A message that cannot be read, or that speaks of a time that has not come, is counted, told and left out. Nothing that
was heard is dropped because nobody took it yet: the thread waits, and the server with it.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from llm_strategy.errors import BacktraderLLMError, ConfigurationError
from llm_strategy.llm.settings import load_settings
from llm_strategy.llm.settings_file import VARIABLE
from llm_strategy.support.outside_text import visible_line
from llm_strategy.support.secrets import keep_secret, redact
from llm_strategy.support.threads import Worker, abandon
from simulator.watch.feed import Feed, FeedBar, FeedRequest, FeedTime, FeedTrouble, Message, Tick

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Before a lost connection is made again: doubled each time, and drawn between half and all of it."""
TELL_AFTER_S = 60.0
"""Seconds from one telling of malformed messages to the next, as a server may send one every second for days; those in
between are counted."""
CLOCK_SLACK, BAR_SLACK = timedelta(seconds=10), timedelta(seconds=2)
"""How far ahead of this machine's clock that of a tick, and the end of a bar, may be: what lies beyond has not
happened. A bar that is not over would close the period for all ticks that follow."""
SETTLE = timedelta(seconds=2)
"""How long after its end a polled bar may still change at the exchange."""
_STEADY_S = 10.0
"""A connection that held for so long was a good one: after its loss pauses begin anew."""
_MOST_WAITING = 10_000
_LONGEST_REASON = 200


class ConnectionLost(Exception):
    """The connection is over, for a reason that may be shown; it is made again."""


@dataclass(frozen=True, slots=True)
class _Malformed:
    """A message that could not be read, and why, in one phrase."""

    why: str


class LiveFeed(Feed):
    """A feed over a network. A kind writes ``listen``; ``name`` is how the feed is called where it is told of."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._heard: queue.Queue[Message | _Malformed | BacktraderLLMError] = queue.Queue(_MOST_WAITING)
        self._closing = threading.Event()
        self._worker = Worker(self._run, f"feed {name}")
        self._malformed: list[str] = []
        self._tell_at = 0.0
        self._is_lost = False
        self._was_connected = False

    @abstractmethod
    def listen(self) -> None:
        """Connect, call ``connected``, and ``hear`` what comes, until ``closing``. Runs in the feed's thread.

        Raises ``ConnectionLost`` or ``OSError`` for what waiting cures, and an error of ours for what none does.
        """

    @property
    def closing(self) -> bool:
        """Whether nobody listens any more."""
        return self._closing.is_set()

    @property
    def was_connected(self) -> bool:
        """Whether there was a connection already, so that what is refused now was not refused then."""
        return self._was_connected

    @property
    def behind(self) -> bool:
        """As of ``Feed``."""
        return not self._heard.empty()

    def take(self, timeout_s: float) -> Message | None:
        """As of ``Feed``."""
        if self._worker.ident is None:
            self._worker.start()
        end = time.monotonic() + timeout_s
        while True:
            if self._malformed and time.monotonic() >= self._tell_at:
                return self._tell_malformed()
            try:
                heard = self._heard.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return None
            if isinstance(heard, BacktraderLLMError):
                raise heard
            if not isinstance(heard, _Malformed):
                return heard
            self._malformed.append(heard.why)

    def close(self) -> None:
        """As of ``Feed``."""
        self._closing.set()
        if self._worker.ident is not None:
            abandon([self._worker])

    def connected(self) -> None:
        """Say that the connection is made."""
        self._was_connected = True
        if self._is_lost:
            self._is_lost = False
            self._put(FeedTrouble("back", f"{self._name} is connected again."))

    def hear(self, message: Tick | FeedBar | FeedTime) -> bool:
        """Hand on what was heard; whether it was of a time that has come."""
        if isinstance(message, FeedBar):
            what, moment, slack = "end", message.end, BAR_SLACK
        else:
            what, moment, slack = "time", message.time, CLOCK_SLACK
        ahead = moment - datetime.now(UTC)
        if ahead > slack:
            self.pass_over(f"its {what} is {ahead.total_seconds():,.0f} s ahead of the clock here")
            return False
        self._put(message)
        return True

    def pass_over(self, why: str) -> None:
        """Count a message that cannot be read; ``why`` is a phrase about it, ``it has no price``."""
        self._put(_Malformed(visible_line(redact(why), _LONGEST_REASON).rstrip(".")))

    def wait(self, seconds: float) -> None:
        """Wait, at most until the feed is closed."""
        self._closing.wait(seconds)

    def _put(self, item: Message | _Malformed | BacktraderLLMError) -> None:
        while not self.closing:
            try:
                self._heard.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def _run(self) -> None:
        failures = 0
        jitter = random.Random()  # noqa: S311 - keeps many listeners from coming back at one moment
        while not self.closing:
            began = time.monotonic()
            try:
                self.listen()
                reason = "it ended"
            except BacktraderLLMError as problem:
                self._put(problem)
                return
            except Exception as problem:  # libraries let errors of many kinds through, and no watch is lost by them
                reason = visible_line(redact(str(problem) or type(problem).__name__), _LONGEST_REASON)
            if self.closing:
                return
            self._tell_lost(reason.rstrip("."))
            failures = 1 if time.monotonic() - began > _STEADY_S else failures + 1
            longest = min(FIRST_PAUSE_S * 2 ** min(failures - 1, 20), LONGEST_PAUSE_S)
            self.wait(longest * jitter.uniform(0.5, 1.0))

    def _tell_lost(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            how = "was lost" if self._was_connected else "cannot be reached"
            self._put(FeedTrouble("lost", f"{self._name} {how} ({reason}): it is connected again by itself."))

    def _tell_malformed(self) -> FeedTrouble:
        count, why = len(self._malformed), self._malformed[0]
        self._malformed = []
        self._tell_at = time.monotonic() + TELL_AFTER_S
        what = "A message" if count == 1 else f"{count:,} messages"
        return FeedTrouble("malformed", f"{what} of {self._name} cannot be used: {why}.", count)


class PolledFeed(LiveFeed):
    """A feed that is asked for closed bars again and again: ``symbols`` are those of the experiment by the feed's own
    names. A kind writes ``fetch``."""

    def __init__(self, name: str, symbols: dict[str, str], request: FeedRequest) -> None:
        super().__init__(name)
        self.step = request.timeframe.duration
        self.poll_s = min(max(5.0, self.step.total_seconds() / 12), 60.0)
        self.grace_s = self.poll_s + 20
        self._symbols = symbols
        begin = datetime.now(UTC) - self.step
        self._until = {name: request.since.get(symbol, begin) for name, symbol in symbols.items()}

    @abstractmethod
    def fetch(self, name: str, since: datetime) -> list[FeedBar]:
        """Bars of the symbol of that name which begin at ``since`` or later, also one that is not closed yet. Raises as
        ``listen``."""

    def listen(self) -> None:
        """As of ``LiveFeed``."""
        while not self.closing:
            bars = self.ask()
            self.connected()
            for bar in bars:
                self.hear(bar)
            self.wait(self.poll_s)

    def ask(self) -> list[FeedBar]:
        """The bars that have closed since they were asked for last, in the order of their ends; raises as ``listen``,
        and then gives them the next time."""
        closed = datetime.now(UTC) - SETTLE
        bars = []
        for name, since in self._until.items():
            found = self.fetch(name, since)
            bars += [(name, bar) for bar in found if since <= bar.start and bar.end <= closed]
        for name, bar in bars:
            self._until[name] = max(self._until[name], bar.end)
        return sorted((bar for _, bar in bars), key=lambda bar: (bar.end, bar.symbol))

    def ask_from(self, name: str, since: datetime) -> None:
        """Ask next for bars of this symbol that begin at ``since`` or later."""
        self._until[name] = since


def symbols_by_name(request: FeedRequest, names: str) -> dict[str, str]:
    """The experiment's symbols by the feed's own names, a list with commas: the same names in whatever order, or as
    many others in the order of ``data.sources``; none where they are called alike. Raises ``ConfigurationError``."""
    given = [name.strip() for name in names.split(",")] if names.strip() else list(request.symbols)
    sources = request.experiment.data.sources
    ordered = list(sources) if isinstance(sources, dict) else list(request.symbols)
    if set(given) == set(request.symbols):
        return {name: name for name in given}
    if "" in given or len(set(given)) != len(given) or len(given) != len(ordered):
        raise ConfigurationError(
            f"watch.feed is {request.text!r:.80} and the experiment has {', '.join(ordered):.200}: name as many "
            "different symbols, in that order."
        )
    return dict(zip(given, ordered, strict=True))


def from_environment(request: FeedRequest) -> Callable[[str], str]:
    """A function that gives the value of a variable of the environment, or of ``.env``, and keeps it from all that is
    written or shown. It raises ``ConfigurationError`` for one that is not set."""
    settings = load_settings(request.folder)

    def value(name: str) -> str:
        found = settings.variable(name)
        if not found:
            raise ConfigurationError(
                f"watch.feed is {request.text!r:.80} and needs {name}, which is not set: set it in the environment or "
                "in .env."
            )
        keep_secret(found)
        return found

    return value


def with_variables(text: str, request: FeedRequest) -> str:
    """The text with what the environment holds for each ``${NAME}`` in it."""
    if not VARIABLE.search(text):
        return text
    value = from_environment(request)
    return VARIABLE.sub(lambda found: value(found[1]), text)
