"""Prices: one door to every source, one shape behind it.

Sources are written ``kind:name``, with options behind a question mark::

    sample:sp500  sample:nasdaq            daily bars 1999 to 2018, shipped inside the dependency ``arch``
    csv:PATH  parquet:PATH                 a file; columns found by their common names, no volume column means 0
    csv:PATH?adjusted=yes                  all four prices scaled by "Adj Close" over close (otherwise that column only
                                           serves to find splits)
    csv:PATH?symbol=AAA&close=Schluss      one of several symbols; the file's own names (all: ``reading.options``)
    yfinance:SYMBOL                        Yahoo Finance, adjusted, kept in ``cache_folder``
    synthetic:calm  :cycles  :crash        seeded paths with a known regime; synthetic:cycles?bars=2000&seed=3
    package.module:function:NAME?since=2010   a function of your own, called as function("NAME", since="2010"), that
    FILE.py:function                          returns a DataFrame; see ``prices.source``

In Python a ``pandas.DataFrame`` is a source as well, and called ``frame:`` and a hash of its content in records.
Times have no zone. A bar bears the time that its source gives it, which for intraday bars is usually the start.
Zones are dropped in two cases, and refused in all others: daily bars stand at their local date, intraday bars at UTC.
A ``clock`` names the zone of a file's intraday times that have none, and they are turned into UTC.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path

import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from llm_strategy.support.outside_text import spelled_out, symbol_name
from simulator.prices.sessions import TradingCalendar, parse_timeframe, zone_of
from simulator.prices.source import Source, SourceRequest, find_source, without_folder
from simulator.prices.sources.frames import as_source
from simulator.prices.splits import split_note
from simulator.prices.table import RawTable, content_hash, from_csv, show_time, to_csv, write_table
from simulator.prices.validation import hole_note, validate_prices
from simulator.prices.volumes import VOLUME_KINDS, VolumeKind

CACHE_FOLDER = Path("data", "cache")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prices:
    """Validated bars of one symbol.

    ``table`` has float64 columns open, high, low, close, volume over an index ``time`` without zone that increases
    strictly. ``true_regimes`` is a label (``llm_strategy.types.RegimeLabel``) a bar, for synthetic sources alone.
    ``volume`` is what the volume counts: ``shares`` (or whatever is traded), ``ticks``, or ``none`` where it was left
    out. ``naive`` says that the file's times have no zone and none was named for them. ``notes`` are sentences on what
    the source holds that a person must know, without folders of paths.
    """

    source: str
    symbol: str
    timeframe: str
    table: pd.DataFrame
    true_regimes: pd.Series[str] | None = None
    volume: VolumeKind = "shares"
    naive: bool = False
    notes: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash of times and values, equal on every platform and after ``write_csv`` and ``read_csv``."""
        return content_hash(self.table)

    def window(self, start: str | None = None, end: str | None = None) -> Prices:
        """The bars from ``start`` to ``end``, both included (ISO; an ``end`` without a clock takes the whole day)."""
        raw = RawTable(self.symbol, self.table, true_regimes=self.true_regimes)
        kept = _between(raw, self.source, start, end)
        return replace(self, table=kept.table, true_regimes=kept.true_regimes)

    def write_csv(self, path: Path) -> None:
        """Write the canonical CSV: header ``time,open,high,low,close,volume``, ISO times, shortest exact decimals."""
        write_table(path, to_csv(self.table))


def read_csv(path: Path) -> pd.DataFrame:
    """The table that ``Prices.write_csv`` wrote, exact to the last bit; any other file is refused."""
    return from_csv(path)


