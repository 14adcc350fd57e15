"""``yfinance:SYMBOL``: prices of Yahoo Finance through ``yfinance.download``, kept on disk.

A symbol and timeframe is one canonical CSV beside a JSON file that holds its SHA-256, the arguments of the call and the
moment of the download. A request inside the range on disk makes no call. A wider one downloads the whole of both ranges
again: adjusted prices of two days of download differ in scale and must not be joined.

Decisions: prices are downloaded unadjusted (``auto_adjust=False``) and each bar is then scaled as a whole by adjusted
close over close, which keeps open and close inside the bar's range exactly, unlike yfinance's own adjustment. Daily
bars stand at their exchange's date, intraday bars at UTC. The running day (UTC) is never asked for: its bars are not
closed. Where Yahoo sends a last bar without prices or twice, its day is not closed there either: the bar is left out,
that is said, and the day is asked for again next time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from filelock import FileLock

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.support.read_regular import read_bytes, read_text
from simulator.prices.reading.times import drop_zones
from simulator.prices.sessions import Timeframe
from simulator.prices.source import Source, SourceRequest
from simulator.prices.table import (
    COLUMNS,
    MOST_PRICES,
    PRICE_COLUMNS,
    RawTable,
    from_csv,
    make_table,
    scale_to_adjusted_close,
    to_csv,
    write_table,
)
from simulator.prices.validation import validate_prices

INTERVALS = ("1m", "2m", "5m", "15m", "30m", "90m", "1h", "1d")
"""Timeframes that Yahoo has and whose bars are closed when their day is over."""


@dataclass(frozen=True)
class Request:
    """What is wanted: bars from ``start`` (None: as far back as there are any) up to, without, the date ``end``."""

    symbol: str
    timeframe: Timeframe
    start: date | None
    end: date

    @property
    def source(self) -> str:
        return f"yfinance:{self.symbol}"

    def arguments(self) -> dict[str, Any]:
        """Arguments of ``yfinance.download`` after the symbol; every one that shapes the prices is given."""
        return {
            "start": self._moment(self.start),
            "end": self._moment(self.end),
            "period": "max" if self.start is None else None,
            "interval": str(self.timeframe),
            "auto_adjust": False,
            "back_adjust": False,
            "repair": False,
            "keepna": False,
            "rounding": False,
            "prepost": False,
            "actions": False,
            "ignore_tz": False,
            "group_by": "column",
            "multi_level_index": True,
            "threads": False,
            "progress": False,
            "timeout": 30,
        }

    def _moment(self, day: date | None) -> date | None:
        # A plain date means midnight at the exchange, which is right for days and not for bars kept in UTC.
        return datetime.combine(day, time.min, UTC) if day is not None and self.timeframe.intraday else day


@dataclass(frozen=True, eq=False)
class Cached:
    """What is on disk for a symbol: the table, and the range that was asked for when it was downloaded."""

    table: pd.DataFrame
    start: date | None
    end: date
    notes: tuple[str, ...] = ()

    def covers(self, request: Request) -> bool:
        """Whether every bar of the request was asked for."""
        early = self.start is None or (request.start is not None and self.start <= request.start)
        return early and request.end <= self.end


def load(request: SourceRequest) -> RawTable:
    """Bars of a symbol, those of its warm-up too where Yahoo has them."""
    request.refuse_options()

    def since(start: date | None) -> RawTable:
        return load_yahoo(request.name, request.timeframe, start, request.end, request.cache_folder)

    if request.early:
        with suppress(MarketDataError):  # what the source keeps, or the disk without a network, may begin later
            return since(request.earlier)
    return since(request.start)


SOURCE = Source("yfinance", load)


def load_yahoo(symbol: str, timeframe: Timeframe, start: date | None, end: date | None, folder: Path) -> RawTable:
    """Bars of ``symbol`` from disk, or downloaded to disk first; the range returned may be wider than asked.

    ``start`` and ``end`` are dates, both included. Where nothing can be downloaded, ``MarketDataError`` says what is on
    disk.
    """
    if not re.fullmatch(r"[^\s,:?]+", symbol):
        raise ConfigurationError(f"yfinance:{symbol} must name one symbol, such as yfinance:SPY.")
    if str(timeframe) not in INTERVALS:
        raise ConfigurationError(f"yfinance:{symbol} has no bars of {timeframe}: set one of {', '.join(INTERVALS)}.")
    today = datetime.now(UTC).date()
    last = today if end is None else min(end + timedelta(days=1), today)
    request = Request(symbol.upper(), timeframe, start, last)
    if start is not None and start >= last:
        raise ConfigurationError(
            f"{request.source}: no day from {start} on is over before {last}: set an earlier start."
        )
    path = folder / f"{quote(request.symbol, safe='^=')}_{timeframe}.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            cached = _read(path)
            if cached is None or not cached.covers(request):
                cached = _refresh(request, cached, path)
    except OSError as problem:
        raise MarketDataError(
            f"{request.source}: the cache folder {folder} cannot be used ({problem.strerror}), name another."
        ) from None
    return RawTable(request.symbol, cached.table, notes=cached.notes)


def table_from_frame(frame: pd.DataFrame, request: Request) -> pd.DataFrame:
    """What ``yfinance.download`` returned for one symbol (columns Price by Ticker, times with a zone) as our table."""
    flat = frame.droplevel("Ticker", axis=1) if frame.columns.nlevels > 1 else frame
    wanted = [*(name.title() for name in COLUMNS), "Adj Close"]
    if sorted(name for name in flat.columns if name in wanted) != sorted(wanted):
        found = ", ".join(map(str, frame.columns))
        raise MarketDataError(
            f"{request.source}: Yahoo's answer has the columns {found}, update yfinance and try again."
        )
    index = pd.DatetimeIndex(flat.index)
    if request.timeframe.intraday and index.tz is not None:
        index = index.tz_convert("UTC")
    moments = [moment.to_pydatetime() for moment in index]
    times = drop_zones(moments, request.timeframe, lambda row: f"{request.source}, {moments[row]}")
    hole = (flat["Adj Close"].isna() & flat["Close"].notna()).to_numpy()
    if hole.any():
        raise MarketDataError(
            f"{request.source}, {moments[int(hole.argmax())]:%Y-%m-%d}: adjusted close is missing in what Yahoo sent: "
            "set end before this day or start after it, or take the prices from a csv: file."
        )
    table = make_table(times, {name: flat[name.title()] for name in COLUMNS})
    return scale_to_adjusted_close(table, flat["Adj Close"])


def without_unfinished_bar(frame: pd.DataFrame, request: Request) -> tuple[pd.DataFrame, date | None, str | None]:
    """The frame without a last bar that has no prices or stands twice, the day of that bar, and what to tell of it.

    Of two equal rows one stays. Of two that differ neither does: nothing says which of them is the bar.
    """
    flat = frame.droplevel("Ticker", axis=1) if frame.columns.nlevels > 1 else frame
    index = pd.DatetimeIndex(frame.index)
    days = index if request.timeframe.intraday else index.normalize()
    name = f"{request.source}: the last bar that Yahoo sent ({index[-1]:%Y-%m-%d})"
    if flat[[column.title() for column in PRICE_COLUMNS]].iloc[-1].isna().all():
        note = f"{name} has no prices, as of a day that is not over there: it was left out."
        return frame.iloc[:-1], index[-1].date(), note
    if len(frame) > 1 and days[-1] == days[-2]:
        if flat.iloc[-1].equals(flat.iloc[-2]):
            return frame.iloc[:-1], None, f"{name} stood there twice with equal prices: it is used once."
        note = f"{name} stood there twice with different prices, as of a day that is not over there: it was left out."
        return frame.iloc[:-2], index[-1].date(), note
    return frame, None, None


def _refresh(request: Request, cached: Cached | None, path: Path) -> Cached:
    start, end = request.start, request.end
    if cached is not None:
        start = None if start is None or cached.start is None else min(start, cached.start)
        end = max(end, cached.end)
    whole = Request(request.symbol, request.timeframe, start, end)
    table, unfinished, note = _download(whole, cached, path)
    if unfinished is not None:
        end = min(end, unfinished)
    validate_prices(RawTable(whole.symbol, table), whole.source, whole.timeframe)
    content = to_csv(table)
    record = {
        "symbol": whole.symbol,
        "timeframe": str(whole.timeframe),
        "sha256": hashlib.sha256(content).hexdigest(),
        "start": None if start is None else start.isoformat(),
        "end": end.isoformat(),
        "first": table.index[0].isoformat(),
        "last": table.index[-1].isoformat(),
        "bars": len(table),
        "arguments": whole.arguments(),
        "adjustment": "open, high, low and close times adjusted close over close",
        "times": "UTC" if whole.timeframe.intraday else "date at the exchange",
        "yfinance": version("yfinance"),
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_table(path, content)
    write_table(path.with_suffix(".json"), json.dumps(record, indent=1, default=str).encode())
    return Cached(table, start, end, () if note is None else (note,))


def _download(request: Request, cached: Cached | None, path: Path) -> tuple[pd.DataFrame, date | None, str | None]:
    import yfinance  # takes most of a second, which other sources need not pay

    with quiet(yfinance) as messages:
        try:
            frame = yfinance.download(request.symbol, **request.arguments())
        except Exception as problem:  # yfinance lets errors of its parsers and of several HTTP clients through
            messages.append(repr(problem))
            frame = None
    if frame is not None and not frame.empty:
        frame, unfinished, note = without_unfinished_bar(frame, request)
        if not frame.empty:
            return table_from_frame(frame, request), unfinished, note
    if cached is None:
        held = f"nothing of it is cached in {path.parent}; connect and try again later, or use a csv: file"
    else:
        first, last = cached.table.index[0], cached.table.index[-1]
        held = (
            f"{path} holds {first.date()} to {last.date()}; set start and end inside it, or connect and try again later"
        )
    raise MarketDataError(f"{request.source} could not be downloaded ({reason_of(messages)}): {held}.")


def _read(path: Path) -> Cached | None:
    record_path = path.with_suffix(".json")
    if not path.exists() and not record_path.exists():
        return None
    cure = f"delete {path.name} and {record_path.name} in {path.parent} and run again"
    try:
        content = read_bytes(path, MOST_PRICES)
        record = json.loads(read_text(record_path))
        start = None if record["start"] is None else date.fromisoformat(record["start"])
        expected, end = record["sha256"], date.fromisoformat(record["end"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise MarketDataError(f"The cached prices {path} are incomplete ({problem}): {cure}.") from None
    if hashlib.sha256(content).hexdigest() != expected:
        raise MarketDataError(f"The cached prices {path} were changed since their download (the hash differs): {cure}.")
    return Cached(from_csv(path), start, end)


@contextmanager
def quiet(yfinance: Any) -> Iterator[list[str]]:
    """Keep yfinance off stderr and collect what it logs; its own deprecation warnings are not the user's."""
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger, debug = logging.getLogger("yfinance"), yfinance.config.debug
    hides_exceptions = debug.hide_exceptions
    debug.hide_exceptions = False  # hidden, a refused connection reads "possibly delisted"
    handlers, propagate = logger.handlers[:], logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield messages
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        debug.hide_exceptions = hides_exceptions


def reason_of(messages: list[str]) -> str:
    """The last message on one line, without the list of symbols, the exception's name and libcurl's reading advice."""
    if not messages:
        return "Yahoo returned no prices"
    text = re.sub(r"^\['[^']*'\]: ", "", " ".join(messages[-1].split()))
    text = re.sub(r"^\w+\((['\"])(.*)\1\)$", r"\2", text)
    text = re.sub(r"^Failed to perform, curl: \(\d+\) ", "", text)
    return re.sub(r"\.? See https://curl\.se.*", "", text).rstrip(". ")[:200]
