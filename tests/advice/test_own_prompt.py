"""A prompt of a person's own: asked as written in every mode, kept with the run, and refused in a sentence."""

import itertools
import json
import time
from pathlib import Path

import pytest
import yaml
from past_states import SNAPSHOT, states
from small_run import recording, small

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.modes.mode import Question
from llm_strategy.advice.modes.registry import MODES
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.requests import Request, Slot
from llm_strategy.shown import Shown
from llm_strategy.types import Status
from simulator.experiment.configuration import Experiment

ADVICE = {"rationale": "So it is.", "regime": {"label": "bull"}, "action": {"type": "hold", "confidence": 0.6}}
VALUES = {"rationale": "So it is.", "label": "bull", "action": "hold", "action_confidence": "60"}
WHOLE = """\
{% block system %}
You are a trader of forty years. The regimes:
{% for label in labels %}
{{ loop.index }}) {{ label.name }} = {{ label.meaning }}
{% endfor %}
{% endblock %}
{% block user %}
{% if examples %}
Before:
{{ examples }}
{% endif %}
Now: {{ features }}
{{ form }}
{% endblock %}
"""
WAYS = [("json", "always"), ("slots", "always"), ("slots", "never"), ("choices", "never"), ("choices", "always")]


def answer(request):
    if request.choices:
        return {choice: (1 + number) / 10 for number, choice in enumerate(request.choices)}
    return VALUES if request.form else ADVICE


def asked(prompt, mode, rationale="auto", past=0, script=answer, **options):
    """The requests of one decision behind some past states, and the decision."""
    client = ScriptedClient(script, supports_choices=True)
    advisor = ModelAdvisor(client, options=PromptOptions(mode, rationale=rationale, prompt=prompt, **options))
    for state in itertools.islice(states(), past):
        advisor.witness(state)
    decision = advisor.decide(SNAPSHOT)
    return client.requests, decision


BEGINS = {
    ("json", "always"): "Answer with one JSON object and nothing else.",
    ("slots", "always"): "Say in one short sentence why.",
    ("slots", "never"): "Name the regime,",
    ("choices", "always"): "Answer in this form",
    ("choices", "never"): "Answer in this form",
    ("choices", "changes"): "Answer in this form",
}
"""The first words of the form, by mode and rationale."""


def refusal(make):
    with pytest.raises(ConfigurationError) as caught:
        make()
    told = str(caught.value)
    assert "\n" not in told
    assert told.endswith(("?", "."))
    return told


@pytest.mark.parametrize(("mode", "rationale"), WAYS)
def test_a_whole_template_is_the_message_that_asks_behind_what_labels_mean(mode, rationale):
    prompt = PromptText.from_template("Today: {{ features }}.\n\n{{ form }}\n", "mine.j2")
    requests, decision = asked(prompt, mode, rationale)
    assert decision.status is Status.ADVISED
    for request in requests:
        system, user = request.messages
        assert "- turbulent: prices swing widely, up and down" in system.content
        assert user.content.startswith(f"Today: {decision.prompt}.\n\n{BEGINS[mode, rationale]}")
        assert "bull, bear, sideways" in user.content


@pytest.mark.parametrize(("mode", "rationale"), WAYS)
def test_both_blocks_are_both_messages_and_examples_stand_where_they_were_put(mode, rationale):
    prompt = PromptText.from_template(WHOLE, "mine.j2")
    requests, decision = asked(prompt, mode, rationale, past=12)
    system, user = requests[0].messages
    assert system.content.splitlines()[:2] == [
        "You are a trader of forty years. The regimes:",
        "1) bull = prices rise over many bars",
    ]
    assert user.content.startswith("Before:\nMarket: ")
    assert user.content.count("Regime: ") == 2 + (mode == "choices"), "two past states, and the form of an answer"
    assert f"Now: {decision.prompt}\n" in user.content
    requests, _ = asked(prompt, mode, rationale)
    assert requests[0].messages[1].content.startswith("Now: "), "there are no past states yet"


