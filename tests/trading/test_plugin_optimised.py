"""The advised strategy in an optimisation of a person's own Cerebro, in one process and in several."""

import gc
import multiprocessing.pool
import pickle
import threading
import warnings

import backtrader as bt
import pytest
from misbehaving_server import MODEL, answer, serving
from own_cerebro import (
    RULE,
    TABLE,
    own_cerebro,
    pandas_feed,
    run,
    scripted,
)
from own_cerebro import answer as answers

from llm_strategy import AdvisedStrategy, Journal, Limits, ModelAdvisor, get_llm_client
from llm_strategy.errors import BacktraderLLMError, ConfigurationError, MarketDataError
from llm_strategy.llm import MemoryStore, RecordingClient, ResilientClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.metering.calls import Budget

pytestmark = [pytest.mark.server, pytest.mark.slow]


def run_in_processes(cerebro):
    """Run, and take back what backtrader leaves of its processes when the run ends with an error."""
    told = None
    try:
        cerebro.run()
    except BacktraderLLMError as problem:
        told = type(problem)(*problem.args)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for leftover in gc.get_objects():
            if isinstance(leftover, multiprocessing.pool.Pool):
                leftover.terminate()
        gc.collect()
    if told:
        raise told


class LastValue(bt.Analyzer):
    """What is left at the end, and how many orders were sent: analyzers are all that comes back from a process."""

    def get_analysis(self):
        return self.result

    def stop(self):
        self.result = (self.strategy.broker.getvalue(), len(self.strategy.journal.orders))


@pytest.mark.parametrize("advisor", [RULE, scripted()], ids=["rule", "model"])
@pytest.mark.parametrize("cpus", [1, 2])
def test_an_optimisation_gives_what_single_runs_give(advisor, cpus):
    sizes = [Limits(max_position_size=size) for size in (0.05, 0.1, 0.2)]
    cerebro = own_cerebro(maxcpus=cpus)
    cerebro.addanalyzer(LastValue)
    cerebro.optstrategy(AdvisedStrategy, advisor=advisor, limits=sizes)
    results = [result[0].analyzers.lastvalue.get_analysis() for result in cerebro.run()]
    singles = [run(own_cerebro(), advisor=advisor, limits=limits) for limits in sizes]
    assert results == [(equity[-1].equity, len(orders)) for _, orders, _, equity in singles]
    assert len(set(results)) == 3


@pytest.mark.parametrize("cpus", [1, 2])
def test_an_optimisation_with_one_journal_is_refused(cpus):
    cerebro = own_cerebro(maxcpus=cpus)
    cerebro.optstrategy(AdvisedStrategy, advisor=RULE, journal=Journal(), decide_every=[1, 2])
    with pytest.raises(ConfigurationError, match="journal belongs to one run"):
        run_in_processes(cerebro)


@pytest.mark.parametrize("cpus", [1, 2])
def test_too_few_bars_are_told_by_an_optimisation_too(cpus):
    cerebro = own_cerebro(pandas_feed(TABLE.iloc[:200]), maxcpus=cpus)
    cerebro.optstrategy(AdvisedStrategy, advisor=RULE, decide_every=[1, 2])
    with pytest.raises(MarketDataError, match="A has 200 bars"):
        run_in_processes(cerebro)


LONG = '{"rationale": "Above.", "regime": {"label": "bull"}, "action": {"type": "enter_long", "confidence": 0.7}}'


@pytest.mark.parametrize("audited", [False, True])
def test_a_client_of_get_llm_client_goes_to_other_processes_as_its_settings(tmp_path, monkeypatch, audited):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    audit = tmp_path / "audit.jsonl" if audited else None
    sizes = [Limits(max_position_size=size) for size in (0.05, 0.1, 0.2)]
    table = TABLE.iloc[:300]
    with serving(answer(LONG)) as server:
        client = get_llm_client(backend="openai", base_url=server.url, api_key="k", model=MODEL, audit_file=audit)
        assert client.chat([{"role": "user", "content": "Used before the fork."}]).text
        cerebro = own_cerebro(pandas_feed(table), maxcpus=2)
        cerebro.addanalyzer(LastValue)
        cerebro.optstrategy(AdvisedStrategy, advisor=[ModelAdvisor(client)], limits=sizes)
        results = [result[0].analyzers.lastvalue.get_analysis() for result in cerebro.run()]
        asked = len(server.questions)
        advisor = ModelAdvisor(client)
        singles = [run(own_cerebro(pandas_feed(table)), advisor=advisor, limits=limits) for limits in sizes]
        assert len(server.questions) == asked, "what the other processes asked is on record here"
    assert results == [(equity[-1].equity, len(orders)) for _, orders, _, equity in singles]
    assert len(set(results)) == 3
    assert {entry.decision.status for entry in singles[0][0]} == {"advised"}


class Connected(ScriptedClient):
    """A client that holds what no other process can have."""

    def __init__(self):
        super().__init__(answers)
        self.connection = threading.Lock()


@pytest.mark.parametrize("make", [Connected, lambda: ResilientClient(Connected())])
def test_a_client_that_cannot_go_to_another_process_is_one_sentence(make):
    cerebro = own_cerebro(maxcpus=2)
    cerebro.optstrategy(AdvisedStrategy, advisor=ModelAdvisor(make()), decide_every=[1, 2])
    with pytest.raises(ConfigurationError, match=r"made by hand cannot go to another process.*Cerebro\(maxcpus=1\)"):
        run_in_processes(cerebro)
    again = own_cerebro(maxcpus=1)
    again.optstrategy(AdvisedStrategy, advisor=ModelAdvisor(make()), decide_every=[1, 2])
    assert len(again.run()) == 2


def test_a_recording_client_goes_with_its_record_and_a_budget_stays_where_it_is_counted():
    model = ScriptedClient(answers)
    client = RecordingClient(model, model.identity, MemoryStore())
    first = client.generate("Once.")
    copied = pickle.loads(pickle.dumps(client))  # noqa: S301 - written in the same line
    assert copied.generate("Once.").text == first.text
    assert copied.usage.asked == client.usage.asked == 1
    with (
        client.session(budget=Budget(max_calls=9)),
        pytest.raises(ConfigurationError, match="A budget is counted in one process"),
    ):
        pickle.dumps(client)


@pytest.mark.parametrize("record", [True, False])
def test_own_cerebros_ask_once_for_all_runs_unless_they_are_told_not_to(tmp_path, monkeypatch, record):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    table, asked, books_of_runs = TABLE.iloc[:300], [], []
    with serving(answer(LONG)) as server:
        for mode in ({}, {"runonce": False}):  # a new client each time, as in a new process
            client = get_llm_client(backend="openai", base_url=server.url, api_key="k", model=MODEL)
            advisor = ModelAdvisor(client, record=record)
            books_of_runs.append(run(own_cerebro(pandas_feed(table), **mode), advisor=advisor))
            asked.append(sum("trend:" in str(body["messages"][-1]) for body in server.questions))
    assert asked[0] > 5
    assert asked[1] - asked[0] == (0 if record else asked[0])
    assert books_of_runs[0][2:] == books_of_runs[1][2:]
    assert (tmp_path / "cache" / "answers").is_dir() is record
