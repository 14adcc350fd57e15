"""The best of many configurations: luck against closed forms and draws, CSCV against a plain count, planted skill."""

import math
from itertools import combinations

import numpy as np
import pytest

from simulator.evaluation.overfitting import (
    deflated_sharpe,
    effective_trials,
    luck_of_best,
    overfitting,
    sharpe_ratios,
    walk_forward,
)
from simulator.evaluation.probabilistic_sharpe import deflated_2012, psr_2026, shape_of
from simulator.evaluation.trials import expected_best


def drawn(bars, configurations, seed, common=0.0, skill=()):
    """Returns of a bar with standard deviation 1%, correlated by ``common``; ``skill`` is a Sharpe ratio a bar."""
    draw = np.random.default_rng(seed)
    own = draw.standard_normal((bars, configurations))
    made = math.sqrt(common) * draw.standard_normal((bars, 1)) + math.sqrt(1 - common) * own
    made[:, : len(skill)] += skill
    return 0.01 * made


@pytest.mark.parametrize("common", [0.0, 0.5, 0.95])
def test_luck_is_the_exact_expectation_of_equally_correlated_accounts(common):
    """The best of n equally correlated normal values is sqrt(1 - rho) times that of independent ones."""
    bars, number = 800, 30
    found = [luck_of_best(drawn(bars, number, seed, common), 200, seed) for seed in range(8)]
    exact = math.sqrt(1 - common) * expected_best(number) / math.sqrt(bars)
    assert np.mean([luck.expected for luck in found]) == pytest.approx(exact, rel=0.06)
    assert np.mean([luck.independent for luck in found]) == pytest.approx(
        expected_best(number) / math.sqrt(bars), rel=0.06
    )
    wanted = effective_trials(math.sqrt(1 - common) * expected_best(number), number)
    assert np.median([luck.effective for luck in found]) == pytest.approx(wanted, rel=0.35)


def test_without_skill_the_best_is_what_luck_was_said_to_show():
    found = [luck_of_best(drawn(400, 20, 100 + seed, 0.5), 100, seed) for seed in range(80)]
    apart = np.array([luck.best - luck.expected for luck in found])
    assert abs(apart.mean()) < 4 * apart.std() / math.sqrt(len(apart))
    assert 0.03 < np.mean([luck.p_value <= 0.1 for luck in found]) < 0.2
    assert 0.03 < np.mean([luck.p_value_of_equals <= 0.1 for luck in found]) < 0.2


def test_equal_skill_is_more_than_cash_and_no_reason_to_choose():
    luck = luck_of_best(drawn(1000, 20, 4, 0.5, skill=[0.15] * 20), 300, 1)
    assert luck.p_value < 0.01
    assert luck.p_value_of_equals > 0.1
    assert luck.expected_of_equals == pytest.approx(luck.mean + luck.expected, rel=0.05)


def test_one_that_stands_out_is_told_from_luck():
    luck = luck_of_best(drawn(1000, 20, 5, 0.5, skill=[0.2]), 300, 1)
    assert max(luck.p_value, luck.p_value_of_equals) < 0.01


def test_the_same_account_twenty_times_is_one_configuration():
    luck = luck_of_best(np.repeat(drawn(300, 1, 6), 20, axis=1), 100, 1)
    assert luck.effective == pytest.approx(1, abs=0.1)
    assert luck.configurations == 20


@pytest.mark.parametrize("number", [2, 7.5, 1000])
def test_effective_trials_undo_the_expected_best(number):
    assert effective_trials(expected_best(number), 10_000) == pytest.approx(number, rel=2e-3)


def test_the_deflated_ratio_takes_the_exact_maximum():
    returns = drawn(1000, 100, 7, 0.3, skill=[0.12])
    ratios = sharpe_ratios(returns)
    deflated = deflated_sharpe(returns)
    assert deflated.against == pytest.approx(ratios.std(ddof=1) * 2.5076, rel=1e-4)
    best = returns[:, ratios.argmax()]
    assert deflated.probability == pytest.approx(psr_2026(ratios.max(), shape_of(best), deflated.against))
    usual, probability = deflated_2012(ratios.max(), shape_of(best), 100, ratios.var(ddof=1))
    assert usual == pytest.approx(deflated.against, rel=0.03)
    assert probability == pytest.approx(deflated.probability, abs=0.05)


