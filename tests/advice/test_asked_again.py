"""Answers on record that never met the contract: asked again by the next command, once, counted and told; a run that
was cut off keeps its own."""

import pytest
from misbehaving_server import GOOD_ADVICE, answer, by_turns, serving
from small_run import reader, recording, small

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import TooManyFailures
from llm_strategy.llm import FolderStore, MemoryStore, RecordingClient
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.types import AbstentionReason, Snapshot, Status
from simulator.cli.console import print_result

pytestmark = [pytest.mark.server, pytest.mark.slow]

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)


def below(request):
    """Whether the market in question is below its average."""
    asked = [message.content for message in request.messages if message.role == "user"]
    return "below" in next(text for text in reversed(asked) if not text.startswith("Your answer"))


def is_repair(request):
    return request.messages[-1].content.startswith("Your answer")


def bad(request):
    """A model whose label nobody knows."""
    return reader(request) | {"label": "sunny"}


def partly_bad(request):
    """The same where the market is below its average."""
    return bad(request) if below(request) else reader(request)


def bad_at_first(request):
    """A model that only its second attempt brings to its senses."""
    return reader(request) if is_repair(request) else bad(request)


def run(tmp_path, script, store, mode="live", **advisor):
    """A run by the same command; its result or failure, the model that was asked, and what was told before."""
    client, model = recording(script, store, mode)
    plans = []
    experiment = small(
        tmp_path,
        arms=["llm"],
        output={"folder": str(tmp_path / "reports"), "explain": False},
        advisor={"answers": mode} | advisor,
    )
    try:
        done = simulator.compare(experiment, client=client, on_estimate=plans.append)
    except TooManyFailures as problem:
        done = problem
    return done, model, plans


@pytest.fixture
def store(request, tmp_path):
    """A record in a folder, or in memory where a test is marked so."""
    return MemoryStore() if getattr(request, "param", "folder") == "memory" else FolderStore(tmp_path / "answers")


in_memory = pytest.mark.parametrize("store", ["memory"], indirect=True)


@pytest.mark.parametrize("store", ["folder", "memory"], indirect=True)
def test_a_model_that_was_put_right_is_asked_again_and_the_page_is_its_own(tmp_path, store):
    failed, first, _ = run(tmp_path, partly_bad, store)
    assert isinstance(failed, TooManyFailures)
    done, again, plans = run(tmp_path, reader, store)
    assert again.requests
    assert set(again.requests) == {request for request in first.requests if below(request) and not is_repair(request)}
    count = len(again.requests)
    assert plans[0].asked_again == plans[0].to_ask == count
    assert f"{count} answers on record never met the contract and are asked again." in str(plans[0])
    assert done.record.manifest["usage"]["asked_again"] >= count
    fresh, _, _ = run(tmp_path / "fresh", reader, MemoryStore())
    written = [(one.folder / "llm" / "decisions.jsonl").read_bytes() for one in (done, fresh)]
    assert written[0] == written[1]
    assert all(check.same for check in simulator.replay(done.folder))
    _, third, plans = run(tmp_path, reader, store)
    assert third.requests == []
    assert "asked nothing" in str(plans[0])


def test_a_model_that_is_as_bad_again_is_asked_once_a_command(tmp_path, store):
    _, first, _ = run(tmp_path, bad, store)
    for _ in range(2):
        failed, again, plans = run(tmp_path, bad, store)
        assert isinstance(failed, TooManyFailures)
        assert sorted(map(hash, again.requests)) == sorted(map(hash, first.requests))
        assert len(set(again.requests)) == len(again.requests)
        assert plans[0].asked_again > 0


def test_the_answers_of_a_run_that_was_cut_off_are_its_own(tmp_path):
    store = FolderStore(tmp_path / "answers")
    run(tmp_path, bad, store)
    asked = []

    def interrupted(request):
        if len(asked) == 9:
            raise KeyboardInterrupt
        asked.append(request)
        return bad(request)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted, store)
    failed, rest, _ = run(tmp_path, bad, store)
    assert isinstance(failed, TooManyFailures)
    assert not set(asked) & set(rest.requests)


@in_memory
def test_a_run_that_was_ended_for_its_failures_does_not_end_for_them_again(tmp_path, store):
    failed, first, _ = run(tmp_path, partly_bad, store, abort_above_failure_rate=True)
    assert "The run was ended there" in str(failed)
    done, again, _ = run(tmp_path, reader, store, abort_above_failure_rate=True)
    assert not isinstance(done, TooManyFailures)
    assert not {request for request in first.requests if not below(request)} & set(again.requests)


@in_memory
def test_what_is_refreshed_is_asked_once_and_what_is_replayed_never(tmp_path, store):
    run(tmp_path, bad, store)
    _, refreshed, _ = run(tmp_path, bad, store, "refresh")
    assert len(set(refreshed.requests)) == len(refreshed.requests)
    failed, replayed, plans = run(tmp_path, reader, store, "replay")
    assert isinstance(failed, TooManyFailures)
    assert replayed.requests == []
    assert plans[0].asked_again == 0


@in_memory
def test_a_second_attempt_that_met_the_contract_stays_on_record(tmp_path, store):
    done, _, _ = run(tmp_path, bad_at_first, store)
    assert done.facts["llm.repairs.second_attempt"].value > 0
    _, again, plans = run(tmp_path, bad_at_first, store)
    assert again.requests == []
    assert plans[0].asked_again == 0


def test_one_client_in_two_commands_asks_again_in_the_second(tmp_path):
    fate = [bad]
    client, model = recording(lambda request: fate[0](request))
    experiment = small(tmp_path, arms=["llm"], output={"folder": str(tmp_path / "reports"), "explain": False})
    with pytest.raises(TooManyFailures):
        simulator.compare(experiment, client=client)
    fate[0] = reader
    before = len(model.requests)
    simulator.compare(experiment, client=client)
    assert len(model.requests) > before


def test_without_a_run_each_new_client_asks_once_more():
    behaviours = iter(["Bull.", "Bull.", GOOD_ADVICE])
    store = MemoryStore()
    known = {"answer_format": "json_schema", "reported_model": "tiny-model", "timeout_s": 20}
    with serving(by_turns(lambda turn, body: answer(next(behaviours)))) as server:
        decisions = []
        for _ in range(3):
            with LLMClient(OpenAIBackend("tiny-model", [server.url], **known)) as model:
                advisor = ModelAdvisor(RecordingClient(model, model.identity, store))
                decisions += [advisor.decide(SNAPSHOT), advisor.decide(SNAPSHOT)]
    assert [decision.status for decision in decisions] == [Status.ABSTAINED] * 2 + [Status.ADVISED] * 4
    assert decisions[0].abstention.reason is AbstentionReason.INVALID
    assert len(decisions[2].exchanges) == 1
    assert len(server.questions) == 3


def test_what_was_asked_again_and_what_was_put_right_is_told_at_the_end(tmp_path, store, capsys):
    run(tmp_path, bad, store)
    done, again, _ = run(tmp_path, bad_at_first, store)
    print_result(done, as_json=False)
    said = capsys.readouterr().out
    usage = done.record.manifest["usage"]
    assert usage["asked"] == len(again.requests)
    assert f"({usage['asked_again']} of them again, as the answers on record never met the contract)" in said
    count = done.facts["llm.repairs.second_attempt"].value
    assert f"Answers put right before they met the contract: second attempt {count}." in said
