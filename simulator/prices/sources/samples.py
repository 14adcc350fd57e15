"""Sample prices inside the dependency ``arch``: daily bars of two indexes, 1999 to 2018 (see ``data/README.md``)."""

from __future__ import annotations

import pandas as pd

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.support.arch_data import load_arch_data
from simulator.prices.source import Source, SourceRequest
from simulator.prices.table import COLUMNS, RawTable, make_table

SAMPLES = {"sp500": "SP500", "nasdaq": "NASDAQ"}
"""Names and symbols."""


def load_sample(request: SourceRequest) -> RawTable:
    """The sample of this name. Closes are index levels: an index pays no dividend, so there is nothing to adjust."""
    request.refuse_options()
    name, timeframe = request.name, request.timeframe
    if name not in SAMPLES:
        raise ConfigurationError(f"sample:{name} is unknown{did_you_mean(name, list(SAMPLES))}")
    if str(timeframe) != "1d":
        raise ConfigurationError(f"sample:{name} has daily bars, not {timeframe}: set timeframe to 1d.")
    frame = load_arch_data(name)
    return RawTable(
        SAMPLES[name], make_table(pd.DatetimeIndex(frame.index), {column: frame[column.title()] for column in COLUMNS})
    )


SOURCE = Source("sample", load_sample)
