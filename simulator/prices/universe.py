"""The prices of a run: one or many symbols, each with its own start, holidays and end."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path

import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from llm_strategy.market.features import WarmUp
from llm_strategy.support.read_regular import read_bytes
from llm_strategy.support.write_whole import write_whole
from simulator.prices.config import DataConfig, check_groups, check_symbols
from simulator.prices.load import Prices, load_prices
from simulator.prices.resampling import decision_bars, in_session, session_notes
from simulator.prices.sessions import TradingCalendar
from simulator.prices.source import takes_clock
from simulator.prices.sources.frames import as_source
from simulator.prices.table import HEADER, MOST_PRICES, csv_rows, show_time, table_of_cells
from simulator.prices.volumes import VolumeKind

UNIVERSE_HEADER = f"symbol,{HEADER}"
NO_WARM_UP = WarmUp(1, "")


@dataclass(frozen=True, eq=False)
class Universe:
    """Validated trading bars of one or many symbols, sorted by symbol whatever order they are given in.

    ``groups`` names the group of each symbol that has one. ``decide_on``, ``session`` and ``timezone`` are those of
    ``TradingCalendar``; the markets hold bars inside the session alone. A symbol that stands twice, groups of unknown
    symbols and contradictory settings raise ``ConfigurationError``.
    """

    markets: tuple[Prices, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    decide_on: str | None = None
    session: str | None = None
    timezone: str | None = None
    missed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By symbol and time (ISO 8601) of a bar that was known too late to decide on: why. They are bars of a watched
    market; those of files are always known."""
    committed: Mapping[str, object] | None = None
    """What a record proves of when the decisions on these bars were committed, for a manifest."""

    def __post_init__(self) -> None:
        markets = tuple(sorted(self.markets, key=lambda prices: prices.symbol))
        if not markets:
            raise ConfigurationError("A universe needs at least one symbol: name a source.")
        object.__setattr__(self, "markets", markets)
        object.__setattr__(self, "groups", dict(sorted(self.groups.items())))
        check_symbols(self.symbols)
        for one, other in pairwise(markets):
            if one.symbol == other.symbol:
                raise ConfigurationError(
                    f"{one.source} and {other.source} are both named {one.symbol!r}: map each symbol to its source."
                )
            if one.timeframe != other.timeframe:
                raise ConfigurationError(
                    f"{one.symbol} has bars of {one.timeframe} and {other.symbol} of {other.timeframe}: "
                    "give all symbols one timeframe."
                )
        check_groups(self.groups, self.symbols)
        if self.decide_on and (clash := {decisions_name(name) for name in self.symbols} & set(self.symbols)):
            raise ConfigurationError(f"The symbol {min(clash)!r} is the name of a decision feed: use another.")
        self.calendar  # noqa: B018 - settings that contradict are refused here, not at the first decision

    @property
    def closes(self) -> int:
        """Closes that one run goes through, decided on or not, of all symbols."""
        return sum(len(prices.table) for prices in self.markets)

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, sorted."""
        return tuple(prices.symbol for prices in self.markets)

    @property
    def timeframe(self) -> str:
        """Length of a trading bar."""
        return self.markets[0].timeframe

    @cached_property
    def calendar(self) -> TradingCalendar:
        """Trading bars, decision bars, session and zone."""
        return TradingCalendar(self.timeframe, self.decide_on, self.session, self.timezone)

    def market(self, symbol: str) -> Prices:
        """The trading bars of a symbol; ``ConfigurationError`` for an unknown one."""
        return self._of(symbol, self.markets)

    def decisions(self, symbol: str) -> Prices:
        """The decision bars of a symbol: its trading bars, or with ``decide_on`` those of ``decision_bars``."""
        return self._of(symbol, self._decisions)

    @cached_property
    def sha256(self) -> str:
        """Hash over symbols, prices, groups and calendar, equal after ``write_csv`` and ``read_universe_csv``."""
        decides = {
            "markets": [(prices.symbol, prices.sha256) for prices in self.markets],
            "groups": self.groups,
            "calendar": [self.timeframe, self.decide_on, self.session, self.timezone],
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    def write_csv(self, path: Path) -> None:
        """Write all trading bars: ``symbol,time,open,high,low,close,volume``, by symbol, then time, exact decimals.

        Raises ``OSError``.
        """
        write_whole(path, _to_csv(self.markets))

    @cached_property
    def _decisions(self) -> tuple[Prices, ...]:
        return tuple(decision_bars(prices, self.calendar) for prices in self.markets)

    def _of(self, symbol: str, among: tuple[Prices, ...]) -> Prices:
        if symbol not in self.symbols:
            raise ConfigurationError(f"There is no symbol {symbol!r}{did_you_mean(symbol, self.symbols)}")
        return among[self.symbols.index(symbol)]


def decisions_name(symbol: str) -> str:
    """The name of a symbol's decision feed, where it is not the trading feed."""
    return f"{symbol} decisions"


def load_universe(
    choice: DataConfig,
    *,
    minimum_bars: int = 1,
    cache_folder: Path | None = None,
    warm_up: WarmUp = NO_WARM_UP,
    folder: Path | None = None,
) -> Universe:
    """Load, cut and validate every source of a choice, all with its timeframe, start and end.

    Symbols may begin and end on different days and lack bars that others have. ``minimum_bars`` counts decision bars
    of each symbol; ``folder`` is the experiment's. With ``warm_up`` the first decision of a symbol is at ``start``: as
    many decision bars as it needs stand before, or as many as the source has. ``ConfigurationError`` and
    ``MarketDataError`` as of ``load_prices``, naming the symbol.
    """
    loaded = tuple(_load(choice, cache_folder, folder, warm_up.bars - 1))
    universe = Universe(loaded, choice.group_of_symbol(), choice.decide_on, choice.session, choice.timezone)
    check_bars(universe, minimum_bars, warm_up)
    return universe


