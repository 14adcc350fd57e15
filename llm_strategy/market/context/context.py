"""What an advisor shows of a market: its sources of context in their order, told every close and asked at decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, exception_line
from llm_strategy.market.context.features import FEATURES, MARKER, Features, Legend
from llm_strategy.market.context.registry import DEFAULT_CONTEXT, Choice, make_source, read_choices
from llm_strategy.market.context.source import ContextSource, SilentSource
from llm_strategy.market.feature import MOST_BARS, Feature
from llm_strategy.support.outside_text import encodable
from llm_strategy.types import Shown, Snapshot

LONGEST_TEXT = 200_000
"""Characters that a source may show at a close: more is a mistake of its code."""


class Context:
    """The sources of one advisor, by what a person chose (``read_choices``); ``unmasked`` is what its view shows in
    spite of the mask.

    A run begins with sources without a past (``anew``). Raises ``ConfigurationError`` for a wrong choice.
    """

    def __init__(self, chosen: Any = DEFAULT_CONTEXT, unmasked: Sequence[str] = ()) -> None:
        self.choices: tuple[Choice, ...] = read_choices(chosen)
        self.unmasked = tuple(unmasked)
        self._sources = {choice.label: make_source(choice) for choice in self.choices}
        self._shown_before: Callable[[Snapshot], Sequence[Shown]] | None = None
        for label, source in self._sources.items():
            source.unmasked = self.unmasked
            _check_lookback(label, source.lookback)
        self._others = {label: source for label, source in self._sources.items() if label != FEATURES}

    def __reduce__(self) -> tuple[type[Context], tuple[Any, ...]]:
        """Another process finds the sources by their names."""
        return Context, (self.plain, self.unmasked)

    @property
    def plain(self) -> tuple[str | dict[str, dict[str, Any]], ...]:
        """The choices as a person writes them, with every default."""
        return tuple(choice.plain for choice in self.choices)

    @property
    def names(self) -> tuple[str, ...]:
        """What the sources are called, in their order."""
        return tuple(self._sources)

    def source(self, name: str) -> ContextSource | None:
        """The source that is called so, as it shows; None where it is not chosen."""
        return self._sources.get(name)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The features of the market's line, where they are chosen here."""
        features = self._sources.get(FEATURES)
        return features.names if isinstance(features, Features) else None

    @property
    def shows_more(self) -> bool:
        """Whether anything but the market's line is shown; then closes of several symbols come in the order of time."""
        return bool(self._others)

    def refuse_changed(self, setting: str, cure: str) -> None:
        """Raise ``ConfigurationError`` where decisions are made on a change of the market's line alone, as ``setting``
        says, and more is shown, of which something may be new at any close."""
        same = (Legend, SilentSource)  # at every close
        if more := ", ".join(label for label, source in self._others.items() if not isinstance(source, same)):
            raise ConfigurationError(
                f"{setting}, which looks at the market's line alone and would pass over what is new in {more}: {cure}, "
                f"or leave {more} out of context."
            )

    @property
    def from_prices(self) -> bool:
        """Whether all that is shown is a function of prices alone."""
        return all(source.from_prices for source in self._others.values())

    @property
    def lookbacks(self) -> Mapping[str, int]:
        """Bars that each source looks back on, by its name."""
        return {label: source.lookback for label, source in self._sources.items()}

    @property
    def window(self) -> int:
        """Bars that a snapshot's window must hold."""
        return max(self.lookbacks.values())

    def beside(self, line: Sequence[Feature]) -> Context:
        """The same beside a market's line of these features."""
        for source in self._sources.values():
            source.features = tuple(line)
        return self

    def open(self) -> Context:
        """The same, with all that its sources need beside prices read."""
        for label, source in self._others.items():
            if source.from_prices or self._shown_before is None:
                _tried(label, "opened", "its open", source.open)
        return self

    def anew(self) -> Context:
        """The same sources without a past."""
        if not self._others:
            return self
        other = Context(self.choices, self.unmasked).beside(next(iter(self._others.values())).features)
        other._shown_before = self._shown_before
        return other.open()

    def replayed(self, shown_before: Callable[[Snapshot], Sequence[Shown]]) -> Context:
        """The same for a replay: sources that are no function of prices show what was shown at that close before."""
        other = Context(self.choices, self.unmasked)
        other._shown_before = shown_before
        return other

    def in_order(self, snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
        """The closes of several symbols in the order in which a run tells them."""
        return sorted(snapshots, key=lambda snapshot: snapshot.time) if self._others else snapshots

    def show(self, snapshot: Snapshot) -> tuple[Shown, ...]:
        """What is shown at a close, in its order, with ``MARKER`` where the market's line stands; empty where that line
        is all. Raises ``ConfigurationError`` where a person's own source fails."""
        if not self._others:
            return ()
        before: dict[str, Shown] = {}
        if self._shown_before is not None:
            before = {shown.source: shown for shown in self._shown_before(snapshot)}
        found = []
        for label, source in self._sources.items():
            if label == FEATURES:
                found.append(MARKER)
                continue
            if self._shown_before is not None and not source.from_prices:
                shown = before.get(label, Shown(label, ""))
            else:
                shown = _shown(label, source, snapshot)
            if shown.text:
                found.append(shown)
        return () if found == [MARKER] else tuple(found)

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past of the sources, decided on or not."""
        for label, source in self._others.items():
            if self._shown_before is None or source.from_prices:
                _tried(label, f"failed at the bar of {snapshot.time}", "its take", lambda: source.take(snapshot))  # noqa: B023

    def forget(self, symbol: str) -> None:
        """Begin the past of a symbol anew."""
        for source in self._others.values():
            source.forget(symbol)


def _shown(label: str, source: ContextSource, snapshot: Snapshot) -> Shown:
    shown = _tried(label, f"failed at the bar of {snapshot.time}", "what it shows", lambda: source.show(snapshot))
    if isinstance(shown, Shown) and shown.source == label and isinstance(shown.text, str):
        text, ids = shown.text, shown.ids
    else:
        text, ids = getattr(shown, "text", shown), tuple(getattr(shown, "ids", ()))
    if not isinstance(text, str):
        raise ConfigurationError(
            f"The context source {label!r} gave {text!r:.60} at the bar of {snapshot.time}, which is no text: return "
            "text, an empty one where there is nothing to show."
        )
    if len(text) > LONGEST_TEXT:
        raise ConfigurationError(
            f"The context source {label!r} gave {len(text):,} characters at the bar of {snapshot.time}, and at most "
            f"{LONGEST_TEXT:,} are shown: return less."
        )
    return Shown(label, encodable(text), ids)


def _tried(label: str, how: str, part: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BacktraderLLMError:
        raise
    except (Exception, SystemExit) as problem:
        how = f"cannot be {how}" if how == "opened" else how
        raise ConfigurationError(
            f"The context source {label!r} {how} ({exception_line(problem)}): correct {part}."
        ) from problem


def _check_lookback(label: str, bars: Any) -> None:
    if isinstance(bars, bool) or not isinstance(bars, int) or not 0 <= bars <= MOST_BARS:
        raise ConfigurationError(
            f"The context source {label!r} has the lookback {bars!r:.40}: give a whole number of bars from 0 to "
            f"{MOST_BARS}."
        )
