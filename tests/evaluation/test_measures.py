"""Decisions that are alike are counted together, and come to what they do one after the other."""

from copy import deepcopy
from dataclasses import replace
from random import Random

import pytest
from journal_entries import advised, entry

from simulator.evaluation import measures

CUT = {"limit": "max_position_size", "before": 1.0, "after": 0.5}
GONE = {"limit": "lot_step", "before": 1.0, "after": 0.0}
TIMEOUT = {"reason": "timeout", "detail": "It took too long."}
DOUBTED = {"verdict": "review", "reasons": ["label: no"], "coherent": False}
DIVIDED = [
    {"kind": "disagreement", "detail": "2 of 3", "value": 0.1}, {"kind": "fingerprint", "detail": "build 1"},
]  # fmt: skip
KINDS = [
    entry(advice=advised(), prompt="trend: up"),
    entry(advice=advised("bear", "enter_long"), prompt="trend: down", repairs=["code fence", "second attempt: none"]),
    entry(advice=advised("bear", "enter_long"), policy=DOUBTED),
    entry({"symbol": "OTHER"}, {"intent": "enter_long"}, advice=advised(action="enter_long"), clamps=[CUT, CUT]),
    entry(advice=advised(action="enter_long"), clamps=[CUT, GONE]),
    entry(status="abstained", abstention=TIMEOUT),
    entry(status="abstained", advice=advised(), instead_of=TIMEOUT),
    entry(advice=advised(), request="a", answer="{}", events=DIVIDED),
    entry(advice=advised(), request="b", answer="{}", events=[DIVIDED[1] | {"detail": "build 2"}]),
    entry(advice=advised("turbulent", "exit"), request="c", answer='{"bull": 0.25, "bear": 0.5}', further=[
        {"purpose": "action", "request": "d", "answer": "{}"}, {"purpose": "rationale", "request": "e", "answer": ""},
    ]),
]  # fmt: skip


def journal(seed):
    """These kinds of decisions again and again, each at closes of its own."""
    chance, made = Random(seed), []
    for bar in range(400):
        one = chance.choice(KINDS)
        trend, rank = chance.choice([-0.1, 0.0, 0.1]), chance.choice([0.2, 0.9])
        time = f"2020-{1 + bar // 28 % 12:02}-{1 + bar % 28:02}T00:00:00"
        snapshot = replace(one.decision.snapshot, time=time, close=100.0 + bar, trend=trend, volatility_rank=rank)
        made.append(replace(one, bar=bar, decision=replace(one.decision, snapshot=snapshot)))
    return made


@pytest.mark.parametrize("most", [1, 5, 4096])
@pytest.mark.parametrize("rationale", ["always", "changes"])
@pytest.mark.parametrize("own_labels", [False, True], ids=["labels of the rule", "labels of its own"])
def test_alike_they_come_to_what_they_do_one_after_the_other(most, rationale, own_labels, monkeypatch):
    entries = journal(3)
    none_alike = measures._measured(map(deepcopy, entries), own_labels=own_labels, rationale=rationale)
    monkeypatch.setattr(measures, "_MOST_ALIKE", most)
    together = measures._measured(entries, own_labels=own_labels, rationale=rationale)
    assert repr(together) == repr(none_alike)
    assert together.advice.decisions == len(entries)
