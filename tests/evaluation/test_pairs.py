"""Two advisors on the same closes: where they agree beyond chance, where they part, and what followed."""

import itertools
import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_entries import advised, entry
from statsmodels.stats.inter_rater import cohens_kappa

from simulator.evaluation.pairs import FEWEST_SPELLS, HORIZON, PARTINGS, compare_decisions
from simulator.evaluation.regimes import by_symbol
from simulator.evaluation.resampling import Estimate, Resampling, ratio

LABELS = ("bull", "bear", "sideways", "turbulent")
LONG = {"bull": "enter_long", "bear": "exit", "sideways": "hold", "turbulent": "exit"}
HOW = Resampling(samples=200, seed=7, confidence_level=0.95)


def days(count):
    return pd.bdate_range("2020-01-01", periods=count, name="time")


def prices(count, closes=None, symbol="SYN"):
    moves = np.random.default_rng(3).normal(0, 0.01, count)
    close = 100 * np.exp(np.cumsum(moves)) if closes is None else np.array(closes, dtype=float)
    return {symbol: pd.DataFrame({"close": close}, index=days(count))}


def journal(answers, table, symbol="SYN", start=0):
    """One decision a close: (label, action), or None for an abstention, or a rule's word in place of the model's."""
    closes, times = table[symbol]["close"], table[symbol].index
    return [
        entry(
            {"symbol": symbol, "time": times[bar].isoformat(), "close": float(closes.iloc[bar])},
            bar=bar,
            advice=None if answer is None else advised(*answer[:2]),
            **({"instead_of": {"reason": "timeout", "detail": "No answer."}} if answer and len(answer) > 2 else {}),
        )
        for bar, answer in enumerate(answers, start)
    ]


def compared(first, second, table=None, how=HOW):
    table = table or prices(max(len(first), len(second)))
    return compare_decisions(by_symbol(journal(first, table)), by_symbol(journal(second, table)), table, how)


def answers(*labels):
    return [None if label is None else (label, LONG[label]) for label in labels]


def noisy(count, seed, share=0.3):
    dice = np.random.default_rng(seed)
    base = np.random.default_rng(1).choice(LABELS, count)
    return answers(*np.where(dice.random(count) < share, dice.choice(LABELS, count), base))


def test_agreement_against_a_textbook_table():
    """20 and 15 alike, 5 and 10 apart: agreement 0.70, by chance 0.50, kappa 0.40."""
    pairs = [("bull", "bull")] * 20 + [("bull", "bear")] * 5 + [("bear", "bull")] * 10 + [("bear", "bear")] * 15
    measured = compared(answers(*(one for one, _ in pairs)), answers(*(other for _, other in pairs)))
    assert (measured.bars, measured.both, measured.same) == (50, 50, 35)
    assert measured.label_agreement.value == pytest.approx(0.7)
    assert measured.label_kappa.value == measured.action_kappa.value == pytest.approx(0.4)
    assert measured.label_kappa.low is None, "fifty closes are too few to draw blocks from"


def test_kappa_is_that_of_statsmodels_and_symmetric():
    for seed in range(8):
        first, second = noisy(150, seed, 0.2 + seed / 10), noisy(150, 100 + seed)
        table = pd.crosstab(*(pd.Categorical([label for label, _ in side], LABELS) for side in (first, second)),
                            dropna=False)  # fmt: skip
        one, other = compared(first, second), compared(second, first)
        assert one.label_kappa.value == pytest.approx(cohens_kappa(table.to_numpy(), return_results=False))
        assert one.label_kappa == other.label_kappa
        assert one.action_agreement == other.action_agreement
        assert one.first_long == other.second_long
        assert one.next_difference.value is None or one.next_difference.value == -other.next_difference.value
        assert [parting.labels[::-1] for parting in one.partings] == [parting.labels for parting in other.partings]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=2, max_size=60), st.randoms())
