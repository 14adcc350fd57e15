"""Each preset of a checklist fires on a path that is made for it, at the bars that are known beforehand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from listed_advice import FREE, LONG, ROOMY, Listed, play, prices_after_warm_up
from markets import from_bars, random_prices, with_table

from llm_strategy import read_checklist
from llm_strategy.market.features import LONGEST_LOOKBACK
from llm_strategy.types import Event, EventKind, Exchange, Regime

FIRST = LONGEST_LOOKBACK - 1
"""Row of the first decision."""
BARS = 12


class Saying(Listed):
    """Wants to be long at every bar, with the labels and disagreements of a list."""

    def __init__(self, labels=None, disagreements=None):
        super().__init__([LONG] * 1000)
        self.labels, self.disagreements = labels or {}, disagreements or {}

    def decide(self, snapshot):
        decision = super().decide(snapshot)
        label = Regime(self.labels.get(self.bar, "bull"))
        asked = ()
        if (value := self.disagreements.get(self.bar)) is not None:
            event = Event(EventKind.DISAGREEMENT, "Members disagree.", value)
            asked = (Exchange("a" * 64, "{}", (event,)),)
        return replace(decision, advice=replace(decision.advice, regime=label), exchanges=asked)


NEVER = {"never": {"when": "account.exposure >= 0", "do": "block"}}
"""Nothing is opened, so that an entry is tried at every bar."""


def fired(prices, *items, advisor=None, **limits):
    """The decisions, counted from the first, at which each item fired, by its name; and the journal."""
    gate = replace(ROOMY, checklist=read_checklist(list(items)), **limits)
    journal = play(prices, advisor or Saying(), gate, FREE)
    found = {}
    for entry in journal.entries:
        for cut in entry.verdict.clamps:
            found.setdefault(cut.limit.removeprefix("checklist."), []).append(entry.bar - FIRST)
    return found, journal


def walk(bars=LONGEST_LOOKBACK - 1 + BARS, daily=0.001, **how):
    return random_prices(bars, seed=3, daily=daily, **how)


def test_the_drawdown_brake_fires_from_the_bar_at_which_the_account_has_lost_so_much():
    down = [(100, 100, 100, 100), (100, 100, 92, 92), (92, 92, 92, 92), (92, 92, 84, 84), *[(84, 84, 84, 84)] * 3]
    found, journal = fired(prices_after_warm_up(*down), {"drawdown_brake": {"at": 0.08}})
    equity = np.array([row.equity for row in journal.equity])
    lost = np.flatnonzero(1 - equity / np.maximum.accumulate(equity) >= 0.08)
    assert lost[0] == 4  # in at the open after the first decision and stopped, and the same again
    assert found["drawdown_brake"] == [*lost]
    assert [row.kind for row in journal.orders].count("entry") == 2


def test_the_volatility_brake_fires_when_a_calm_market_turns_wild():
    calm = walk(bars=FIRST + 6)
    wild = random_prices(6, seed=3, daily=0.05, start=calm.table["close"].iloc[-1]).table
    wild.index = calm.table.index[-1] + pd.to_timedelta(np.arange(1, 7), "D")
    prices = with_table(calm, pd.concat([calm.table, wild]))
    found, journal = fired(prices, {"volatility_brake": {"at": 0.99}}, NEVER)
    ranks = [entry.decision.snapshot.volatility_rank for entry in journal.entries]
    assert found["volatility_brake"] == [bar for bar, rank in enumerate(ranks) if rank >= 0.99]
    assert found["volatility_brake"][0] == 6  # the first wild bar


def test_label_changes_are_counted_up_to_the_decision_itself():
    labels = {bar: ("bull", "bear")[bar % 2] for bar in range(BARS)}
    new = {"new": {"when": "advice.label_age < 1", "do": "flag"}}
    found, _ = fired(walk(), {"label_changes": {"most": 5}}, new, NEVER, advisor=Saying(labels))
    assert found["label_changes"] == [*range(6, BARS)]
    assert found["new"] == [*range(BARS)]


def test_stale_data_fires_for_a_gap_for_closes_that_stay_and_for_missing_volume():
    table = walk().table
    rows = table.index[FIRST:]
    table.loc[rows[2], "volume"] = 0.0
    table.loc[rows[4:7], ["open", "high", "low", "close"]] = table.loc[rows[3], "close"]
    times = table.index.to_series()
    times[rows[9] :] += pd.Timedelta(days=7)
    table.index = pd.DatetimeIndex(times.to_numpy(), name="time").as_unit("us")
    found, _ = fired(with_table(walk(), table), {"stale_data": {"same_close": 4}}, NEVER, max_participation=None)
    assert found["stale_data"] == [2, 6, 9]


def test_disagreement_fires_where_members_of_an_ensemble_were_of_different_minds():
    said = Saying(disagreements={1: 0.5, 2: 0.2, 3: 0.75})
    found, _ = fired(walk(), {"disagreement": {"at": 0.5}}, NEVER, advisor=said)
    assert found["disagreement"] == [1, 3]


@pytest.mark.parametrize(
    ("options", "bars"),
    [
        ({"events": ["2010-01-05"]}, [3, 4]),
        ({"events": ["2010-01-05"], "bars_before": 0}, [4]),
        ({"events": ["2010-01-05T18:00:00Z"], "bars_after": 1}, [3, 4, 5]),
        ({"events": ["2010-01-11"]}, [7, 8, 9, 10]),  # a Monday: the Friday before it, too
        ({"events": ["2010-01-05", "2010-01-09T02:00:00+05:00"], "bars_before": 0, "hours_before": 24}, [3, 4, 6, 7]),
    ],
    ids=["the-day-before", "the-day", "a-moment-is-its-day", "over-a-weekend", "hours-and-zones"],
)
def test_an_event_blackout_fires_around_its_events(options, bars):
    prices = prices_after_warm_up(*[(100, 100, 100, 100)] * BARS)  # the first of them is of 2010-01-01
    found, _ = fired(prices, {"event_blackout": options}, NEVER)
    assert [bar - 1 for bar in found["event_blackout"]] == bars


def test_hours_around_an_event_are_exact_in_bars_shorter_than_a_day():
    prices = from_bars(*[[100.0] * (FIRST + 12)] * 2)
    table = prices.table.set_axis(pd.date_range("2024-01-01", periods=FIRST + 12, freq="h", name="time").as_unit("us"))
    hourly = replace(prices, timeframe="1h", table=table)
    event = (table.index[FIRST + 6] + pd.Timedelta(minutes=30)).isoformat()
    around = {"events": [event], "bars_before": 0, "hours_before": 2, "hours_after": 0.5}
    found, _ = fired(hourly, {"event_blackout": around}, NEVER)
    assert found["event_blackout"] == [5, 6, 7]
