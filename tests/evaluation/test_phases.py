"""Phases as they are dated afterwards, against what is published and against curves that were drawn."""

import arch.data.sp500
import numpy as np
import pytest

from simulator.evaluation.phases import Turn, directions, lunde_timmermann, pagan_sossounov


@pytest.fixture(scope="module")
def months():
    """The S&P 500 at the end of each month, 1999 to 2018."""
    closes = arch.data.sp500.load()["Adj Close"]
    return closes.resample("ME").last()


def test_pagan_and_sossounov_date_the_turns_of_the_s_and_p_500_as_published(months):
    turns = pagan_sossounov(months.to_numpy())
    dated = [(months.index[turn.bar].strftime("%b %Y"), turn.is_peak) for turn in turns]
    wanted = [("Oct 2007", True), ("Feb 2009", False), ("Apr 2011", True)]
    first = dated.index(wanted[0])
    assert dated[first : first + 3] == wanted, "and nothing between them"
    last = first + 1
    bear = months.iloc[turns[first].bar + 1 : turns[last].bar + 1]
    assert len(bear) == 16
    assert bear.iloc[-1] / bear.iloc[0] - 1 == pytest.approx(-0.50, abs=0.005), "from its first month to its last"


def test_days_are_dated_like_months(months):
    closes = arch.data.sp500.load()["Adj Close"]
    days = [closes.index[turn.bar].strftime("%Y-%m-%d") for turn in pagan_sossounov(closes.to_numpy(), month=21)]
    assert {"2000-03-24", "2002-10-09", "2007-10-09", "2009-03-09"} <= {*days}, "the extremes of the closes themselves"


def test_thresholds_date_a_drawn_curve():
    curve = np.concatenate([np.linspace(100, 150, 51), np.linspace(149, 120, 30), np.linspace(121, 160, 40)])
    assert lunde_timmermann(curve) == [Turn(0, is_peak=False), Turn(50, is_peak=True), Turn(80, is_peak=False)]
    found = directions(lunde_timmermann(curve), len(curve))
    assert (found[1:51] == 1).all()
    assert (found[51:81] == -1).all()
    assert (found[81:] == 1).all()


def test_a_fall_below_the_threshold_is_none():
    curve = np.concatenate([np.linspace(100, 150, 51), np.linspace(149, 128, 22), np.linspace(129, 160, 32)])
    assert [turn.is_peak for turn in lunde_timmermann(curve)] == [False]
    assert (directions([], 5) == 0).all(), "nothing is known where nothing turned"


def test_a_short_dip_is_no_phase_unless_it_is_deep():
    def with_dip(depth):
        low = 150 * (1 - depth)
        return np.concatenate([np.linspace(100, 150, 40), [(150 + low) / 2, low], np.linspace(low + 1, 200, 60)])

    assert pagan_sossounov(with_dip(0.1)) == []
    assert [turn.is_peak for turn in pagan_sossounov(with_dip(0.3))] == [True, False]


@pytest.mark.parametrize("date", [lunde_timmermann, pagan_sossounov])
def test_short_and_flat_curves_have_no_turns(date):
    for curve in (np.empty(0), np.array([100.0]), np.full(200, 100.0), np.linspace(100, 101, 50)):
        assert date(curve) == []
