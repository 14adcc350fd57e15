"""btllm hypotheses: what each command says, and its one sentence where something is wrong."""

import json

import pytest
from command_line import only_error
from stated_markets import FALSE, TRUE, stating, write_prices

from simulator.hypotheses.statement import Hypothesis


@pytest.fixture
def folder(btllm, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "experiment.yaml").write_text(
        json.dumps(stating(tmp_path, write_prices(tmp_path), {"statements": [TRUE]}, arms=["buy_and_hold"]))
    )
    return tmp_path


def script(folder, monkeypatch, *lines):
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    monkeypatch.setenv("LLM_SCRIPT", str(path))


PROPOSED = [  # the test window is long enough for one horizon alone, which is not asked about
    {"analytic": "market"}, {"field": "drawdown"}, {"side": "below"}, {"threshold": "low"}, {"change": "more"},
    {"effect": "small"},
]  # fmt: skip


def test_from_a_proposal_to_its_verdict(btllm, folder, monkeypatch):
    wanted = stating(folder, folder / "returning.csv", {"propose": 1}, arms=["llm"])
    (folder / "proposing.yaml").write_text(json.dumps(wanted))
    script(folder, monkeypatch, *PROPOSED)
    code, out, err = btllm("hypotheses", "propose", "proposing.yaml")
    identity, _, sentence = out.strip().partition("  ")
    assert code == 0, err
    assert sentence.startswith("After closes with market drawdown below")
    code, out, _ = btllm("hypotheses", "test", "proposing.yaml", identity[:6])
    assert code == 0
    assert "too few events: effect" in out
    assert "It was tested on" in only_error(btllm("hypotheses", "test", "proposing.yaml", identity), 2)
    code, out, _ = btllm("hypotheses", "list", "--json")
    (listed,) = json.loads(out)
    assert (listed["id"], listed["proposer"], len(listed["tests"])) == (identity, "model answers.jsonl", 1)
    code, out, _ = btllm("hypotheses", "show", identity[:4])
    assert [line for line in out.splitlines() if line.startswith("Entry")][1].startswith("Entry 2: tested")
    assert "of ABC from" in out


def test_statements_of_an_experiment_are_tested_and_carried_to_another_machine(btllm, folder, monkeypatch):
    code, out, _ = btllm("hypotheses", "test")
    assert code == 0
    assert "confirmed: effect +" in out
    code, before, _ = btllm("hypotheses", "list")
    assert btllm("hypotheses", "export", "--to", "register.jsonl")[0] == 0
    monkeypatch.setenv("BTLLM_DATA_DIR", str(folder / "elsewhere"))
    code, out, _ = btllm("hypotheses", "import", "register.jsonl")
    assert "2 of 2" in out
    assert btllm("hypotheses", "list")[1] == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("show", "5440"), 2, "No statement '5440' is registered"),
        (("test", "experiment.yaml", "5440"), 2, "No statement '5440' is registered"),
        (("test", "none.yaml"), 2, "There is no file none.yaml"),
        (("propose",), 2, "no model is asked in this run"),
        (("import", "none.jsonl"), 2, "There is no file none.jsonl"),
        (("import", "experiment.yaml"), 2, "experiment.yaml, line 1: name is an unknown key"),
        (("export", "--to", "none/register.jsonl"), 2, "cannot be written"),
    ],
)
def test_what_is_wrong_is_one_sentence(btllm, folder, words, code, message):
    assert message in only_error(btllm("hypotheses", *words), code)


def test_an_empty_register_says_how_to_begin(btllm, folder):
    code, out, _ = btllm("hypotheses", "list")
    assert code == 0
    assert "btllm hypotheses propose" in out


ALONE = {**FALSE, "conditions": ["breadth.above_mean_50 < 0.5"]}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "has nothing to do"),
        ({"propose": 1, "windows": {"propose": 0.7, "test": 0.4}}, "are 1.1 of the closes together"),
        ({"statements": [TRUE, TRUE]}, "states twice"),
        ({"statements": [{**TRUE, "conditions": ["market.drawdwn < 0"]}]}, "did you mean 'market.drawdown'?"),
        ({"statements": [FALSE], "windows": {"test": 0.01}}, "raise it, state a shorter horizon"),
        ({"propose": 1, "analytics": ["markt"]}, "did you mean 'market'?"),
        ({"statements": [FALSE], "chance": 5}, "hypotheses.chance is 5, and statements drawn at random stand beside"),
        ({"statements": [ALONE]}, "hypotheses speaks of breadth, which needs other symbols"),
    ],
    ids=["nothing", "windows", "twice", "unknown field", "empty window", "unknown analytic", "chance", "one symbol"],
)
def test_a_wrong_section_is_one_sentence(btllm, folder, section, message):
    usual = {"windows": {"propose": 0.3, "test": 0.4}}
    wanted = stating(folder, folder / "returning.csv", {}, arms=["buy_and_hold"]) | {"hypotheses": usual | section}
    (folder / "wrong.yaml").write_text(json.dumps(wanted))
    assert message in only_error(btllm("compare", "wrong.yaml", "--quiet"), 2)


def test_the_id_is_that_of_the_statement(btllm, folder):
    btllm("hypotheses", "test")
    _, out, _ = btllm("hypotheses", "list", "--json")
    assert json.loads(out)[0]["id"] == Hypothesis.from_document(TRUE, "here").id
