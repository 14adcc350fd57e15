"""Models that vote: majority, average, ties, members that fail, and how far they are apart."""

import json

import pytest

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.written_prompt import ADVICE_FORM, ask_for_advice
from llm_strategy.errors import AnswerTimeout, BackendFailure, ConfigurationError
from llm_strategy.llm import (
    SUPPORTED_BACKENDS,
    FolderStore,
    Message,
    RecordingClient,
    Request,
    get_llm_client,
    register_backend,
)
from llm_strategy.llm.backends.ensemble.client import EnsembleClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.types import AbstentionReason, EventKind, Snapshot, Status

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)
ASKED = Request((Message("user", "x"),), form=ADVICE_FORM)


def advice(label, action, confidence=0.5, label_confidence=None, rationale="Why."):
    regime, what = {"label": label}, {"type": action, "confidence": confidence}
    if label_confidence is not None:
        regime["confidence"] = label_confidence
    return json.dumps({"rationale": rationale, "regime": regime, "action": what})


def member(*answers, forms=False):
    given = iter(answers)
    last = answers[-1]
    return ScriptedClient(lambda request: next(given, last), supports_forms=forms)


BULL, BEAR, SIDE = ("bull", "enter_long"), ("bear", "exit"), ("sideways", "hold")


def vote(*answers, how="majority"):
    ensemble = EnsembleClient([member(answer) for answer in answers], vote=how)
    answer = ensemble.complete(ASKED)
    document = json.loads(answer.text)
    (event,) = answer.events
    assert event.kind is EventKind.DISAGREEMENT
    return (document["regime"]["label"], document["action"]["type"]), document["action"]["confidence"], event


def test_most_members_win_with_their_mean_confidence():
    winner, confidence, event = vote(advice(*BEAR, 0.9), advice(*BULL, 0.2), advice(*BULL, 0.4))
    assert winner == BULL
    assert confidence == pytest.approx(0.3)
    assert event.value == pytest.approx(1 / 3, abs=1e-4)
    assert event.detail == "member 1 bear/exit; member 2 bull/enter_long; member 3 bull/enter_long"


def test_one_mind_is_no_disagreement():
    winner, _, event = vote(advice(*BULL), advice(*BULL))
    assert (winner, event.value) == (BULL, 0.0)


def test_ties_go_to_the_greater_confidence_and_then_to_the_first():
    assert vote(advice(*BULL, 0.4), advice(*BEAR, 0.6))[0] == BEAR
    assert vote(advice(*BULL, 0.5), advice(*BEAR, 0.5))[0] == BULL
    assert vote(advice(*BEAR, 0.5), advice(*BULL, 0.5))[0] == BEAR
    assert vote(advice(*SIDE, 0.1), advice(*BULL, 0.5), advice(*BEAR, 0.5))[0] == BULL


@pytest.mark.parametrize(
    ("unsure", "sure", "winner", "confidence"),
    [
        ((0.3, 0.3), (1.0, 1.0), BEAR, (0.7 / 3 + 0.7 / 3 + 1.0) / 3),
        ((0.9, 0.01), (0.9, 0.99), BEAR, (0.99 / 3 + 0.99 / 3 + 0.99) / 3),
        ((0.01, 0.9), (0.99, 0.9), BEAR, (0.1 / 3 + 0.1 / 3 + 0.9) / 3),
        ((0.9, 0.9), (0.91, 0.91), BULL, (0.9 + 0.9 + 0.09 / 3) / 3),
        ((0.3, 0.6), (0.9, 0.3), BULL, (0.6 + 0.6 + 0.7 / 3) / 3),
    ],
)
def test_the_average_weighs_the_confidences_in_label_and_action(unsure, sure, winner, confidence):
    """Confidences as (label, action); two members say bull and enter_long, the third bear and exit."""
    two, one = advice(*BULL, unsure[1], unsure[0]), advice(*BEAR, sure[1], sure[0])
    assert vote(two, two, one)[0] == BULL
    found, averaged, event = vote(two, two, one, how="average")
    assert found == winner
    assert averaged == pytest.approx(confidence, abs=1e-4)
    assert event.value == pytest.approx(1 / 3 if winner == BULL else 2 / 3, abs=1e-4)
    assert "counted as a majority" not in event.detail


