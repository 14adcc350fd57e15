"""Engines that no one here wrote make the same trades and the same equity, where their rules are ours.

Where they are not, the plans in ``other_engines.py`` steer around the difference, and a test below shows it:

1. Both, reversal. An opposite entry closes and opens at one open. Ours closes, and enters at a later close: the gate
   sizes an entry from an account that is flat.
2. Both, slippage. Theirs may leave the bar; ours ends at the bar's high or low, since nobody traded beyond.
3. backtesting.py, slippage. Its spread is paid at the entry alone; ours slips at entry, stop and market exit.
4. backtesting.py, stop in a bracket. It is live on the bar of the entry. Ours is measured from the fill, of which
   backtrader tells only after that bar, so it wakes on the next one; the breach is counted in the trade's row.
5. backtesting.py, stop in a bracket. Its price is fixed with the order, before the fill is known. Ours is measured
   from the fill, so that a gap at the entry does not change the distance.
6. backtesting.py, sizes. Whole shares only; ours are multiples of ``lot_step``, as vectorbt's can be.
7. vectorbt, exit and stop in one bar. It handles the stop first, though the exit fills at the open, before the stop
   can be touched. Ours withdraws the stop with the exit.
8. vectorbt, target. It slips as a market order does. Ours is a limit order, filled at its price or better.
9. vectorbt, too little cash. By default it buys what the cash pays for. Ours refuses the whole order, as backtesting.py
   does: the size was the gate's to decide.
10. vectorbt, time. By default a signal fills at the close of its own bar, and stops are measured from that close. Ours
    fills at the next open.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pytest
from listed_advice import FREE, ROOMY, prices_after_warm_up
from markets import random_prices
from other_engines import EXIT, HOLD, LONG, SHORT, ours, through_backtesting, through_vectorbt

from llm_strategy import Costs, Limits
from llm_strategy.market.features import LONGEST_LOOKBACK

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("engine", [through_backtesting, through_vectorbt])
BARS = 150
"""Bars after the warm-up."""
SEEDS = range(8)

BOTH_SIDES = replace(ROOMY, allow_short=True)
FAR = replace(BOTH_SIDES, stop_loss_pct=0.99, max_stop_pct=0.99)
STOP = replace(BOTH_SIDES, stop_loss_pct=0.03)
STOP_AND_TARGET = replace(STOP, take_profit_pct=0.04)
COMMISSION = Costs(commission_bps=10, slippage_bps=0)
SLIPPAGE = Costs(commission_bps=10, slippage_bps=20)


def at_random(source, *actions):
    """Any of these actions at each close, mostly a hold."""
    return source.choices([*actions, HOLD], weights=[1] * len(actions) + [3], k=BARS)


def spells(source):
    """Spells of one side, each ended by an exit; within a spell the side is advised again and again."""
    actions = []
    while len(actions) < BARS:
        side, length = source.choice([LONG, SHORT]), source.randint(2, 15)
        actions += [side, *source.choices([side, HOLD], k=length), EXIT]
    return actions[:BARS]


class Case(NamedTuple):
    """One kind of path: how the actions are drawn, the limits and costs, and the standard deviation of the gaps."""

    draw: Callable
    limits: Limits
    costs: Costs
    gap: float


CASES = {
    "long or flat": Case(lambda source: at_random(source, LONG, EXIT), FAR, FREE, 0.0),
    "long or flat, gaps, commission": Case(lambda source: at_random(source, LONG, EXIT), FAR, COMMISSION, 0.01),
    "long or short, gaps, commission": Case(lambda source: at_random(source, LONG, SHORT, EXIT), FAR, COMMISSION, 0.01),
    "long with stop": Case(lambda source: at_random(source, LONG, EXIT), STOP, COMMISSION, 0.0),
    "long or short with stop, gaps": Case(spells, STOP, COMMISSION, 0.01),
    "long or short with stop and target, gaps": Case(spells, STOP_AND_TARGET, COMMISSION, 0.01),
}
FOR_VECTORBT = CASES | {
    "long or short, gaps, slippage": Case(lambda source: at_random(source, LONG, SHORT, EXIT), FAR, SLIPPAGE, 0.01),
    "long or short with stop, fractions of a share": Case(spells, replace(STOP, lot_step=0.01), COMMISSION, 0.01),
}
PAIRS = [(through_backtesting, name) for name in CASES] + [(through_vectorbt, name) for name in FOR_VECTORBT]


@lru_cache
def our_run(name, seed):
    case = FOR_VECTORBT[name]
    prices = random_prices(LONGEST_LOOKBACK + BARS, seed, daily=0.015, gap=case.gap)
    if case.costs.slippage_bps:
        # Both ends of each bar are further from its open than slippage goes: see difference 2.
        prices.table["high"] *= 1 + case.costs.slippage_bps / 1e4
        prices.table["low"] *= 1 - case.costs.slippage_bps / 1e4
    return ours(prices, case.draw(random.Random(seed)), case.limits, case.costs)


def assert_same(other, our):
    """Same sides, sizes and times; prices to twelve digits and equity to a millionth of a currency unit."""
    assert [(t.side, t.entered, t.exited) for t in other.trades] == [(t.side, t.entered, t.exited) for t in our.trades]
    for theirs, mine in zip(other.trades, our.trades, strict=True):
        assert theirs.size == pytest.approx(mine.size, rel=1e-12)
        assert theirs.entry_price == pytest.approx(mine.entry_price, rel=1e-12)
        if mine.exited is not None:
            assert theirs.exit_price == pytest.approx(mine.exit_price, rel=1e-12)
    assert other.equity.index.equals(our.equity.index)
    np.testing.assert_allclose(other.equity, our.equity, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("engine", "name"), PAIRS)
def test_random_paths_end_in_the_same_trades_and_equity(engine, name, seed):
    our, plan = our_run(name, seed)
    assert len(our.trades) >= 5
    assert_same(engine(plan), our)


def test_the_random_paths_hold_what_they_are_meant_to_show():
    met = Counter()
    for name, case in FOR_VECTORBT.items():
        for seed in SEEDS:
            our, plan = our_run(name, seed)
            for trade in our.trades:
                met[case.limits is FAR, trade.side] += 1
                if trade.exited is None:
                    continue
                side = 1 if trade.side == "long" else -1
                gain = side * (trade.exit_price / trade.entry_price - 1)
                stopped = gain == pytest.approx(-plan.stop_pct)
                met["stop"] += stopped
                met["gap through the stop"] += gain < -plan.stop_pct and not stopped
                met["target"] += plan.target_pct is not None and gain == pytest.approx(plan.target_pct)
    assert min(met.values()) >= 10, met


def after(actions, *bars, limits=BOTH_SIDES, costs=FREE):
    """Our run and its plan: flat at 100 until the first close, at which ``actions`` begin, then these bars."""
    return ours(prices_after_warm_up(*bars), actions, limits, costs)


def exits(run):
    return [trade.exit_price for trade in run.trades]


STILL = (100, 100, 100, 100)
PROTECTED = replace(BOTH_SIDES, take_profit_pct=0.03)  # stop at 95, target at 103; for a short 105 and 97


@BOTH
@pytest.mark.parametrize(
    ("side", "bars", "exit_price"),
    [
        (LONG, [STILL, (98, 99, 94, 97)], 95),
        (LONG, [STILL, (90, 96, 89, 91)], 90),
        (LONG, [STILL, (100, 104, 99, 102)], 103),
        (LONG, [STILL, (106, 107, 105, 106)], 106),
        (LONG, [STILL, (100, 110, 90, 100)], 95),
        (LONG, [STILL, (106, 107, 90, 100)], 95),
        (LONG, [(100, 100, 90, 99), (99, 100, 98, 99)], None),
        (LONG, [(100, 100, 90, 92), (93, 94, 92, 93)], 93),
        (LONG, [(100, 100, 90, 92), (96, 97, 94, 96)], 95),
        (SHORT, [STILL, (102, 106, 101, 104)], 105),
        (SHORT, [STILL, (110, 111, 104, 108)], 110),
        (SHORT, [STILL, (100, 101, 96, 98)], 97),
        (SHORT, [STILL, (94, 95, 93, 94)], 94),
        (SHORT, [STILL, (100, 110, 90, 100)], 105),
        (SHORT, [(100, 110, 100, 101), (101, 102, 100, 101)], None),
        (SHORT, [(100, 110, 100, 108), (108, 109, 107, 108)], 108),
    ],
)
def test_stop_and_target_fill_alike(engine, side, bars, exit_price):
    our, plan = after([side], *bars, STILL, limits=PROTECTED, costs=COMMISSION)
    assert exits(our) == [exit_price if exit_price is None else pytest.approx(exit_price)]
    assert_same(engine(plan), our)


@BOTH
def test_an_exit_at_the_bar_after_the_entry_fills_alike(engine):
    our, plan = after([LONG, EXIT], STILL, (99, 100, 98, 99), STILL)
    assert exits(our) == [99]
    assert_same(engine(plan), our)


@pytest.mark.parametrize("stop_bar", [(98, 99, 90, 92), (92, 93, 90, 92)])
def test_a_stop_slips_alike_in_vectorbt(stop_bar):
    our, plan = after([LONG], (100, 101, 99, 100), stop_bar, STILL, costs=SLIPPAGE)
    trigger = min(our.trades[0].entry_price * 0.95, stop_bar[0])
    assert exits(our) == [pytest.approx(trigger * 0.998)]
    assert_same(through_vectorbt(plan), our)


@BOTH
def test_1_an_opposite_entry_reverses_at_one_open_and_ours_closes_first(engine):
    our, plan = after([LONG, HOLD, SHORT], *[STILL] * 4, limits=FAR)
    assert [trade.side for trade in our.trades] == ["long"]
    assert_same(engine(plan), our)
    how = {"reverse": True} if engine is through_backtesting else {"upon_opposite_entry": "reverse"}
    long, short = engine(plan, **how).trades
    assert (long.side, short.side) == ("long", "short")
    assert long.exited == short.entered == our.trades[0].exited


@BOTH
def test_2_slippage_leaves_the_bar_and_ours_ends_at_its_high(engine):
    our, plan = after([LONG], STILL, STILL, costs=SLIPPAGE)
    assert our.trades[0].entry_price == 100
    assert engine(plan).trades[0].entry_price == pytest.approx(100.2)


def test_3_backtestings_spread_is_paid_at_the_entry_alone():
    wide = (100, 101, 99, 100)
    our, plan = after([LONG, HOLD, EXIT], *[wide] * 4, costs=SLIPPAGE)
    theirs = through_backtesting(plan)
    assert theirs.trades[0].entry_price == our.trades[0].entry_price == pytest.approx(100.2)
    assert exits(our) == [pytest.approx(99.8)]
    assert exits(theirs) == [100]
    assert_same(through_vectorbt(plan), our)


def test_4_backtestings_bracket_stops_out_on_the_bar_of_the_entry():
    our, plan = after([LONG], (100, 100, 90, 99), (99, 100, 98, 99))
    assert exits(our) == [None]
    assert_same(through_backtesting(plan), our)
    (bracketed,) = through_backtesting(plan, bracket=True).trades
    assert bracketed.exited == bracketed.entered
    assert bracketed.exit_price == 95


def test_5_backtestings_bracket_measures_from_the_close_before_the_fill():
    our, plan = after([LONG], (104, 104, 104, 104), (104, 104, 90, 95), STILL)
    assert exits(our) == [pytest.approx(104 * 0.95)]
    assert_same(through_backtesting(plan), our)
    assert exits(through_backtesting(plan, bracket=True)) == [95]


def test_6_backtesting_takes_whole_shares_only():
    our, plan = after([LONG], STILL, STILL, limits=replace(ROOMY, lot_step=0.01, max_position_size=0.12345))
    assert our.trades[0].size == 123.45
    assert_same(through_vectorbt(plan), our)
    with pytest.raises(AssertionError, match="whole number of units"):
        through_backtesting(plan)


def test_7_vectorbt_puts_the_stop_before_the_exit_at_the_open():
    our, plan = after([LONG, HOLD, EXIT], STILL, STILL, (99, 99, 90, 92), STILL)
    assert exits(our) == exits(through_backtesting(plan)) == exits(through_vectorbt(plan)) == [99]
    whole_bars = {"high": plan.bars["high"], "low": plan.bars["low"]}
    assert exits(through_vectorbt(plan, **whole_bars)) == [95]


def test_8_vectorbts_target_slips_and_ours_is_a_limit():
    # A bar wide enough for slippage at the entry, and a target inside the next bar.
    our, plan = after([LONG], (100, 101, 99, 100), (101, 106, 100, 105), limits=PROTECTED, costs=SLIPPAGE)
    target = 100.2 * 1.03
    assert exits(our) == [pytest.approx(target)]
    assert exits(through_vectorbt(plan)) == [pytest.approx(target * 0.998)]


def test_9_vectorbt_buys_what_the_cash_pays_for_and_ours_refuses():
    our, plan = after([LONG], (130, 130, 130, 130), STILL, limits=replace(ROOMY, max_position_size=1.0))
    plan = replace(plan, sizes=[1000.0, *plan.sizes[1:]])
    assert our.trades == []
    assert_same(through_vectorbt(plan), our)
    with pytest.warns(UserWarning, match="canceled the order due to insufficient margin"):
        assert_same(through_backtesting(plan), our)
    (partial,) = through_vectorbt(plan, allow_partial=True).trades
    assert partial.size == pytest.approx(100_000 / 130)


def test_10_vectorbt_fills_at_the_close_and_measures_stops_from_it():
    our, plan = after([LONG], (100, 104, 100, 104), (104, 104, 90, 95), STILL)
    assert (our.trades[0].entry_price, exits(our)) == (100, [95])
    assert_same(through_vectorbt(plan), our)
    by_default = through_vectorbt(plan, price=np.inf, stop_entry_price="close").trades[0]
    assert by_default.entered == our.trades[0].entered
    assert (by_default.entry_price, by_default.exit_price) == (104, pytest.approx(104 * 0.95))
