"""An explanation that is meant to deceive or to hang: no number that no fact backs, no sign that a page or a terminal
obeys, no longer than a moment."""

import json
import time

import pytest
from explained_facts import ARMS, made_facts

from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.reporting.explanation.explain import explain
from simulator.reporting.explanation.parts import names_of
from simulator.reporting.explanation.pieces import LONGEST_SENTENCE
from simulator.reporting.explanation.prose import Reader
from simulator.reporting.explanation.relations import Claim, Known, UnbackedError

FACTS = made_facts()
READER = Reader(Known(FACTS, FACTS), names_of(ARMS, "llm"), "llm")
CLAIM = Claim("positive", ("llm.sharpe",))

OTHER_NUMBERS = [
    "\uff10\uff0e\uff14", "\u0664", "\u00b2", "\u00bd", "\u216b", "XII", "twelve", "a dozen", "doubled",
    "two-thirds", "a third", "1e3", "4.2E-1", "9%", "9 %", "9\uff05", "9\u066a", "9\u2030", "&#57;", "&#x39;", "%39",
    "**9**", "`9`", "O.73", "l2", "\u0417", "\u2460", "\U0001d7d7", "9\ufe0f\u20e3", "\u096f", "zero", "none", "nine",
    "thirty-four", "half", "fifty-fifty", "a handful", "a couple", "tenfold", "ten-fold", "hundreds", "a majority",
    "umpteen", "first", "the second", "a fifth", "trice", "quadruple", "{9}", "{}", "{llm}", "{{llm.sharpe}}",
]  # fmt: skip
BENT = [
    "- {}", "\u2013 {}", "\u2014 {}", "\u2212 {}", "-{}", "\u2212{}", "- ({})", "({})", "[{}]", "+{}", "~{}",
    "\u00b1{}", "{}%", "{} %", "{}9", "9{}", "{} 9", "9 {}", "{},9", "{}.9", "{}e9", "{}\u200b9", "{}\u20609",
    "{}\u00a09", "{}\u202f9", "{}\n9", "{}\u20289", "{}\u20ac", "${}", "{}k", "{} k", "{} million", "{}x", "{}:1",
    "{}/9", "{}^9", "{}\u00b2", "{}\u00bd", "{}\u0305", "{}\u0338", "{}=9", "{}(9)", "{} percent", "{}percent", "{}-",
    "{}!!", "0{}", "{}0", "{}\u00b0", "{}bps", "{} bps", "#{}", "zero {}", "{} times", "{}{}", "{} {}", "not {}",
    "\u202e{}", "\u2066{}", "{}\U000e0041", "&minus;{}", "<b>{}", "about {}", "{} points", "minus ({})", "{} - 9",
]  # fmt: skip
DECEPTIONS = [
    "llm crushed the market with a Sharpe ratio of {llm.sharpe}",
    "llm skyrocketed to a total return of {llm.total_return}",
    "llm is skilful at a Sharpe ratio of {llm.sharpe}",
    "Buy llm, whose Sharpe ratio is {llm.sharpe}",
    "llm had a Sharpe ratio of {llm.sharpe} owing to its insight",
    "llm had a Sharpe ratio of {llm.sharpe} and will repeat it",
    "llm had a Sharpe ratio of {llm.sharpe}, so hold on to it forever",
    "llm had a Sharpe ratio of {llm.sharpe} <script>alert(1)</script>",
    "llm had a Sharpe ratio of {llm.sharpe} [here](https://evil.example)",
    "llm had a Sharpe ratio of {llm.sharpe} at evil.example",
    "llm had a Sharpe ratio of {llm.sharpe} \x1b[31m",
    "llm had a Sharpe ratio of {llm.sharpe} \u202e",
    "llm had a Sharpe ratio of {llm.sharpe} *well*",
    "llm had a Sharpe ratio of {llm.sharpe} `code`",
    "llm had a Sharpe ratio of {llm.sharpe} | cell",
    "llm had a Sharpe ratio of {llm.sharpe}\n\n# Heading",
]


def is_shown(sentence):
    try:
        READER.read(sentence, [CLAIM])
    except UnbackedError:
        return False
    return True


@pytest.mark.parametrize("number", OTHER_NUMBERS, ids=ascii)
def test_a_number_in_any_other_spelling_is_not_shown(number):
    for sentence in (
        f"The Sharpe ratio of llm is {number}",
        f"llm made {number} trades at a Sharpe ratio of {{llm.sharpe}}",
        f"The Sharpe ratio of llm, {number}, is positive",
    ):
        assert not is_shown(sentence), sentence


@pytest.mark.parametrize("bent", BENT, ids=ascii)
def test_a_fact_that_reads_as_another_number_is_not_shown(bent):
    for metric, name in (("Sharpe ratio", "{llm.sharpe}"), ("number of trades", "{llm.trades}")):
        sentence = f"The {metric} of llm is {bent.replace('{}', name)}"
        assert not is_shown(sentence), sentence


def test_a_fact_as_it_is_is_shown():
    for sentence in (
        "The Sharpe ratio of llm is {llm.sharpe}",
        "The Sharpe ratio of llm ({llm.sharpe}) is positive",
        "llm had a Sharpe ratio of {llm.sharpe} - the number of trades of llm is {llm.trades}.",
    ):
        assert is_shown(sentence), sentence


@pytest.mark.parametrize("sentence", DECEPTIONS, ids=ascii)
def test_what_deceives_or_is_obeyed_is_not_shown(sentence):
    assert is_shown("llm had a Sharpe ratio of {llm.sharpe}")
    assert not is_shown(sentence)


SHAPES = [
    ",", ";", "'s ", "()", "\n", " ", "7", ".", "%", "1.", "x", "the ", "and ", "llm ", "llm and ", "sharpe ", "than ",
    " - ", "-", ":", "higher ", "- ", "*", "\u682a", "\u00a0", "! ", "\x00", "\ud800", "{", "}", "{llm.sharpe} ", "{}",
    "{llm.sharpe}, ", "({llm.sharpe}) ", "The Sharpe ratio of llm is {llm.sharpe}, ", '{"', "[", '{"a":',
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=ascii)
def test_an_answer_of_any_shape_and_length_is_read_at_once(shape):
    begun = time.process_time()
    for length in (LONGEST_SENTENCE, 20_000, 1_000_000):
        text = (shape * (length // len(shape) + 1))[:length]
        is_shown(text)
    answer = json.dumps({"sentences": [{"text": shape * 400, "claims": []}] * 500})
    made = explain(FACTS, ScriptedClient(lambda request: answer, supports_forms=False))
    assert made.as_json().encode()
    assert time.process_time() - begun < 20  # seconds; without the bounds a million signs take an hour


def test_half_a_pair_in_an_explanation_is_written():
    answer = json.dumps({"sentences": [{"text": "The \ud800 of llm.", "claims": []}, {"text": "The \u202e of llm."}]})
    text = explain(FACTS, ScriptedClient(lambda request: answer, supports_forms=False)).as_json()
    assert "\\u202e" in text
    assert text.encode()