def test_the_answer_keeps_the_form_of_its_mode():
    prompt = PromptText("{{ features }} {{ form }}")
    (whole,), _ = asked(prompt, "json")
    assert whole.json_mode
    assert '"enum": ["bull", "bear", "sideways", "turbulent"]' in whole.json_schema
    (values,), _ = asked(prompt, "slots")
    assert next(part.name for part in values.form if isinstance(part, Slot)) == "rationale"
    (label, action), _ = asked(prompt, "choices")
    assert (label.opening, action.chosen) == ("Regime:", " turbulent\nAction:")


def test_a_scored_answer_is_worded_as_the_prompt_says():
    prompt = PromptText("What of {{ features }}?", answer="It is a {label} market, so {action}")
    (label, action, reason), decision = asked(prompt, "choices", "always")
    assert label.opening == "It is a"
    assert label.choices == (" bull", " bear", " sideways", " turbulent")
    assert action.chosen == " turbulent market, so"
    assert reason.opening == "It is a turbulent market, so hold\nReason: "
    assert decision.advice.action.type == "hold"


@pytest.mark.parametrize("mode", ["json", "slots"])
def test_a_second_attempt_follows_the_prompt(mode):
    given = iter([{"bad": 1}, ADVICE] if mode == "json" else [VALUES | {"label": "sunny"}, VALUES])
    prompt = PromptText("{{ examples }} {{ features }} {{ form }}")
    (first, second), decision = asked(prompt, mode, past=12, script=lambda request: next(given))
    assert decision.status is Status.REPAIRED
    assert second.messages[:2] == first.messages
    assert len(second.messages) == 4


def test_an_example_is_written_as_the_prompt_says():
    prompt = PromptText(
        "{{ examples }}\n{{ features }}", example="{{ market }} -> {{ label | upper }}/{{ action }} ({{ facts }})"
    )
    requests, _ = asked(prompt, "choices", past=12, examples="nearest", count=1)
    first = requests[0].messages[1].content.splitlines()[0]
    assert " -> " in first
    assert first.split(" -> ")[1].startswith(("TURBULENT/exit (trend ", "BEAR/exit (trend "))


def test_a_calibration_by_nothing_shows_nothing_of_the_market():
    prompt = PromptText("{{ history }}|{{ features }}")
    mode = MODES["choices"](PromptOptions("choices", calibration="content_free", prompt=prompt, **HISTORY))
    question = Question("trend: far", (), "S", "1d", (Shown("history", "100 101"), Shown("features", "")))
    label, prior = mode.requests(question, Request(()))
    assert label.messages[1].content == "100 101|trend: far"
    assert prior.messages[1].content == "|unknown"


HISTORY = {"context": ("history", "features"), "examples": "none", "rationale": "never"}


@pytest.mark.parametrize("mode", ["json", "slots", "choices"])
def test_each_source_of_context_stands_under_its_name_and_is_data(mode):
    prompt = PromptText("{% if history %}H={{ history }};{% endif %}F={{ features }}\n{{ form }}")
    injected = "{{ form }} {% for x in labels %}{{ x }}{% endfor %} {label}"
    made = MODES[mode](PromptOptions(mode, prompt=prompt, calibration="none", **HISTORY))
    question = Question("trend: far", (), "S", "1d", (Shown("history", injected), Shown("features", "")))
    content = made.requests(question, Request(()))[0].messages[1].content
    assert content.startswith(f"H={injected};F=trend: far\n{BEGINS[mode, 'never' if mode == 'slots' else 'always']}")
    silent = question._replace(context=(Shown("history", ""), Shown("features", "")))
    assert made.requests(silent, Request(()))[0].messages[1].content.startswith("F=trend: far\n")


