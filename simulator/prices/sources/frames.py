"""DataFrames as sources, read as a file of the same columns would be: what a notebook holds, and what a person's own
function returns.

Such a function gets the name of the source, where there is one, and its options as keywords, all of them text:
``mine:SPY?since=2010`` calls ``function("SPY", since="2010")``.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, MarketDataError, did_you_mean, exception_line
from simulator.prices.reading.options import ReadOptions
from simulator.prices.reading.table_reader import read_frame
from simulator.prices.source import Source, SourceRequest
from simulator.prices.table import PRICE_COLUMNS, RawTable

SYMBOL = "frame"
"""What a DataFrame's prices are called where nobody names them."""


class FrameSource(str):
    """``frame:`` and a hash of a DataFrame's content, with a copy of the DataFrame: its name wherever a source is text.

    A manifest keeps the name alone; prices are read again from the run folder.
    """

    __slots__ = ("frame",)

    frame: pd.DataFrame

    def __new__(cls, frame: pd.DataFrame) -> Self:
        source = super().__new__(cls, f"frame:{_content_hash(frame)[:16]}")
        source.frame = frame.copy()
        return source

    def __getnewargs__(self) -> tuple[pd.DataFrame]:  # type: ignore[override]
        return (self.frame,)

    def __deepcopy__(self, memo: object) -> Self:
        return self


def as_source(given: str | pd.DataFrame) -> str:
    """A source as text, a DataFrame among them; ``ConfigurationError`` for anything else."""
    if isinstance(given, pd.DataFrame):
        return FrameSource(given)
    if not isinstance(given, str):
        raise ConfigurationError(
            f"A source of prices is text such as csv:prices.csv or a pandas DataFrame, and not {type(given).__name__}: "
            "give one of these."
        )
    return given


def load_frame(request: SourceRequest) -> RawTable:
    """The prices of a DataFrame by the usual names of columns, its times in a column or the index."""
    source = request.source
    if not isinstance(source, FrameSource):
        raise ConfigurationError(
            f"{source} is a DataFrame that was given in Python: give it again, or name a file such as csv:prices.csv."
        )
    return _read(source.frame, SYMBOL, request)


SOURCE = Source("frame", load_frame, takes_clock=True)


def source_of_function(kind: str, function: Any) -> Source:
    """A person's own function as a source; ``ConfigurationError`` where it cannot be called."""
    if not callable(function):
        raise ConfigurationError(
            f"The price source {kind!r} is of type {type(function).__name__}: name a function that returns a DataFrame."
        )

    def load(request: SourceRequest) -> RawTable:
        return _read(_called(function, request), request.name or kind.rpartition(":")[2], request)

    return Source(kind, load, takes_clock=True)


def _called(function: Callable[..., object], request: SourceRequest) -> pd.DataFrame:
    source, arguments, options = request.source, (request.name,) if request.name else (), request.options
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **options)
    except TypeError as problem:
        known = list(signature.parameters)[len(arguments) :]
        unknown = next((key for key in options if key not in known), None)
        if unknown is not None and repr(unknown) in str(problem):
            raise ConfigurationError(
                f"{source} has the unknown option {unknown!r}{did_you_mean(unknown, known)}"
            ) from None
        raise ConfigurationError(
            f"{source}: its function takes {signature}, and {problem}: write a name behind a colon and options behind "
            "a question mark as it takes them, or change the function."
        ) from None
    try:
        frame = function(*arguments, **options)
    except BacktraderLLMError:
        raise
    except Exception as problem:
        words = f"{source}: its function raised {exception_line(problem)}"
        raise MarketDataError(f"{words}: correct it there.") from problem
    if not isinstance(frame, pd.DataFrame):
        raise MarketDataError(
            f"{source}: its function returned {type(frame).__name__} and no pandas DataFrame: return one with open, "
            "high, low and close, and the times in its index."
        )
    return frame


def _read(frame: pd.DataFrame, symbol: str, request: SourceRequest) -> RawTable:
    if frame.columns.nlevels > 1:
        frame, symbol = _one_ticker(frame, request.source)
    reading = ReadOptions(request.timeframe, clock=request.clock, volume=request.volume)
    return read_frame(frame, symbol, request.source, reading)


def _one_ticker(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, str]:
    """The frame of ``yfinance.download`` for one symbol, with one level of names, and the symbol."""
    levels = range(frame.columns.nlevels)
    prices = [
        level
        for level in levels
        if set(PRICE_COLUMNS) <= {str(name).lower() for name in frame.columns.get_level_values(level)}
    ]
    if len(levels) != 2 or not prices:
        raise MarketDataError(f"{source} has column names of {len(levels)} levels: keep one level of them.")
    level = 1 - prices[0]
    symbols = list(dict.fromkeys(map(str, frame.columns.get_level_values(level))))
    if len(symbols) > 1:
        name = frame.columns.names[level]
        shown = repr(name) if name is not None else level
        raise MarketDataError(
            f"{source} has columns of several symbols ({', '.join(symbols[:5])}): give each one as in sources: "
            f"{{{symbols[0]!r}: frame.xs({symbols[0]!r}, axis=1, level={shown})}}."
        )
    return frame.droplevel(level, axis=1), symbols[0]


def _content_hash(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256(repr([str(name) for name in frame.columns]).encode())
    try:
        hashes = pd.util.hash_pandas_object(frame, index=True).to_numpy()
    except TypeError:  # cells that cannot be hashed are no prices, which reading says in its own words
        hashes = np.frombuffer(frame.to_csv().encode(), dtype=np.uint8)
    digest.update(np.ascontiguousarray(hashes).tobytes())
    return digest.hexdigest()
