"""Rules go the way of a model, and the random one keeps the holding times of the arm it is matched to."""

import random
from collections import Counter
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st
from markets import random_prices

from llm_strategy import Journal
from llm_strategy.baselines import BASELINES, shuffle_runs, stances
from llm_strategy.regime_rule import ACTION_FOR_LABEL, causal_label
from llm_strategy.types import ActionType, PolicyVerdict, RegimeLabel, Snapshot
from simulator.arms import simulate
from simulator.experiment import Experiment
from simulator.market import load_prices


def test_every_rule_trades_the_sample_within_the_policy():
    prices, experiment = load_prices("sample:nasdaq"), Experiment.starter()
    for name, rule in BASELINES.items():
        journal = simulate(prices, rule(), experiment, Journal())
        assert journal.trades, name
        verdicts = {entry.decision.policy.verdict for entry in journal.entries}
        assert PolicyVerdict.DENY not in verdicts, name


def test_the_rules_differ():
    prices, experiment = load_prices("sample:sp500"), Experiment.starter()
    ends = {name: simulate(prices, rule(), experiment, Journal()).equity[-1].equity for name, rule in BASELINES.items()}
    assert len(set(ends.values())) == len(ends)


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
        assert simulate(flat, rule(), Experiment(), Journal()).entries


actions = st.lists(st.sampled_from(ActionType), max_size=200)


def runs(wanted):
    return Counter((stance, len(list(bars))) for stance, bars in groupby(wanted))


@given(actions, st.integers())
def test_the_shuffle_keeps_runs_gaps_and_length(advised, seed):
    wanted = stances(advised)
    drawn = shuffle_runs(wanted, random.Random(seed))
    assert len(drawn) == len(wanted)
    assert Counter(drawn) == Counter(wanted)
    if ActionType.ENTER_SHORT not in advised:
        assert runs(drawn) == runs(wanted)


def test_the_shuffle_is_seeded():
    wanted = stances(random.Random(1).choices(list(ActionType), k=300))
    assert shuffle_runs(wanted, random.Random(3)) == shuffle_runs(wanted, random.Random(3))
    assert shuffle_runs(wanted, random.Random(3)) != shuffle_runs(wanted, random.Random(4))
