"""Decisions by scored choices, with chosen examples: from snapshot to run folder and back."""

import dataclasses
import json

import pytest
from past_states import SNAPSHOT, states

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.contract import advice_from_document, advice_to_document
from llm_strategy.advice.layout import LAYOUT_NAMES, load_layout
from llm_strategy.advice.modes.choices import FEWEST_STATES, correct_scores
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import AnswerTimeout, ConfigurationError
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.local.gpt4all import Gpt4AllBackend
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Slot
from llm_strategy.market.view import View
from llm_strategy.types import RegimeLabel, Status
from simulator.runs.advise import advise_at

pytestmark = pytest.mark.slow

BULL = {" bull": 0.5, " bear": 0.3, " sideways": 0.1, " turbulent": 0.1}
LONG = {" enter_long": 0.9, " enter_short": 0.0, " exit": 0.06, " hold": 0.04}
FIXED = PromptOptions("choices", "fixed", layout="turns")


def scorer(labels=BULL, actions=LONG, rationale="Above the average."):
    def answer(request):
        if not request.choices:
            return {"rationale": rationale}
        return labels if " bull" in request.choices else actions

    return ScriptedClient(answer, supports_choices=True)


def test_a_scored_decision_is_an_advice_with_real_probabilities():
    client = scorer()
    decision = ModelAdvisor(client, options=FIXED).decide(SNAPSHOT)
    assert decision.status is Status.ADVISED
    assert (decision.advice.regime.label, decision.advice.regime.confidence) == ("bull", 0.5)
    assert (decision.advice.action.type, decision.advice.action.confidence) == ("enter_long", 0.9)
    assert advice_from_document(advice_to_document(decision.advice)) == decision.advice
    assert [exchange.purpose for exchange in decision.exchanges] == ["label", "action"]
    assert client.requests[1].opening == client.requests[0].opening == "Regime:"
    assert client.requests[1].chosen == " bull\nAction:"


def test_equal_questions_are_asked_once():
    client = scorer()
    advisor = ModelAdvisor(client, options=FIXED)
    first, again = advisor.decide(SNAPSHOT), advisor.decide(SNAPSHOT)
    assert len(client.requests) == 2
    assert first == again


@pytest.mark.parametrize(
    ("wanted", "purposes"),
    [
        ("never", [2, 2, 2]),
        ("changes", [3, 2, 3]),
        ("always", [3, 3, 3]),
    ],
)
def test_a_rationale_is_asked_for_where_it_is_wanted(wanted, purposes):
    answers = iter([BULL, BULL, {" bull": 0.1, " bear": 0.9}])
    client = ScriptedClient(
        lambda request: (
            {"rationale": "It is so."} if request.form else next(answers) if " bull" in request.choices else LONG
        ),
        supports_choices=True,
    )
    advisor = ModelAdvisor(client, options=dataclasses.replace(FIXED, rationale=wanted), remember=False)
    decisions = [advisor.decide(SNAPSHOT) for _ in range(3)]
    assert [len(decision.exchanges) for decision in decisions] == purposes
    for decision in decisions:
        asked = decision.exchanges[-1].purpose == "rationale"
        assert (decision.advice.rationale == "It is so.") is asked
        assert decision.advice.rationale


def test_a_content_free_prior_takes_away_what_the_model_says_to_anything():
    always = {" bull": 0.8, " bear": 0.1, " sideways": 0.05, " turbulent": 0.05}

    def answer(request):
        if " bull" not in request.choices:
            return LONG
        return always if request.messages[-1].content == "Market: unknown" else BULL

    client = ScriptedClient(answer, supports_choices=True)
    decision = ModelAdvisor(client, options=dataclasses.replace(FIXED, calibration="content_free")).decide(SNAPSHOT)
    assert decision.advice.regime.label is RegimeLabel.BEAR
    assert [exchange.purpose for exchange in decision.exchanges] == ["label", "prior", "action"]


def test_batch_calibration_uses_the_states_before_alone():
    def answer(request):
        if " bull" not in request.choices:
            return LONG
        below = "below" in request.messages[-1].content
        return {" bull": 0.6 if below else 0.8, " bear": 0.3 if below else 0.1, " sideways": 0.05, " turbulent": 0.05}

    def labels(snapshots):
        client = ScriptedClient(answer, supports_choices=True)
        advisor = ModelAdvisor(client, options=dataclasses.replace(FIXED, calibration="batch"))
        return [advisor.decide(snapshot).advice.regime for snapshot in snapshots]

    every = list(states())
    found = labels(every)
    assert {regime.label for regime in found[:FEWEST_STATES]} == {RegimeLabel.BULL}
    assert RegimeLabel.BEAR in {regime.label for regime in found[FEWEST_STATES:]}
    assert labels(every[:30]) == found[:30]


