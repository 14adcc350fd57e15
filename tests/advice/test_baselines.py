"""Rules go the way of a model, and the random one keeps the holding times of the arm it is matched to."""

import random
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import random_prices

from llm_strategy import Journal
from llm_strategy.advice.rules import BASELINES, MatchedRandom, shuffle_runs, stances
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.view import ACTION_FOR_LABEL, causal_label
from llm_strategy.types import ActionType, PolicyVerdict, RegimeLabel, Snapshot
from simulator.experiment.configuration import Experiment
from simulator.prices.load import load_prices
from simulator.prices.universe import Universe
from simulator.runs.simulation import simulate

pytestmark = pytest.mark.slow


def test_every_rule_trades_the_sample_within_the_policy():
    prices, experiment = load_prices("sample:nasdaq"), Experiment.starter()
    for name, rule in BASELINES.items():
        journal = simulate(Universe((prices,)), rule(), experiment, Journal())
        assert journal.trades, name
        verdicts = {entry.decision.policy.verdict for entry in journal.entries}
        assert PolicyVerdict.DENY not in verdicts, name


def test_the_rules_differ():
    prices, experiment = load_prices("sample:sp500"), Experiment.starter()
    ends = {
        name: simulate(Universe((prices,)), rule(), experiment, Journal()).equity[-1].equity
        for name, rule in BASELINES.items()
    }
    assert len(set(ends.values())) == len(ends)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sma_cross": {"fast": 60, "slow": 20}}, "the fast mean needs fewer bars"),
        ({"rsi_reversion": {"low": 80}}, "has low 80 and high 70: it buys below low, exchange them"),
        ({"rsi_reversion": {"low": 30, "high": 20}}, "has low 30 and high 20"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        Experiment.from_mapping({"arms": list(settings), "baselines": settings})


def snapshot(trend, rank):
    return Snapshot("ABC", "1d", "2001-01-01", 100, trend, 0, 0.01, rank, 0, 0.5, 1)


def test_the_causal_rule():
    cases = {
        (0.1, 0.5): RegimeLabel.BULL,
        (0.1, 0.9): RegimeLabel.BULL,
        (-0.1, 0.5): RegimeLabel.BEAR,
        (-0.1, 0.9): RegimeLabel.TURBULENT,
        (0.01, 0.5): RegimeLabel.SIDEWAYS,
        (-0.01, 0.9): RegimeLabel.TURBULENT,
    }
    for (trend, rank), label in cases.items():
        assert causal_label(snapshot(trend, rank)) is label
    assert set(ACTION_FOR_LABEL) == set(RegimeLabel)


def test_flat_prices_break_no_rule():
    flat = random_prices(320, daily=1e-12)
    for rule in BASELINES.values():
        assert simulate(Universe((flat,)), rule(), Experiment(), Journal()).entries


actions = st.lists(st.sampled_from(ActionType), max_size=200)


def runs(wanted):
    return Counter((stance, len(list(bars))) for stance, bars in groupby(wanted))


@given(actions, st.integers())
def test_the_shuffle_keeps_runs_gaps_and_length(advised, seed):
    drawn = shuffle_runs(advised, random.Random(seed))
    assert Counter(stances(drawn)) == Counter(stances(advised))
    if ActionType.ENTER_SHORT not in advised:
        assert runs(stances(drawn)) == runs(stances(advised))


def test_the_shuffle_is_seeded():
    advised = random.Random(1).choices(list(ActionType), k=300)
    assert shuffle_runs(advised, random.Random(3)) == shuffle_runs(advised, random.Random(3))
    assert shuffle_runs(advised, random.Random(3)) != shuffle_runs(advised, random.Random(4))


def test_exposure_and_trades_match_an_advisor_that_enters_once_and_holds():
    prices, experiment = load_prices("sample:nasdaq"), Experiment.from_mapping({"risk": {"stop_loss_pct": 0.03}})
    hold = [ActionType.ENTER_LONG, *[ActionType.HOLD] * 98, ActionType.EXIT, *[ActionType.HOLD] * 60]
    advised = (hold * 40)[: len(prices.table)]
    measured = []
    for script in (advised, shuffle_runs(advised[:4762], random.Random(5))):
        rule = MatchedRandom({}, 0)
        rule._actions = {prices.symbol: script}
        journal = simulate(Universe((prices,)), rule, experiment, Journal())
        measured.append((sum(row.net > 0 for row in journal.equity), len(journal.trades)))
    (bars, trades), (random_bars, random_trades) = measured
    assert abs(random_trades - trades) <= 2
    assert 0.5 < random_bars / bars < 2
