"""The verdict on advice: what may not be said, in which order, and what the figures say."""

from dataclasses import replace
from statistics import NormalDist

import pytest

from simulator.evaluation.verdict import Advantage, Cap, Evidence, Reason, Word, judge

SEEN = Evidence(bars=1260, years=5.0, runs=40, timing_p=0.002, timing_effect=0.7)
"""Five years, and moments better than chance."""


def beside(benchmark, difference, width=0.6, sharpe=0.4, error=0.35):
    return Advantage(benchmark, sharpe, difference, difference - width, difference + width, error)


AHEAD = replace(SEEN, market=beside("market", 0.5), rule=beside("rule", 0.3))


def test_better_moments_and_no_worse_than_market_and_rule_add():
    made = judge(AHEAD)
    assert (made.word, made.caps, made.reasons) == (Word.ADDS, (), (Reason.BETTER_MOMENTS,))


def test_worse_moments_subtract_whatever_else_is_seen():
    assert judge(replace(AHEAD, timing_effect=-0.7)).word is Word.SUBTRACTS
    assert judge(replace(AHEAD, timing_effect=-0.7, timing_p=0.2)).word is Word.CANNOT_TELL


def test_an_account_that_is_the_rules_own_does_not_subtract_from_it():
    worse = replace(AHEAD, timing_effect=-0.7)
    for name in ("rule", "copy"):
        made = judge(replace(worse, **{name: beside(name, 0.0, width=0.0, error=0.0)}))
        assert (made.word, made.reasons) == (Word.NOT_WORTH_HAVING, (Reason.NOT_WORTH_HAVING, Reason.WORSE_MOMENTS))
    nearly = replace(worse, rule=beside("rule", 0.0, width=0.01))
    assert judge(nearly).word is Word.SUBTRACTS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timing_p": 0.051}, Reason.CHANCE),
        ({"timing_p": None, "timing_effect": None}, Reason.TIMING_UNTESTED),
        ({"market": beside("market", -0.01)}, Reason.BELOW_MARKET),
        ({"rule": beside("rule", -0.01)}, Reason.BELOW_RULE),
        ({"copy": beside("copy", -0.01, sharpe=0.9)}, Reason.BELOW_RULE),
        ({"market": None}, Reason.NO_MARKET),
        ({"rule": None}, Reason.NO_RULE),
    ],
)
def test_what_keeps_the_figures_from_telling(change, reason):
    made = judge(replace(AHEAD, **change))
    assert (made.word, made.reasons[-1]) == (Word.CANNOT_TELL, reason)


def test_a_copy_that_did_worse_than_the_rule_is_no_hurdle():
    assert judge(replace(AHEAD, copy=beside("copy", -0.01, sharpe=0.1))).word is Word.ADDS


def test_the_upper_end_may_be_asked_for_in_place_of_the_estimate():
    behind = replace(AHEAD, market=beside("market", -0.1))
    assert judge(behind).word is Word.CANNOT_TELL
    assert judge(behind, demand="upper end").word is Word.ADDS


def test_an_interval_that_ends_below_what_is_worth_having_rules_it_out():
    alike = replace(SEEN, market=beside("market", 0.3, sharpe=0.1), rule=beside("rule", 0.02, width=0.1))
    made = judge(alike)
    assert (made.word, made.reasons[0], made.best.benchmark) == (
        Word.NOT_WORTH_HAVING, Reason.NOT_WORTH_HAVING, "rule",
    )  # fmt: skip
    assert judge(alike, worthwhile=0.1).word is Word.ADDS
    twin = replace(SEEN, market=beside("market", 0.3, sharpe=0.1), rule=Advantage("rule", 0.4, 0.0, 0.0, 0.0, 0.0))
    assert judge(twin).word is Word.NOT_WORTH_HAVING, "the rule adds nothing to itself"
    assert judge(twin).years is None


