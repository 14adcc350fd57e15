"""A model drafts a checklist: a file to read, which loosens nothing and of which nothing is in force by itself."""

import json
from dataclasses import replace

import pytest
import yaml
from small_run import SMALL

import simulator
from llm_strategy import read_checklist
from llm_strategy.errors import BackendFailure, ConfigurationError, RunFolderError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import Slot
from simulator.prices.load import load_prices
from simulator.runs.checklists.propose import SPOKEN_OF, propose_checklist

EXPERIMENT = SMALL | {"data": {"source": "synthetic:cycles?bars=560&seed=5"}, "arms": ["llm", "buy_and_hold"]}


def choosing(pick):
    """A client that scores, and likes best what ``pick`` takes of the choices."""

    def answer(request):
        chosen = pick([choice.strip(" ;") for choice in request.choices])
        return {choice: float(choice.strip(" ;") == chosen) for choice in request.choices}

    return ScriptedClient(answer, supports_choices=True)


def draft_of(client, **more):
    return propose_checklist(simulator.Experiment.from_mapping(EXPERIMENT | more), client=client)


@pytest.fixture(scope="module")
def last():
    """The draft of a model that likes the last choice best, and what it was asked."""
    client = choosing(lambda texts: texts[-1])
    return draft_of(client), client.requests


def test_the_tightest_and_the_last_of_everything_is_a_checklist_that_an_experiment_obeys(last, tmp_path):
    draft, asked = last
    path = draft.write(tmp_path / "checklist.yaml")
    document = yaml.safe_load(path.read_text())
    assert list(document["items"])[:4] == ["drawdown_brake", "volatility_brake", "label_changes", "stale_data"]
    assert sum("when" in item for item in document["items"].values()) == 2
    assert document["limits"]["max_position_size"] == 0.05  # a quarter of 0.2
    assert read_checklist(path) == draft.checklist
    obeyed = simulator.Experiment.from_mapping(EXPERIMENT | {"risk": {"checklist": str(path)}})
    assert obeyed.risk.max_drawdown == document["limits"]["max_drawdown"]
    assert (draft.failed, draft.asked) == (0, len(asked))


def test_of_everything_the_first_leaves_limits_as_they_are_and_is_masked():
    client = choosing(lambda texts: texts[0] if texts[0] not in ("off", "none") else texts[1])
    draft = draft_of(client, risk={"max_position_size": 0.5, "max_daily_loss": None})
    assert "max_position_size" not in draft.limits
    assert draft.limits["max_daily_loss"].content == 0.05  # it was off
    said = "\n".join(message.content for request in client.requests for message in request.messages)
    for hidden in ("cycles", "synthetic", "2001", "2002"):
        assert hidden not in said
    assert all(name in said for name in SPOKEN_OF if name not in ("gaps",))


def test_closes_that_are_tested_are_not_looked_at(last):
    prices = load_prices("synthetic:cycles?bars=560&seed=5").table
    other = prices.copy()
    other.loc["2002-03-01":, ["open", "high", "low", "close"]] *= 1.7
    told = []
    for table in (prices, other):
        client = choosing(lambda texts: texts[-1])
        draft = draft_of(client, data={"source": table, "start": "2002-03-01"})
        assert draft.last < "2002-03-01"
        assert "before data.start" in draft.text
        told.append([request.messages for request in client.requests])
    assert told[0] == told[1]
    assert "first third" in last[0].text


def filling(request):
    """The first value that is no choice for an analytic, and then the last choice of each slot."""
    (slot,) = [part for part in request.form if isinstance(part, Slot)]
    if slot.name == "analytic" and request.messages[-1].content.startswith("That is none"):
        return {slot.name: slot.choices[-1]}
    return {slot.name: "something else" if slot.name == "analytic" else slot.choices[-1]}


