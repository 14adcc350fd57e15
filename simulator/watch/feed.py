"""A feed of a watched market: the ticks or bars that it gives, and where kinds of feeds are found.

A kind is a file in ``simulator/watch/feeds/`` that holds a ``FeedKind``; nothing else names it. A feed gives what it
hears, as it hears it: late, doubled and out of order where that happened. ``simulator.watch.bar_clock`` alone decides
what becomes of it. Times are aware ``datetime``, UTC.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from llm_strategy.errors import ConfigurationError, did_you_mean, shown
from simulator.experiment.configuration import Experiment
from simulator.prices.sessions import Timeframe
from simulator.prices.universe import Universe
from simulator.watch import feeds


@dataclass(frozen=True, slots=True)
class Tick:
    """A trade, or a quote's middle: ``price`` in the currency of the prices, ``size`` in shares or coins (0 where it
    is not known), at the time of the exchange."""

    symbol: str
    time: datetime
    price: float
    size: float = 0.0
    id: str = ""
    """The exchange's own name of the trade, where it has one: a second tick of that name is the same trade again."""


@dataclass(frozen=True, slots=True)
class FeedBar:
    """A bar that the feed says is closed: what was traded from ``start`` on and before ``end``, prices in currency,
    ``volume`` in shares or coins."""

    symbol: str
    start: datetime
    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0


@dataclass(frozen=True, slots=True)
class FeedTime:
    """The feed has given everything up to ``time``: bars that end there or before are closed, without waiting for the
    wall clock. A feed that cannot know it never says so."""

    time: datetime


@dataclass(frozen=True, slots=True)
class FeedTrouble:
    """What is wrong with the feed, in one sentence that may be shown (no secret, no address with a key): a lost
    connection (``kind`` ``lost``), its return (``back``), or messages that cannot be read (``malformed``, with their
    ``count`` since the last such message). The feed goes on by itself."""

    kind: str
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class FeedEnd:
    """Nothing more will come: a replay is over. A live feed never says so."""


Message: TypeAlias = Tick | FeedBar | FeedTime | FeedTrouble | FeedEnd
"""What a feed gives."""


class Feed(ABC):
    """An open connection to a market, or what stands for one. Used by one thread; a feed that listens in a thread of
    its own puts messages into a ``queue.Queue`` and takes them from there."""

    grace_s = 0.0
    """Seconds that this kind of feed needs at least, beyond the end of a bar, until it has told of it: polling takes
    long. The setting ``watch.grace`` may be longer."""
    uses_wall_clock = True
    """Whether bars also close when the wall clock has passed their end; False for a replay, whose time is that of
    ``FeedTime`` alone."""

    @abstractmethod
    def take(self, timeout_s: float) -> Message | None:
        """The next message, in the order in which it was heard; None where none came within so many seconds.

        Raises ``MarketDataError`` or ``ConfigurationError`` only for what no waiting cures (a symbol that does not
        exist, a key that is refused); all else is a ``FeedTrouble``, and the feed connects again, with a growing pause.
        """

    @property
    def behind(self) -> bool:
        """Whether more was heard already and waits to be taken, as while a decision takes long."""
        return False

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of connections, threads and files; called once, also after an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class FeedRequest:
    """What is asked of a feed. ``text`` is the reference as a person wrote it, ``name`` what stands behind its kind:
    ``replay:`` has the empty one, ``follow:ticks.jsonl`` has ``ticks.jsonl``.

    ``symbols`` are those of the experiment, sorted; a feed whose symbols are called otherwise maps its own to these in
    their order in ``data.sources``, or has one symbol alone. ``since`` is, by symbol, the end of the last bar that is
    known already: a feed that can tell earlier ones begins there, and one that cannot begins now. ``universe`` holds
    the prices of the experiment's own sources.
    """

    text: str
    name: str
    experiment: Experiment
    symbols: tuple[str, ...]
    timeframe: Timeframe
    speed: float
    """How many seconds of the market a second of a replay holds; 0 is as fast as it goes. Live feeds ignore it."""
    since: Mapping[str, datetime]
    universe: Universe

    @property
    def folder(self) -> Path | None:
        """The experiment's, in which a relative path is looked for first."""
        return self.experiment.folder


@dataclass(frozen=True, slots=True)
class FeedKind:
    """A kind of feeds: ``open`` checks the request and connects. It raises ``ConfigurationError`` for a wrong name and
    ``BackendMissing``-like sentences (with the install line) as ``ConfigurationError`` where a package is missing."""

    kind: str
    open: Callable[[FeedRequest], Feed]
    help: str
    """One line for the help of the command, such as ``follow:PATH  a CSV or JSONL file that grows``."""


@cache
def known_feeds() -> dict[str, FeedKind]:
    """The kinds of this package by name, the replay first. Their files import heavy packages in ``open`` alone."""
    names = (f"{feeds.__name__}.{module.name}" for module in pkgutil.iter_modules(feeds.__path__))
    parts = (part for name in names for part in vars(importlib.import_module(name)).values())
    kinds = (part for part in parts if isinstance(part, FeedKind))
    return {part.kind: part for part in sorted(kinds, key=lambda part: (part.kind != "replay", part.kind))}


def find_feed(text: str) -> tuple[FeedKind, str]:
    """The kind of a reference such as ``follow:ticks.jsonl``, and what stands behind it; ``ConfigurationError`` for a
    kind that is not known."""
    kind, colon, name = text.partition(":")
    known = known_feeds()
    if not colon or kind not in known:
        cure = did_you_mean(kind, list(known)) if colon else f": write one of {', '.join(f'{each}:' for each in known)}"
        raise ConfigurationError(f"watch.feed is {shown(text)}, whose kind is not known{cure}")
    return known[kind], name
