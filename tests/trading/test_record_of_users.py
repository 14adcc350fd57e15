"""Answers of a person's own Cerebro and study are read as its advisor says, on record or not."""

import pytest
from own_cerebro import TABLE, own_cerebro, run
from small_run import SMALL
from small_study import study

from llm_strategy import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator import compare, replay

pytestmark = pytest.mark.slow

OWN = """
from llm_strategy.llm import LLMClient


class Quotes(LLMClient):
    def generate(self, prompt, **kwargs):
        with open("asked.txt", "a") as asked:
            asked.write(".")
        return {
            "regime": {"label": "bull"},
            "action": {"type": "enter_long", "confidence": "80%"},
            "rationale": "Above the long average.",
        }
"""
TEXT = '{"regime": {"label": "bull"}, "action": {"type": "enter_long", "confidence": "80%"}, "rationale": "Up."}'


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    return "mine.py:Quotes"


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize(("repairs", "status"), [("lenient", "repaired"), ("strict", "abstained")])
def test_repairs_are_those_of_the_advisor_with_and_without_a_record(own, record, repairs, status):
    advisor = ModelAdvisor(
        get_llm_client(backend=own), options=PromptOptions(mode="json"), repairs=repairs, record=record
    )
    for _ in range(2):  # the second run answers from the record
        entries, *_ = run(own_cerebro(), advisor=advisor)
        assert {entry.decision.status for entry in entries} == {status}


def test_a_study_repairs_as_its_advisor_does(tmp_path):
    client = ScriptedClient(lambda request: TEXT, supports_forms=False)
    result = study(tmp_path, advisor=ModelAdvisor(client, repairs="lenient")).run()
    assert {line["status"] for line in result.record.arm("llm").decisions} == {"repaired"}


def test_a_comparison_takes_any_client_asks_it_once_and_leaves_it_as_it_was(own, tmp_path):
    folder = {"output": {"folder": str(tmp_path / "reports"), "explain": False}}
    lenient = SMALL | folder | {"advisor": {"repairs": "lenient", "mode": "json"}, "arms": ["llm", "buy_and_hold"]}
    client = get_llm_client(backend=own)
    before = dict(vars(client))
    first = compare(lenient, client=client)
    assert set(first.decisions.loc["llm"]["status"]) == {"repaired"}
    asked = (tmp_path / "asked.txt").read_text()
    again = compare(lenient | {"name": "again"}, client=get_llm_client(backend=own))
    assert (tmp_path / "asked.txt").read_text() == asked
    assert again.equity.equals(first.equity)
    assert vars(client) == before
    assert all(check.same for check in replay(first.folder))


def test_a_comparison_takes_a_client_that_was_made_by_hand(tmp_path):
    folder = {"output": {"folder": str(tmp_path), "explain": False}}
    client = ScriptedClient(lambda request: TEXT, supports_forms=False)
    result = compare(SMALL | folder | {"advisor": {"repairs": "lenient"}, "data": {"source": TABLE}}, client=client)
    assert set(result.decisions.loc["llm"]["status"]) == {"repaired"}


def test_what_is_no_client_and_a_client_with_a_log_of_its_own_are_one_sentence(own, tmp_path):
    with pytest.raises(ConfigurationError, match="client is 'openai': give one of get_llm_client"):
        compare(SMALL, client="openai")
    with pytest.raises(ConfigurationError, match="leave audit_file out"):
        compare(SMALL, client=get_llm_client(backend=own, audit_file=tmp_path / "audit.jsonl"))
