"""Where AWS lets no question be asked, a run ends at its first one, with one sentence that says what to do."""

import sys

import pytest
from bedrock_server import KEY, REGION
from fault_wires import BEDROCK, SNAPSHOT, aws, connected, decide
from misbehaving_server import reply, serving

import llm_strategy.llm.backends.bedrock.client as bedrock
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import ModelError
from llm_strategy.types import Status
from simulator.cli.main import main

pytestmark = pytest.mark.server

UNSETTLED = {
    "no credentials": (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], {}, "no AWS credentials"),
    "half of them": (["AWS_SECRET_ACCESS_KEY"], {}, "no AWS credentials"),
    "no region": (["AWS_DEFAULT_REGION"], {}, "set AWS_REGION"),
    "unknown profile": ([], {"AWS_PROFILE": "mine"}, "no AWS profile"),
}


@pytest.mark.parametrize(("without", "given", "told"), UNSETTLED.values(), ids=UNSETTLED)
def test_a_run_without_what_aws_needs_ends_with_one_sentence(monkeypatch, tmp_path, capsys, without, given, told):
    aws(monkeypatch)
    for name in without:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LLM_BACKEND", "bedrock")
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiment.yaml").write_text('{data: {source: "synthetic:cycles?bars=300"}, arms: [llm]}')
    monkeypatch.setattr(sys, "argv", ["btllm", "run", "experiment.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = [line for line in capsys.readouterr().err.splitlines() if "Error" in line]
    assert ended.value.code == 4
    assert len(said) == 1
    assert said[0].startswith("Error: ")
    assert told in said[0]


def test_expired_credentials_are_told_in_the_record_of_each_decision(monkeypatch):
    aws(monkeypatch)
    refusal = BEDROCK.status(403, error="ExpiredTokenException", message="The security token is expired")
    with serving(refusal) as server:
        decision, _ = decide(BEDROCK, server.url)
    assert decision.status is Status.ABSTAINED
    assert "get new credentials" in decision.abstention.detail
    assert KEY not in decision.abstention.detail


def test_a_program_that_never_gives_credentials_ends_the_run(monkeypatch, tmp_path):
    aws(monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "config").write_text(f"[default]\nregion = {REGION}\ncredential_process = sleep 3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(bedrock, "CONNECTING_S", 0.3)
    with (
        serving(reply(BEDROCK.envelope())) as server,
        connected(BEDROCK, server.url) as client,
        pytest.raises(ModelError, match="credential_process"),
    ):
        ModelAdvisor(client).decide(SNAPSHOT)
