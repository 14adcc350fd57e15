"""Past states that are looked up, beside past states that are found."""

import pickle

import pytest
from markets import random_prices

from llm_strategy.advice import known_past
from llm_strategy.advice.examples import Analogues
from llm_strategy.advice.known_past import KnownPast
from llm_strategy.market.view import View
from simulator.runs.simulation import snapshots


@pytest.fixture(scope="module")
def closes():
    return snapshots(random_prices(700, seed=11, daily=0.02))


def walk(past, closes, kind="nearest", count=3, every=1):
    """What is chosen at every so many closes, in their order."""
    found = []
    for place, close in enumerate(closes):
        if place % every == 0:
            found.append(past.choose(close, kind, count))
        past.take(close)
    return found


@pytest.mark.parametrize("labels", ["rule", "followed", "shuffled"])
@pytest.mark.parametrize("kind", ["nearest", "balanced"])
def test_all_who_go_through_the_same_closes_see_the_same_states(closes, labels, kind):
    plain = walk(Analogues(View(), labels), closes, kind, 4)
    assert any(plain)
    assert walk(KnownPast(View(), labels), closes, kind, 4) == plain
    assert walk(KnownPast(View(), labels), closes, kind, 4) == plain  # now looked up
    assert walk(KnownPast(View(), labels), closes, kind, 2) == walk(Analogues(View(), labels), closes, kind, 2)
    assert walk(KnownPast(View(), labels), closes, kind, 4, every=7) == plain[::7]


def test_a_history_that_becomes_another_one_goes_on_alone(closes):
    walk(KnownPast(View()), closes)
    for place in (0, 1, 60, len(closes) - 1):
        other = [*closes[:place], *closes[place + 1 :]]
        assert walk(KnownPast(View()), other) == walk(Analogues(View()), other)
    assert walk(KnownPast(View()), closes[:50]) == walk(Analogues(View()), closes[:50])


def test_two_that_take_turns_see_the_same(closes):
    walks = [KnownPast(View(features=("trend", "volume"))) for _ in range(2)]
    plain = Analogues(View(features=("trend", "volume")))
    for close in closes:
        expected = plain.choose(close, "nearest", 3)
        assert [one.choose(close, "nearest", 3) for one in walks] == [expected, expected]
        for one in (plain, *walks):
            one.take(close)


def test_a_long_history_is_not_remembered(closes, monkeypatch):
    monkeypatch.setattr(known_past, "MOST_KNOWN", 40)
    monkeypatch.setattr(known_past, "_trails", {})
    plain = walk(Analogues(View(features=("trend", "range"))), closes)
    for _ in range(2):
        assert walk(KnownPast(View(features=("trend", "range"))), closes) == plain
    assert all(
        len(trail.closes) <= 40
        for (settings, _), trail in known_past._trails.items()
        if settings[0].features == ("trend", "range")
    )


def test_it_goes_on_in_another_process(closes):
    past = KnownPast(View())
    walk(past, closes[:100])
    again = pickle.loads(pickle.dumps(past))  # noqa: S301 - written just now
    assert walk(again, closes[100:]) == walk(past, closes[100:])