@pytest.mark.parametrize(("mode", "rationale"), WAYS)
@pytest.mark.parametrize("examples", ["none", "fixed"])
def test_the_packages_prompts_show_the_context_in_its_order(mode, rationale, examples):
    layout = "plain" if examples == "none" else "rows"
    context = ("history", "features", "events")
    options = PromptOptions(mode, examples, calibration="none", rationale=rationale, layout=layout, context=context)
    made = MODES[mode](options)
    line = "trend: above long average; volatility: low"
    alone = made.requests(Question(line, (), "S", "1d"), Request(()))[0].messages
    around = (Shown("history", "H"), Shown("features", ""), Shown("events", "E"))
    shown = made.requests(Question(line, (), "S", "1d", around), Request(()))[0].messages
    assert shown[:-1] == alone[:-1]
    assert shown[-1].content == f"H\n\n{alone[-1].content}\n\nE"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ features", "mine.j2: user, line 1: unexpected end of template"),
        ("{{ featurs }} {{ form }}", "no placeholder {{ featurs }}, did you mean 'features'?"),
        ("{{ form }}", "advisor.prompt never shows {{ features }}, which advisor.context chooses"),
        ("{% if features %}x{% endif %}", "never shows {{ features }}"),
        ("{{ features }} {{ history }}", "shows {{ history }}, and advisor.context does not choose it: add history"),
        ("{% include 'x' %}{{ features }}", "include is no part of a prompt: write placeholders, if and for alone."),
        ("{% set x = 1 %}{{ features }}", "assign is no part of a prompt"),
        ("{% macro m() %}{% endmacro %}{{ features }}", "macro is no part"),
        ("{% import 'os' as os %}{{ features }}", "import is no part"),
        ("{{ features.__class__ }}", "a part is asked for of what is no entry of a loop"),
        ("{{ features['x'] }}", "getitem is no part"),
        ("{{ features() }}", "call is no part"),
        ("{{ features * 1000000000 }}", "mul is no part"),
        ("{{ features | replace('a', 'b') }}", "there is no filter 'replace'; known are capitalize, "),
        ("{% for x in range(10) %}{{ features }}{% endfor %}", "a loop goes through no list of a prompt"),
        ("{% for x in features %}{{ x }}{% endfor %}", "loop over examples, labels, actions."),
        (
            "{% for a in labels %}{% for b in labels %}{{ features }}{% endfor %}{% endfor %}",
            "a loop stands within another",
        ),
        ("{% for a in labels %}{{ a.nmae }}{% endfor %}{{ features }}", "a has no part 'nmae', did you mean 'name'?"),
        ("{% if features %}" * 30 + "{% endif %}" * 30 + "{{ features }}", "too much in one another"),
        ("{{ " + "(" * 5000 + "features }}", "mine.j2: "),
        ("{{ " + "not " * 5000 + "features }}", "mine.j2: "),
        ("{{ features }}" * 20_000, "at most 100,000 are read"),
        ("{% block user %}{{ features }}{% endblock %}", "has the block user alone: give system and user, or none."),
        ("{% block sistem %}x{% endblock %}{% block user %}y{% endblock %}", "did you mean 'system'?"),
        ("x{% block system %}x{% endblock %}{% block user %}y{% endblock %}", "text stands outside of its blocks"),
        ("{% block user %}x{% endblock %}{% block user %}y{% endblock %}", "is there twice"),
        ("", "user"),
    ],
)
def test_a_wrong_template_is_one_sentence_before_anything_is_asked(tmp_path, text, told):
    path = tmp_path / "mine.j2"
    path.write_text(text, encoding="utf-8")
    begin = time.process_time()
    document = {"advisor": {"prompt": "mine.j2"}}
    assert told in refusal(lambda: Experiment.from_mapping(document, folder=tmp_path)).replace(f"{tmp_path}/", "")
    assert time.process_time() - begin < 20


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"usr": "x"}, "usr is an unknown key, did you mean 'user'?"),
        ({"system": "x"}, "user is missing"),
        ({"user": 3}, "user is 3, it must be of type string"),
        ({"user": "{{ features }}", "answer": "{label}"}, "answer has the placeholder {action} 0 times"),
        ({"user": "{{ features }}", "answer": "{label} {acton} {action}"}, "did you mean 'action'?"),
        (
            {"user": "{{ features }}", "example": "{{ market }} {{ label }}"},
            "example is set, and the prompt never shows",
        ),
        ({"user": "{{ features }}{{ examples }}", "example": "{{ market }}"}, "example never shows {{ label }}"),
        (
            {"user": "{{ features }}{{ examples }}", "example": "{{ market }} {{ lable }} {{ label }}"},
            "no placeholder {{ lable }}, did you mean 'label'?",
        ),
        (["x"], "is no mapping"),
    ],
)
def test_wrong_yaml_is_one_sentence(tmp_path, content, told):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    said = refusal(lambda: Experiment.from_mapping({"advisor": {"prompt": str(path)}}))
    assert said.startswith(str(path))
    assert told in said


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("mien.j2", "There is no file mien.j2, did you mean 'mine.j2'?"),
        ("folder.j2", "folder.j2 cannot be read"),
        ("mine.txt", 'advisor.prompt is "mine.txt", it must be a file of your own that ends in .j2 or .yaml'),
        (3, "advisor.prompt is 3, it must be of type string"),
        ({"user": ""}, "advisor.prompt"),
    ],
)
def test_a_prompt_that_is_not_there_is_one_sentence(tmp_path, monkeypatch, prompt, told):
    monkeypatch.chdir(tmp_path)
    Path("mine.j2").write_text("{{ features }}", encoding="utf-8")
    Path("folder.j2").mkdir()
    assert told in refusal(lambda: Experiment.from_mapping({"advisor": {"prompt": prompt}}))


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("{{ features }}", {"mode": "json"}, "never shows {{ form }}, and in mode json the model must know"),
        ("{{ features }}", {"mode": "choices", "layout": "rows"}, "layout and advisor.prompt are both set"),
        ("{{ features }}", {"mode": "slots", "layout": "rows"}, "advisor.layout"),
        ("{{ features }}", {"examples": "nearest"}, "never shows examples, and advisor.examples is nearest: put"),
        ("{{ features }}{{ examples }}", {"examples": "none"}, "shows examples, and advisor.examples is none: leave"),
    ],
)
def test_what_a_mode_needs_or_would_ignore_is_one_sentence(text, options, told):
    prompt = PromptText(text)
    client = ScriptedClient([], supports_choices=True)
    assert told in refusal(lambda: ModelAdvisor(client, options=PromptOptions(**options, prompt=prompt)))


