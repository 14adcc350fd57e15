"""Whether what was made of prices before a run (a calibration, a person's labels) was made of bars that its decisions
should not have known."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import StrEnum

from llm_strategy.advice.options import LabelPrior
from llm_strategy.advice.own_labels import OwnLabels


class Origin(StrEnum):
    """From which bars something was made, as seen from the first decision of a run."""

    EARLIER = "from earlier bars"
    LATER = "from later bars"
    OTHER = "from other symbols"
    UNKNOWN = "from bars that are not on record"


def origin_of_calibration(prior: LabelPrior, first_decisions: Mapping[str, str]) -> Origin:
    """From which bars a calibration was computed; ``first_decisions`` are the closes of a run (ISO 8601) by symbol. One
    that reaches the first decision on a symbol that both have is from later bars."""
    if prior.window is None:
        return Origin.UNKNOWN
    shared = [first_decisions[symbol] for symbol in prior.window.symbols if symbol in first_decisions]
    if not shared:
        return Origin.OTHER
    return Origin.LATER if _time(prior.window.last) >= min(map(_time, shared)) else Origin.EARLIER


def origin_of_labels(labels: OwnLabels, first_decisions: Mapping[str, str]) -> Origin:
    """Of which bars a person's labels are; when they were written no file says. One at or behind the first decision
    may have been written by somebody who knew what followed."""
    firsts = {symbol: _time(close) for symbol, close in first_decisions.items()}
    of_run = [(time, symbol) for time, _, symbol in labels.rows if not symbol or symbol in firsts]
    if not of_run:
        return Origin.OTHER
    later = any(_time(time) >= (firsts[symbol] if symbol else min(firsts.values())) for time, symbol in of_run)
    return Origin.LATER if later else Origin.EARLIER


def _time(close: str) -> datetime.datetime:
    time = datetime.datetime.fromisoformat(close)
    return time.astimezone(datetime.UTC).replace(tzinfo=None) if time.tzinfo is not None else time
