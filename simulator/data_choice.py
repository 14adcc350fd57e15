"""The ``data`` section of an experiment: which prices of which symbols, in which groups, and when is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.outside_text import LONGEST_SYMBOL
from simulator.trading_calendar import TradingCalendar

DEFAULT_SOURCE = "sample:sp500"


@dataclass(frozen=True, slots=True)
class DataChoice:
    """Which prices: ``source`` for one symbol (see ``simulator.market.load_prices``), or ``sources`` for any number.

    ``sources`` maps symbols to sources, or lists sources that name their symbols themselves; with it ``source`` is
    empty. ``groups`` maps names to symbols, each in one group at most. ``timeframe``, ``decide_on``, ``session`` and
    ``timezone`` are those of ``TradingCalendar``. ``start`` and ``end`` are dates, both included. A contradiction
    raises ``ConfigurationError``.
    """

    source: str = ""
    symbol: str | None = None
    timeframe: str = "1d"
    start: str | None = None
    end: str | None = None
    sources: Mapping[str, str] | Sequence[str] | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    decide_on: str | None = None
    session: str | None = None
    timezone: str | None = None

    def __post_init__(self) -> None:
        if self.sources is None:
            self._set("source", self.source or DEFAULT_SOURCE)
        else:
            self._check_sources(self.sources)
            self._set("sources", _normal(self.sources))
        self._set("groups", {name: tuple(sorted(self.groups[name])) for name in sorted(self.groups)})
        groups = self.group_of_symbol()
        if isinstance(self.sources, Mapping):
            check_groups(groups, self.sources)
        self.calendar()

    def calendar(self) -> TradingCalendar:
        """Trading bars, decision bars, session and zone."""
        return TradingCalendar(self.timeframe, self.decide_on, self.session, self.timezone)

    def group_of_symbol(self) -> dict[str, str]:
        """The group of each symbol that has one."""
        found: dict[str, str] = {}
        for group, symbols in self.groups.items():
            for symbol in symbols:
                if symbol in found:
                    where = "twice" if found[symbol] == group else f"in {found[symbol]!r} and"
                    raise ConfigurationError(
                        f"data.groups: {symbol!r} stands {where} in {group!r}: a symbol has one group, name it once."
                    )
                found[symbol] = group
        return found

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way to give a frozen instance its normal form

    def _check_sources(self, sources: Mapping[str, str] | Sequence[str]) -> None:
        if self.source:
            raise ConfigurationError(
                f"data holds source {self.source!r} and sources: keep source for one symbol, sources for several."
            )
        if self.symbol is not None:
            raise ConfigurationError(
                f"data holds symbol {self.symbol!r} and sources: name the symbols in sources, as in sources: "
                "{SPY: 'csv:spy.csv'}."
            )
        if not sources or isinstance(sources, str):
            raise ConfigurationError(
                f"data.sources is {sources!r}: map at least one symbol to a source, or list the sources."
            )
        if isinstance(sources, Mapping):
            check_symbols(sources)


def _normal(sources: Mapping[str, str] | Sequence[str]) -> dict[str, str] | tuple[str, ...]:
    return dict(sorted(sources.items())) if isinstance(sources, Mapping) else tuple(sources)


FORMULA_SIGNS = ("=", "+", "-", "@")
"""With which a cell of a CSV file begins that a spreadsheet would compute."""


def check_symbols(symbols: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` for a symbol that is empty, too long, holds what cannot be printed, or would be a
    formula in the tables of a run."""
    for symbol in symbols:
        if symbol.startswith(FORMULA_SIGNS):
            raise ConfigurationError(
                f"{symbol!r} is no symbol: a spreadsheet takes what begins with {' '.join(FORMULA_SIGNS)} for a "
                "formula, name it otherwise."
            )
        if not (0 < len(symbol) <= LONGEST_SYMBOL and symbol.isprintable()):
            raise ConfigurationError(
                f"{symbol!r} is no symbol: use 1 to {LONGEST_SYMBOL} printable characters, such as SPY."
            )


def check_groups(group_of_symbol: Mapping[str, str], symbols: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` where a group holds a symbol that is not among ``symbols``."""
    known = list(symbols)
    for symbol, group in group_of_symbol.items():
        if symbol not in known:
            raise ConfigurationError(
                f"data.groups: {group!r} holds the unknown symbol {symbol!r}{did_you_mean(symbol, known)}"
            )