def test_a_permutation_of_time_changes_nothing_of_agreement(pairs, dice):
    shuffled = list(pairs)
    dice.shuffle(shuffled)
    before, after = (
        compared(answers(*(one for one, _ in order)), answers(*(other for _, other in order)))
        for order in (pairs, shuffled)
    )
    assert after.label_agreement.value == pytest.approx(before.label_agreement.value)
    assert (after.label_kappa.value is None) is (before.label_kappa.value is None)
    if before.label_kappa.value is not None:
        assert after.label_kappa.value == pytest.approx(before.label_kappa.value)
    assert after.same == before.same


def test_one_answer_alone_has_no_kappa():
    same = compared(answers(*["bull"] * 80), answers(*["bull"] * 80))
    assert (same.label_agreement.value, same.label_kappa.value, same.partings) == (1.0, None, ())
    assert compared(answers(*["bull"] * 80), answers(*["bull", "bear"] * 40)).label_kappa.value == pytest.approx(0)


def test_an_abstention_is_no_disagreement():
    first = answers("bull", None, "bear", "bull", None)
    second = answers("bull", "bear", None, "bear", None)
    measured = compared(first, second)
    assert (measured.bars, measured.both, measured.first_alone, measured.second_alone) == (5, 2, 1, 1)
    assert measured.label_agreement.value == 0.5
    assert [parting.labels for parting in measured.partings] == [("bull", "bear")]


def test_what_a_rule_decided_in_its_place_is_not_the_models():
    stood_in = [("bull", "enter_long", "rule"), ("bull", "enter_long")]
    measured = compared(stood_in, answers("bear", "bull"))
    assert (measured.both, measured.second_alone, measured.label_agreement.value) == (1, 1, 1.0)


def test_the_first_closes_at_which_they_part_are_told_in_order_of_time():
    table = prices(30) | prices(30, symbol="ABC")
    sides = [
        by_symbol([*journal(answers(*[label] * 30), table), *journal(answers(*["bull"] * 30), table, "ABC")])
        for label in ("bull", "bear")
    ]
    found = compare_decisions(*sides, table, HOW).partings
    assert len(found) == PARTINGS
    assert [parting.time for parting in found] == [day.isoformat() for day in days(30)[:PARTINGS]]
    assert {parting.symbol for parting in found} == {"SYN"}, "on the other symbol they agree"
    assert (found[0].labels, found[0].actions) == (("bull", "bear"), ("enter_long", "exit"))


def test_what_followed_where_one_alone_was_long_is_counted_by_hand():
    """The first is long at closes 1 and 2 (from its enter_long to its exit), the second at close 4 alone."""
    closes = [100, 110, 121, 100, 200, 150, 150]
    hold, go, out = ("sideways", "hold"), ("bull", "enter_long"), ("bear", "exit")
    measured = compared(
        [hold, go, hold, out, hold, hold, hold], [hold, hold, hold, hold, go, out, hold], prices(7, closes)
    )
    assert (measured.first_long.bars, measured.first_long.spells) == (2, 1)
    assert measured.first_long.next_return == Estimate(pytest.approx(((121 / 110 - 1) + (100 / 121 - 1)) / 2))
    assert measured.second_long.next_return.value == pytest.approx(150 / 200 - 1)
    assert measured.first_long.later_return.value is None, f"the prices end before {HORIZON} bars"
    assert measured.next_difference.value is None, "one spell each is nothing to test"


def test_where_both_are_long_nothing_is_counted():
    measured = compared(answers(*["bull"] * 100), answers(*["bull"] * 100))
    assert measured.first_long.bars == measured.second_long.bars == 0
    assert measured.first_long.next_return.value is None


def alternating(count, foresees, table, share=0.8):
    """An advisor that is long before a rise in so many of the cases."""
    moves = table["SYN"]["close"].pct_change().shift(-1).fillna(0).to_numpy()
    right = np.random.default_rng(11).random(count) < share
    return [("bull", "enter_long") if (rise > 0) == (good == foresees) else ("bear", "exit")
            for rise, good in zip(moves, right, strict=True)]  # fmt: skip


