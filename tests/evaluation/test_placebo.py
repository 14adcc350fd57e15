"""The same decisions at other moments: stretches stay whole, symbols together, and every draw is the same anywhere."""

import re
from collections import Counter

import numpy as np
import pytest
from advice_history import history, origins, word

from simulator.evaluation.beyond_rule import DeviationPlacebos
from simulator.evaluation.placebo import FEWEST_RUNS, AdvicePlacebos, stances_of
from simulator.evaluation.placebo import action_of as action

MANY = "..LL.xx.LxLLLxxxxLL?LLxL.xLLLLLLxxLxxxLLLx.xLLxLLLLxx"


def lengths(made, held=True):
    """How long each stretch is, in any order."""
    wanted = "".join("H" if stance else "g" for stance in stances_of(map(action, made)))
    return Counter(len(run) for run in re.findall("H+" if held else "g+", wanted))


def test_stretches_of_holding_and_gaps_keep_their_lengths_and_their_contents():
    told = history(A=MANY)
    placebos = AdvicePlacebos(told, 7, "llm")
    assert placebos.runs >= FEWEST_RUNS
    seen = set()
    for number in range(1, 20):
        made = placebos.series(number)["A"]
        seen.add(word(made))
        assert lengths(made) == lengths(told.decisions["A"])
        assert lengths(made, held=False) == lengths(told.decisions["A"], held=False)
        assert word(made).count("?") == 1
        kept = [origin for origin in origins(made) if origin is not None]
        assert (
            len(kept) == len(set(kept)) >= len(MANY) - 3
        )  # each decision whole and once, but for exits that were added
    assert len(seen) == 19


def test_a_placebo_is_the_same_by_its_number_and_another_for_another_seed_or_arm():
    told = history(A=MANY)
    one, again = (AdvicePlacebos(told, 7, "llm") for _ in range(2))
    for number in (5, 3):
        assert word(again.series(number)["A"]) == word(one.series(number)["A"])
    for other in (AdvicePlacebos(told, 8, "llm"), AdvicePlacebos(told, 7, "other")):
        assert word(other.series(3)["A"]) != word(one.series(3)["A"])
    assert one.series(0) == told.decisions


def test_a_gap_that_did_not_follow_begins_with_an_exit():
    told = history(A="...." + "LLLx" * 10)
    for number in range(1, 10):
        made = word(AdvicePlacebos(told, 1, "llm").series(number)["A"])
        assert not re.search(r"L\.", made)  # the first gap began with a hold, and nothing was held before it


def test_short_and_long_stretches_are_told_apart():
    told = history(A="LSSx" * 6)
    for number in range(1, 6):
        made = word(AdvicePlacebos(told, 1, "llm").series(number)["A"])
        assert Counter(re.findall("L+|S+", made)) <= Counter({"L": 6, "SS": 6, "LL": 6, "SSSS": 6, "LLL": 6})
        assert (made.count("L"), made.count("S")) == (6, 12)


def test_an_account_that_is_always_long_or_short_changes_sides_as_often():
    told = history(A="LLLSSLSSSSLLSLLLLLSSSLSSLLSLSSSLLLLSLS")
    own = len(re.findall("L+|S+", word(told.decisions["A"])))
    for number in range(1, 10):
        made = word(AdvicePlacebos(told, 1, "llm").series(number)["A"])
        assert len(re.findall("L+|S+", made)) == own


def test_symbols_are_moved_together():
    both = {"A": "LLx.xx" * 12, "B": "xLLx.x" * 12}
    told = history(**both)
    placebos = AdvicePlacebos(told, 7, "llm")
    assert placebos.method == "shuffle"
    for number in range(1, 6):
        made = placebos.series(number)
        pairs = Counter(zip(word(made["A"]), word(made["B"]), strict=True))
        assert pairs[("L", "L")] == 12  # as often as they were held together


def test_too_few_stretches_of_several_symbols_are_moved_around_the_run_each_way_once():
    told = history(A="LLLLLLLLxxxx" + "x" * 12, B="xxxxLLLLLLLL" + "x" * 12)
    placebos = AdvicePlacebos(told, 7, "llm")
    assert placebos.method == "shift"
    assert placebos.most(999) == 23
    words = [word(placebos.series(number)["A"]) for number in range(1, 24)]
    assert len(set(words)) > 15
    for number in range(1, 24):
        made = placebos.series(number)
        together = sum(
            one == other == 1
            for one, other in zip(stances_of(map(action, made["A"])), stances_of(map(action, made["B"])), strict=True)
        )
        assert together == 4


