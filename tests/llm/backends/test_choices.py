"""Probabilities over whole choices, and the requests that ask for them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_strategy.errors import BackendFailure, ConfigurationError
from llm_strategy.llm import MemoryStore, Message, RecordingClient, Request
from llm_strategy.llm.backends.local.slots import score
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import request_hash

TOKENS = {text: number for number, text in enumerate(["a", "b", "ab", "ba", "abb", "bb"])}
ASKED = Request((Message("user", "?"),), opening="It is ")


def beginnings(text):
    return {text[:end]: TOKENS[text[:end]] for end in range(1, len(text) + 1) if text[:end] in TOKENS}


@given(st.sets(st.sampled_from(["aab", "aba", "abb", "baa", "bab", "bba", "bbb"]), min_size=2), st.randoms())
def test_every_way_to_write_a_choice_counts(choices, source):
    weights = {}

    def weight(tokens, token):
        return weights.setdefault((tokens, token), source.uniform(0.5, 1))

    def next_token(tokens, allowed):
        total = sum(weight(tokens, token) for token in allowed)
        return {token: weight(tokens, token) / total for token in allowed}

    def exact(written, tokens):
        """The probability of each choice by every sequence of tokens up to where one choice is left."""
        open_choices = [choice for choice in choices if choice.startswith(written)]
        if len(open_choices) == 1:
            return {open_choices[0]: 1.0}
        ways = dict(itertools.chain.from_iterable(beginnings(c[len(written) :]).items() for c in open_choices))
        found = dict.fromkeys(choices, 0.0)
        for text, share in zip(ways, next_token(tokens, tuple(ways.values())).values(), strict=True):
            for choice, probability in exact(written + text, (*tokens, ways[text])).items():
                found[choice] += share * probability
        return found

    expected = exact("", ())
    assert score(sorted(choices), beginnings, next_token) == pytest.approx(expected, abs=0.06)


def test_choices_without_any_probability_are_an_error():
    with pytest.raises(BackendFailure, match="none of the choices"):
        score(["aa", "bb"], beginnings, lambda tokens, allowed: {})


@pytest.mark.parametrize("choices", [("a", "ab"), ("a", "a"), ("a", "")])
def test_a_choice_must_not_begin_another(choices):
    with pytest.raises(ConfigurationError, match="the beginning of another"):
        Request((Message("user", "?"),), choices=choices)


def test_scores_are_recorded_and_replayed_and_a_missing_one_is_an_error():
    scripted = ScriptedClient([{"up": 0.7, "down": 0.3}], supports_choices=True)
    store = MemoryStore()
    live = RecordingClient(scripted, scripted.identity, store)
    first = live.score(ASKED, ("up", "down"))
    again = RecordingClient(None, scripted.identity, store, "replay")
    assert again.score(ASKED, ("up", "down")) == first == {"up": 0.7, "down": 0.3}
    with pytest.raises(Exception, match="has no recorded answer"):
        again.score(ASKED, ("up", "sideways"))


def test_a_client_that_cannot_score_says_so():
    with pytest.raises(ConfigurationError, match="gives no probabilities"):
        ScriptedClient([]).score(ASKED, ("up", "down"))


@pytest.mark.parametrize("answer", ["up", "[]", '{"up": 2}', '{"up": "x"}', '{"up": 0}', '{"up": NaN}'])
def test_probabilities_that_are_none_are_told(answer):
    with pytest.raises(BackendFailure, match="gave no probabilities"):
        ScriptedClient([answer], supports_choices=True).score(ASKED, ("up", "down"))


def test_what_was_recorded_before_choices_existed_is_still_found():
    plain = Request((Message("user", "Hello"),))
    assert request_hash(plain, ScriptedClient([]).identity) == (
        "f5f9427aef6c230e4cc8c9e9eed415da0d5175bbb14a53afd20c2326c4d5da3f"
    )