def test_planted_foresight_is_found_and_its_absence_is_not():
    table = prices(900)
    wise, fool = alternating(900, True, table), alternating(900, False, table)
    found = compared(wise, fool, table).next_difference
    assert found.low > 0
    assert found.low < found.value < found.high
    dice = np.random.default_rng(5)
    blind = [
        [("bull", "enter_long") if heads else ("bear", "exit") for heads in dice.random(900) < 0.5] for _ in range(2)
    ]
    nothing = compared(*blind, table)
    assert nothing.next_difference.low < 0 < nothing.next_difference.high
    assert nothing.action_kappa.low < 0 < nothing.action_kappa.high
    assert nothing.first_long.spells >= FEWEST_SPELLS


def test_symbols_of_one_close_are_drawn_together():
    """Five copies of a symbol are no more evidence than one."""
    first, second = noisy(300, 1), noisy(300, 2)
    table = prices(300)
    alone = compared(first, second, table)
    names = [f"S{number}" for number in range(5)]
    many = dict.fromkeys(names, table["SYN"])
    sides = [by_symbol([row for name in names for row in journal(side, many, name)]) for side in (first, second)]
    together = compare_decisions(*sides, many, HOW)
    assert together.both == 5 * alone.both
    for figure in ("label_agreement", "label_kappa"):
        one, five = getattr(alone, figure), getattr(together, figure)
        assert (five.value, five.low, five.high) == pytest.approx((one.value, one.low, one.high))


def test_schedules_that_share_no_close_have_nothing_in_common():
    table = prices(40)
    measured = compare_decisions(
        by_symbol(journal(answers(*["bull"] * 20), table)),
        by_symbol(journal(answers(*["bull"] * 20), table, start=20)),
        table,
        HOW,
    )
    assert (measured.bars, measured.both, measured.label_agreement.value, measured.partings) == (0, 0, None, ())


def test_an_interval_covers_what_it_should():
    """Of 200 runs whose true agreement is 0.7, between 90 and 99 in a hundred intervals hold it."""
    held = 0
    for seed in range(200):
        same = (np.random.default_rng(seed).random(250) < 0.7).astype(float)
        found = HOW.estimate(np.column_stack([same, np.ones(250)]), ratio, np.array([1.0, -same.mean()]))
        held += found.low <= 0.7 <= found.high
    assert 180 <= held <= 198


def test_an_interval_of_what_hangs_together_is_wider():
    """Runs of twenty equal outcomes hold as much as a twentieth of independent ones."""
    dice = np.random.default_rng(2)
    apart, runs = dice.random(1000) < 0.5, np.repeat(dice.random(50) < 0.5, 20)
    widths = []
    for outcomes in (apart, runs):
        sums = np.column_stack([outcomes, np.ones(1000)]).astype(float)
        found = HOW.estimate(sums, ratio, np.array([1.0, -outcomes.mean()]))
        widths.append(found.high - found.low)
    assert widths[1] > 2.5 * widths[0]


def test_blocks_are_no_shorter_than_the_returns_look_ahead():
    sums = np.column_stack([np.random.default_rng(0).normal(size=500), np.ones(500)])
    assert HOW.estimate(sums, ratio, np.array([1.0, 0.0]), least_block=HORIZON).block >= HORIZON
    short = HOW.estimate(sums[:300], ratio, np.array([1.0, 0.0]), least_block=HORIZON)
    assert (short.low, short.high) == (None, None), "not twenty blocks"
    assert math.isfinite(short.value)


def test_many_advisors_are_compared_in_seconds():
    table = prices(5000)
    sides = [by_symbol(journal(noisy(5000, seed), table)) for seed in range(4)]
    began = time.process_time()
    for one, other in itertools.combinations(sides, 2):
        compare_decisions(one, other, table, Resampling(2000, 1, 0.95))
    assert time.process_time() - began < 60
