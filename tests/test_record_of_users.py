"""Answers of a person's own Cerebro and study are read as its advisor says, on record or not."""

import pytest
from own_cerebro import own_cerebro, run
from test_study import study

from llm_strategy import ModelAdvisor
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.reading import Reading

OWN = """
from llm_strategy.llm import LLMClient


class Quotes(LLMClient):
    def generate(self, prompt, **kwargs):
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
    advisor = ModelAdvisor(get_llm_client(backend=own), reading=Reading(mode="json"), repairs=repairs, record=record)
    for _ in range(2):  # the second run answers from the record
        entries, *_ = run(own_cerebro(), advisor=advisor)
        assert {entry.decision.status for entry in entries} == {status}


def test_a_study_repairs_as_its_advisor_does(tmp_path):
    client = ScriptedClient(lambda request: TEXT, supports_forms=False)
    result = study(tmp_path, advisor=ModelAdvisor(client, repairs="lenient")).run()
    assert {line["status"] for line in result.record.arm("llm").decisions} == {"repaired"}
