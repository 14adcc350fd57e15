"""Decision modes: their registry, what another one has to be, and what an advisor remembers of outcomes."""

import json
import pickle
from importlib.resources import files

import pytest
from past_states import SNAPSHOT, states
from small_run import recording, small
from word_mode import Words

import simulator
from llm_strategy.advice import conversation
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.layout import LAYOUT_NAMES, load_layout
from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import MODE_NAMES, MODES, mode_for
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient

ADVICE = {"rationale": "So it is.", "regime": {"label": "bull"}, "action": {"type": "hold", "confidence": 0.6}}


def settings_of(name):
    schema = json.loads((files("llm_strategy.contracts") / "experiment.schema.json").read_text(encoding="utf-8"))
    advisor = schema["properties"]["advisor"]
    return advisor["properties"][name]


def enum_in(setting):
    """The names that a setting may have, wherever they stand in its schema."""
    parts = setting.values() if isinstance(setting, dict) else setting if isinstance(setting, list) else ()
    own = setting.get("enum", ()) if isinstance(setting, dict) else ()
    return set(own).union(*map(enum_in, parts))


def test_the_registry_names_every_mode_and_so_does_the_schema():
    assert list(MODE_NAMES) == ["auto", *MODES]
    assert [mode.name for mode in MODES.values()] == list(MODES)
    assert enum_in(settings_of("mode")) == set(MODE_NAMES)


def test_the_layouts_are_the_files_and_the_schema_names_them():
    assert enum_in(settings_of("layout")) == {"auto", *LAYOUT_NAMES}
    with pytest.raises(ConfigurationError, match=r"There is no layout 'row', did you mean 'rows'\?"):
        load_layout("row")


@pytest.mark.parametrize(
    ("forms", "choices", "name"), [(False, False, "json"), (True, False, "slots"), (True, True, "choices")]
)
def test_auto_is_the_last_mode_that_a_backend_can_do(forms, choices, name):
    assert mode_for("auto", Abilities(forms, choices)) is MODES[name]


def test_an_unknown_mode_is_named_with_the_nearest_known_one():
    with pytest.raises(ConfigurationError, match=r"advisor.mode is 'slot', did you mean 'slots'\?"):
        ModelAdvisor(ScriptedClient([]), options=PromptOptions("slot"))


def test_another_mode_is_its_class_and_its_line(monkeypatch):
    monkeypatch.setitem(MODES, "words", Words)
    client = ScriptedClient(lambda request: "bear" if "label" in request.messages[0].content else "exit")
    advisor = ModelAdvisor(client, options=PromptOptions("words"))
    decision = advisor.decide(SNAPSHOT)
    assert (decision.advice.regime.label, decision.advice.action.type) == ("bear", "exit")
    assert [exchange.purpose for exchange in decision.exchanges] == ["label", "action"]
    assert client.requests[1] in list(advisor.possible_requests(SNAPSHOT))
    assert mode_for("auto", Abilities(forms=False, choices=False)) is Words
    wrong = ModelAdvisor(ScriptedClient(["sunny"]), options=PromptOptions("words")).decide(SNAPSHOT)
    assert wrong.abstention.detail == "word: is 'sunny'"


def test_a_mode_that_asks_for_labels_and_scores_none_is_run(monkeypatch, tmp_path):
    monkeypatch.setitem(MODES, "json", type("InPlaceOfJson", (Words,), {"name": "json"}))
    client, _ = recording(lambda request: "bear" if "Which label" in request.messages[0].content else "exit")
    data = {"source": "synthetic:cycles?bars=300&seed=5"}
    result = simulator.run(small(tmp_path, data=data, advisor={"mode": "json"}), client=client)
    assert not list(result.folder.rglob("calibration.json")), "no label has a probability"
    assert all(check.same for check in simulator.replay(result.folder))


def test_an_advisor_forgets_its_oldest_outcomes_and_travels(monkeypatch):
    monkeypatch.setattr(conversation, "MOST_REMEMBERED", 3)
    client = ScriptedClient(lambda request: ADVICE)
    advisor = ModelAdvisor(client, options=PromptOptions("json"))
    distinct = list(states())[:5]
    first = [advisor.decide(state) for state in distinct]
    assert len(client.requests) == 5
    assert [advisor.decide(state) for state in distinct[2:]] == first[2:]
    assert len(client.requests) == 5, "the last three are remembered"
    assert advisor.decide(distinct[0]) == first[0]
    assert len(client.requests) == 6
    memory = pickle.loads(pickle.dumps(advisor._memory))  # noqa: S301 - our own
    assert memory.outcomes == advisor._memory.outcomes
    assert type(memory.outcomes) is type(advisor._memory.outcomes)
