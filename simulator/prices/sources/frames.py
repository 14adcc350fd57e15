"""DataFrames as sources: what a notebook holds is read as a file of the same columns would be."""

from __future__ import annotations

import hashlib
from typing import Self

import numpy as np
import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.prices.sources.files import ReadOptions, read_frame
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


def load_frame(source: str, reading: ReadOptions) -> RawTable:
    """The prices of a DataFrame by the usual names of columns, its times in a column or the index."""
    if not isinstance(source, FrameSource):
        raise ConfigurationError(
            f"{source} is a DataFrame that was given in Python: give it again, or name a file such as csv:prices.csv."
        )
    frame, symbol = source.frame, SYMBOL
    if frame.columns.nlevels > 1:
        frame, symbol = _one_ticker(frame, source)
    return read_frame(frame, symbol, source, reading)


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
