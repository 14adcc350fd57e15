"""Backend ``replay``: a finished run's answers, or those on record, in place of a model."""

import json

import pytest
from small_run import asks_advice, explainer, reader, recording, small

import simulator
from llm_strategy.errors import AnswerNotRecorded, AnswerTimeout, ConfigurationError, RunFolderError
from llm_strategy.llm import FolderStore, Message, RecordingClient, Request, get_llm_client, register_backend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.loader import SUPPORTED_BACKENDS
from llm_strategy.llm.requests import request_hash
from llm_strategy.types import Event, EventKind
from simulator.folder.evidence import DECISIONS
from simulator.runs.answers import RunAnswers

pytestmark = pytest.mark.slow

SAME = (DECISIONS, "orders.csv", "trades.csv", "equity.csv", "explanation.json")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def replayed(monkeypatch):
    """A function that lets the configured model be the replay of this source."""

    def replayed(source):
        monkeypatch.setenv("LLM_BACKEND", "replay")
        monkeypatch.setenv("LLM_REPLAY_FROM", str(source))

    return replayed


def again(tmp_path, **sections):
    return small(tmp_path, output={"folder": str(tmp_path / "again")}, **sections)


def test_a_run_is_made_again_from_the_answers_of_its_folder(tmp_path, replayed):
    first = simulator.run(small(tmp_path, evaluation={"draws": 2}), client=recording(explainer)[0])
    replayed(first.folder)
    told = []
    second = simulator.run(again(tmp_path, evaluation={"draws": 2}), on_estimate=told.append)
    for name in SAME:
        assert (second.folder / name).read_bytes() == (first.folder / name).read_bytes(), name
    assert json.loads((first.folder / "explanation.json").read_text())["counts"]["shown"] > 0
    assert second.record.manifest["model"] == first.record.manifest["model"]
    assert second.record.manifest["usage"]["asked"] == 0
    assert "the model is asked nothing" in str(told[0])
    assert not (tmp_path / "cache" / "answers").exists()  # what was not answered now is not recorded as if it were


def test_other_costs_need_no_other_answers(tmp_path, replayed):
    first = simulator.compare(small(tmp_path, arms=["llm", "buy_and_hold"]), client=recording()[0])
    replayed(first.folder)
    second = simulator.run(again(tmp_path, costs={"commission_bps": 50}))
    asked = [decision["request"] for decision in first.record.arm("llm").decisions]
    assert [decision["request"] for decision in second.record.arm("llm").decisions] == asked


def test_failures_of_the_run_are_failures_again(tmp_path, replayed):
    def sometimes(request):
        market = request.messages[-1].content
        return AnswerTimeout("No answer in time.") if "rising" in market else reader(request)

    wanted = {"max_failure_rate": 1.0}
    first = simulator.run(small(tmp_path, advisor=wanted), client=recording(sometimes)[0])
    replayed(first.folder)
    second = simulator.run(again(tmp_path, advisor=wanted))
    statuses = [decision["status"] for decision in second.record.arm("llm").decisions]
    assert "abstained" in statuses
    assert statuses == [decision["status"] for decision in first.record.arm("llm").decisions]


def test_a_failure_is_raised_again_with_what_happened_on_the_way():
    client = ScriptedClient(reader)
    request = Request((Message("user", "Rising?"),))
    failure = AnswerTimeout("No answer in time.")
    failure.events = (Event(EventKind.RETRY, "Asked again."),)
    outcomes = [(request_hash(request, client.identity), failure)]
    answers = RunAnswers(client.identity, {"temperature": 0.0}, outcomes, strict_order=False)
    for _ in range(2):
        with pytest.raises(AnswerTimeout, match=r"No answer in time\.") as caught:
            answers.complete(request)
        assert caught.value.events == failure.events


def test_a_question_that_the_run_did_not_ask_ends_in_one_sentence(tmp_path, replayed):
    first = simulator.run(small(tmp_path), client=recording()[0])
    replayed(first.folder)
    with pytest.raises(
        AnswerNotRecorded, match=r"holds no answer to question \w{12}: ask what that run asked"
    ) as caught:
        simulator.run(again(tmp_path, advisor={"style": "numbers"}))
    assert "\n" not in str(caught.value)


def test_a_script_asks_a_finished_run(tmp_path):
    client, model = recording()
    first = simulator.run(small(tmp_path), client=client)
    answers = get_llm_client(backend="replay", replay_from=str(first.folder), temperature=1.5)
    assert answers.identity == model.identity
    assert answers.healthcheck().ok
    asked = next(request for request in model.requests if asks_advice(request))
    streamed = []
    answer = answers.complete(asked, lambda text: streamed.append(text) or True)
    assert json.loads(answer.text)["regime"]["label"] in {"bull", "bear", "sideways"}
    assert streamed == [answer.text]
    assert answers.defaults.temperature == 0.0  # the run's sampler, not the one in the settings
    with pytest.raises(AnswerNotRecorded):
        answers.generate("What else?")


def test_the_record_of_a_backend_answers_without_it(tmp_path, replayed):
    register_backend("patient", lambda settings: ScriptedClient(reader))
    try:
        model = get_llm_client(backend="patient")
        live = RecordingClient(model, model.identity, FolderStore(tmp_path / "cache" / "answers"))
        first = simulator.run(small(tmp_path), client=live)
        asked = len(model.requests)
        replayed("patient")
        second = simulator.run(again(tmp_path))
        assert (second.folder / DECISIONS).read_bytes() == (first.folder / DECISIONS).read_bytes()
        assert len(model.requests) == asked
        with pytest.raises(AnswerNotRecorded, match="has no recorded answer"):
            get_llm_client().generate("What else?")
    finally:
        SUPPORTED_BACKENDS.pop("patient")


def test_what_cannot_be_replayed_is_told(tmp_path, replayed):
    with pytest.raises(ConfigurationError, match="LLM_REPLAY_FROM is not set: name a run folder, or the backend"):
        get_llm_client(backend="replay")
    replayed(tmp_path / "gone")
    with pytest.raises(RunFolderError, match=r"gone is not a finished run folder"):
        get_llm_client()
    rules = simulator.run(small(tmp_path), "buy_and_hold")
    with pytest.raises(RunFolderError, match=r"No model was asked in .*llm arm"):
        get_llm_client(backend="replay", replay_from=str(rules.folder))


def test_settings_that_a_script_gives_are_checked():
    with pytest.raises(ConfigurationError, match="did you mean 'backend'"):
        get_llm_client(backnd="replay")
