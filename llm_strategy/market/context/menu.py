"""What a model may choose to look at before it advises: analytics and sources of context, each with its name, a line
that says what it is, and the tokens that it takes; and what those that were chosen come to at a close."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.market.analytics.analytic import Analytic, most_tokens
from llm_strategy.market.analytics.past import Past, PastReader
from llm_strategy.market.analytics.registry import ANALYTICS, ANALYTICS_GROUP, find_analytic
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.context.measured import Analytics
from llm_strategy.market.context.registry import CONTEXT_GROUP, SOURCES, Choice, find_source, make_source, read_choices
from llm_strategy.market.context.source import ContextSource
from llm_strategy.shown import Shown
from llm_strategy.support.condition import Value
from llm_strategy.support.plugins import is_reference, load_reference
from llm_strategy.types import Decision, Snapshot

LONGEST_DESCRIPTION = 200
"""Characters of the line that says what one is."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one of a menu came to at a close: ``text`` is its values as a model reads them, empty where none is known;
    ``values`` are those of an ``analytic`` by the names of its outputs, and none of a source of context, whose ``ids``
    may be cited."""

    name: str
    text: str
    values: Mapping[str, Value]
    analytic: Analytic | None = None
    shown: Shown | None = None
    """What a source of context shows, where it is one."""

    @property
    def result(self) -> Shown:
        """What a journal keeps of it."""
        return self.shown or Shown(self.name, self.text)

    @property
    def paragraph(self) -> Shown:
        """What stands in a prompt: an analytic's values behind its name."""
        if self.shown is not None or not self.text:
            return self.result
        return Shown(self.name, f"{self.name}: {self.text}")


@dataclass(frozen=True, slots=True)
class _MenuEntry:
    """One of a menu, an analytic or a source, with its name or ``reference``; ``by_default`` where no list names it."""

    name: str
    reference: str
    description: str
    analytic: Analytic | None
    choice: Choice | None
    by_default: bool


def read_menu(chosen: Any, where: str) -> tuple[str | dict[str, dict[str, Any]], ...]:
    """The entries of a menu as a person writes them, with every option; raises ``ConfigurationError``, which begins
    with ``where``, for one that is neither an analytic nor a source of context, or stands there twice."""
    if isinstance(chosen, str) or not isinstance(chosen, Sequence) or not chosen:
        raise ConfigurationError(
            f"{where} is {chosen!r:.60}: write a list of analytics and sources of context, as btllm analytics lists "
            "them, or leave it out for all."
        )
    found = [(_read(entry, where), entry) for entry in chosen]
    return tuple(entry if isinstance(one, Analytic) else one.plain for one, entry in found)


_OFFERABLE = tuple(name for name in SOURCES if name not in (FEATURES, "legend", Analytics.name))


def _read(entry: Any, where: str) -> Analytic | Choice:
    """The analytic or the source that an entry means."""
    if isinstance(entry, str) and entry not in SOURCES:
        if is_reference(entry) or entry.endswith(".py"):
            if isinstance(load_reference("analytic", entry), Analytic):
                return find_analytic(entry)
        elif entry in ANALYTICS or _is_installed(entry, ANALYTICS_GROUP):
            return find_analytic(entry)
        elif not _is_installed(entry, CONTEXT_GROUP):
            raise ConfigurationError(
                f"{where} names {entry!r:.60}, which is neither an analytic nor a source of context"
                f"{did_you_mean(entry, [*ANALYTICS, *_OFFERABLE])}"
            )
    (choice,) = read_choices([entry], where)
    if choice.name in SOURCES and choice.name not in _OFFERABLE:
        cure = "name the analytics themselves" if choice.name == Analytics.name else "leave it out"
        raise ConfigurationError(f"{where} names {choice.name}, which nobody can choose: {cure}.")
    return choice


def _is_installed(name: str, group: str) -> bool:
    """Whether an installed package brings a part of this name."""
    return any(entry.name == name for entry in entry_points(group=group))


