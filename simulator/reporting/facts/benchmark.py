"""What the account of a page is held against over time: the market's arm, or else the price itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulator.evaluation.metrics import Floats
from simulator.folder.record import Record
from simulator.reporting.facts.run import market_arms, subject_arm


@dataclass(frozen=True, slots=True)
class Beside:
    """A series of values over the bars of the subject's account: ``words`` name it in a sentence ("the market"), and
    ``heading`` heads its column."""

    words: str
    heading: str
    values: Floats


def account_of(record: Record) -> pd.Series:
    """Equity of the arm that the page is about, over time; empty of one that was ruined or has less than two bars: it
    has no returns."""
    equity = subject_arm(record).equity["equity"]
    values = equity.to_numpy(dtype=np.float64)
    return equity if len(values) > 1 and values.min() > 0 else equity.iloc[:0]


def beside(record: Record) -> Beside | None:
    """What stands beside that account at each of its bars; None where there are several symbols and no market, where
    the subject is the market, or where a bar is missing."""
    subject = subject_arm(record)
    times = account_of(record).index
    markets = market_arms(record)
    if subject.name in markets or not len(times):
        return None
    if markets and not record.arm(markets[0]).has_failed:
        found, words, heading = record.arm(markets[0]).equity["equity"], "the market", "Market"
    elif len(record.prices) == 1:
        found, words, heading = next(iter(record.prices.values()))["close"], "the price", "Price"
    else:
        return None
    values = found.reindex(times).to_numpy(dtype=np.float64)
    return Beside(words, heading, values) if np.isfinite(values).all() and values.min() > 0 else None
