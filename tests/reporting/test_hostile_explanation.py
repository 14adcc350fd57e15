"""An explanation that is meant to deceive or to hang: no number that no fact backs, no longer than a moment."""

import time

import pytest
from explained_facts import made_facts

from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import Generation
from simulator.reporting.explanation.explain import LONGEST_ANSWER, explain, first_sentences
from simulator.reporting.explanation.judge import LONGEST_SENTENCE, Judge

FACTS = made_facts()
JUDGE = Judge(FACTS, FACTS)
SHARPE, TRADES = FACTS["llm.sharpe"].text, FACTS["llm.trades"].text
FULL_WIDTH = "".join(chr(ord(sign) + 0xFEE0) if sign.isdigit() else sign for sign in SHARPE)
ARABIC = "".join(chr(0x660 + int(sign)) if sign.isdigit() else sign for sign in SHARPE)

OTHER_NUMBERS = [
    FULL_WIDTH, ARABIC, "\u00b2", "\u00bd", "\u216b", "XII", "twelve", "a dozen", "doubled", "two-thirds", "a third",
    "1e3", "4.2E-1", "9%", "9 %", "9\uff05", "9\u066a", "9\u2030", "&#57;", "&#x39;", "%39", "**9**", "`9`", "O.73",
    "l2", "\u0417", "\u2460", "\U0001d7d7", "9\ufe0f\u20e3", "\u096f", "zero", "none", "nine", "thirty-four", "half",
    "fifty-fifty",
]  # fmt: skip
BENT = [
    "- {}", "\u2013 {}", "\u2014 {}", "\u2212 {}", "-{}", "\u2212{}", "- ({})", "({})", "[{}]", "+{}", "~{}",
    "\u00b1{}", "{}%", "{} %", "{}9", "9{}", "{} 9", "9 {}", "{},9", "{}.9", "{}e9", "{}\u200b9", "{}\u20609",
    "{}\u00a09", "{}\u202f9", "{}\u30009", "{}\n9", "{}\u20289", "{}\u20ac", "${}", "{}k", "{} k", "{} million",
    "{}x", "{}:1", "{}/9", "{}^9", "{}\u00b2", "{}\u00bd", "{}\u0305", "{}\u0338", "{}\u20d2", "{}=9", "{}(9)",
    "{} percent", "{}percent", "{}-", "{}..", "{}!!", "0{}", "{}0", "{}\u00b0", "{}bps", "{} bps", "#{}", "zero {}",
    "{} to {}", "{} times", "{} of {}", "{}{}", "{} {}", "not {}", "\u202e{}", "\u2066{}", "{}\U000e0041",
    "&minus;{}", "<b>{}", "over {}", "above {}", "about {}", "{} or more", "{} points",
]  # fmt: skip


@pytest.mark.parametrize("number", OTHER_NUMBERS, ids=ascii)
def test_a_number_in_any_other_spelling_is_not_shown(number):
    for sentence in (
        f"The Sharpe ratio of llm is {number}.",
        f"llm made {number} trades.",
        f"llm, {number}, is positive.",
    ):
        assert not JUDGE.judge(sentence).accepted, sentence


@pytest.mark.parametrize("bent", BENT, ids=ascii)
def test_a_fact_that_reads_as_another_number_is_not_shown(bent):
    for metric, text in (("Sharpe ratio", SHARPE), ("number of trades", TRADES)):
        sentence = f"The {metric} of llm is {bent.replace('{}', text)}."
        assert not JUDGE.judge(sentence).accepted, sentence


def test_a_fact_in_its_own_spelling_is_shown():
    for sentence in (
        f"The Sharpe ratio of llm is {SHARPE}.",
        f"The Sharpe ratio of llm ({SHARPE}) is positive.",
        f"llm had a Sharpe ratio of {SHARPE} - the number of trades of llm is {TRADES}.",
    ):
        assert JUDGE.judge(sentence).accepted, sentence


SHAPES = [
    ",", ";", '"', "'s ", "()", "\n", " ", "7", ".", "%", "7.", "1.", "x", "the ", "and ", "llm ", "llm and ",
    "sharpe ", "than ", " - ", "-", ":", "=", "higher ", "of all arms ", "a. ", "- ", "*", "vs. ", "_", "\u682a",
    "e\u0301", "\u00a0", " .", " %", "! ", "\u2028", "\x00", "\ud800", f"{SHARPE} ", f"{SHARPE}, ", f"({SHARPE}) ",
    f"{SHARPE} and ", f"The Sharpe ratio of llm is {SHARPE}, ",
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=ascii)
def test_an_answer_of_any_shape_and_length_is_judged_at_once(shape):
    begun = time.process_time()
    for length in (LONGEST_SENTENCE, LONGEST_ANSWER, 1_000_000):
        for piece in first_sentences(Generation((shape * (length // len(shape) + 1))[:length], 1, 1, 0.0)):
            judgement = JUDGE.judge(piece)
            assert len(piece) <= LONGEST_SENTENCE or judgement.refusal == "it is too long to be checked"
    assert time.process_time() - begun < 1  # seconds; without the bound a million commas take an hour


def test_a_long_answer_is_refused_and_only_its_beginning_told():
    said = "The Sharpe ratio of llm is higher, " * 30_000
    begun = time.process_time()
    explanation = explain(FACTS, ScriptedClient(lambda request: said))
    assert time.process_time() - begun < 5
    refused = [one.refused for paragraph in explanation.paragraphs for one in paragraph.sentences if one.refused]
    assert all(len(one.text) < LONGEST_SENTENCE + 9 for one in refused)
    assert explanation.counts["shown"] == 0


def test_half_a_pair_in_an_explanation_is_written():
    explanation = explain(FACTS, ScriptedClient(lambda request: "The \ud800 of llm.\nThe \u202e of llm."))
    text = explanation.as_json()
    assert "\ufffd" in text
    assert "\\u202e" in text
    assert text.encode()
