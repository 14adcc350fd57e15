"""Models that score choices and vote: real probabilities, averaged or counted, in the decision, the record and the
report."""

import json
import logging

import pytest

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import AnswerTimeout, BackendFailure, ConfigurationError
from llm_strategy.llm import FolderStore, Message, RecordingClient, Request, get_llm_client
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_engine import EngineOptions
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.types import EventKind, Snapshot, Status

pytestmark = pytest.mark.slow

CHOICES = ("up", "flat", "down")
ASKED = Request((Message("user", "?"),), opening="It goes ", choices=CHOICES)
SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)


def scorer(*shares, name="scripted"):
    """A member that gives the choices these probabilities, those of the labels and actions among them."""

    def answer(request):
        return dict(zip(request.choices, shares, strict=False))

    return ScriptedClient(answer, supports_choices=True, name=name)


def voted(*members, vote="average"):
    answer = EnsembleClient(members, vote=vote).complete(ASKED)
    return json.loads(answer.text), answer.events[-1]


def test_the_average_is_the_mean_of_the_members_probabilities():
    found, event = voted(scorer(0.6, 0.3, 0.1), scorer(0.1, 0.1, 0.8), scorer(0.5, 0.4, 0.1))
    assert found == pytest.approx({"up": 0.4, "flat": 0.8 / 3, "down": 1 / 3}, abs=1e-6)
    assert (event.kind, event.value) == (EventKind.DISAGREEMENT, 0.3333)
    assert event.detail == "member 1 up 0.60; member 2 down 0.80; member 3 up 0.50"


def test_one_sure_member_outweighs_two_unsure_ones_in_the_average_alone():
    members = scorer(0.34, 0.33, 0.33), scorer(0.34, 0.33, 0.33), scorer(0.005, 0.005, 0.99)
    averaged, event = voted(*members)
    assert (max(averaged, key=averaged.get), event.value) == ("down", 0.6667)
    counted, event = voted(*members, vote="majority")
    assert (max(counted, key=counted.get), event.value) == ("up", 0.3333)
    assert counted == pytest.approx({"up": 0.34, "flat": 0.33, "down": 0.33}, abs=1e-6)


def test_a_tie_goes_to_the_surer_side():
    members = scorer(0.5, 0.3, 0.2), scorer(0.1, 0.3, 0.6)
    assert voted(*members, vote="majority")[0] == pytest.approx({"up": 0.1, "flat": 0.3, "down": 0.6})
    first = scorer(0.6, 0.3, 0.1), scorer(0.1, 0.3, 0.6)
    assert voted(*first, vote="majority")[0] == pytest.approx({"up": 0.6, "flat": 0.3, "down": 0.1})


def test_what_all_find_second_best_can_win_an_average():
    found, event = voted(scorer(0.5, 0.45, 0.05), scorer(0.05, 0.45, 0.5))
    assert max(found, key=found.get) == "flat"
    assert event.value == 1.0


def test_members_that_fail_or_score_nothing_do_not_vote():
    slow = ScriptedClient([AnswerTimeout("Slow.")], supports_choices=True)
    mute = ScriptedClient(["up"], supports_choices=True)
    other = ScriptedClient([{"left": 1.0}], supports_choices=True)
    answer = EnsembleClient([slow, mute, scorer(1, 0, 0), scorer(1, 0, 0)], vote="average").complete(ASKED)
    assert json.loads(answer.text) == {"up": 1.0, "flat": 0.0, "down": 0.0}
    absent, event = answer.events
    assert (absent.kind, event.value) == (EventKind.ABSENT, 0.0)
    assert event.detail.startswith("member 1 did not vote: Slow.; member 2 did not vote: The backend gave no prob")
    with pytest.raises(BackendFailure, match=r"Less than half.*none of up, flat, down has a probability"):
        EnsembleClient([other, scorer(1, 0, 0), slow, slow]).complete(ASKED)


