"""Scores that are no probabilities, and rationales of scored decisions: invalid, asked again, and no end of a run."""

import dataclasses
import json

import pytest
from hostile_answers import ACTIONS, LABELS, LONG, SCORED, SNAPSHOT, line_of, replayed, tiny

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.llm import FolderStore, MemoryStore, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.types import AbstentionReason, Status

pytestmark = pytest.mark.slow

BAD_SCORES = {
    "next to nothing": LABELS | {" bull": 1e-320},
    "no number": json.dumps(LABELS | {" bull": float("nan")}),
    "infinity": json.dumps(LABELS | {" bull": float("inf")}),
    "400 digits": json.dumps(LABELS).replace("0.5", "1" + "0" * 400),
    "5000 digits": json.dumps(LABELS).replace("0.5", "9" * 5_000),
    "negative": LABELS | {" bull": -0.1},
    "more than 1": LABELS | {" bull": 1.5},
    "as text": LABELS | {" bull": "0.5"},
    "as truth": LABELS | {" bull": True},
    "null": LABELS | {" bull": None},
    "sum of 4": dict.fromkeys(LABELS, 1.0),
    "sum of 0": dict.fromkeys(LABELS, 0.0),
    "sum of 0.1": {" bull": 0.1},
    "other labels": {"up": 0.5, "down": 0.5},
    "one label more": LABELS | {" calm": 0.1},
    "twice": json.dumps(LABELS)[:-1] + ', " bull": 0.1}',
    "a list": [0.5, 0.5],
    "long": json.dumps(LABELS) + " " * LONG,
}


@pytest.mark.parametrize("calibration", ["none", "content_free", "batch"])
@pytest.mark.parametrize("name", BAD_SCORES)
def test_bad_scores_are_invalid_and_asked_again_by_the_next_command(name, calibration):
    bad = BAD_SCORES[name]
    text = bad if isinstance(bad, str) else json.dumps(bad)
    options = dataclasses.replace(SCORED, calibration=calibration)
    store = MemoryStore()
    for labels, status in ((text, Status.ABSTAINED), (LABELS, Status.ADVISED)):

        def answers(request, labels=labels):
            return ACTIONS if " exit" in request.choices else labels

        model = ScriptedClient(answers, supports_choices=True)
        advisor = ModelAdvisor(RecordingClient(model, model.identity, store), options=options)
        assert bool(advisor.unusable_on_record(SNAPSHOT)) == (status is Status.ADVISED)
        decision = advisor.decide(SNAPSHOT)
        assert decision.status is status
        line = line_of(decision)
        assert line_of(replayed(advisor, line)) == line
        assert decision.abstention is None or decision.abstention.reason is AbstentionReason.INVALID


@pytest.mark.parametrize(
    "rationale",
    ["x" * 601, "at " + "1" * LONG, "target" + " " * LONG, "half \ud83d"],
    ids=["long", "digits", "spaces", "half a pair"],
)
def test_a_rationale_of_a_scored_decision_is_bounded_text(rationale):
    def answers(request):
        if not request.choices:
            return {"rationale": rationale}
        return LABELS if " bull" in request.choices else ACTIONS

    client = ScriptedClient(answers, supports_choices=True)
    advisor = ModelAdvisor(client, options=dataclasses.replace(SCORED, rationale="always"))
    decision = advisor.decide(SNAPSHOT)
    if rationale.startswith("target"):
        assert decision.advice.rationale == "target"
    else:
        assert decision.abstention.detail.startswith("rationale: ")


def test_bad_scores_on_record_cost_no_run_and_leave_a_calibration_of_the_others(tmp_path):
    def answers(request):
        bad = "below" in request.messages[-1].content and any("bull" in choice for choice in request.choices)
        return dict(zip(request.choices, [1e-320 if bad else 0.5, 0.3, 0.1, 0.1], strict=False))

    client = RecordingClient(
        model := ScriptedClient(answers, supports_choices=True), model.identity, FolderStore(tmp_path / "answers")
    )
    wanted = tiny(tmp_path, advisor={"mode": "choices", "examples": "fixed", "max_failure_rate": 1.0})
    result = simulator.run(wanted, client=client)
    assert {line["status"] for line in result.record.arms[0].decisions} == {"advised", "abstained"}
    assert json.loads((result.folder / "calibration.json").read_text())["labels"]["bull"] == 0.5
    assert all(check.same for check in simulator.replay(result.folder))
