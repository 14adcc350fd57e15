"""What a person sets of the advisor and what could not change anything is refused, never ignored."""

import pytest
from small_run import recording, small

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.experiment.configuration import Experiment


@pytest.mark.parametrize(
    ("options", "scores", "told"),
    [
        (
            {"layout": "sheet"},
            False,
            r"layout is sheet, .*'scripted' decides in mode slots: choose a backend that scores",
        ),
        ({"layout": "rows", "mode": "json"}, False, "decides in mode json: choose a backend"),
        ({"layout": "rows", "mode": "slots"}, True, r"mode slots: set advisor\.mode to choices"),
        ({"calibration": "batch"}, False, r"advisor\.calibration is batch, which only mode choices reads"),
        ({"calibration": "content_free", "mode": "json"}, True, r"set advisor\.mode to choices"),
        ({"labels": "followed"}, False, r"labels is followed, and no examples are shown .* set advisor\.examples to"),
        ({"labels": "followed", "examples": "none"}, True, r"no examples are shown in mode choices with backend"),
        ({"context": ("history",), "examples": "nearest"}, False, r"leaves out the features that examples are made of"),
        ({"labels": "followed", "examples": "fixed", "mode": "choices"}, True, "labels of their own"),
    ],
)
def test_a_setting_that_changes_nothing_is_refused_at_the_start(options, scores, told):
    with pytest.raises(ConfigurationError, match=told):
        ModelAdvisor(ScriptedClient([], supports_choices=scores), options=PromptOptions(**options))


@pytest.mark.parametrize(
    ("options", "scores"),
    [
        ({"layout": "auto", "calibration": "none"}, False),
        ({"layout": "sheet", "calibration": "batch"}, True),
        ({"labels": "followed", "examples": "nearest"}, False),
        ({"labels": "followed", "examples": "balanced", "count": 4, "mode": "json"}, False),
        ({"labels": "followed", "examples": "nearest"}, True),
        ({"examples": "none"}, False),
        ({"examples": "none", "layout": "rows", "calibration": "batch"}, True),
    ],
)
def test_what_changes_something_is_taken(options, scores):
    ModelAdvisor(ScriptedClient([], supports_choices=scores), options=PromptOptions(**options))


def test_a_layout_that_would_be_ignored_ends_a_run_before_anything_is_asked(tmp_path):
    client, model = recording()
    with pytest.raises(ConfigurationError, match=r"advisor\.layout is sheet"):
        simulator.run(small(tmp_path, advisor={"layout": "sheet"}), client=client)
    assert model.requests == []


@pytest.mark.parametrize(
    ("advisor", "told"),
    [
        ({"examples": "no"}, r'examples is "no", it must be auto, none, fixed, a number of balanced ones from 4, or a'),
        ({"examples": "nearest"}, r"such as \{nearest: 4\}\."),
        ({"examples": "fixd"}, "did you mean 'fixed'"),
        ({"examples": 3}, "examples is 3, it must be auto, none, fixed"),
        ({"decimals": 2}, "decimals is 2, and style words shows no figures: set advisor.style to numbers"),
    ],
)
def test_a_wrong_value_is_a_proper_sentence(advisor, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        Experiment.from_mapping({"advisor": advisor})
    assert "schema" not in str(caught.value)
