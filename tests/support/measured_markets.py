"""All analytics measured at some closes of some markets, which are told in the order of time."""

from llm_strategy.market.analytics.past import PastReader
from llm_strategy.market.analytics.registry import ANALYTICS


def measure_all(snapshots, at=None, every=29):
    """What each analytic gives, by time and symbol: at these times, or at every so-manieth close. All closes are taken
    into the past."""
    reader, found = PastReader(), {}
    ordered = sorted(snapshots, key=lambda snapshot: (snapshot.time, snapshot.symbol))
    for place, snapshot in enumerate(ordered):
        if snapshot.time in at if at is not None else place % every == 0:
            past = reader.at(snapshot)
            found[snapshot.time, snapshot.symbol] = {each.name: each.run(past) for each in ANALYTICS.values()}
        reader.take(snapshot)
    return found