class Menu:
    """The analytics and sources that may be chosen, by name: those of a list, or of the package where there is none.

    It is told every close in order (``take``), and ``offer`` gives what can be chosen at one of them. Analytics that no
    list names are there only while the past has what they need (volumes, other symbols). Raises ``ConfigurationError``
    for a wrong list.
    """

    def __init__(self, chosen: Sequence[Any] | None, where: str = "plan.analytics") -> None:
        self.chosen, self._where = None if chosen is None else tuple(chosen), where
        self.entries = tuple(_entries(self.chosen, where))
        names = [each.name for each in self.entries]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigurationError(f"{where} names {twice!r} twice: name each once.")
        self.sources = {each.name: make_source(each.choice) for each in self.entries if each.choice is not None}
        self._past = PastReader()

    def __reduce__(self) -> tuple[type[Menu], tuple[Any, ...]]:
        """Another process finds what may be chosen by its names."""
        return Menu, (self.chosen, self._where)

    @property
    def names(self) -> tuple[str, ...]:
        """What may be chosen, those among them that not every market has."""
        return tuple(each.name for each in self.entries)

    @property
    def everywhere(self) -> tuple[str, ...]:
        """What may be chosen in any market."""
        return tuple(
            each.name for each in self.entries if not (each.by_default and each.analytic and each.analytic.needs)
        )

    @property
    def analytics(self) -> tuple[str, ...]:
        """The analytics among them by name or reference."""
        return tuple(each.reference for each in self.entries if each.analytic is not None)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The sources of context among them."""
        return tuple(each.choice for each in self.entries if each.choice is not None)

    @property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """What a market must have for the analytics that a list names, by their names."""
        return {
            each.name: each.analytic.needs
            for each in self.entries
            if each.analytic is not None and each.analytic.needs and not each.by_default
        }

    @property
    def lookbacks(self) -> Mapping[str, int]:
        """Bars that each looks back on, by its name."""
        return {
            each.name: each.analytic.lookback if each.analytic is not None else self.sources[each.name].lookback
            for each in self.entries
        }

    def tokens(self, name: str) -> int | None:
        """Tokens that one takes at the most; None for a source of context, which may show a text of any length."""
        analytic = next(each.analytic for each in self.entries if each.name == name)
        return None if analytic is None else analytic.tokens

    def anew(self) -> Menu:
        """The same without a past."""
        return Menu(self.chosen, self._where)

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past of the analytics; ``sources`` are told by whoever holds them."""
        self._past.take(snapshot)

    def forget(self, symbol: str) -> None:
        """Begin the past of a symbol anew."""
        self._past.forget(symbol)

    def offer(
        self, snapshot: Snapshot, show: Callable[[str, ContextSource], Shown], before: Decision | None = None
    ) -> Offer:
        """What can be chosen at a close; ``show`` gives what a source shows there. In a replay ``before`` is what the
        run decided at this close, whose texts take the place of sources that are no function of prices."""
        past = self._past.at(snapshot)
        there = tuple(each for each in self.entries if not each.by_default or _is_met(each.analytic, past))
        shown: dict[str, Shown] = {}
        unplanned: set[str] = set()
        for name, source in self.sources.items():
            if before is None or source.from_prices:
                shown[name] = show(name, source)
                continue
            kept = {each.source: each for each in before.context}
            shown[name] = kept.get(name, Shown(name, ""))
            if name not in (before.plan or ()):
                unplanned.add(name)
        return Offer(there, past, shown, frozenset(unplanned))


def _is_met(analytic: Analytic | None, past: Past) -> bool:
    """Whether a market has what an analytic needs, as far as it is known at a close."""
    needs = () if analytic is None else analytic.needs
    if "symbols" in needs and not past.others:
        return False
    return not ("volume" in needs and analytic is not None and not past.last(max(1, analytic.lookback)).has_volume)


def _entries(chosen: Sequence[Any] | None, where: str) -> Iterator[_MenuEntry]:
    if chosen is None:
        for analytic in ANALYTICS.values():
            if analytic.offered:
                yield _MenuEntry(analytic.name, analytic.name, analytic.description, analytic, None, True)
        return
    for entry in chosen:
        found = _read(entry, where)
        if isinstance(found, Analytic):
            yield _MenuEntry(found.name, str(entry), found.description, found, None, False)
        else:
            yield _MenuEntry(found.label, found.name, _described(found), None, found, False)


def _described(choice: Choice) -> str:
    """The first sentence about a source, in its own words."""
    said = " ".join((inspect.getdoc(find_source(choice.name)) or choice.label).replace("``", "").split())
    return re.split(r"(?<=\w)\.(?:\s|$)", said)[0][:LONGEST_DESCRIPTION]


class Offer:
    """What can be chosen at one close, and what it comes to, measured when that is asked for, from the past as it was.

    It is equal to another of the same symbol and close.
    """

    def __init__(
        self, entries: tuple[_MenuEntry, ...], past: Past, shown: Mapping[str, Shown], unplanned: frozenset[str]
    ) -> None:
        self._entries = {each.name: each for each in entries}
        self._past, self._shown, self._unplanned = past, shown, unplanned

    @property
    def key(self) -> tuple[str, str]:
        """Symbol and close."""
        return self._past.snapshot.symbol, self._past.snapshot.time

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Offer) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What can be chosen, in its order."""
        return tuple(self._entries)

    @property
    def descriptions(self) -> Mapping[str, str]:
        """What each is, in a line."""
        return {name: each.description for name, each in self._entries.items()}

    def tokens(self, name: str) -> float:
        """Tokens that one takes: of an analytic the most that it can, of a source those of its text here, as a budget
        counts them; endless where it did not fit the run that is replayed."""
        entry = self._entries[name]
        if entry.analytic is not None:
            return entry.analytic.tokens
        return math.inf if name in self._unplanned else most_tokens(self._shown[name].text)

    def results(self, names: Sequence[str]) -> tuple[Measurement, ...]:
        """What these come to, in their order; raises ``ConfigurationError`` where one fails."""
        return tuple(map(self._measured, names))

    def _measured(self, name: str) -> Measurement:
        analytic = self._entries[name].analytic
        if analytic is None:
            shown = self._shown[name]
            return Measurement(name, shown.text, {}, None, shown)
        values = analytic.run(self._past)
        return Measurement(name, analytic.text(values), values, analytic)
