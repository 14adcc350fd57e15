"""The breaker counts decisions: where an answer comes from changes neither when it opens nor a byte of the journal."""

import hashlib
import io
import json
import random

import pytest
from failing_server import WAYS_TO_FAIL
from misbehaving_server import GOOD_ADVICE, MODEL, answer, by_turns, serving

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import BackendFailure
from llm_strategy.llm import Fallback, MemoryStore, RecordingClient, Request, ResilientClient, RetryPolicy
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.market.view import View
from llm_strategy.trading.journal import Journal
from llm_strategy.types import AbstentionReason, EventKind, Snapshot, Status
from simulator.prices.universe import load_universe
from simulator.runs.simulation import simulate, upcoming

pytestmark = [pytest.mark.server, pytest.mark.slow]

FIRST_DECISION = 269
LABELS = ("bull", "bear", "sideways", "turbulent")
GOOD = {"label": "bear", "action": "exit", "action_confidence": "70", "rationale": "Below."}
EVERY_STATE_NEW = {
    "data": {"source": f"synthetic:cycles?bars={FIRST_DECISION + 24}&seed=5"},
    "advisor": {"style": "numbers", "decimals": 2},
}
STATES_THAT_REPEAT = {
    "data": {
        "sources": {
            name: f"synthetic:cycles?bars={FIRST_DECISION + 20}&seed={seed}" for name, seed in (("ONE", 3), ("TWO", 4))
        }
    },
    "advisor": {"style": "words", "decimals": 0},
}
MARKETS = {"every state another": EVERY_STATE_NEW, "two symbols whose states repeat": STATES_THAT_REPEAT}


def fated(turn, body):
    """Each question has its fate: three in ten fail whenever they are asked; of the others some are answered with what
    is no advice, and to put that right is a question with a fate of its own."""
    question = json.dumps(body["messages"])
    fate = random.Random(f"0 {question}")
    failure = fate.choice(WAYS_TO_FAIL)
    if fate.random() < 0.3:
        return failure
    if fate.random() < 0.2 and "What?" not in question:
        return answer("What?")
    advice = json.loads(GOOD_ADVICE) | {"rationale": hashlib.sha256(question.encode()).hexdigest()[:12]}
    advice["regime"]["label"] = fate.choice(LABELS)
    return answer(json.dumps(advice))


def experiment(market, folder="unused"):
    return simulator.Experiment.from_mapping(
        {
            "name": "counted",
            "data": market["data"],
            "advisor": {"max_failure_rate": 1.0, "examples": "fixed"} | market["advisor"],
            "evaluation": {"bootstrap_samples": 200},
            "output": {"folder": str(folder), "explain": False},
        }
    )


def model_at(server, store, concurrency=1):
    model = LLMClient(
        OpenAIBackend(MODEL, [server.url], answer_format="json_schema", reported_model=MODEL, concurrency=concurrency)
    )
    client = ResilientClient(model, RetryPolicy(attempts=2, backoff_s=0.0, breaker_failures=2, breaker_pause=3))
    client.defaults = Request((), timeout_s=20)
    return RecordingClient(client, client.identity, store)


def stop_after(decisions):
    def on_decision(done):
        if done == decisions:
            raise KeyboardInterrupt

    return on_decision


@pytest.fixture(params=MARKETS.values(), ids=MARKETS)
def journal_of(request):
    """Run a market's decisions against a server and give the bytes of the journal."""
    wanted = experiment(request.param)
    universe = load_universe(wanted.data)

    def run(server, store=None, *, concurrency=1, remember=True, on_decision=None):
        with model_at(server, MemoryStore() if store is None else store, concurrency) as client:
            choice = wanted.advisor
            advisor = ModelAdvisor(client, view=choice.view, options=choice.prompt_options, remember=remember)
            if advisor.asks_ahead:
                seen = upcoming(universe, wanted)
                advisor.ask_ahead(seen.snapshots, wants=seen.wants)
            sink = io.StringIO()
            simulate(universe, advisor, wanted, Journal(sink, on_decision))
            return sink.getvalue()

    return run


def test_a_run_cut_off_anywhere_asked_ahead_or_without_memory_is_the_same_run(journal_of):
    with serving(by_turns(fated)) as server:
        whole = journal_of(server)
        lines = whole.splitlines()
        for told in ("breaker_opened", "breaker_probed", "breaker_closed", "breaker_open", "retry", "second attempt"):
            assert f'"{told}' in whole
        for way in ({"concurrency": 8}, {"remember": False}, {"concurrency": 8, "remember": False}):
            assert journal_of(server, **way) == whole
        for decisions in range(1, len(lines), len(lines) // 4):
            store = MemoryStore()
            with pytest.raises(KeyboardInterrupt):
                journal_of(server, store, on_decision=stop_after(decisions), concurrency=1 + 7 * (decisions % 2))
            assert journal_of(server, store) == whole


@pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS)
def test_a_warm_run_is_the_cold_one_and_replays(tmp_path, market):
    store, journals = MemoryStore(), []
    with serving(by_turns(fated)) as server:
        for folder, concurrency in (("cold", 1), ("warm", 1), ("warm and ahead", 8)):
            with model_at(server, store, concurrency) as client:
                result = simulator.run(experiment(market, tmp_path / folder), client=client)
            journals.append((result.folder / "decisions.jsonl").read_bytes())
            assert all(check.same for check in simulator.replay(result.folder))
    assert journals[0] == journals[1] == journals[2]
    assert b"breaker_open" in journals[0]


