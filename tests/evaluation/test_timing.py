"""An account among its placebos: an exact p-value, ties on both sides, and an end as soon as it is decided."""

import numpy as np
import pytest

from simulator.evaluation.placebo_record import affordable
from simulator.evaluation.timing import annual_sharpe, is_decided, p_value, timing

EQUAL = np.zeros(19)


@pytest.mark.parametrize(
    ("own", "p"),
    [(99.0, 0.1), (-99.0, 0.1), (9.0, 1.0), (0.5, 0.2), (17.5, 0.2)],
)
def test_the_p_value_counts_the_account_itself_and_both_sides(own, p):
    assert p_value(own, np.arange(19.0)) == pytest.approx(p)


def test_ties_count_on_both_sides():
    assert p_value(0.0, EQUAL) == 1.0
    stands = timing(0.0, EQUAL, 12)
    assert (stands.percentile, stands.effect, stands.sd) == (0.5, 0.0, 0.0)


def test_where_an_account_stands():
    stands = timing(18.0, np.arange(21.0), 12, 0.9)
    assert (stands.mean, stands.low, stands.high) == pytest.approx((10.0, 1.0, 19.0))
    assert (stands.placebos, stands.runs) == (21, 12)
    assert stands.effect == 8.0
    assert stands.percentile == pytest.approx(18.5 / 21)


def test_the_p_value_of_no_skill_is_uniform():
    source = np.random.default_rng(3)
    found = np.array([p_value(source.normal(), source.normal(size=99)) for _ in range(2000)])
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert (found <= 0.5).mean() == pytest.approx(0.5, abs=0.04)


def test_what_is_decided_stays_so():
    source = np.random.default_rng(5)
    for own in np.linspace(-2.5, 2.5, 41):
        every = source.normal(size=199)
        ends = [count for count in range(1, 200) if is_decided(own, every[:count], 199)]
        significant = p_value(own, every) <= 0.05
        assert bool(ends) is not significant
        assert not ends or p_value(own, every[: ends[0]]) > 0.05


def test_a_run_that_is_too_long_has_fewer_placebos_and_in_the_end_none():
    assert [affordable(999, closes) for closes in (2_500, 50_000, 200_000)] == [999, 400, 0]


def test_an_account_that_never_moved_counts_as_nothing_and_a_ruined_one_as_less():
    assert annual_sharpe([100.0] * 9, 252) == 0.0
    ruined = annual_sharpe([100.0, 101.0, 100.5, -1.0, 20.0, 30.0], 252)
    assert (
        ruined == annual_sharpe([100.0, 101.0, 100.5, 0.0, 0.0, 0.0], 252) < annual_sharpe([100.0, 101.0, 100.0], 252)
    )
    assert ruined < 0
    assert annual_sharpe([100.0, 101.0, 100.5, 102.0], 252) > 0
