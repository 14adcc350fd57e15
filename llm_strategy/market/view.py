"""What a snapshot says: as the short text that a model reads, and as the label of the causal rule that a model should
beat. Pure; equal market states give equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, Literal, get_args

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.feature import IN_SNAPSHOT, Feature
from llm_strategy.market.features import FEATURES, scaled_trend
from llm_strategy.support.outside_text import quoted, symbol_name
from llm_strategy.support.plugins import find_plugin
from llm_strategy.types import ActionType, RegimeLabel, Snapshot

Style = Literal["words", "numbers"]
Unmasked = Literal["symbol", "date", "price"]
"""What a line may show beside its features; each lets a model remember the period instead of reading it."""

SHOWN = ("trend", "momentum", "volatility", "drawdown", "range", "volume")
"""The features that are shown where none are named."""
OF_RULE = ("trend", "volatility")
"""The features that the causal rule goes by."""

PREFIX = "talib:"
"""Begins the name of a feature that is a function of TA-Lib."""
FEATURE_GROUP = "backtrader_llm.features"
"""Entry points of a person's own features."""
_TAKEN = {*FEATURES, *IN_SNAPSHOT, *get_args(Unmasked)}
_UNITS = sorted(
    {text for each in FEATURES.values() for text in (each.unit.removeprefix("%"), each.noun) if text},
    key=len,
    reverse=True,
)

NEAR_AVERAGE = 0.02
"""Distance from the long mean (fraction) within which a market goes nowhere, where it moves like a day of shares; as
much more or less elsewhere as ``Snapshot.trend_scale`` says."""
HIGH_VOLATILITY = 2 / 3
"""Rank from which volatility counts as high: the top third of the last bars."""

ACTION_FOR_LABEL = {
    RegimeLabel.BULL: ActionType.ENTER_LONG,
    RegimeLabel.BEAR: ActionType.EXIT,
    RegimeLabel.SIDEWAYS: ActionType.HOLD,
    RegimeLabel.TURBULENT: ActionType.EXIT,
}


def causal_label(snapshot: Snapshot) -> RegimeLabel:
    """Restless and not clearly above the average is turbulent, close to it sideways, above bull, below bear.

    Side of the long mean times tercile of realised volatility, from closed bars alone.
    """
    trend = scaled_trend(snapshot)
    if snapshot.volatility_rank >= HIGH_VOLATILITY and trend < NEAR_AVERAGE:
        return RegimeLabel.TURBULENT
    if abs(trend) < NEAR_AVERAGE:
        return RegimeLabel.SIDEWAYS
    return RegimeLabel.BULL if trend > 0 else RegimeLabel.BEAR


@dataclass(frozen=True, slots=True)
class View:
    """How much of a snapshot a model sees, and how finely.

    ``words`` puts every feature into two to five named buckets, so that twenty years of daily bars make a few hundred
    different requests; ``numbers`` shows percentages with ``decimals`` places, which costs a request for nearly every
    bar.
    ``unmasked`` lifts the mask: a model that knows the symbol or the date may remember the period instead of reading
    it.
    ``features`` are shown in this order: those of ``SHOWN`` by name, and ``Feature`` objects of one's own as
    ``package.module:name``, ``FILE.py:name`` or the name of an entry point of the group ``backtrader_llm.features``;
    functions of TA-Lib as ``talib:RSI(timeperiod=14)``, where it is installed.
    Raises ``ConfigurationError`` for one that is not found or cannot be shown.
    """

    style: Style = "words"
    decimals: int = 0
    unmasked: tuple[Unmasked, ...] = ()
    features: tuple[str, ...] = SHOWN
    shown: tuple[Feature, ...] = field(init=False, repr=False, compare=False)
    """What the names of the features mean."""

    def __post_init__(self) -> None:
        shown = [find_feature(name) for name in self.features]
        called = [name for feature in shown for name in dict.fromkeys((feature.name, feature.label))]
        if twice := next((name for name in called if called.count(name) > 1), None):
            raise ConfigurationError(f"Two features are called {twice!r}: name each once, or rename your own.")
        if not shown:
            raise ConfigurationError(f"No feature is shown: name some of {', '.join(SHOWN)}, or your own.")
        if self.style == "words" and (mute := next((each.label for each in shown if not each.buckets), None)):
            raise ConfigurationError(
                f"The feature {mute!r} has no buckets, and style words shows no numbers: give it buckets, or set the "
                "style to numbers."
            )
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "shown", tuple(shown))

    def __reduce__(self) -> tuple[type[View], tuple[Any, ...]]:
        """Another process finds the features by their names."""
        return View, (self.style, self.decimals, self.unmasked, self.features)

    @property
    def in_words(self) -> View:
        """The same market in words, without what the mask hides and what has no words."""
        worded = tuple(name for name, feature in zip(self.features, self.shown, strict=True) if feature.buckets)
        return View("words", features=worded or SHOWN)

    @property
    def measured(self) -> tuple[Feature, ...]:
        """Those shown that are no part of every snapshot, so that they have to be measured for this view."""
        return tuple(sorted((each for each in self.shown if each.name not in IN_SNAPSHOT), key=attrgetter("name")))


def with_features(view: View, names: Sequence[str] | None) -> View:
    """The view that shows these features, where they are chosen in ``context``; raises ``ConfigurationError`` where the
    view itself shows others than the usual ones and not these."""
    if names is None or tuple(names) == view.features:
        return view
    if view.features != SHOWN:
        raise ConfigurationError(
            f"The features are {', '.join(view.features)}, and context names {', '.join(names)}: name them once."
        )
    return replace(view, features=tuple(names))


def measured_for(*views: View | None) -> tuple[Feature, ...]:
    """What has to be measured beside the features of every snapshot so that these views can be rendered."""
    found = {feature.name: feature for view in views if isinstance(view, View) for feature in view.measured}
    return tuple(found[name] for name in sorted(found))