def test_a_symbol_that_has_no_bar_yet_holds_nothing_and_gets_nothing():
    told = history(A="LLx" * 12, B=" " * 18 + "LLx" * 6)
    for number in range(1, 6):
        made = AdvicePlacebos(told, 7, "llm").series(number)
        assert made["B"][:18] == [None] * 18
        assert set(word(made["B"])) <= set(" Lx")


def test_nothing_is_held_less_because_a_symbol_came_late_or_left_early():
    told = history(A="LxxLLx" * 12, B=" " * 36 + "xLLxLx" * 6, C="LLxLxx" * 6 + " " * 36)
    absent = {**told.has_bar, "C": [close < 36 for close in range(72)]}
    told = type(told)(told.times, told.decisions, absent)
    placebos = AdvicePlacebos(told, 7, "llm")
    own = {name: sum(stances_of(map(action, made))) for name, made in told.decisions.items()}
    for number in range(1, 10):
        made = placebos.series(number)
        assert {name: sum(stances_of(map(action, found))) for name, found in made.items()} == own
        assert made["C"][36:] == [None] * 36


def test_what_falls_on_a_holiday_of_a_symbol_waits_for_its_next_bar():
    word_a = "Lx.xLx.x.Lx.xLx.Lx.xxLx.Lx.xLx.x.Lx.x.Lx"
    holidays = [close for close in range(len(word_a)) if close % 7 == 3]
    told = history(A=word_a, B=word_a)
    absent = {**told.has_bar, "B": [close not in holidays for close in range(len(word_a))]}
    told = type(told)(told.times, told.decisions, absent)
    for number in range(1, 6):
        made = AdvicePlacebos(told, 7, "llm").series(number)
        stances = {name: list(stances_of(map(action, made[name]))) for name in "AB"}
        assert all(made["B"][close] is None for close in holidays)
        for close in range(len(word_a) - 1):
            if close not in holidays:
                assert stances["A"][close] == stances["B"][close]


def test_beyond_the_rule_only_deviations_move_and_do_the_opposite():
    rule = ("U" * 10 + "D" * 10) * 6
    advice = "".join("L" if sees == "U" else "x" for sees in rule)
    flipped = {close: "x" if advice[close] == "L" else "L" for close in range(4, 120, 10)}
    told = history(rule, A="".join(flipped.get(close, letter) for close, letter in enumerate(advice)))
    placebos = DeviationPlacebos(told, 7, "llm")
    assert placebos.runs == 12
    assert word(placebos.series(0)["A"]) == word(told.decisions["A"])
    for number in range(1, 6):
        made = word(placebos.series(number)["A"])
        differ = [close for close in range(120) if made[close] != advice[close]]
        assert len(differ) == 12
        assert differ != sorted(flipped)


def test_an_advice_that_repeats_the_rule_has_nothing_beyond_it():
    rule = ("U" * 5 + "-" * 3 + "D" * 4) * 4
    told = history(rule, A="".join({"U": "L", "D": "x", "-": "."}[sees] for sees in rule))
    placebos = DeviationPlacebos(told, 7, "llm")
    assert placebos.runs == 0
    assert word(placebos.series(0)["A"]) == word(told.decisions["A"])


def test_a_rule_that_held_a_symbol_to_its_end_deviates_from_nothing_behind_it():
    told = history("U" * 40, A="L" * 40, B="L" * 19 + "x" + " " * 20)
    told = type(told)(told.times, told.decisions, {**told.has_bar, "B": [close < 20 for close in range(40)]})
    assert np.abs(DeviationPlacebos(told, 7, "llm").deviations).sum() == 1


@pytest.mark.parametrize("advice", ["S", "L"])
def test_beyond_the_rule_a_difference_stays_within_what_can_be_held(advice):
    rule = ("U" * 4 + "D" * 4) * 12
    told = history(rule, A="".join(advice if close % 8 in (1, 6) else "x" for close in range(96)))
    for number in range(6):
        made = DeviationPlacebos(told, 7, "llm").series(number)["A"]
        assert set(np.unique(list(stances_of(map(action, made))))) <= ({-1, 0, 1} if advice == "S" else {0, 1})