def test_a_correction_sums_to_one_and_survives_a_prior_of_zero():
    found = correct_scores({"a": 0.5, "b": 0.5}, {"a": 0.0, "b": 0.25})
    assert sum(found.values()) == pytest.approx(1)
    assert found["b"] > found["a"]


def test_a_backend_that_cannot_do_the_mode_is_told():
    with pytest.raises(ConfigurationError, match=r"cannot do: choose .*json or slots, or auto"):
        ModelAdvisor(ScriptedClient([]), options=PromptOptions("choices"))
    with pytest.raises(ConfigurationError, match="choose json, or auto"):
        ModelAdvisor(ScriptedClient([], supports_forms=False), options=PromptOptions("slots"))


def test_a_failed_score_is_an_abstention():
    decision = ModelAdvisor(scorer(labels=AnswerTimeout("Slow.")), options=FIXED).decide(SNAPSHOT)
    assert decision.status is Status.ABSTAINED
    assert decision.abstention.reason == "timeout"


def test_each_symbol_has_its_own_past():
    advisor = ModelAdvisor(scorer(), options=PromptOptions("choices", "nearest", 1, layout="turns"))
    other = dataclasses.replace(SNAPSHOT, symbol="OTHER", trend=0.3)
    advisor.decide(other)
    assert "far above" not in str(advisor.request(SNAPSHOT).messages[1:3])
    assert "far above" in str(advisor.request(other).messages[1:3])
    advisor = advisor.attach(None)
    assert advisor.request(other) == ModelAdvisor(
        scorer(), options=PromptOptions("choices", "nearest", 1, layout="turns")
    ).request(other)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_every_layout_shows_the_examples_and_begins_the_answer(layout):
    client = ScriptedClient(
        lambda request: {choice: 1 / len(request.choices) for choice in request.choices}, supports_choices=True
    )
    advisor = ModelAdvisor(client, options=dataclasses.replace(FIXED, layout=layout))
    assert advisor.decide(SNAPSHOT).status is Status.ADVISED
    text = "".join(message.content for message in client.requests[0].messages)
    begun = load_layout(layout).question.partition("{")[0]
    assert not begun or text.count(begun) == 17
    assert "{" not in text or layout == "json"
    label, action = client.requests[:2]
    assert label.opening == action.opening
    assert action.chosen.startswith(label.choices)


@pytest.mark.parametrize(
    "advisor",
    [
        {
            "mode": "choices",
            "layout": "turns",
            "examples": {"nearest": 3},
            "rationale": "changes",
            "labels": "followed",
        },
        {"mode": "choices", "layout": "turns", "examples": "fixed", "calibration": "content_free"},
        {
            "mode": "choices",
            "layout": "turns",
            "examples": {"balanced": 4},
            "calibration": "batch",
            "rationale": "always",
        },
        {"mode": "slots", "examples": {"nearest": 2}},
        {"mode": "json"},
    ],
    ids=lambda advisor: advisor["mode"],
)
def test_a_run_replays_from_its_folder_byte_for_byte(tmp_path, advisor):
    def answer(request):
        market = request.messages[-1].content
        up = "above" in market
        if request.choices:
            share = {" bull": 0.7 if up else 0.2, " bear": 0.2 if up else 0.6, " sideways": 0.06, " turbulent": 0.04}
            return share if " bull" in request.choices else (LONG if up else {**LONG, " exit": 0.95})
        label, action = ("bull", "enter_long") if up else ("bear", "exit")
        if request.form:
            return {"label": label, "action": action, "action_confidence": "70", "rationale": "So it is."}
        return {"regime": {"label": label}, "action": {"type": action, "confidence": 0.7}, "rationale": "So it is."}

    model = ScriptedClient(answer, supports_choices=True)
    experiment = simulator.Experiment.from_mapping(
        {
            "name": "small",
            "data": {"source": "synthetic:cycles?bars=420&seed=5"},
            "advisor": advisor,
            "arms": ["llm"],
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": str(tmp_path), "explain": False},
        }
    )
    client = RecordingClient(model, model.identity, MemoryStore())
    result = simulator.run(experiment, client=client)
    assert result.record.arms[0].manifest["experiment"]["advisor"]["mode"] == advisor["mode"]
    assert all(check.same for check in simulator.replay(result.folder))
    asked = len(model.requests)
    last = result.record.arms[0].decisions[-1]
    alone = advise_at(experiment, last["time"], client=client).as_dict()
    assert (alone["advice"], alone["prompt"], alone["request"]) == (last["advice"], last["prompt"], last["request"])
    assert len(model.requests) == asked


def test_the_embedded_model_reads_with_the_nearest_states(model_path, threads):
    above = "far above long average"
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(2048, threads))) as model:
        advisor = ModelAdvisor(model)
        assert (advisor.options.mode, advisor.options.examples) == ("choices", "nearest")
        for snapshot in states():
            advisor.witness(snapshot)
        decision = advisor.decide(dataclasses.replace(SNAPSHOT, trend=0.2))
    assert above in decision.prompt
    assert decision.advice.regime.label is RegimeLabel.BULL
    scores = [json.loads(exchange.answer) for exchange in decision.exchanges]
    assert all(sum(score.values()) == pytest.approx(1, abs=1e-5) for score in scores)


