"""Without examples a model is told what labels and actions mean, and nothing from which it could read the rule."""

import json
import re
from pathlib import Path

import pytest
import yaml
from past_states import SNAPSHOT, states

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.modes.mode import Abilities, Question
from llm_strategy.advice.modes.registry import MODES, complete_options
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.written_prompt import prompt_data
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import Request
from llm_strategy.market.feature import Feature
from llm_strategy.market.features import FEATURES
from llm_strategy.market.regimes import USUAL_REGIMES
from llm_strategy.shown import Shown
from llm_strategy.types import ActionType, RegimeLabel, Status

PROMPTS = Path(__file__).parents[2] / "prompts"
ADVICE = {"rationale": "So it is.", "regime": {"label": "bull"}, "action": {"type": "hold", "confidence": 0.6}}
VALUES = {"rationale": "So it is.", "label": "bull", "action": "hold", "action_confidence": "60"}
WAYS = [("json", "always"), ("slots", "always"), ("slots", "never"), ("choices", "never"), ("choices", "always")]


def answer(request):
    if request.choices:
        return {choice: (1 + number) / 10 for number, choice in enumerate(request.choices)}
    return VALUES if request.form else ADVICE


def asked(mode, rationale, **options):
    """The requests of one decision behind many past states, and the decision."""
    client = ScriptedClient(answer, supports_choices=True)
    advisor = ModelAdvisor(client, options=PromptOptions(mode, "none", rationale=rationale, **options))
    for state in states():
        advisor.witness(state)
    decision = advisor.decide(SNAPSHOT)
    return client.requests, decision


@pytest.mark.parametrize(("mode", "rationale"), WAYS)
def test_the_prompt_is_two_messages_what_things_mean_and_the_market(mode, rationale):
    requests, decision = asked(mode, rationale)
    assert decision.status is Status.ADVISED
    for request in requests:
        system, user = request.messages
        assert (system.role, user.role) == ("system", "user")
        assert user.content == f"Market: {decision.prompt}"
        for name, kind in USUAL_REGIMES.kinds.items():
            assert f"- {name}: {kind.meaning}" in system.content
        assert all(f"- {action}: " in system.content for action in ActionType)
        assert "nothing of the account" in system.content


@pytest.mark.parametrize(("mode", "rationale"), WAYS)
def test_nothing_in_the_prompt_tells_which_label_belongs_to_which_feature(mode, rationale):
    (first, *_), _ = asked(mode, rationale)
    told = first.messages[0].content.lower()
    words = {bucket for feature in FEATURES.values() for bucket in words_of(feature)}
    names = {feature.label for feature in FEATURES.values()}
    assert words
    assert not [word for word in sorted(words | names | {"average"}) if f" {word} " in f" {told} "]


def words_of(feature: Feature):
    return [word for _, words in feature.buckets for word in words.split()]


def test_who_writes_an_answer_is_told_in_words_what_to_write_and_nothing_that_can_be_copied():
    (whole,), _ = asked("json", "always")
    told = whole.messages[0].content.partition("traded.")[2]
    assert all(f'"{key}"' in told for key in ("rationale", "regime", "label", "action", "type", "confidence"))
    assert "{" not in told
    assert not re.search("[2-9]|[.][0-9]", told), "no value to go by"
    assert json.loads(whole.json_schema)["required"] == ["rationale", "regime", "action"]
    assert whole.json_mode
    (values,), decision = asked("slots", "never")
    told = values.messages[0].content.partition("traded.")[2]
    assert "bull, bear, sideways or turbulent" in told
    assert "enter_long, enter_short, exit or hold" in told
    assert not re.search('["{0-9]|sentence|JSON', told)
    (values,), _ = asked("slots", "always")
    assert "Say in one short sentence why." in values.messages[0].content
    assert decision.advice.rationale.startswith("The program notes: ")
    scores, _ = asked("choices", "never")
    assert "JSON" not in scores[0].messages[0].content
    assert scores[0].opening == "Regime:"
    assert scores[0].choices == tuple(f" {label}" for label in RegimeLabel)


@pytest.mark.parametrize("mode", ["json", "slots"])
def test_a_repair_shows_no_examples_either(mode):
    given = iter([{"bad": 1}, ADVICE] if mode == "json" else [VALUES | {"label": "sunny"}, VALUES])
    client = ScriptedClient(lambda request: next(given))
    decision = ModelAdvisor(client, options=PromptOptions(mode, "none")).decide(SNAPSHOT)
    assert decision.status is Status.REPAIRED
    first, second = client.requests
    assert second.messages[: len(first.messages)] == first.messages
    assert [message.role for message in second.messages[len(first.messages) :]] == ["assistant", "user"]


@pytest.mark.parametrize(
    ("mode", "rationale", "calibration", "layout"),
    [("json", "always", "none", "plain"), ("slots", "always", "none", "plain"), ("choices", "never", "batch", "plain")],
)
def test_a_model_that_is_not_embedded_is_shown_no_examples_by_itself(mode, rationale, calibration, layout):
    able = Abilities(forms=True, choices=True, backend="openai")
    came_out = complete_options(PromptOptions(mode), able)
    assert (came_out.examples, came_out.rationale) == ("none", rationale)
    assert (came_out.calibration, came_out.layout) == (calibration, layout)
    embedded = complete_options(PromptOptions(mode), able._replace(embedded=True))
    assert embedded.examples == {"json": "fixed"}.get(mode, "nearest")


def test_a_calibration_by_nothing_keeps_the_names_of_the_features_that_are_shown():
    requests, _ = asked("choices", "never", calibration="content_free", layout="rows")
    label, prior = requests[0], requests[1]
    assert prior.messages[0] == label.messages[0]
    assert prior.messages[1].content == "unknown"


@pytest.mark.parametrize("mode", ["json", "slots"])
def test_a_context_without_the_markets_line_never_shows_it(mode):
    made = MODES[mode](PromptOptions(mode, "none", rationale="always", context=("history",)))
    question = Question("trend: far", (), "S", "1d", (Shown("history", "100 101"),))
    shown = made.requests(question, Request(()))[0].messages[1].content
    silent = made.requests(question._replace(context=()), Request(()))[0].messages[1].content
    assert (shown, silent) == ("100 101", "Nothing is known of the market at this close.")
    with pytest.raises(ConfigurationError, match=r"context leaves out features, and the layouts of mode choices"):
        complete_options(PromptOptions("choices", context=("history",)), Abilities(forms=True, choices=True))


@pytest.mark.parametrize("name", sorted(path.name for path in PROMPTS.glob("*.yaml")))
def test_prompts_are_read_as_yaml_itself_reads_them(name):
    assert prompt_data(name) == yaml.safe_load((PROMPTS / name).read_text(encoding="utf-8"))
