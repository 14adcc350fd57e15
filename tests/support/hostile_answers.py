"""Hostile answers, an advisor whose model says nothing else, and the same decision from its line in a journal."""

import json

from misbehaving_server import GOOD_ADVICE
from small_run import small

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.risk import Account, Limits, Market, judge
from llm_strategy.trading.decision_lines import Entry, read_decision, write_decision
from llm_strategy.types import Snapshot
from simulator.runs.answers import RunAnswers, recorded_answers

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
SCORED = PromptOptions("choices", "fixed", layout="turns")
LONG = 300_000
LABELS = {" bull": 0.5, " bear": 0.3, " sideways": 0.1, " turbulent": 0.1}
ACTIONS = {" enter_long": 0.9, " enter_short": 0.0, " exit": 0.06, " hold": 0.04}


def tiny(tmp_path, **sections):
    """An experiment of some fifty decisions."""
    return small(tmp_path, data={"source": "synthetic:cycles?bars=320&seed=5"}, **sections)


def told(**fields):
    return json.dumps(json.loads(GOOD_ADVICE) | fields)


HOSTILE = {
    "nothing": "",
    "fence and line feeds": "```json\n" + "\n" * LONG,
    "fences and line feeds": "```" + "\n" * LONG + "```",
    "advice and spaces": GOOD_ADVICE + " " * LONG,
    "line feeds and advice": "\n" * LONG + GOOD_ADVICE,
    "open braces": "{" * LONG,
    "empty objects": "{}" * 9_000,
    "open lists": "[" * LONG,
    "lists around advice": "[" * 950 + " x " + GOOD_ADVICE,
    "lists within lists": "[" * 9_000 + "]" * 9_000,
    "objects within objects": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "quotation marks": '"' * LONG,
    "backslashes": '{"rationale": "' + "\\" * LONG,
    "thoughts without end": "<think>" * (LONG // 7),
    "ends of thoughts": "</think>" * (LONG // 8),
    "thoughts and advice and more": "<think>a</think>" * 900 + GOOD_ADVICE + "x" * LONG,
    "thoughts alone": "<think>" + "hm " * 60_000 + "</think>",
    "channels": "<|channel|>final<|message|>" * 700,
    "half a pair": "Bull \ud83d and more",
    "half a pair escaped": told(rationale="\udfff"),
    "half a pair in a key": json.dumps({"\ud800": 1}),
    "half a pair in a label": told(regime={"label": "\ud800"}),
    "integer of 5000 digits": told().replace("0.7", "9" * 5_000),
    "integer of 400 digits": told().replace("0.7", "1" + "0" * 400),
    "not finite": told().replace("0.7", "1e999"),
    "no number": told().replace("0.7", "NaN"),
    "negative infinity": told().replace("0.7", "-Infinity"),
    "confidence as text": told(action={"type": "exit", "confidence": "0.7"}),
    "confidence as truth": told(action={"type": "exit", "confidence": True}),
    "next to nothing": told().replace("0.7", "1e-320"),
    "a key twice": '{"rationale": "a", ' + GOOD_ADVICE[1:],
    "3,000 keys": json.dumps({str(number): 1 for number in range(2_000)}),
    "a key of zero width": told(**{"ac\u200btion": {}}),
    "a long key": json.dumps({"x" * 19_000: 1}),
    "a long symbol": told(symbol="x" * 19_000),
    "lines of JSON": (GOOD_ADVICE + "\n") * 150,
    "line separators": "\u2028" * 9_000 + GOOD_ADVICE,
    "byte order marks": "\ufeff" * 9_000 + GOOD_ADVICE,
    "commas": "," * LONG,
    "a price of digits": told(rationale="it will rise to " + "1" * 580),
    "numbers": "[" + "1," * 9_000 + "1]",
    "a scalar": "12",
    "null": "null",
    "a list": "[1]",
}


def in_mode(mode, text):
    """An advisor whose model says nothing but this text."""
    if mode == "choices":
        return ModelAdvisor(ScriptedClient(lambda request: text, supports_choices=True), options=SCORED)
    client = ScriptedClient(lambda request: text, supports_forms=mode == "slots")
    if mode == "lenient":
        return ModelAdvisor(client, options=PromptOptions("json"), repairs="lenient")
    return ModelAdvisor(client, options=PromptOptions(mode))


def line_of(decision):
    verdict = judge(decision.advice, Market(decision.snapshot.close), Account(1e5, 1e5), Limits())
    return write_decision(Entry(1, decision, verdict))


def replayed(advisor, line):
    """The same decision from its line in a journal."""
    sampler = {"temperature": 0.0, "max_tokens": 512, "seed": None}
    answers = recorded_answers([read_decision(line)])
    client = RunAnswers(advisor.client.identity, sampler, answers, strict_order=True)
    decision = ModelAdvisor(client, options=advisor.wanted_options, remember=False, repairs=advisor.repairs).decide(
        SNAPSHOT
    )
    client.finish()
    return decision
