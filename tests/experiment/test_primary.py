"""The arm that a verdict is about, named before the run."""

import pytest

from llm_strategy.errors import ConfigurationError
from simulator.experiment.configuration import Experiment

ARMS = {
    "arms": {
        "small": None,
        "large": None,
        "dealt": {"advisor": "small", "null": "shuffled_labels"},
        "regime_rule": None,
    },
    "advisors": {"small": {}, "large": {"examples": "none"}},
}  # fmt: skip


def named(primary):
    return Experiment.from_mapping(ARMS | {"evaluation": {"primary": primary}})


def test_the_first_advised_arm_is_the_primary_one_unless_another_is_named():
    first = Experiment.from_mapping(ARMS)
    assert first.primary.name == "small"
    assert first.evaluation.primary is None
    assert first.resolved()["evaluation"]["primary"] == "small"
    second = named("large")
    assert second.primary.name == second.resolved()["evaluation"]["primary"] == "large"
    assert second.advisor.examples == second.primary_config.examples == "none"
    assert Experiment.from_mapping(second.as_dict()) == second
    assert Experiment.from_mapping({"arms": ["buy_and_hold"]}).resolved()["evaluation"]["primary"] is None


@pytest.mark.parametrize(
    ("primary", "words"),
    [
        ("smal", r"evaluation\.primary is smal, which is no arm that a model advises, did you mean 'small'\?"),
        ("regime_rule", "is regime_rule, which is no arm that a model advises; known are small, large"),
        ("dealt", "is dealt, a null that small is compared with: name one of small, large"),
    ],
)
def test_what_is_no_primary_arm_is_refused_in_a_sentence(primary, words):
    with pytest.raises(ConfigurationError, match=words):
        named(primary)


def test_without_an_advised_arm_there_is_none_to_name():
    with pytest.raises(ConfigurationError, match="no arm of this experiment is advised, so leave it out"):
        Experiment.from_mapping({"arms": ["buy_and_hold"], "evaluation": {"primary": "llm"}})
