"""The clock of a file whose times have no zone, as a person names it (``data.clock``)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from llm_strategy.errors import MarketDataError
from simulator.prices.sessions import zone_of
from simulator.prices.sources.times import Place

_SOON = timedelta(hours=3)


def at_clock(times: Sequence[datetime], clock: str | None, place: Place) -> list[datetime]:
    """The times in UTC, with their zone; unchanged where no clock is named.

    A local clock shows an hour twice each autumn and leaves one out each spring. Where a file holds both, the second
    one is known by its place, after the first; where it holds one of them alone, nothing says which, and
    ``MarketDataError`` names the row, as it does for a time that the clock never showed, and for one with a zone.
    """
    if clock is None:
        return list(times)
    zone, last = zone_of(clock, "clock"), datetime.min.replace(tzinfo=UTC)
    found: list[datetime] = []
    doubtful: list[int] = []
    for row, moment in enumerate(times):
        if moment.tzinfo is not None:
            raise MarketDataError(
                f"{place(row)}: {moment.isoformat()} has a zone of its own while data.clock is {clock}: leave "
                "data.clock out."
            )
        offset, later = (moment.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0) for fold in (0, 1))
        if offset < later:
            raise MarketDataError(
                f"{place(row)}: no clock in {clock} ever showed {moment.isoformat(sep=' ')}, it was put forward over "
                "that hour: write the times in UTC, or name another data.clock."
            )
        utc = moment.replace(tzinfo=UTC) - offset
        if offset > later:
            if utc > last:
                doubtful.append(row)
            else:
                utc = moment.replace(tzinfo=UTC) - later
        found.append(utc)
        last = utc
    for row in doubtful:
        if not _goes_back(times, row):
            raise MarketDataError(
                f"{place(row)}: {times[row].isoformat(sep=' ')} comes twice in {clock}, and the file holds it once, so "
                "that nothing says which one is meant: write the times in UTC."
            )
    return found


def _goes_back(times: Sequence[datetime], row: int) -> bool:
    """Whether a row soon after shows no later clock, so that the clock went back between the two."""
    for later in itertools.islice(times, row + 1, None):
        if later <= times[row]:
            return True
        if later - times[row] > _SOON:
            return False
    return False