def test_where_one_member_cannot_score_all_write_and_it_is_said(caplog):
    slots = {"label": "bull", "action": "enter_long", "action_confidence": "60", "rationale": "Why."}
    writer, able = ScriptedClient([slots]), ScriptedClient([slots], supports_choices=True)
    ensemble = EnsembleClient([able, writer])
    with caplog.at_level(logging.WARNING):
        decision = ModelAdvisor(ensemble).decide(SNAPSHOT)
    assert "scores no choices, as these members cannot: 2 (scripted)" in caplog.text
    assert decision.status is Status.ADVISED
    assert [one.requests[0].choices for one in (able, writer)] == [(), ()]
    with pytest.raises(ConfigurationError, match="choose json or slots, or auto"):
        ModelAdvisor(ensemble, options=PromptOptions(mode="choices"))
    caplog.clear()
    _ = EnsembleClient([ScriptedClient([]), ScriptedClient([])]).identity
    assert caplog.text == ""


def test_a_run_of_scored_votes_is_in_journal_and_report_and_replays(tmp_path):
    def reads(request):
        falling = "below" in request.opening
        return dict.fromkeys(request.choices, 0.1) | {request.choices[1 if falling else 0]: 0.7}

    members = [ScriptedClient(reads, supports_choices=True), scorer(0.5, 0.2, 0.2, 0.1)]
    ensemble = EnsembleClient(members, vote="average")
    client = RecordingClient(ensemble, ensemble.identity, FolderStore(tmp_path / "answers"))
    result = simulator.run(
        {
            "name": "votes",
            "data": {"source": "synthetic:cycles?bars=329&seed=5"},
            "advisor": {"examples": "fixed", "calibration": "none"},
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": str(tmp_path / "reports"), "explain": False},
        },
        client=client,
    )
    decisions = result.record.arms[0].decisions
    asked = [[decision["events"], decision["further"][0]["events"]] for decision in decisions]
    assert all([len(label), len(action)] == [1, 1] for label, action in asked)
    assert len({decision["prompt"] for decision in decisions}) < len(decisions)
    shares = [max(label[0]["value"], action[0]["value"]) for label, action in asked]
    assert set(shares) == {0.0, 0.5}
    facts = {fact["id"]: fact["value"] for fact in json.loads((result.folder / "facts.json").read_text())}
    assert facts["llm.votes.split"] == sum(share > 0 for share in shares)
    assert facts["llm.disagreement"] == pytest.approx(sum(shares) / len(shares), abs=1e-4)
    assert "Votes of the ensemble" in (result.folder / "report.html").read_text()
    assert all(check.same for check in simulator.replay(result.folder))


def test_real_members_are_averaged(model_path, threads):
    """The embedded model twice, reading in one slot and in two, and a scripted member."""
    options = EngineOptions(1024, threads), EngineOptions(1024, threads, slots=2)
    request = Request((Message("user", "The market falls."),), opening="It goes", choices=(" up", " flat", " down"))
    models = [LLMClient(LlamaCppBackend(model_path, one)) for one in options]
    with EnsembleClient([*models, scorer(0.05, 0.05, 0.9, name="sure")], vote="average") as ensemble:
        assert ensemble.identity.supports_choices
        answer = ensemble.complete(request)
        alone = [json.loads(one.complete(request).text) for one in ensemble.members]
        decision = ModelAdvisor(ensemble).decide(SNAPSHOT)
    found = json.loads(answer.text)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    for choice in request.choices:
        assert found[choice] == pytest.approx(sum(one[choice] for one in alone) / 3, abs=2e-3)
    assert abs(alone[0][" up"] - alone[2][" up"]) > 0.05
    assert decision.status is Status.ADVISED
    assert [exchange.purpose for exchange in decision.exchanges] == ["label", "action"]
    assert all(exchange.events[-1].kind is EventKind.DISAGREEMENT for exchange in decision.exchanges)
    assert 0 < decision.advice.regime.confidence < 1


def test_the_settings_make_an_ensemble_that_scores(model_path):
    section = {"members": ["llama_cpp", {"backend": "llama_cpp", "slots": 2}], "vote": "average"}
    settings = LlmSettings(
        backend="ensemble", instruct_model_path=model_path, context_tokens=1024, sections={"ensemble": section}
    )
    with get_llm_client(settings=settings) as client:
        assert client.supports_choices
        assert client.concurrency == 1
        found = client.score(Request((Message("user", "The market falls."),), opening="It goes"), (" up", " down"))
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
