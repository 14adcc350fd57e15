"""Labels scored on the bar after the decision, and the agreement of two arms."""

import math

import numpy as np
import pandas as pd
import pytest
from journal_entries import advised, entry
from statsmodels.stats.inter_rater import cohens_kappa

from simulator.evaluation.regimes import FEWEST_MOVES, LABELS, agreement, decisions_per_year, kappa, regime_table

DAYS = pd.bdate_range("2020-01-01", periods=1000, name="time")


def decided(*labels, close=(), symbol="SYN", every=1, start=0):
    """Decisions on one symbol; a close for each, 100 where none is given."""
    return [
        entry(
            {
                "symbol": symbol,
                "time": DAYS[start + every * number].isoformat(),
                "close": close[number] if close else 100.0,
            },
            bar=start + every * number,
            advice=None if label is None else advised(label),
        )
        for number, label in enumerate(labels)
    ]


def test_labels_are_scored_until_the_next_decision():
    labels = ["bull", "bull", "bear", None, "sideways", "bear"]
    close = (100, 110, 99, 108.9, 108.9, 98.01)
    many = [decided(*labels, close=close, symbol=f"S{number:02}") for number in range(FEWEST_MOVES)]
    table = regime_table([decision for made in zip(*many, strict=True) for decision in made], 252)
    regimes = {regime.label: regime for regime in table.regimes}
    moves = FEWEST_MOVES * 2
    assert tuple(regimes) == LABELS
    assert (regimes["bull"].bars, regimes["bull"].share) == (moves, 0.4)
    assert regimes["bull"].mean_return == pytest.approx(0)
    assert regimes["bull"].volatility == pytest.approx(math.sqrt(0.01 * moves / (moves - 1)) * math.sqrt(252))
    assert regimes["bear"].mean_return == pytest.approx(0.1 * 252), "the last label of a symbol has no next close"
    assert regimes["sideways"].mean_return == pytest.approx(-0.1 * 252)
    assert (regimes["turbulent"].bars, regimes["turbulent"].mean_return) == (0, None)
    assert table.unlabelled == FEWEST_MOVES
    assert table.flips_per_year == pytest.approx(3 * 252 / 5), "on each symbol"


@pytest.mark.parametrize(("moves", "shown"), [(FEWEST_MOVES - 1, False), (FEWEST_MOVES, True)])
def test_a_handful_of_moves_is_not_blown_up_to_a_year(moves, shown):
    regime = regime_table(decided(*["bull"] * (moves + 1)), 252).regimes[0]
    assert (regime.mean_return is not None) is (regime.volatility is not None) is shown
    assert regime.bars == moves + 1


def test_a_later_price_changes_no_earlier_score():
    labels = ["bull"] * 31 + ["bear"] * 3
    before = regime_table(decided(*labels, close=[100, 105] * 17), 252).regimes[0]
    assert regime_table(decided(*labels, close=[*[100, 105] * 16, 1, 9999]), 252).regimes[0] == before


def test_no_decisions_make_an_empty_table():
    table = regime_table([], 252)
    assert (table.unlabelled, table.flips_per_year) == (0, None)
    assert [regime.bars for regime in table.regimes] == [0, 0, 0, 0]


def test_decisions_a_year_are_those_on_one_symbol():
    daily, weekly = decided(*["bull"] * 101), decided(*["bull"] * 21, every=5)
    assert decisions_per_year(daily, DAYS, 252) == 252
    assert decisions_per_year(weekly, DAYS, 252) == pytest.approx(252 / 5)
    later = decided(*["bull"] * 51, symbol="B", start=700)
    assert decisions_per_year([*daily, *later], DAYS, 252) == 252, "each symbol only while it is decided on"
    assert decisions_per_year([], DAYS, 252) == 252


def test_agreement_against_a_textbook_table():
    """20 and 15 alike, 5 and 10 apart: agreement 0.70, by chance 0.50, kappa 0.40."""
    pairs = [("bull", "bull")] * 20 + [("bull", "bear")] * 5 + [("bear", "bull")] * 10 + [("bear", "bear")] * 15
    measured = agreement(decided(*(one for one, _ in pairs), None), decided(*(other for _, other in pairs), "bull"))
    assert (measured.bars, measured.share) == (50, 0.7)
    assert measured.kappa == pytest.approx(0.4)
    assert measured.confusion["bull", "bear"] == 5
    assert measured.confusion["bear", "bull"] == 10
    assert sum(measured.confusion.values()) == 50


def test_kappa_is_that_of_statsmodels():
    for table in np.random.default_rng(7).integers(0, 40, (50, len(LABELS), len(LABELS))):
        counts = {(a, b): int(table[row, column]) for row, a in enumerate(LABELS) for column, b in enumerate(LABELS)}
        assert kappa(counts) == pytest.approx(cohens_kappa(table, return_results=False))
    assert kappa({("bull", "bear"): 4}) == 0, "a label of one side alone"
    assert kappa({}) is kappa({("bull", "bull"): 9}) is None


def test_agreement_is_on_the_same_bar_of_the_same_symbol():
    first = [*decided("bull", "bear"), *decided("bull", "bull", symbol="B")]
    measured = agreement(first, [*decided("bull", "bull", symbol="B"), *decided("bear", "bear", symbol="C")])
    assert (measured.bars, measured.share) == (2, 1.0)


def test_agreement_with_a_constant_is_none_beyond_chance():
    mixed, constant = decided(*["bull", "bear"] * 10), decided(*["bull"] * 20)
    assert agreement(constant, mixed).kappa == pytest.approx(0)
    assert agreement(constant, constant).kappa is None
    assert agreement([], constant).share is None