def test_slots_are_repaired_once_and_a_schema_gives_the_same_draft(last):
    client = ScriptedClient(filling)
    draft = draft_of(client)
    assert draft.failed == 0
    assert sum("when" in line.content for line in draft.items.values()) == 2

    def by_schema(request):
        ((name, value),) = json.loads(request.json_schema)["properties"].items()
        return {name: value["enum"][-1]}

    writing = draft_of(ScriptedClient(by_schema, supports_forms=False))
    assert writing.checklist == draft.checklist == last[0].checklist
    assert writing.text == last[0].text


def test_what_is_not_answered_is_left_out_and_counted_and_too_much_of_it_is_refused():
    def mute(request):
        (slot,) = [part for part in request.form if isinstance(part, Slot)]
        return {slot.name: "no idea" if slot.name in ("analytic", "question") else slot.choices[-1]}

    draft = draft_of(ScriptedClient(mute))
    assert draft.failed == 2
    assert "2 got no answer" in draft.text
    assert list(draft.items) == ["drawdown_brake", "volatility_brake", "label_changes", "stale_data"]
    with pytest.raises(BackendFailure, match=r"4 answers that are none of the choices, so nothing was drafted"):
        draft_of(ScriptedClient(lambda request: "I cannot help with that."))


@pytest.mark.parametrize(
    ("pick", "more", "sentence"),
    [
        (-1, {"arms": ["buy_and_hold"]}, "no arm of the experiment is advised by one: add llm to arms"),
        (-1, {"data": {"source": "synthetic:cycles?bars=330&seed=5"}}, "that is 20: give it more bars"),
        (0, {}, "The model left every item out"),
    ],
    ids=["no model", "few bars", "nothing chosen"],
)
def test_what_cannot_be_drafted_is_one_sentence(pick, more, sentence):
    experiment = simulator.Experiment.from_mapping(EXPERIMENT | more)
    with pytest.raises(ConfigurationError, match=sentence):
        propose_checklist(experiment, conditions=0, client=choosing(lambda texts: texts[pick]))


def test_a_file_that_is_there_is_left_alone_and_a_place_that_is_none_is_told(last, tmp_path):
    draft, _ = last
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match=r"exists already: name another file, or write over it with --force"):
        draft.write(path)
    assert path.read_text() == "mine"
    assert draft.write(path, force=True).read_text() == draft.text
    with pytest.raises(ConfigurationError, match="There is no folder"):
        draft.write(tmp_path / "nowhere" / "x.yaml")
    with pytest.raises(ConfigurationError, match="is a folder"):
        draft.write(tmp_path)
    with pytest.raises(RunFolderError, match="cannot be written"):
        draft.write(tmp_path / ("x" * 300 + ".yaml"))


def test_no_sign_in_a_model_name_ends_a_comment(last):
    draft, _ = last
    forged = replace(draft, model="m\nlimits: {max_drawdown: 1}\x85items: {}\u2028x")
    assert yaml.safe_load(forged.text) == yaml.safe_load(draft.text)


def test_the_command_writes_beside_the_experiment(btllm, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    experiment = tmp_path / "work" / "experiment.yaml"
    experiment.write_text(yaml.safe_dump(EXPERIMENT))
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    script = tmp_path / "answers.jsonl"
    monkeypatch.setenv("LLM_SCRIPT", str(script))
    script.write_text('"No."\n' * 20)
    code, out, err = btllm("checklist", "propose", experiment)
    assert (code, out) == (4, "")
    assert "nothing was drafted" in err
    written = tmp_path / "work" / "checklist.yaml"
    assert not written.exists()
    answers = ["off", "off", "off", "on", "Is the market without a direction?", *["5%"] * 3, "50%", "5%"]
    names = ["setting"] * 4 + ["question"] + ["limit"] * 5
    lines = [json.dumps({name: text}) for name, text in zip(names, answers, strict=True)]
    script.write_text("\n".join(lines))
    code, out, err = btllm("checklist", "propose", experiment, "-n", "0")
    assert code == 0, err
    assert "2 items" in out
    assert list(read_checklist(written).as_dict()["items"]) == ["stale_data", "no_direction"]
    code, out, err = btllm("checklist", "propose", experiment)
    assert code == 2
    assert "exists already" in err
