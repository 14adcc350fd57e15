"""Readers of what a model says: the contract in each mode, scores, slots, JSON that was cut off, and results."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from functools import cache
from itertools import cycle, zip_longest

from explained_facts import ARMS, made_facts

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.contract import LARGEST_ANSWER, advice_from_document, advice_to_document, parse_answer
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ContractError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.structured.answer_text import unwrap
from llm_strategy.llm.structured.json_repair import can_become_json, close_json
from llm_strategy.types import AbstentionReason, Snapshot, Status
from simulator.reporting.explanation.explain import explain
from simulator.reporting.explanation.parts import names_of
from simulator.reporting.explanation.prose import Reader
from simulator.reporting.explanation.relations import Claim, Known, UnbackedError

from .target import Target

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
GOOD = {
    "version": "1.0.0", "intent": "propose_trade", "symbol": "SECRETCO", "timeframe": "1d",
    "regime": {"label": "bear", "confidence": 0.8}, "rationale": "Below the average.",
    "action": {"type": "enter_long", "confidence": 0.7,
               "constraints": {"max_position_size": 0.03, "stop_loss_pct": 0.02, "take_profit_pct": 0.06}},
}  # fmt: skip
SHORT = {"rationale": "Below.", "regime": {"label": "bear"}, "action": {"type": "exit", "confidence": "70%"}}
SCORES = {" bull": 0.5, " bear": 0.3, " sideways": 0.1, " turbulent": 0.1}
FAILED = AbstentionReason.BACKEND_FAILURE
HARMONY = "<|channel|>analysis<|message|>so<|end|><|channel|>final<|message|>"


def _answers():
    """What models answer, with what some write around it."""
    good, short = (json.dumps(one) for one in (GOOD, SHORT))
    texts = [
        good, short, json.dumps(GOOD, indent=2), json.dumps(SCORES), f"<think>It is {{it}}.</think>\n{short}",
        f"```json\n{short}\n```", f"Here it is: {good}<|im_end|>", HARMONY + short,
        f"analysis so assistantfinal{short}", f"[THINK]a[/THINK]assistant\n{short}", "\ufeff" + short,
        f"</think>{short}",
    ]  # fmt: skip
    return [text.encode() for text in texts]


def _slots():
    return [b"bear\nexit\n70\nBelow the average.", b"bull\nenter_long\n55\nCalm.\n-----\nsideways\nhold\n0\nNear."]


def _both():
    return [*_answers(), b"\n-----\n".join((b"{}", _answers()[0]))]


def as_text(data):
    """Bytes as an engine hands them on: half pairs stay."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode(errors="replace")


def sound(advice):
    """What the contract promises of an advice, and that it can be written and read again."""
    action, wanted = advice.action, advice.action.constraints
    shares = [action.confidence, advice.regime.confidence, wanted.max_position_size, wanted.stop_loss_pct]
    assert all(0 <= share <= 1 for share in shares if share is not None), advice
    assert wanted.take_profit_pct is None or 0 < wanted.take_profit_pct < math.inf, advice
    written = json.dumps(advice_to_document(advice), ensure_ascii=False).encode()
    assert len(written) < LARGEST_ANSWER * 4
    assert advice_from_document(json.loads(written)) == advice


def _contract(data, folder):
    text = as_text(data)
    strict = lenient = None
    try:
        lenient = parse_answer(text, symbol="SECRETCO", timeframe="1d", repairs="lenient")
    finally:
        strict = parse_answer(text, symbol="SECRETCO", timeframe="1d")
    for parsed in (strict, lenient):
        sound(parsed.advice)
    assert lenient.advice == strict.advice


def _around(data, folder):
    text = as_text(data)
    found = unwrap(text, LARGEST_ANSWER)
    assert len(found.text) <= len(text)
    assert len(set(found.kinds)) == len(found.kinds)


def _cut(data, folder):
    text = as_text(data)
    closed = close_json(text)
    can_become_json(text)
    if closed is not None:
        json.loads(closed)


def _decided(mode):
    """Reads an answer, and behind a line of dashes that to the second question, to a decision."""

    def read(data, folder):
        first, _, second = as_text(data).partition("\n-----\n")
        answers = cycle(map(_written_into if mode == "slots" else str, (first, second or first)))
        client = ScriptedClient(lambda _: next(answers), supports_choices=mode == "choices")
        decision = ModelAdvisor(client, options=PromptOptions(mode)).decide(SNAPSHOT)
        if decision.status is Status.ABSTAINED:
            assert decision.abstention.reason in (AbstentionReason.INVALID, AbstentionReason.DENIED, FAILED)
            decision.abstention.detail.encode()
            return
        sound(decision.advice)

    return read


def _written_into(text):
    """The slots of a form out of lines of a text."""
    return dict(zip_longest(("label", "action", "action_confidence", "rationale"), text.split("\n", 3), fillvalue=""))


@cache
def _facts():
    facts = made_facts()
    return facts, Reader(Known(facts, facts), names_of(ARMS, "llm"), "llm")


def _sentences():
    claim = {"relation": "higher than", "facts": ["llm.sharpe", "momentum.sharpe"]}
    texts = [
        ("The Sharpe ratio of llm is {llm.sharpe}, higher than the {momentum.sharpe} of momentum", [claim]),
        ("llm had a total return of {llm.total_return}; its drawdown was {llm.max_drawdown}", []),
        ("The difference does not contain zero; it made 990% because it is clever!", [claim, claim]),
    ]
    answers = [{"sentences": [{"text": text, "claims": claims}]} for text, claims in texts]
    stated = {
        "hypotheses": [{"conditions": ["market.drawdown < -0.1"], "direction": "up", "horizon": 5, "effect": 0.1}]
    }
    return [*(text.encode() for text, _ in texts), *(json.dumps(each).encode() for each in (*answers, stated))]


def _grounded(data, folder):
    facts, reader = _facts()
    text = as_text(data)
    for sentence in text.split("\n")[:5]:
        with suppress(UnbackedError):
            told = reader.read(sentence, [Claim("higher than", ("llm.sharpe", "momentum.sharpe"))])
            assert set(told.facts) <= set(facts)
    for forms in (False, True):
        explained = explain(facts, ScriptedClient(lambda _: text, supports_forms=forms))
        explained.as_json().encode()
        assert explained.counts["written_by_model"] == explained.counts["shown"] + explained.counts["refused"]


TARGETS = (
    Target("contract", _answers, _contract, (ContractError,), tries=500, seconds=1.0),
    Target("answer text", _answers, _around, (ContractError,), tries=300, seconds=1.0),
    Target("JSON cut off", _answers, _cut, (), tries=300, seconds=1.0),
    Target("decision json", _both, _decided("json"), (), tries=120, seconds=1.5),
    Target("decision slots", _slots, _decided("slots"), (), tries=120, seconds=1.5),
    Target("decision choices", _both, _decided("choices"), (), tries=120, seconds=1.5),
    Target("explanation", _sentences, _grounded, (), tries=40, seconds=2.0, share=2),
)
