"""The most similar past states and what followed them: as counted by hand, over before the decision, each week once."""

import math
import re
import statistics
import time
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from all_snapshots import read_all
from markets import random_prices

from llm_strategy.market.context.context import Context
from llm_strategy.types import Snapshot

FEATURES = ("trend", "momentum", "volatility_rank", "drawdown", "range_position", "volume_ratio")


def source(unmasked=(), **options):
    return Context([{"analogues": options}], unmasked)


def texts(context, snapshots):
    """What is shown at each of these closes, in the order in which a run tells them."""
    found = []
    for snapshot in snapshots:
        found.append("".join(shown.text for shown in context.show(snapshot)))
        context.take(snapshot)
    return found


def state(snapshot):
    usual = snapshot.volatility * snapshot.momentum_bars**0.5
    values = {name: getattr(snapshot, name) for name in FEATURES}
    values["trend"] /= snapshot.trend_scale
    values["drawdown"] /= snapshot.drawdown_scale
    values["momentum"] /= usual
    return list(values.values())


def by_hand(snapshots, at, k, horizon):
    """Distance and change of the chosen states at the last of these closes, counted slowly."""
    over = range(at - horizon + 1)
    if not over:
        return []
    rows = [state(snapshot) for snapshot in snapshots[: len(over)]]
    spreads = [statistics.pstdev(column) for column in zip(*rows, strict=True)]
    now, left, chosen = state(snapshots[at]), set(over), []
    far = {
        place: math.sqrt(
            statistics.fmean(
                ((a - b) / spread) ** 2 for a, b, spread in zip(rows[place], now, spreads, strict=True) if spread
            )
        )
        for place in over
    }
    while left and len(chosen) < k:
        best = min(left, key=lambda place: (round(far[place], 9), place))
        chosen.append((far[best], snapshots[best + horizon].close / snapshots[best].close - 1))
        left = {place for place in left if abs(place - best) >= horizon}
    return chosen


@pytest.fixture(scope="module")
def seen():
    return read_all(random_prices(600, seed=12), window=20)


def test_states_and_what_followed_are_as_counted_by_hand(seen):
    found = texts(source(k=4, horizon=15), seen)
    assert found[:60] == [""] * 60
    assert found[80]
    for at in (80, 130, 250, len(seen) - 1):
        pairs = re.findall(r"([+-][\d.]+)% \(distance ([\d.]+)\)", found[at])
        expected = by_hand(seen, at, 4, 15)
        assert [(f"{change:+.1%}", f"{far:.2f}") for far, change in expected] == [(f"{c}%", d) for c, d in pairs]
        rose = sum(change > 0 for _, change in expected)
        assert len(expected) == 4
        assert found[at].endswith(f"; {rose} of {len(expected)} rose")


def test_a_state_of_the_past_that_comes_again_is_found_with_what_followed():
    prices = random_prices(700, seed=2)
    again = prices.table.copy()
    moves = prices.table["close"].pct_change().iloc[320:345]  # what happened then happens again at the end
    again.iloc[-25:, 3] = again["close"].iloc[-26] * (1 + moves.to_numpy()).cumprod()
    again["open"] = again["close"].shift(1).fillna(again["open"].iloc[0])
    again["high"], again["low"] = again[["open", "close"]].max(axis=1), again[["open", "close"]].min(axis=1)
    seen = read_all(replace(prices, table=again), window=20)
    last = texts(source(k=1, horizon=10, distance="path"), seen)[-1]
    followed = again["close"].iloc[354] / again["close"].iloc[344] - 1
    assert f"{followed:+.1%} (distance 0.0%)" in last


def test_the_past_is_masked_unless_the_mask_is_lifted(seen):
    plain = texts(source(), seen)[-1]
    assert "ABC" not in plain
    assert "200" not in plain
    assert re.search(r", \"?ABC\"?, 200\d-\d\d-\d\dT00:00:00\)", texts(source(("symbol", "date")), seen)[-1])


def test_other_symbols_are_known_up_to_the_close_before(seen):
    """Whatever the others did at the same close, and whichever symbol comes first, is not there yet."""
    other = [replace(snapshot, symbol="OTHER") for snapshot in read_all(random_prices(600, seed=13), window=20)]

    def last(k, closes, horizon=1, *, first=True):
        """What is shown at the last of so many closes."""
        context, found = source(of="others", k=k, horizon=horizon), ()
        for own, theirs in zip(seen[:closes], other[:closes], strict=True):
            for snapshot in (theirs, own) if first else (own, theirs):
                if snapshot is own:
                    found = context.show(own)
                context.take(snapshot)
        return found

    assert last(40, 42)  # of 41 closes before it 40 have a close behind them
    assert not last(41, 42)
    assert last(3, 300, 5) == last(3, 300, 5, first=False) != ()
    assert last(3, 300, 5)[0].text != texts(source(k=3, horizon=5), seen[:300])[-1]


def test_the_null_draws_other_states_the_same_ones_each_time(seen):
    drawn = [texts(source(k=5, null="random"), seen) for _ in range(2)]
    nearest = texts(source(k=5), seen)
    assert drawn[0] == drawn[1]
    assert drawn[0][-1].startswith("random past states")
    far = [
        statistics.fmean(float(each) for each in re.findall(r"distance ([\d.]+)", "".join(shown[-100:])))
        for shown in (nearest, drawn[0])
    ]
    assert far[0] < 0.8 * far[1]


def test_bars_that_cannot_be_true_end_the_past_of_their_symbol(seen):
    context = source(k=3, horizon=5)
    texts(context, seen[:200])
    context.forget("ABC")
    assert texts(context, seen[200:]) == texts(source(k=3, horizon=5), seen[200:])


@pytest.mark.parametrize("distance", ["features", "path"])
def test_five_thousand_states_take_no_time(distance):
    (window,) = {snapshot.window for snapshot in read_all(random_prices(270, seed=1), window=20)[-1:]}
    values = np.random.default_rng(1).normal(size=(5000, 7)) * 0.1
    first = datetime(2000, 1, 1)  # noqa: DTZ001 - as backtrader's
    snapshots = [
        Snapshot("ABC", "1d", (first + timedelta(day)).isoformat(), 100.0 + row[0], *row, window=window)
        for day, row in enumerate(values)
    ]
    context = source(distance=distance)
    for snapshot in snapshots:
        context.take(snapshot)
    last = replace(snapshots[-1], time="2030-01-01T00:00:00")
    spent = []
    for _ in range(20):
        begun = time.process_time()
        assert context.show(last)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.005