def load_prices(
    source: str | pd.DataFrame,
    *,
    symbol: str | None = None,
    timeframe: str = "1d",
    start: str | None = None,
    end: str | None = None,
    minimum_bars: int = 1,
    cache_folder: Path | None = None,
    clock: str | None = None,
    volume: VolumeKind | None = None,
    folder: Path | None = None,
    warm_up: int = 0,
    calendar: TradingCalendar | None = None,
    log_notes: bool = True,
) -> Prices:
    """Load, cut to [start, end] and validate the prices of a source (see the top of this module) or a DataFrame.

    What one must know of them (``Prices.notes``) is logged as warnings, unless the caller tells it (``log_notes``).
    ``symbol`` names them in records (default: the source's own name); ``start`` and ``end`` are ISO dates or times,
    both included; ``minimum_bars`` is what the longest indicator and one decision need; ``cache_folder`` keeps
    downloads (default ``data/cache``); ``clock`` is the zone of a file's intraday times that have none, ``volume`` what
    volumes count (default: shares, or ticks where a file has no other; ``none`` sets them to 0). A relative path is
    looked for in ``folder`` first, which is an experiment's. ``warm_up`` is how many decision bars of the ``calendar``
    (by default every bar) are kept from before ``start``, or as many as the source has. A wrong argument raises
    ``ConfigurationError``, wrong prices ``MarketDataError`` naming the row. Rows that are not kept are read and not
    judged.
    """
    source = as_source(source)
    kind, name, options = find_source(source, folder)
    length = parse_timeframe(timeframe)
    first, last = _moment(start, "start"), _moment(end, "end")
    if first is not None and last is not None and first > last:
        raise ConfigurationError(f"start {start} lies after end {end}: exchange the two.")
    request = SourceRequest(
        source,
        name,
        options,
        length,
        None if first is None else first.date(),
        None if last is None else last.date(),
        CACHE_FOLDER if cache_folder is None else cache_folder,
        clock,
        volume,
        folder,
    )
    if clock is not None:
        _check_clock(request, kind)
    if volume is not None and volume not in VOLUME_KINDS:
        raise ConfigurationError(f"volume is {volume!r}{did_you_mean(volume, VOLUME_KINDS)}")
    calendar = calendar or TradingCalendar(timeframe)
    if first is not None and warm_up:
        request = replace(request, early=True, earlier=_early_enough(first.date(), warm_up, calendar))
    read = kind.load(request)
    raw = _between(read, source, start, end)
    if first is not None and warm_up:
        begin = calendar.warm_up_start(pd.DatetimeIndex(read.table.index), pd.Timestamp(first), warm_up)
        raw = read.between(min(begin, pd.Timestamp(first)), last)
    if volume is not None:
        zeros = {"volume": 0.0} if volume == "none" else {}
        raw = replace(raw, volume=volume, table=raw.table.assign(**zeros))
    validate_prices(raw, source, length, minimum_bars)
    file = without_folder(source)
    doubts = split_note(raw, file, adjusted=options.get("adjusted") == "yes"), hole_note(raw, file, length)
    notes = (*raw.notes, *filter(None, doubts))
    name = symbol_name(symbol or raw.symbol)
    if log_notes:
        for note in notes:
            _LOG.warning(spelled_out(note))
    return Prices(source, name, str(length), raw.table, raw.true_regimes, raw.volume, raw.naive, notes)


def _check_clock(request: SourceRequest, kind: Source) -> None:
    zone_of(request.clock or "", "clock")
    if not request.timeframe.intraday:
        raise ConfigurationError(
            f"clock is {request.clock!r} while bars of {request.timeframe} have no clock time: leave it out, or set a "
            "timeframe shorter than a day."
        )
    if not kind.takes_clock:
        raise ConfigurationError(f"clock is {request.clock!r}, and {request.source} is in UTC already: leave it out.")


def _early_enough(start: date, bars: int, calendar: TradingCalendar) -> date | None:
    """A day before which nobody needs a bar for so many decision bars before ``start``, holidays and weekends counted;
    ``None`` for bars shorter than a day, of which a day may hold one or hundreds."""
    if parse_timeframe(calendar.timeframe).intraday:
        return None
    step = parse_timeframe(calendar.decide_on or calendar.timeframe).duration
    return start - min(timedelta(days=15) + 1.6 * bars * step, start - date(1900, 1, 1))


def moment(text: str, setting: str) -> datetime:
    """An ISO date or time without a zone; the ``end`` of a date is that of its day. ``ConfigurationError`` for other
    texts."""
    try:
        time_named = None if "W" in text else datetime.fromisoformat(text)  # pandas knows no weeks
    except ValueError:
        time_named = None
    if time_named is None or time_named.tzinfo is not None:
        raise ConfigurationError(
            f"{setting} is {text!r}: write an ISO date or time without a zone, such as 2008-10-10."
        )
    whole_day = setting == "end" and len(text) <= len("2008-10-10")
    return datetime.combine(time_named, time.max) if whole_day else time_named


def _moment(text: str | None, setting: str) -> datetime | None:
    return None if text is None else moment(text, setting)


def _between(raw: RawTable, source: str, start: str | None, end: str | None) -> RawTable:
    kept = raw.between(_moment(start, "start"), _moment(end, "end"))
    if kept.table.empty:
        index = raw.table.index
        held = f"it goes from {show_time(index.min())} to {show_time(index.max())}" if len(index) else "it has no bars"
        asked = " ".join(part for part in (f"from {start}" if start else "", f"to {end}" if end else "") if part)
        raise MarketDataError(f"{source} has no bars {asked or 'at all'}: {held}, set start and end inside that.")
    return kept