def test_labels_without_a_confidence_are_counted_as_a_majority_which_is_said():
    answers = advice(*BULL, 0.3), advice(*BULL, 0.3), advice(*BEAR, 1.0, 0.99)
    winner, confidence, event = vote(*answers, how="average")
    assert (winner, confidence) == (BULL, pytest.approx(0.3))
    assert event.detail.startswith("counted as a majority, as regime.label came without a confidence; member 1 bull")
    on_action = EnsembleClient([member(answer) for answer in answers], vote="average", vote_on=["action.type"])
    answer = on_action.complete(ASKED)
    assert json.loads(answer.text)["action"] == {"type": "exit", "confidence": pytest.approx(0.4889, abs=1e-4)}
    assert answer.events[0].detail == "member 1 enter_long; member 2 enter_long; member 3 exit"


def test_whole_objects_are_held_to_the_values_of_their_schema():
    asked = ask_for_advice("trend: +5%", with_form=False, defaults=Request(()))
    writers = [member(advice("bullish", "buy")), member(advice(*BULL)), member(advice(*BULL))]
    (event,) = EnsembleClient(writers).complete(asked).events
    assert (event.value, event.detail.partition(";")[0]) == (
        0.0,
        "member 1 did not vote: regime.label: is 'bullish' and no vote",
    )


@pytest.mark.parametrize("how", ["majority", "average"])
def test_the_winner_is_always_what_some_member_wrote(how):
    winner, _, _ = vote(advice("bull", "hold"), advice("bear", "exit"), advice("bull", "exit"), how=how)
    assert winner in {("bull", "hold"), ("bear", "exit"), ("bull", "exit")}


def test_who_fails_or_writes_no_ballot_does_not_vote():
    members = [
        ScriptedClient([AnswerTimeout("Slow.")]),
        member("no json"),
        member(advice("bullish", "buy")),
        member(advice(*BEAR)),
        member(advice(*BEAR)),
        member(f"```json\n{advice(*BULL)}\n```"),
    ]
    answer = EnsembleClient(members).complete(ASKED)
    assert json.loads(answer.text)["regime"]["label"] == "bear"
    assert answer.events[-1].value == pytest.approx(1 / 3, abs=1e-4)
    assert "member 1 did not vote: Slow." in answer.events[-1].detail
    assert "member 3 did not vote: regime.label: is 'bullish'" in answer.events[-1].detail


def test_less_than_half_is_no_vote():
    slow = [ScriptedClient(lambda request: AnswerTimeout("Slow.")) for _ in range(3)]
    with pytest.raises(BackendFailure, match=r"Less than half.*Slow"):
        EnsembleClient([*slow, member(advice(*BULL))]).complete(ASKED)
    with pytest.raises(BackendFailure, match="No member"):
        EnsembleClient(slow).complete(ASKED)


def test_members_that_write_nonsense_are_asked_once_more():
    members = [member("what?", advice(*BEAR)) for _ in range(3)]
    decision = ModelAdvisor(EnsembleClient(members)).decide(SNAPSHOT)
    assert decision.status is Status.REPAIRED
    assert decision.advice.regime.label == "bear"


def test_a_dead_ensemble_is_an_abstention():
    members = [ScriptedClient(lambda request: BackendFailure("Down.")) for _ in range(2)]
    decision = ModelAdvisor(EnsembleClient(members)).decide(SNAPSHOT)
    assert decision.abstention.reason is AbstentionReason.BACKEND_FAILURE


def test_members_with_forms_fill_them_and_the_others_write_the_object():
    slots = {"label": "bull", "action": "enter_long", "action_confidence": "50", "rationale": "Why."}
    filling, writing = ScriptedClient([slots]), member(advice(*BULL))
    ensemble = EnsembleClient([filling, writing])
    assert ensemble.supports_forms
    answer = ensemble.complete(ASKED)
    assert filling.requests[0].form == ADVICE_FORM
    assert writing.requests[0].form == ()
    assert writing.requests[0].json_mode
    assert answer.values["label"] == "bull"
    assert answer.tokens_in == 2