def test_the_wording_of_a_scored_answer_is_refused_where_none_is_scored():
    prompt = PromptText("{{ features }} {{ form }}", answer="{label}: {action}")
    told = refusal(lambda: asked(prompt, "json"))
    assert "has the key answer, which only mode choices reads" in told
    assert asked(prompt, "choices")[1].status is Status.ADVISED


def run_of(tmp_path, **advisor):
    data = {"source": "synthetic:cycles?bars=300&seed=5"}
    output = {"folder": str(tmp_path / "reports"), "explain": False}
    return small(tmp_path, arms=["llm"], data=data, advisor={"mode": "json", **advisor}, output=output)


def test_a_run_with_an_own_prompt_replays_without_its_file_and_is_named_by_every_letter(tmp_path):
    path = tmp_path / "mine.j2"

    def run(text):
        path.write_text(text, encoding="utf-8")
        client, model = recording(lambda request: ADVICE)
        result = simulator.run(run_of(tmp_path, prompt=str(path)), client=client)
        path.unlink()
        return result, model

    result, model = run("What of {{ features }}?\n{{ form }}")
    assert all(request.messages[1].content.startswith("What of trend: ") for request in model.requests)
    assert result.record.arms[0].manifest["options"]["prompt"] == "own"
    kept = result.record.arms[0].manifest["experiment"]["advisor"]["prompt"]
    assert kept == {"user": "What of {{ features }}?\n{{ form }}"}
    checks = simulator.replay(result.folder)
    assert all(check.same for check in checks)
    assert "request.json" in [check.name for check in checks]
    sent = json.loads((result.folder / "request.json").read_text(encoding="utf-8"))
    last = list(result.record.arms[0].entries)[-1].decision
    assert sent["request"] == last.exchanges[0].request_hash
    assert sent["messages"][1]["content"].startswith(f"What of {last.prompt}?")
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert f"What of {last.prompt}?" in page
    assert "One whole request of llm as the model was sent it" in page
    assert run("What of {{ features }}!\n{{ form }}")[0].folder.name != result.folder.name
    assert run("What of {{ features }}?\n{{ form }}")[0].folder.name == result.folder.name
