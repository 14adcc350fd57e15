"""What a feature is: a function of the last closed bars, with its words and its unit; and a person's own, found."""

from __future__ import annotations

import inspect
import math
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from operator import attrgetter
from typing import Any

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean, exception_line
from llm_strategy.types import Snapshot

MOST_BARS = 10_000
COLUMNS = ("open", "high", "low", "close", "volume")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
_TEXT = re.compile(r'[^;:"{}\\]{0,40}')
"""Of words and units: what stands in a line of ``name: value;`` pairs and is no placeholder of a prompt."""


class Bars:
    """The closed bars that a feature looks back on: ``open``, ``high``, ``low``, ``close`` and ``volume`` (zero where
    the feed has none), each with as many values as its lookback says, the oldest first and the bar that has just closed
    last (index -1)."""

    __slots__ = ("_column",)
    open: Any
    high: Any
    low: Any
    close: Any
    volume: Any

    def __init__(self, column: Callable[[str], Any]) -> None:
        self._column = column

    def __getattr__(self, name: str) -> Any:
        if name not in COLUMNS:
            raise AttributeError(f"Bars have no {name!r}{did_you_mean(name, COLUMNS)}")
        return self._column(name)


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that is measured at each close, and how a model reads it.

    ``one_bar`` takes the ``Bars`` of the last ``lookback`` closes (of a feature of one's own: read-only numpy arrays)
    and returns a number. ``buckets`` are pairs of an upper bound and a word, for style words; the bounds rise, the last
    is ``math.inf``, and a value on a bound belongs above it. In style numbers ``unit`` follows the number; one that
    begins with ``%`` shows it times 100. ``decimals`` are the places of the number, those of the view where absent.
    Raises ``ConfigurationError`` for what is none of this.
    """

    name: str
    lookback: int
    one_bar: Callable[[Any], float]
    buckets: tuple[tuple[float, str], ...] = ()
    unit: str = ""
    decimals: int | None = None
    label: str = ""
    """How it is called where a model reads it; its name where absent."""
    noun: str = ""
    """What follows the word of a bucket."""
    description: str = ""
    """What is measured, in one line of neutral words; the source of context ``legend`` shows it."""
    scaled: Callable[[Snapshot], float] | None = None
    """What the buckets are for, where that is not the value itself."""
    of: str = ""
    """The feature before it whose last ``lookback`` values it is given in place of bars; this and ``all_bars`` are for
    those of every market alone."""
    all_bars: Callable[[Any, int], Iterable[float]] | None = None
    """The same for all bars at once, from the first with enough before it on: takes whole columns and the lookback."""
    value: Callable[[Snapshot], float] = field(init=False, repr=False, compare=False)
    """What a snapshot says of it; ``MarketDataError`` where it was not measured."""
    _bounds: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _words: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ConfigurationError(f"The feature {self.name!r:.60} {problem}")
        object.__setattr__(self, "label", self.label or self.name)
        object.__setattr__(self, "value", attrgetter(self.name) if self.name in IN_SNAPSHOT else self._extra)
        object.__setattr__(self, "_bounds", tuple(bound for bound, _ in self.buckets[:-1]))
        object.__setattr__(self, "_words", tuple(word + self.noun for _, word in self.buckets))

    def _extra(self, snapshot: Snapshot) -> float:
        for name, value in snapshot.extra:
            if name == self.name:
                return value
        raise MarketDataError(
            f"The snapshot of {snapshot.symbol} at {snapshot.time} has no feature {self.name!r}: it was read for a "
            "view that does not show it."
        )

    def in_words(self, snapshot: Snapshot) -> str:
        """The word for its range; the value is not NaN."""
        return self._words[bisect_right(self._bounds, self._scaled_value(snapshot))]

    @property
    def text_of(self) -> Callable[[Snapshot], str]:
        """A function that gives label and word of a snapshot, whose features are known: ``trend: above``."""
        texts = [f"{self.label}: {word}" for word in self._words]
        bounds, own = self._bounds, self.name not in IN_SNAPSHOT
        measure = self._scaled_value if own else self.scaled or self.value
        return lambda snapshot: texts[bisect_right(bounds, measure(snapshot))]

    def _scaled_value(self, snapshot: Snapshot) -> float:
        scaled = self.scaled
        if scaled is None:
            return self.value(snapshot)
        if self.name in IN_SNAPSHOT:
            return scaled(snapshot)
        return finite_number(self.name, "scaled", lambda: scaled(snapshot), lambda: snapshot.time)

    def in_numbers(self, snapshot: Snapshot, decimals: int) -> str:
        """The number with its unit."""
        places = decimals if self.decimals is None else self.decimals
        value = self.value(snapshot) * (100 if self.unit.startswith("%") else 1)
        return f"{round(value, places) + 0.0:.{places}f}{self.unit}"  # + 0.0 turns -0 into 0

    def _problem(self) -> str | None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            return "needs another name: at most 40 letters, digits, blanks, _ and -, a letter the first of them."
        if not isinstance(self.lookback, int) or not 1 <= self.lookback <= 2 * MOST_BARS:
            return f"has the lookback {self.lookback!r:.40}: give a whole number of bars from 1 to {MOST_BARS}."
        try:
            inspect.signature(self.one_bar).bind(None)
        except TypeError:
            return "has no function that can be called with the bars alone: write it as def measure(bars)."
        try:
            bounds = [float(bound) for bound, _ in self.buckets]
            texts = [self.unit, self.noun, *(word for _, word in self.buckets if word)]
        except (TypeError, ValueError):
            bounds, texts = [math.nan], []
        if self.buckets and (bounds != sorted(set(bounds)) or bounds[-1] != math.inf or len(texts) < 2 + len(bounds)):
            return (
                'has buckets that cannot be read: write ((0.0, "down"), (math.inf, "up")), bounds rising to infinity.'
            )
        for text in texts:
            if not isinstance(text, str) or not _TEXT.fullmatch(text) or not text.isprintable():
                return f'has the word or unit {text!r:.60}: write at most 40 visible signs without ; : " {{ }} or \\.'
        if not isinstance(self.description, str) or len(self.description) > 200 or not self.description.isprintable():
            return f"has the description {self.description!r:.60}: write one line of at most 200 visible signs."
        if self.label and not (isinstance(self.label, str) and _NAME.fullmatch(self.label)):
            return f"has the label {self.label!r:.60}: write at most 40 letters, digits, blanks, _ and -."
        if self.scaled is not None and not callable(self.scaled):
            return "has a scaled that is no function: write one of the snapshot, or leave it out."
        if self.decimals is not None and self.decimals not in range(11):
            return f"has the decimals {self.decimals!r:.40}: give a whole number from 0 to 10."
        return None


IN_SNAPSHOT = frozenset(Snapshot.__slots__) - {"symbol", "timeframe", "time", "close", "extra", "window"}
"""Names of what every snapshot holds; other features stand in its ``extra``."""


def finite_number(name: str, part: str, measure: Callable[[], Any], time: Callable[[], str]) -> float:
    """What the function ``part`` of a person's feature gives at a bar; raises ``ConfigurationError`` where it fails, or
    gives no finite number."""
    try:
        value = measure()
    except (Exception, SystemExit) as problem:
        raise ConfigurationError(
            f"The feature {name!r} failed at the bar of {time()} ({exception_line(problem)}): correct its {part}."
        ) from problem
    if not isinstance(value, Real) or not math.isfinite(value):
        raise ConfigurationError(
            f"The feature {name!r} gave {value!r:.60} at the bar of {time()}, which is no finite number: correct its "
            f"{part}."
        )
    return float(value)


def all_bars(feature: Feature, columns: Mapping[str, array[float]], values: Mapping[str, array[float]]) -> array[float]:
    """A feature at every bar of whole columns, NaN until there are enough; ``values`` are those of features before
    it."""
    bars, end = feature.lookback, len(columns["close"])
    source: Any = values[feature.of] if feature.of else Bars(columns.__getitem__)
    if feature.all_bars is not None:
        found = feature.all_bars(source, bars)
    else:
        found = (
            feature.one_bar(Bars(lambda name, at=at: columns[name][at - bars : at]))  # type: ignore[misc]
            for at in range(bars, end + 1)
        )
    measured = array("d", [math.nan] * (bars - 1))
    measured.extend(found)
    return measured
