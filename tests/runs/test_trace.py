"""``btllm trace``: one decision of a finished run from its folder alone, and what a terminal shows of a model."""

import json

import pytest
from command_line import only_error, write_experiment
from small_run import reader, recording, small

import simulator
from llm_strategy.errors import ConfigurationError
from simulator.runs.trace import trace

pytestmark = pytest.mark.slow

ESCAPE = "\x1b]0;owned\x07"


def rude(request):
    """A reader whose rationale would command the terminal."""
    return reader(request) | {"rationale": f"Above the long average. {ESCAPE}\u202e"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    client, _ = recording(rude)
    wanted = small(
        folder,
        data={"source": "synthetic:cycles?bars=640&seed=5"},
        arms=["llm", "buy_and_hold"],
        output={"folder": str(folder), "explain": False},
    )
    return simulator.compare(wanted, client=client)


def test_a_decision_is_told_whole(compared):
    orders = compared.record.arm("llm").orders
    entry = orders[orders["kind"] == "entry"].iloc[0]
    at = entry["created"].isoformat()
    found = trace(compared.folder, at[:10])
    told = found.as_dict()
    (line,) = [line for line in compared.record.arm("llm").decisions if line["time"] == at]
    assert told["decision"] == line
    (question,) = told["questions"]
    assert question["messages"][0]["role"] == "system"
    assert line["prompt"].split("; ")[0] in question["messages"][-1]["content"]
    assert question["answer"] == line["answer"]
    assert (question["tokens_in"] > 0, question["cached"]) == (True, False)
    assert [order["order"] for order in told["orders"]] == [entry["order"]]
    assert told["trades"][0]["entered"] == entry["done"].isoformat()
    closes = next(iter(compared.record.prices.values()))["close"]
    later = closes[closes.index > entry["created"]]
    assert told["followed"]["5"] == pytest.approx(later.iloc[4] / line["snapshot"]["close"] - 1)
    text = found.as_text()
    for word in (
        "[system]",
        "Shown    trend: ",
        "Policy   allow",
        "Gate     enter_long",
        "Order    ",
        "Then     the close",
    ):
        assert word in text


def test_a_position_that_is_held_is_shown(compared):
    trade = compared.record.arm("llm").trades.iloc[0]
    between = compared.record.arm("llm").equity.loc[trade["entered"] :].index[1]
    found = trace(compared.folder, between.isoformat())
    assert found.position is not None
    assert found.position["trade"] == trade["trade"]
    assert "Held     " in found.as_text() or found.trades


def test_an_arm_may_be_named_and_an_arms_own_folder_will_do(compared):
    rule = trace(compared.folder, arm="buy_and_hold")
    assert (rule.arm, rule.questions) == ("buy_and_hold", [])
    alone = trace(compared.folder / "llm")
    assert alone.as_dict() == trace(compared.folder).as_dict()  # the audit log lies beside the arms


def test_a_folder_without_its_audit_log_shows_the_market(compared, tmp_path):
    import shutil

    folder = tmp_path / "moved"
    shutil.copytree(compared.folder, folder)
    (folder / "audit.jsonl").unlink()
    found = trace(folder)
    assert found.questions[0]["messages"] == []
    assert "[market]\n" in found.as_text()
    assert "not on record here" in found.as_text()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"at": "2001-03-03"}, r"has no decision at 2001-03-03: the nearest are 2001-03-02 and 2001-03-05\."),
        ({"at": "1990-01-01"}, r"the nearest is \S+\."),
        ({"at": "yesterday"}, "write an ISO date or time"),
        ({"arm": "buy_and_hld"}, "did you mean 'buy_and_hold'"),
        ({"symbol": "NOPE"}, "decided on no 'NOPE'"),
        ({"draw": 2}, "has draws 1 to 1, and --draw is 2"),
    ],
)
def test_what_is_not_there_is_one_sentence(compared, wanted, told):
    with pytest.raises(ConfigurationError, match=told):
        trace(compared.folder, **wanted)


def test_of_several_symbols_and_of_bars_within_a_day_one_is_named(tmp_path):
    client, _ = recording()
    data = {"sources": {"A": "synthetic:cycles?bars=300&seed=1", "B": "synthetic:cycles?bars=300&seed=2"}}
    made = simulator.run(small(tmp_path, data=data), client=client)
    with pytest.raises(ConfigurationError, match=r"several symbols: add --symbol with one of A, B"):
        trace(made.folder)
    assert trace(made.folder, symbol="B").decision["snapshot"]["symbol"] == "B"


def test_the_command_shows_escapes_and_never_sends_them(btllm, compared):
    code, out, _ = btllm("trace", compared.folder)
    assert code == 0
    assert "\\x1b]0;owned\\x07" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    code, out, _ = btllm("trace", compared.folder, "--json")
    assert ESCAPE in json.loads(out)["decision"]["advice"]["rationale"]
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    only_error(btllm("trace", compared.folder, "--at", "2100-01-01"), 2)


@pytest.mark.parametrize(("option", "shown"), [("-v", True), ("-vv", True), ("--verbose", True), (None, False)])
@pytest.mark.parametrize("behind", [True, False])
def test_verbose_shows_each_question_wherever_it_stands(btllm, tmp_path, monkeypatch, option, shown, behind):
    (tmp_path / "answers.jsonl").write_text(
        json.dumps({"label": "bull", "action": "hold", "action_confidence": "70", "rationale": "Up."}) + "\n"
    )
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    monkeypatch.setenv("LLM_SCRIPT", "answers.jsonl")
    monkeypatch.setattr("logging.root.handlers", [])
    path = write_experiment(tmp_path)
    words = ["advise", path]
    words = [*words, *filter(None, [option])] if behind else [*filter(None, [option]), *words]
    code, _, err = btllm(*words)
    assert code == 0, err
    assert ("advice: bull, hold; " in err and "tokens in" in err) == shown
