"""The library of past states: which examples it chooses, and that searching on finds what searching anew finds."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
from past_states import SNAPSHOT, states

from llm_strategy.advice.examples import Analogues, Example, label_of_what_followed
from llm_strategy.market.view import View, causal_label, render_snapshot
from llm_strategy.types import RegimeLabel

WORDS = View("words")

markets = st.builds(
    lambda **features: dataclasses.replace(SNAPSHOT, **features),
    trend=st.sampled_from([-0.2, -0.05, 0.0, 0.05]),
    momentum=st.sampled_from([-0.1, 0.0, 0.2]),
    volatility_rank=st.sampled_from([0.1, 0.5, 0.9]),
    range_position=st.sampled_from([0.1, 0.5, 0.52]),
)


def searched_anew(taken, asked, count, view, labels):
    """The nearest of all states so far, every one of them looked at."""
    known = [(snapshot, causal_label(snapshot)) for snapshot in taken]
    if labels == "followed":
        pairs = zip(taken, taken[SNAPSHOT.momentum_bars :], strict=False)
        known = [(snapshot, label_of_what_followed(later)) for snapshot, later in pairs]
    label = {render_snapshot(snapshot, view): label for snapshot, label in known}  # the last one
    words = {render_snapshot(snapshot, view): in_words(snapshot) for snapshot, _ in reversed(known)}  # the first one

    def common(market):
        return sum(one == other for one, other in zip(in_words(asked), words[market], strict=True))

    ranked = sorted(label, key=common, reverse=True)[:count]
    return tuple(Example(market, label[market]) for market in reversed(ranked)) if len(ranked) == count else ()


def in_words(snapshot):
    return render_snapshot(snapshot, WORDS).split("; ")


@settings(max_examples=150, deadline=None)
@given(
    bars=st.lists(st.tuples(markets, st.lists(st.tuples(markets, st.integers(1, 4)), max_size=3)), max_size=60),
    view=st.sampled_from([WORDS, View("numbers"), View("numbers", 1)]),
    labels=st.sampled_from(["rule", "followed"]),
)
def test_searching_on_finds_what_searching_anew_finds(bars, view, labels):
    library, taken = Analogues(view, labels), []
    for snapshot, others in bars:
        for asked, count in [(snapshot, 2), *others, (snapshot, 2)]:
            chosen = library.choose(asked, "nearest", count)
            assert chosen == searched_anew(taken, asked, count, view, labels)
        library.take(snapshot)
        taken.append(snapshot)


def test_the_nearest_states_are_shown_and_never_the_one_in_question():
    library = Analogues(View())
    every = list(states())
    for number, snapshot in enumerate(every):
        shown = library.choose(snapshot, "nearest", 3)
        past = {render_snapshot(earlier) for earlier in every[:number]}
        assert {example.market for example in shown} <= past
        assert len(shown) in (0, 3)
        if shown and render_snapshot(snapshot) in past:
            assert shown[-1].market == render_snapshot(snapshot)
        library.take(snapshot)
    assert shown
    for example in shown:
        earlier = next(state for state in every if render_snapshot(state) == example.market)
        assert example.label is causal_label(earlier)


def test_what_followed_is_known_when_it_has_followed():
    library = Analogues(View(), "followed")
    rising = dataclasses.replace(SNAPSHOT, momentum=0.2, volatility=0.01, volatility_rank=0.1)
    for number in range(SNAPSHOT.momentum_bars):
        library.take(dataclasses.replace(SNAPSHOT, trend=0.05, time=str(number)))
        assert not library.choose(SNAPSHOT, "nearest", 1)
    library.take(rising)
    (example,) = library.choose(SNAPSHOT, "nearest", 1)
    assert example.label is RegimeLabel.BULL
    assert "above" in example.market


def test_balanced_examples_stay_once_they_can_be_chosen():
    library = Analogues(View())
    chosen = []
    for snapshot in states():
        chosen.append(library.choose(snapshot, "balanced", 8))
        library.take(snapshot)
    kept = [examples for examples in chosen if examples]
    assert 0 < len(kept) < len(chosen)
    assert len(set(kept)) == 1
    assert {label: [e.label for e in kept[0]].count(label) for label in RegimeLabel} == dict.fromkeys(RegimeLabel, 2)
