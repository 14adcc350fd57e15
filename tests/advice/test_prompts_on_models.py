"""Real models, and a server on loopback, are sent exactly the prompt that was asked for, in every mode that they can
do."""

import json
from dataclasses import replace

import pytest
from misbehaving_server import MODEL, answer, by_turns, serving
from past_states import states

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message, request_hash
from llm_strategy.types import Status

OWN = PromptText.from_template(
    """\
{% block system %}
You trade for a pension fund. {% for label in labels %}{{ label.name }}: {{ label.meaning }}. {% endfor %}

{% endblock %}
{% block user %}
{% if examples %}
Earlier:
{{ examples }}

{% endif %}
The market now: {{ features }}
{{ form }}
{% endblock %}
""",
    "own.j2",
)
SYSTEM = (
    "You trade for a pension fund. bull: prices rise over many bars. bear: prices fall over many bars. sideways: "
    "prices move without a direction. turbulent: prices swing widely, up and down."
)
LABELS, ACTIONS = "bull, bear, sideways or turbulent", "enter_long, enter_short, exit or hold"
TOLD = {
    "json": (
        'Answer with one JSON object and nothing else. Its keys are "rationale", a short sentence that says why; '
        f'"regime", an object whose key "label" is {LABELS}; and "action", an object whose key "type" is {ACTIONS}, '
        'and whose key "confidence" is how sure you are of the action, a number between 0 and 1.'
    ),
    "slots": (
        f"Name the regime, which is {LABELS}, and the action, which is {ACTIONS}.\n"
        "Then write in two digits how sure you are of the action, as a percentage."
    ),
    "choices": (
        "Answer in this form and with nothing else:\nRegime: LABEL\nAction: ACTION\n"
        "LABEL is one of bull, bear, sideways, turbulent.\nACTION is one of enter_long, enter_short, exit, hold."
    ),
}
WAYS = {
    "none": PromptOptions(examples="none"),
    "own": PromptOptions(prompt=OWN),
}


def expected(way, mode, decision, examples):
    """The messages as a person would write them down from the settings."""
    told = TOLD[mode]
    if way == "own":
        shown = "\n\n".join(f"Market: {each.market}\nRegime: {each.label}\nAction: {each.action}" for each in examples)
        return Message("system", SYSTEM), Message(
            "user", f"Earlier:\n{shown}\n\nThe market now: {decision.prompt}\n{told}"
        )
    system = (
        "You are shown what is known of one market when a bar has closed. Judge by yourself which regime the market is "
        "in and which action you propose.\n\nRegimes:\n- bull: prices rise over many bars\n- bear: prices fall over "
        "many bars\n- sideways: prices move without a direction\n- turbulent: prices swing widely, up and down\n\n"
        "Actions:\n- enter_long: open a position that gains when prices rise\n- enter_short: open a position that "
        "gains when prices fall\n- exit: close the position, if there is one\n- hold: change nothing\n\nYou know "
        "nothing of the account: neither what is held nor how much money there is. What you propose is held to fixed "
        "limits before anything is traded."
    )
    system += "" if mode == "choices" else f"\n\n{told}"
    return Message("system", system), Message("user", f"Market: {decision.prompt}")


def check(client, mode, way, decisions=2):
    """Decide a few bars behind past states, and compare each question with what was asked for."""
    client = RecordingClient(client, client.identity, MemoryStore())
    options = replace(WAYS[way], mode=mode, rationale="always" if mode == "json" else "never", calibration="none")
    if mode != "choices":
        options = replace(options, calibration="auto")
    advisor = ModelAdvisor(client, options=options)
    past = list(states())
    for state in past[:10]:
        advisor.witness(state)
    for state in past[10 : 10 + decisions]:
        examples = advisor._question(state).examples
        request = advisor.request(state)
        decision = advisor.decide(state)
        assert len(examples) == (2 if way == "own" else 0)
        assert request.messages == expected(way, mode, decision, examples)
        assert decision.exchanges[0].request_hash == request_hash(request, client.identity)
        assert decision.status in (Status.ADVISED, Status.REPAIRED, Status.ABSTAINED)
        if mode == "choices":
            assert decision.status is Status.ADVISED
        yield decision


@pytest.fixture(scope="module")
def llama_cpp(model_path, threads):
    """The embedded model in llama.cpp, loaded once."""
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(2048, threads))) as client:
        client.start_from(replace(client.defaults, max_tokens=24))
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["json", "slots", "choices"])
def test_llama_cpp_is_sent_what_was_asked_for(llama_cpp, mode, way):
    decisions = 2 if mode == "choices" else 1
    assert len([*check(llama_cpp, mode, way, decisions)]) == decisions


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["json", "slots"])
def test_local_llama_is_sent_what_was_asked_for(local_model, mode, way):
    defaults = local_model.defaults
    local_model.start_from(replace(defaults, max_tokens=24))
    try:
        assert len([*check(local_model, mode, way, decisions=1)]) == 1
    finally:
        local_model.start_from(defaults)


@pytest.mark.server
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["json", "slots"])
def test_a_server_is_sent_what_was_asked_for(mode, way):
    given = {"rationale": "So.", "regime": {"label": "bear"}, "action": {"type": "exit", "confidence": 0.7}}

    def behave(turn, body):
        return answer(json.dumps(given))

    known = {"answer_format": "json_schema", "reported_model": MODEL, "timeout_s": 5}
    with serving(by_turns(behave)) as server:
        client = LLMClient(OpenAIBackend(MODEL, [server.url], "", **known))
        decisions = [*check(client, mode, way)]
        sent = [body for path, _, body in server.requests if path.endswith("/chat/completions")]
    assert [decision.advice.action.type for decision in decisions] == ["exit", "exit"]
    assert len(sent) == 2
    for body, decision in zip(sent, decisions, strict=True):
        system, user = body["messages"]
        assert decision.prompt in user["content"]
        assert (system["content"] == SYSTEM) is (way == "own")
        assert body["response_format"]["type"] == "json_schema"