@pytest.mark.parametrize(
    ("view", "row", "opening"),
    [
        (View(), "far below falling low severe low heavy", "far below low:"),
        (View("numbers"), "-20% -10% 20% -40% 10% 150%", "-20% 20%:"),
        (View(unmasked=("price",)), "price 899.22 far below falling low severe low heavy", "far below low:"),
    ],
    ids=["words", "numbers", "unmasked"],
)
def test_rows_show_values_without_names(view, row, opening):
    request = ModelAdvisor(scorer(), options=dataclasses.replace(FIXED, layout="rows"), view=view).request(SNAPSHOT)
    assert (request.messages[-1].content, request.opening) == (row, opening)
    assert request.messages[1].content == "above rising high none high normal"


def test_slots_that_retrieved_examples_led_astray_are_asked_again_with_the_fixed_ones():
    def answer(request):
        label = "normal" if len(request.messages) < 30 else "bear"
        values = {"rationale": "Below.", "label": label, "action": "exit", "action_confidence": "66"}
        return {name: values[name] for name in (part.name for part in request.form if isinstance(part, Slot))}

    client = ScriptedClient(answer)
    advisor = ModelAdvisor(client, options=PromptOptions("slots", "nearest", 2))
    for snapshot in states():
        advisor.witness(snapshot)
    decision = advisor.decide(SNAPSHOT)
    assert (decision.status, decision.advice.regime.label) == (Status.REPAIRED, RegimeLabel.BEAR)
    nearest, fixed = client.requests
    assert len(nearest.messages) == 6
    assert fixed == ModelAdvisor(client, options=PromptOptions("slots", "fixed")).request(SNAPSHOT)


def test_an_embedded_model_that_fills_slots_decides_behind_the_nearest_states(model_path, threads):
    with LLMClient(Gpt4AllBackend(model_path, context_tokens=2048, threads=threads)) as model:
        advisor = ModelAdvisor(model)
        options = advisor.options
        assert (options.mode, options.examples, options.rationale) == ("slots", "nearest", "never")
        for snapshot in states():
            advisor.witness(snapshot)
        decision = advisor.decide(dataclasses.replace(SNAPSHOT, trend=0.2))
        request = advisor.request(dataclasses.replace(SNAPSHOT, trend=0.2))
    assert [message.content for message in request.messages[1::2]][-1] == "far above, falling, low, severe, low, heavy"
    assert (decision.status, decision.advice.regime.label) == (Status.ADVISED, RegimeLabel.BULL)
    assert decision.advice.rationale == "The program notes: trend far above long average, volatility low."


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (
            PromptOptions("json", rationale="never"),
            "advisor.rationale is never, which mode json cannot do: choose auto",
        ),
        (PromptOptions("slots", rationale="changes"), "choose always, never or auto"),
    ],
)
def test_a_rationale_that_a_mode_cannot_do_without_is_named(options, cure):
    with pytest.raises(ConfigurationError, match=cure):
        ModelAdvisor(ScriptedClient([]), options=options)


def test_the_questions_of_one_decision_share_its_time():
    class Slow(ScriptedClient):
        def complete(self, request, on_delta=None):
            return dataclasses.replace(super().complete(request, on_delta), latency_ms=3000.0)

    def answer(request):
        return BULL if " bull" in request.choices else LONG

    client = Slow(answer, supports_choices=True)
    client.defaults = dataclasses.replace(client.defaults, timeout_s=10.0)
    advisor = ModelAdvisor(client, options=dataclasses.replace(FIXED, calibration="content_free"))
    first, other = SNAPSHOT, dataclasses.replace(SNAPSHOT, trend=0.2)
    assert [advisor.decide(one).status for one in (first, other)] == [Status.ADVISED] * 2
    assert [request.timeout_s for request in client.requests] == [10, 7, 4, 10, 7]  # the prior is asked once


def test_a_layout_may_write_a_label_in_more_words():
    def answer(request):
        labels = {
            ": turbulent": 0.1,
            ", still above: bull": 0.7,
            ", still below: bear": 0.1,
            ", still near: sideways": 0.1,
        }
        return labels if ": turbulent" in request.choices else LONG

    client = ScriptedClient(answer, supports_choices=True)
    decision = ModelAdvisor(client, options=dataclasses.replace(FIXED, layout="steps")).decide(SNAPSHOT)
    assert decision.advice.regime.label is RegimeLabel.BULL
    assert client.requests[0].opening == client.requests[1].opening == "trend far below long average, volatility low"
    assert client.requests[1].chosen == ", still above: bull,"