def counted(returns, blocks):
    """CSCV as its authors write it down: split by split, with the ratios of whole tables."""
    parts = np.array_split(np.arange(len(returns)), blocks)
    ranks, chosen = [], []
    for half in combinations(range(blocks), blocks // 2):
        rows = np.concatenate([parts[block] for block in half])
        rest = np.setdiff1d(np.arange(len(returns)), rows)
        before, after = (returns[part].mean(0) / returns[part].std(0, ddof=1) for part in (rows, rest))
        best = before.argmax()
        ranks.append((after.argsort().argsort()[best] + 1) / (returns.shape[1] + 1))
        chosen.append((before[best], after[best]))
    return np.sort(ranks), np.array(chosen)


def test_cscv_is_a_plain_count_over_all_splits():
    returns = drawn(240, 9, 8, 0.4, skill=[0.1, 0.05])
    found = overfitting(returns, blocks=8)
    ranks, chosen = counted(returns, 8)
    assert found.splits == math.comb(8, 4)
    np.testing.assert_allclose(np.sort(found.ranks), ranks)
    assert found.probability == np.mean(np.log(ranks / (1 - ranks)) <= 1e-12)
    assert found.loss == np.mean(chosen[:, 1] < 0)
    assert found.slope == pytest.approx(np.polyfit(*chosen.T, 1)[0])
    np.testing.assert_allclose(np.sort(found.logits), np.log(ranks / (1 - ranks)), atol=1e-12)


def test_without_skill_half_of_the_choices_fall_below_the_middle():
    """The mean over many sweeps: a single one can be far from it."""
    found = np.array([overfitting(drawn(320, 20, 300 + seed, 0.5), 8).probability for seed in range(120)])
    assert abs(found.mean() - 0.5) < 4 * found.std() / math.sqrt(len(found))
    assert found.std() > 0.1
    assert np.mean([overfitting(drawn(320, 20, seed, 0.5), 8).slope for seed in range(20)]) < -0.3


def test_planted_skill_carries_over():
    found = overfitting(drawn(1000, 20, 9, 0.5, skill=[0.25]))
    assert found.splits == math.comb(16, 8)
    assert found.probability < 0.01
    assert found.loss < 0.01


def test_equal_accounts_share_their_rank_and_flat_ones_have_a_ratio_of_zero():
    found = overfitting(np.repeat(drawn(200, 1, 10), 5, axis=1))
    assert set(found.ranks) == {0.5}
    flat = np.zeros((200, 3))
    assert sharpe_ratios(np.column_stack([flat, np.full(200, 0.01)])).tolist() == [0.0] * 4
    assert luck_of_best(flat, 100, 1) is None
    assert overfitting(flat).slope is None


@pytest.mark.parametrize(("bars", "configurations"), [(50, 5), (500, 1), (0, 4)])
def test_too_little_says_nothing(bars, configurations):
    returns = drawn(bars, configurations, 11)
    assert luck_of_best(returns, 100, 1) is None
    assert overfitting(returns) is None


def test_the_best_of_a_window_is_looked_up_on_the_bars_that_the_next_one_adds():
    returns = drawn(90, 3, 12)
    owners = np.repeat([0, 1, 2], [30, 10, 50])
    by_window = np.array([[0.1, 0.9, 0.2], [np.nan, 0.3, 0.7], [5.0, 5.0, 5.0]])
    (step,) = walk_forward(by_window, returns, owners)
    after = sharpe_ratios(returns[40:])
    assert (step.window, step.chosen, step.bars, step.in_sample) == (2, 2, 50, 0.7), "ten bars say nothing"
    assert (step.out_of_sample, step.middle, step.best) == (after[2], np.median(after), after.max())
    assert step.rank == np.mean(after <= after[2])