def check_bars(universe: Universe, minimum_bars: int, warm_up: WarmUp) -> None:
    """Raise ``MarketDataError`` for a symbol with fewer decision bars than these; it names what they are for."""
    for prices in universe.markets:
        bars = len(universe.decisions(prices.symbol).table)
        if bars < minimum_bars:
            kind = f"decision bars of {universe.decide_on}" if universe.decide_on else f"bars of {universe.timeframe}"
            raise MarketDataError(
                f"{_named(prices)} has {bars} {kind}, at least {minimum_bars} are needed for the longest indicator"
                f"{f' ({warm_up.cause})' if warm_up.cause else ''} and the decisions after it: take a longer range or "
                "leave the symbol out, or set shorter ones in advisor.lookbacks and baselines."
            )


def read_universe_csv(
    path: Path,
    choice: DataConfig,
    sources: Mapping[str, str] | None = None,
    volumes: Mapping[str, VolumeKind] | None = None,
) -> Universe:
    """The universe that ``Universe.write_csv`` wrote, exact to the last bit; any other file is refused.

    ``choice`` gives what the file does not hold (timeframe, groups, decisions, session); ``sources`` what each symbol
    was loaded from, and ``volumes`` what its volume counts, by default as the choice says.
    """
    named = sources or (choice.sources if isinstance(choice.sources, Mapping) else {})
    try:
        content = read_bytes(path, MOST_PRICES)
        header, *rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        if header != UNIVERSE_HEADER.split(","):
            raise ValueError(f"its header is not {UNIVERSE_HEADER}")
        if not rows or not all(rows):
            raise ValueError("it holds no rows, or empty ones")
        markets = tuple(
            Prices(
                as_source(named.get(symbol, choice.source or path.name)),
                symbol,
                choice.timeframe,
                table,
                volume=(volumes or {}).get(symbol, choice.volume or "shares"),
            )
            for symbol, table in _tables(rows)
        )
        if _to_csv(markets) != content:
            raise ValueError("its rows are not sorted by symbol and time, or its cells are spelt otherwise")
        check_symbols(prices.symbol for prices in markets)
    except FileNotFoundError:
        raise MarketDataError(f"{path} does not exist: run what writes it again.") from None
    except (OSError, ValueError, csv.Error, ConfigurationError) as problem:
        reason = str(problem).rstrip(".")
        raise MarketDataError(
            f"{path} is not a canonical file of several symbols ({reason}): run what writes it again."
        ) from None
    return Universe(markets, choice.group_of_symbol(), choice.decide_on, choice.session, choice.timezone)


def _load(choice: DataConfig, cache_folder: Path | None, folder: Path | None, earlier_bars: int) -> Iterator[Prices]:
    named: list[tuple[str | None, str]]
    if choice.sources is None:
        named = [(choice.symbol, as_source(choice.source))]
    elif isinstance(choice.sources, Mapping):
        named = [(symbol, as_source(source)) for symbol, source in choice.sources.items()]
    else:
        named = [(None, source) for source in choice.sources]
    files = any(takes_clock(source) for _, source in named)
    for symbol, source in named:
        try:
            prices = load_prices(
                source,
                symbol=symbol,
                timeframe=choice.timeframe,
                start=choice.start,
                end=choice.end,
                cache_folder=cache_folder,
                clock=choice.clock if takes_clock(source) or not files else None,
                volume=choice.volume,
                folder=folder,
                warm_up=earlier_bars,
                calendar=choice.calendar(),
                log_notes=False,  # the run tells them
            )
        except (ConfigurationError, MarketDataError) as problem:
            if symbol is None or choice.sources is None:
                raise
            raise type(problem)(f"{symbol}: {problem}") from None
        kept = in_session(prices, choice.calendar())
        left_out = session_notes(prices, kept, choice.calendar())
        if kept.table.empty:
            first, last = prices.table.index[0], prices.table.index[-1]
            raise MarketDataError(
                f"{_named(prices)} has no bars inside session {choice.session} ({choice.timezone or 'UTC'}), its times "
                f"go from {show_time(first)} to {show_time(last)} in UTC: correct session or timezone."
            )
        yield replace(kept, notes=(*kept.notes, *left_out))


def _named(prices: Prices) -> str:
    return f"{prices.symbol} ({prices.source})"


def _to_csv(markets: tuple[Prices, ...]) -> bytes:
    lines = [UNIVERSE_HEADER]
    for prices in sorted(markets, key=lambda prices: prices.symbol):
        quoted = '"' + prices.symbol.replace('"', '""') + '"'
        symbol = quoted if "," in quoted or '""' in quoted[1:-1] else prices.symbol
        lines.extend(f"{symbol},{row}" for row in csv_rows(prices.table))
    return ("\n".join(lines) + "\n").encode("utf-8")


def _tables(rows: list[list[str]]) -> Iterator[tuple[str, pd.DataFrame]]:
    for symbol, lines in groupby(rows, key=lambda row: row[0]):
        table = table_of_cells([line[1:] for line in lines])
        if not pd.DatetimeIndex(table.index).is_monotonic_increasing or table.index.has_duplicates:
            raise ValueError(f"the times of {symbol!r} do not increase")
        yield symbol, table
