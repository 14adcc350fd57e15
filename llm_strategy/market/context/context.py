"""What an advisor shows of a market: its sources of context in their order, told every close and asked at decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, exception_line
from llm_strategy.market.context.features import FEATURES, MARKER, Features, Legend
from llm_strategy.market.context.menu import Menu, Offer
from llm_strategy.market.context.registry import DEFAULT_CONTEXT, Choice, make_source, read_choices
from llm_strategy.market.context.source import ContextSource, SilentSource
from llm_strategy.market.feature import MOST_BARS, Feature
from llm_strategy.shown import Image, Shown
from llm_strategy.support.outside_text import encodable
from llm_strategy.types import Decision, Snapshot

LONGEST_TEXT = 200_000
"""Characters that a source may show at a close: more is a mistake of its code."""
LARGEST_IMAGE = 1_000_000
"""Bytes of its image: servers take a few millions."""
_PNG = b"\x89PNG\r\n\x1a\n"


class Context:
    """The sources of one advisor, by what a person chose (``read_choices``); ``unmasked`` is what its view shows in
    spite of the mask. ``menu`` is what a plan may choose from beside them.

    A run begins with sources without a past (``anew``). Raises ``ConfigurationError`` for a wrong choice.
    """

    def __init__(self, chosen: Any = DEFAULT_CONTEXT, unmasked: Sequence[str] = (), menu: Menu | None = None) -> None:
        self.choices: tuple[Choice, ...] = read_choices(chosen)
        self.unmasked = tuple(unmasked)
        self.menu = menu
        self._sources = {choice.label: make_source(choice) for choice in self.choices}
        self._decided_before: Callable[[Snapshot], Decision] | None = None
        self._others = {label: source for label, source in self._sources.items() if label != FEATURES}
        offered = {} if menu is None else menu.sources
        if both := next((label for label in (menu.names if menu else ()) if label in self._sources), None):
            raise ConfigurationError(
                f"{both} is shown at every close by context, and plan.analytics offers it: leave it out of one of them."
            )
        self._told = {**self._others, **offered}
        for label, source in {**self._sources, **offered}.items():
            source.unmasked = self.unmasked
            _check_lookback(label, source.lookback)
            if source.shows_images and not source.from_prices:
                raise ConfigurationError(
                    f"The context source {label!r} shows images and is no function of prices, so that no replay could "
                    "draw them again: leave shows_images or from_prices as it is by itself."
                )

    def __reduce__(self) -> tuple[type[Context], tuple[Any, ...]]:
        """Another process finds the sources by their names."""
        return Context, (self.plain, self.unmasked, self.menu)

    @property
    def plain(self) -> tuple[str | dict[str, dict[str, Any]], ...]:
        """The choices as a person writes them, with every default."""
        return tuple(choice.plain for choice in self.choices)

    @property
    def names(self) -> tuple[str, ...]:
        """What the sources are called, in their order."""
        return tuple(self._sources)

    def source(self, name: str) -> ContextSource | None:
        """The source that is called so, as it shows, or may show for a plan; None where it is not chosen."""
        return self._sources.get(name) or self._told.get(name)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The features of the market's line, where they are chosen here."""
        features = self._sources.get(FEATURES)
        return features.names if isinstance(features, Features) else None

    @property
    def shows_more(self) -> bool:
        """Whether anything but the market's line is shown, or may be; then closes of several symbols come in the order
        of time."""
        return bool(self._others) or self.menu is not None

    def refuse_changed(self, setting: str, cure: str) -> None:
        """Raise ``ConfigurationError`` where decisions are made on a change of the market's line alone, as ``setting``
        says, and more is shown, of which something may be new at any close."""
        same = (Legend, SilentSource)  # at every close
        if more := ", ".join(label for label, source in self._others.items() if not isinstance(source, same)):
            raise ConfigurationError(
                f"{setting}, which looks at the market's line alone and would pass over what is new in {more}: {cure}, "
                f"or leave {more} out of context."
            )
        if self.menu is not None:
            raise ConfigurationError(
                f"{setting}, which looks at the market's line alone and would pass over what is new in the results "
                f"of a plan: {cure}, or leave plan out."
            )

    @property
    def images(self) -> tuple[str, ...]:
        """The sources that show images, by name."""
        return tuple(label for label, source in {**self._sources, **self._told}.items() if source.shows_images)

    def require_sight(self, sees: bool, backend: Callable[[], str]) -> None:
        """Raise ``ConfigurationError`` where images are shown and the model of this ``backend``, which is to be asked,
        ``sees`` none."""
        if self.images and not sees:
            first = self.images[0]
            null = f", show numbers alone ({first}: {{null: text}})" if first == "chart" else ""
            raise ConfigurationError(
                f"advisor.context shows {', '.join(self.images)}, which is an image, and the backend {backend()!r} "
                f"reads text alone: choose openai or bedrock with a model that sees{null}, or leave {first} out."
            )

    def with_images_alone(self) -> Context:
        """The same with those of its sources alone that show images, those that a plan may choose among them, without
        a past."""
        offered = () if self.menu is None else self.menu.choices
        chosen = [choice for choice in (*self.choices, *offered) if choice.label in self.images]
        return Context(chosen, self.unmasked)

    @property
    def from_prices(self) -> bool:
        """Whether all that is shown is a function of prices alone."""
        return all(source.from_prices for source in self._told.values())

    @property
    def lookbacks(self) -> Mapping[str, int]:
        """Bars that each source looks back on, by its name."""
        return {label: source.lookback for label, source in self._sources.items()}

    @property
    def window(self) -> int:
        """Bars that a snapshot's window must hold."""
        offered = {} if self.menu is None else self.menu.lookbacks
        return max([*self.lookbacks.values(), *offered.values()])

    def beside(self, line: Sequence[Feature]) -> Context:
        """The same beside a market's line of these features."""
        for source in (*self._sources.values(), *self._told.values()):
            source.features = tuple(line)
        return self

    def open(self) -> Context:
        """The same, with all that its sources need beside prices read."""
        for label, source in self._told.items():
            if source.from_prices or self._decided_before is None:
                _tried(label, "opened", "its open", source.open)
        return self

    def anew(self) -> Context:
        """The same sources without a past."""
        if not self.shows_more:
            return self
        other = self._copy().beside(next(iter(self._sources.values())).features)
        other._decided_before = self._decided_before
        return other.open()

    def replayed(self, decided_before: Callable[[Snapshot], Decision]) -> Context:
        """The same for a replay: sources that are no function of prices show what was shown at that close before."""
        other = self._copy()
        other._decided_before = decided_before
        return other

    def _copy(self) -> Context:
        return Context(self.choices, self.unmasked, None if self.menu is None else self.menu.anew())

    def in_order(self, snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
        """The closes of several symbols in the order in which a run tells them."""
        return sorted(snapshots, key=lambda snapshot: snapshot.time) if self.shows_more else snapshots

    def show(self, snapshot: Snapshot) -> tuple[Shown, ...]:
        """What is shown at a close, in its order, with ``MARKER`` where the market's line stands; empty where that line
        is all. Raises ``ConfigurationError`` where a person's own source fails."""
        if not self._others:
            return ()
        before: dict[str, Shown] = {}
        if self._decided_before is not None:
            before = {shown.source: shown for shown in self._decided_before(snapshot).context}
        found = []
        for label, source in self._sources.items():
            if label == FEATURES:
                found.append(MARKER)
                continue
            if self._decided_before is not None and not source.from_prices:
                shown = before.get(label, Shown(label, ""))
            else:
                shown = _shown(label, source, snapshot)
            if shown.text:
                found.append(shown)
        return () if found == [MARKER] else tuple(found)

    def offer(self, snapshot: Snapshot) -> Offer | None:
        """What a plan may choose from at a close; None where there is no plan."""
        if self.menu is None:
            return None
        before = None
        if self._decided_before is not None and not all(each.from_prices for each in self.menu.sources.values()):
            before = self._decided_before(snapshot)
        return self.menu.offer(snapshot, lambda label, source: _shown(label, source, snapshot), before)

    def take(self, snapshot: Snapshot) -> None:
        """Take a close into the past of the sources, decided on or not."""
        for label, source in self._told.items():
            if self._decided_before is None or source.from_prices:
                _tried(label, f"failed at the bar of {snapshot.time}", "its take", lambda: source.take(snapshot))  # noqa: B023
        if self.menu is not None:
            self.menu.take(snapshot)

    def forget(self, symbol: str) -> None:
        """Begin the past of a symbol anew."""
        for source in self._told.values():
            source.forget(symbol)
        if self.menu is not None:
            self.menu.forget(symbol)


def _shown(label: str, source: ContextSource, snapshot: Snapshot) -> Shown:
    shown = _tried(label, f"failed at the bar of {snapshot.time}", "what it shows", lambda: source.show(snapshot))
    if isinstance(shown, Shown) and shown.source == label and isinstance(shown.text, str):
        text, ids = shown.text, shown.ids
    else:
        text, ids = getattr(shown, "text", shown), tuple(getattr(shown, "ids", ()))
    image = _image(label, source, snapshot, shown)
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
    return Shown(label, encodable(text), ids, image)


def _image(label: str, source: ContextSource, snapshot: Snapshot, shown: Any) -> Image | None:
    """The image that was shown, held to what a model can be sent."""
    image: Any = getattr(shown, "image", None)
    if image is None:
        return None
    png = image.png if isinstance(image, Image) else None
    if not (isinstance(png, bytes) and png.startswith(_PNG) and len(png) <= LARGEST_IMAGE):
        raise ConfigurationError(
            f"The context source {label!r} gave an image at the bar of {snapshot.time} that is no PNG of at most "
            f"{LARGEST_IMAGE:,} bytes: return Shown(name, text, image=Image.of(png))."
        )
    if not source.shows_images:
        raise ConfigurationError(
            f"The context source {label!r} gave an image at the bar of {snapshot.time} and does not say that it shows "
            "any: set shows_images = True in it, so that only a model that sees is asked."
        )
    if not shown.text:
        raise ConfigurationError(
            f"The context source {label!r} gave an image without a text at the bar of {snapshot.time}: say in words "
            "what it shows."
        )
    return Image.of(png)


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