def test_many_trials_take_the_same_p_for_luck():
    assert judge(replace(AHEAD, trials=20)).p == pytest.approx(1 - 0.998**20)
    assert judge(replace(AHEAD, trials=20)).word is Word.ADDS
    assert judge(replace(AHEAD, trials=26)).word is Word.CANNOT_TELL


@pytest.mark.parametrize(("placebos", "trials"), [(999, 26), (99, 3), (19, 1)])
def test_too_few_placebos_for_so_many_trials_are_not_called_chance(placebos, trials):
    best = replace(AHEAD, timing_p=2 / (placebos + 1), placebos=placebos, trials=trials)
    assert (judge(best).word, judge(best).reasons) == (Word.CANNOT_TELL, (Reason.FEW_PLACEBOS,))
    more = replace(best, placebos=9999, timing_p=0.3)
    assert judge(more).reasons == (Reason.CHANCE,)


def test_the_years_that_four_runs_of_five_need():
    normal = NormalDist()
    needed = ((normal.inv_cdf(0.975) + normal.inv_cdf(0.8)) * 0.35 / 0.2) ** 2 * 5
    assert judge(AHEAD).years == pytest.approx(needed)
    assert judge(AHEAD, worthwhile=0).years is None


@pytest.mark.parametrize(
    ("change", "cap", "word"),
    [
        ({"failed": True}, Cap.FAILED, Word.FAILED),
        ({"dead": True}, Cap.DEAD, Word.DEAD),
        ({"compared": False}, Cap.NOT_COMPARED, Word.NOT_COMPARED),
        ({"example_copies": 0.95}, Cap.COPIES_EXAMPLES, Word.REPEATS),
        ({"rule_copies": 0.992}, Cap.COPIES_RULE, Word.REPEATS),
        ({"same_close": True}, Cap.SAME_CLOSE, Word.NOT_ATTRIBUTABLE),
        ({"stale_opens": 0.1}, Cap.STALE_OPENS, Word.NOT_ATTRIBUTABLE),
        ({"identified": True}, Cap.IDENTIFIED, Word.NOT_ATTRIBUTABLE),
        ({"identified": True, "knowledge": "overlaps"}, Cap.KNOWN_PERIOD, Word.NOT_ATTRIBUTABLE),
        ({"later_bars": True}, Cap.LATER_BARS, Word.NOT_ATTRIBUTABLE),
        ({"killed_for_good": True}, Cap.KILLED, Word.NOT_ATTRIBUTABLE),
        ({"bars": 249}, Cap.FEW_BARS, Word.CANNOT_TELL),
        ({"runs": 9}, Cap.FEW_RUNS, Word.CANNOT_TELL),
    ],
)
def test_each_cap_by_itself(change, cap, word):
    made = judge(replace(AHEAD, **change))
    assert (made.word, made.caps, made.by_figures) == (word, (cap,), Word.ADDS)


def test_the_first_cap_decides_and_all_are_kept():
    made = judge(replace(AHEAD, stale_opens=0.5, example_copies=0.99, bars=100))
    assert made.word is Word.REPEATS
    assert made.caps == (Cap.COPIES_EXAMPLES, Cap.STALE_OPENS, Cap.FEW_BARS)
    assert judge(replace(AHEAD, failed=True, dead=True, example_copies=1.0)).word is Word.FAILED


@pytest.mark.parametrize(
    "change",
    [
        {"example_copies": 0.949},
        {"stale_opens": 0.099},
        {"knowledge": "overlaps"},
        {"identified": True, "knowledge": "before"},
        {"runs": None},
    ],
)
def test_what_is_no_cap(change):
    """A masked model cannot remember what it cannot recognise, nor one that was trained before the bars."""
    assert judge(replace(AHEAD, **change)).caps == ()


def test_nothing_measured_is_nothing_told():
    made = judge(Evidence(bars=0, years=0.0))
    assert made.word is Word.CANNOT_TELL
    assert made.caps == (Cap.FEW_BARS,)
    assert made.years is made.p is made.best is None