def seen(number):
    """A market that is another one for each number."""
    return Snapshot("X", "1d", "2008-10-10T00:00:00", 100.0, number / 100, -0.1, 0.03, 0.99, -0.4, 0.1, 1.5)


def advisor_of(script, *, fallbacks=(), failures=2, pause=3, recorded=True, store=None, mode="auto", **how):
    """An advisor of a scripted model behind a breaker and, if ``recorded``, a record."""
    model = ScriptedClient(script, supports_choices=mode == "choices")
    client = ResilientClient(model, RetryPolicy(attempts=1, breaker_failures=failures, breaker_pause=pause), fallbacks)
    if recorded:
        client = RecordingClient(client, client.identity, MemoryStore() if store is None else store)
    return ModelAdvisor(client, view=View("numbers", 2), options=PromptOptions(mode=mode, calibration="none"), **how)


def fates(decisions):
    """Of each decision one letter: advised, failed, left alone, stood in for."""
    letters = {AbstentionReason.BACKEND_FAILURE: "f", AbstentionReason.BREAKER_OPEN: "o"}
    return "".join(
        letters[one.abstention.reason] if one.abstention else "s" if one.status is Status.FALLBACK else "a"
        for one in decisions
    )


def happened(decision):
    return [event.kind for exchange in decision.exchanges for event in exchange.events]


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("remember", [True, False])
def test_answers_on_record_and_in_memory_count_as_any_other(recorded, remember):
    down = {1, 2, 3}

    def script(request):
        return BackendFailure("Down.") if any(f"{number}.00%" in str(request) for number in down) else GOOD

    advisor = advisor_of(script, recorded=recorded, remember=remember)
    shown = [10, 1, 10, 2, 10, 3, 3, 10, 10, 10, 10, 10]
    decisions = [advisor.decide(seen(number)) for number in shown]
    assert fates(decisions) == "afafaffoooaa"
    assert happened(decisions[6]) == [EventKind.BREAKER_OPENED]
    assert happened(decisions[10]) == [EventKind.BREAKER_PROBED, EventKind.BREAKER_CLOSED]


def scored_but_for_the_action(request):
    """A score of each label, and a failure where the action is asked for."""
    if request.chosen:
        return BackendFailure("Down.")
    return json.dumps({choice: 1 / len(request.choices) for choice in request.choices})


def beyond_repair(request):
    """An answer that is no advice, and a failure where it is to be put right."""
    return BackendFailure("Down.") if any("What?" in message.content for message in request.messages) else "What?"


@pytest.mark.parametrize(("mode", "script"), [("choices", scored_but_for_the_action), ("json", beyond_repair)])
def test_a_decision_whose_second_question_fails_counts_once(mode, script):
    advisor = advisor_of(script, mode=mode)
    decisions = [advisor.decide(seen(number)) for number in range(12)]
    assert fates(decisions) == "ffooofooofoo"
    assert [len(one.exchanges) for one in decisions[:3]] == [2, 2, 1]
    assert [bool(one.exchanges[1].events) for one in decisions[:2]] == [False, True]


def test_while_it_is_open_another_backend_answers_though_the_model_is_on_record():
    def script(request):
        return BackendFailure("Down.") if "2.00%" in str(request) or "3.00%" in str(request) else GOOD

    other = Fallback("other", lambda: ScriptedClient(lambda request: GOOD | {"rationale": "By another."}))
    store, shown = MemoryStore(), [1, 2, 3, 1, 4, 1, 1, 4]
    for _ in ("cold", "warm"):
        advisor = advisor_of(script, fallbacks=[other], store=store)
        decisions = [advisor.decide(seen(number)) for number in shown]
        assert fates(decisions) == "asssssaa"
        assert [happened(one) for one in decisions[2:4]] == [
            [EventKind.FALLBACK, EventKind.BREAKER_OPENED],
            [EventKind.FALLBACK],
        ]
        assert happened(decisions[6]) == [EventKind.BREAKER_PROBED, EventKind.BREAKER_CLOSED]
    assert len(store) == 2


def test_each_draw_has_a_breaker_of_its_own_and_the_symbols_of_one_share_theirs():
    advisor = advisor_of(lambda request: BackendFailure("Down."))
    first, second = advisor.attach(None), advisor.attach(None)
    assert fates([bound.decide(seen(1)) for bound in (first, second, first, second)]) == "ffoo"
    assert fates([ModelAdvisor(advisor.client, draw=1).decide(seen(1))]) == "f"
