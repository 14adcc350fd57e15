"""Labels scored on the bar after the decision, and the agreement of two arms."""

import math

import pandas as pd
import pytest

from simulator.evaluation.regimes import LABELS, agreement, regime_table


def decided(*labels):
    return [
        {"bar": bar, "advice": None if label is None else {"regime": {"label": label}}}
        for bar, label in enumerate(labels)
    ]


def prices(*close):
    return pd.DataFrame({"close": close}, index=pd.bdate_range("2020-01-01", periods=len(close), name="time"))


def test_labels_are_scored_on_the_next_bar():
    table = regime_table(
        decided("bull", "bull", "bear", None, "sideways", "bear"), prices(100, 110, 99, 108.9, 108.9, 98.01), 252
    )
    regimes = {regime.label: regime for regime in table.regimes}
    assert tuple(regimes) == LABELS
    assert (regimes["bull"].bars, regimes["bull"].share) == (2, 0.4)
    assert regimes["bull"].mean_return == pytest.approx(0)
    assert regimes["bull"].volatility == pytest.approx(math.sqrt(0.02) * math.sqrt(252))
    assert regimes["bear"].mean_return == pytest.approx(0.1 * 252), "the label of the last bar has no next bar"
    assert regimes["bear"].volatility is None
    assert regimes["sideways"].mean_return == pytest.approx(-0.1 * 252)
    assert (regimes["turbulent"].bars, regimes["turbulent"].mean_return) == (0, None)
    assert table.unlabelled == 1
    assert table.flips_per_year == pytest.approx(3 * 252 / 5)


def test_a_later_price_changes_no_earlier_score():
    labels = decided("bull", "bear", "bear", "bear")
    before = regime_table(labels, prices(100, 105, 90, 80), 252).regimes[0]
    assert regime_table(labels, prices(100, 105, 1, 9999), 252).regimes[0] == before


def test_no_decisions_make_an_empty_table():
    table = regime_table([], prices(100, 101), 252)
    assert (table.unlabelled, table.flips_per_year) == (0, None)
    assert [regime.bars for regime in table.regimes] == [0, 0, 0, 0]


def test_agreement_against_a_textbook_table():
    """20 and 15 alike, 5 and 10 apart: agreement 0.70, by chance 0.50, kappa 0.40."""
    pairs = [("bull", "bull")] * 20 + [("bull", "bear")] * 5 + [("bear", "bull")] * 10 + [("bear", "bear")] * 15
    measured = agreement(decided(*(one for one, _ in pairs), None), decided(*(other for _, other in pairs), "bull"))
    assert (measured.bars, measured.share) == (50, 0.7)
    assert measured.kappa == pytest.approx(0.4)
    assert measured.confusion["bull", "bear"] == 5
    assert measured.confusion["bear", "bull"] == 10
    assert sum(measured.confusion.values()) == 50


def test_agreement_with_a_constant_is_none_beyond_chance():
    mixed, constant = decided(*["bull", "bear"] * 10), decided(*["bull"] * 20)
    assert agreement(constant, mixed).kappa == pytest.approx(0)
    assert agreement(constant, constant).kappa is None
    assert agreement([], constant).share is None