def find_feature(name: str) -> Feature:
    """The feature that a name means; raises ``ConfigurationError`` where there is none."""
    if name.startswith(PREFIX):
        found: Any = _of_talib(name)
    else:
        found = find_plugin("feature", name, FEATURE_GROUP, FEATURES)
    if not isinstance(found, Feature):
        raise ConfigurationError(
            f"The feature {name!r} is of type {type(found).__name__}: write it as Feature(name, lookback, function)."
        )
    brought = name not in FEATURES
    if brought and (found.of or found.all_bars):
        raise ConfigurationError(
            f"The feature {name!r} sets of or all_bars, which are for those of every market: leave them out."
        )
    taken = next((called for called in (found.name, found.label) if called in _TAKEN), None)
    if taken and brought:
        raise ConfigurationError(f"The feature {name!r} is called {taken!r}, which is taken: rename it.")
    return found


@lru_cache(maxsize=64)
def _of_talib(name: str) -> Feature:
    from llm_strategy.market.talib_feature import read_talib  # most need it not

    return read_talib(name)


def is_own(name: str) -> bool:
    """Whether the name of a feature means a person's own code."""
    return name not in FEATURES and not name.startswith(PREFIX)


def render_snapshot(snapshot: Snapshot, view: View = View()) -> str:
    """The text that a model reads for one bar, a line of ``name: value`` pairs.

    Masked unless ``view.unmasked`` says otherwise: no symbol, no date, no price level. Raises ``MarketDataError`` for a
    snapshot with a feature that is NaN, as a bar without a true price leaves behind it.
    """
    if not snapshot.known:
        raise MarketDataError(
            f"The snapshot of {snapshot.symbol} at {snapshot.time} has features that are not a number (NaN): a bar "
            "before it has no true price, correct that bar."
        )
    facts = _identity(snapshot, view) if view.unmasked else []
    if view.style == "words":
        facts += [f"{feature.label}: {feature.in_words(snapshot)}" for feature in view.shown]
    else:
        facts += [f"{feature.label}: {feature.in_numbers(snapshot, view.decimals)}" for feature in view.shown]
    return "; ".join(facts)


MOST_RENDERED = 65_536
"""Texts that a renderer keeps: those of a run of many years of daily bars on some symbols."""


class Renderer:
    """Renders snapshots for one view, each once: whoever looks at the same snapshots shares their texts."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[int, tuple[Snapshot, str]] = {}
        self._texts: dict[str, str] = {}
        words = view.style == "words" and not view.unmasked
        self._parts = tuple(feature.text_of for feature in view.shown) if words else None

    def __call__(self, snapshot: Snapshot) -> str:
        """What ``render_snapshot`` gives; equal texts are one object."""
        known = self._known.get(id(snapshot))
        if known is not None:  # as long as it is kept, its id is its own
            return known[1]
        if len(self._known) >= MOST_RENDERED:
            self._known.clear()
            self._texts.clear()
        if self._parts is None or not snapshot.known:
            text = render_snapshot(snapshot, self._view)
        else:
            text = "; ".join([part(snapshot) for part in self._parts])
        text = self._texts.setdefault(text, text)
        self._known[id(snapshot)] = snapshot, text
        return text

    def __reduce__(self) -> tuple[Callable[[View], Renderer], tuple[View]]:
        """Another process renders anew."""
        return renderer, (self._view,)


@lru_cache(maxsize=64)
def renderer(view: View) -> Renderer:
    """The renderer of a view, which all who have an equal view share."""
    return Renderer(view)


def _identity(snapshot: Snapshot, view: View) -> list[str]:
    facts = {"symbol": quoted(symbol_name(snapshot.symbol)), "date": snapshot.time, "price": f"{snapshot.close:g}"}
    return [f"{name}: {fact}" for name, fact in facts.items() if name in view.unmasked]


class MarketView:
    """A market as a model reads it, and what prompts make of its ``line``: a row of values, and what the causal rule
    goes by (all that is shown, where that is none of it)."""

    def __init__(self, line: str) -> None:
        self.line = line
        self._facts = [(name, value) for name, _, value in (fact.partition(": ") for fact in line.split("; "))]
        self._values = [
            f"{name} {value}" if name in get_args(Unmasked) else _brief(value or name) for name, value in self._facts
        ]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the features in the line; those of ``SHOWN`` where it says nothing."""
        return tuple(name for name, value in self._facts if value and name not in get_args(Unmasked)) or SHOWN

    def row(self, between: str = " ") -> str:
        """The values without names and units; symbol, date and price, where they are shown, keep their names."""
        return between.join(self._values)

    @cached_property
    def rule_values(self) -> str:
        """The values of what the causal rule goes by."""
        return " ".join(_brief(value) for _, value in self._of_rule)

    @cached_property
    def rule_facts(self) -> str:
        """The same with their names."""
        return ", ".join(f"{name} {value}" for name, value in self._of_rule)

    def only(self, names: tuple[str, ...]) -> MarketView:
        """The same market with these features alone, as far as it shows them, in their order."""
        facts = dict(self._facts)
        return market_view("; ".join(f"{name}: {facts[name]}" for name in names if name in facts))

    @cached_property
    def _of_rule(self) -> list[tuple[str, str]]:
        names = self.names
        telling = [name for name in names if name in OF_RULE] or names
        return [(name, value) for name, value in self._facts if name in telling]


@lru_cache(maxsize=2048)
def market_view(line: str) -> MarketView:
    """The market of a line; kept, because examples come again and again."""
    return MarketView(line)


def _brief(value: str) -> str:
    for unit in _UNITS:
        value = value.removesuffix(unit)
    return value