def test_disagreement_is_on_every_decision_and_recorded_with_the_answer(tmp_path):
    members = [member(advice(*BULL)), member(advice(*BULL)), member(advice(*BEAR))]
    ensemble = EnsembleClient(members)
    advisor = ModelAdvisor(RecordingClient(ensemble, ensemble.identity, FolderStore(tmp_path)))
    decisions = [advisor.decide(SNAPSHOT) for _ in range(2)]
    later = ModelAdvisor(RecordingClient(None, ensemble.identity, FolderStore(tmp_path), "replay")).decide(SNAPSHOT)
    for decision in (*decisions, later):
        assert [event.value for event in decision.exchanges[0].events] == [pytest.approx(1 / 3, abs=1e-4)]
    assert len(members[0].requests) == 1


def test_a_vote_without_a_failed_member_counts_and_is_not_recorded(tmp_path):
    shaky = ScriptedClient([AnswerTimeout("Slow."), json.loads(advice(*BULL))], supports_forms=False)
    ensemble = EnsembleClient([member(advice(*BEAR)), member(advice(*BEAR)), shaky])
    advisor = ModelAdvisor(RecordingClient(ensemble, ensemble.identity, FolderStore(tmp_path)))
    first, second, third = (advisor.decide(SNAPSHOT) for _ in range(3))
    kinds = [[event.kind for event in one.exchanges[0].events] for one in (first, second, third)]
    assert kinds == [[EventKind.ABSENT, EventKind.DISAGREEMENT], [EventKind.DISAGREEMENT], [EventKind.DISAGREEMENT]]
    assert [one.exchanges[0].events[-1].value for one in (first, second, third)] == [0.0, 0.3333, 0.3333]
    assert first.status is Status.ADVISED
    assert len(shaky.requests) == 2


def test_the_identity_is_that_of_all_members_and_of_the_way_they_vote():
    def identity(*names, vote="majority"):
        return EnsembleClient([ScriptedClient([], name=name) for name in names], vote=vote).identity

    assert identity("a", "b") == identity("a", "b")
    assert len({identity("a", "b"), identity("b", "a"), identity("a", "c"), identity("a", "b", vote="average")}) == 4
    assert identity("a", "b").name == "a + b"


@pytest.fixture
def voters():
    """A backend that says bull, bear or sideways as the model's name says."""
    labels = {"up": BULL, "down": BEAR, "none": SIDE}
    register_backend("voter", lambda settings: member(advice(*labels[settings.model])))
    yield
    del SUPPORTED_BACKENDS["voter"]


@pytest.mark.usefixtures("voters")
def test_the_settings_make_an_ensemble():
    members = [{"backend": "voter", "model": "up"}, "voter", {"backend": "voter", "model": "down"}]
    settings = LlmSettings(
        backend="ensemble", sections={"ensemble": {"members": members, "vote": "average"}, "voter": {"model": "down"}}
    )
    with get_llm_client(settings=settings) as client:
        answer = client.complete(ASKED)
        assert client.healthcheck().ok
    assert json.loads(answer.text)["regime"]["label"] == "bear"


@pytest.mark.usefixtures("voters")
@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, "ensemble.members"),
        ({"members": ["voter"]}, "ensemble.members"),
        ({"members": ["voter", "votre"]}, "no backend 'votre', did you mean 'voter'"),
        ({"members": ["voter", "ensemble"]}, "backend of its own"),
        ({"members": ["voter", {"model": "x"}]}, "backend of its own"),
        ({"members": ["voter", "voter"], "vote": "lottery"}, "ensemble.vote"),
        ({"membres": ["voter", "voter"]}, r"ensemble\.mem"),
    ],
)
def test_wrong_settings_are_told(section, told):
    settings = LlmSettings(backend="ensemble", sections={"ensemble": section, "voter": {"model": "up"}})
    with pytest.raises(ConfigurationError, match=told):
        get_llm_client(settings=settings)
