"""Prompts and labels of a person's own, broken in any way: one sentence, or a prompt that asks."""

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient

from .answers import SNAPSHOT, sound
from .target import Target

TEMPLATE = b"""\
{% block system %}
Labels:{% for label in labels %} {{ loop.index }} {{ label.name | upper }}: {{ label.meaning }};{% endfor %}
{% endblock %}{% block user %}{% if examples and not features == "x" %}Before:
{{ examples }}{% elif labels | length > 3 %}None.{% endif %}{# why #}
{% raw %}{{{% endraw %} {{ features | trim }} {{ form if form else "none" }}{% endblock %}
"""
DOCUMENT = b"""\
system: "Of {{ labels }}, {{ actions }}"
user: "{{ examples }} What of {{ features }}?\\n{{ form }}"
answer: "It is {label}, so {action}"
example: "{{ market }}: {{ label }}, {{ action }} ({{ facts }})"
"""
LABELS = b"time,label,symbol\n2009-01-01,bull,\n2009-01-02T15:30:00+02:00,bear,AAA\n"


def _prompt(name):
    def read(data, folder):
        path = folder / name
        path.write_bytes(data)
        prompt = PromptText.from_file(path)
        assert PromptText.from_document(prompt.as_document(), "again") == prompt
        client = ScriptedClient(lambda asked: {asked.choices[0]: 1.0}, supports_choices=True)
        options = PromptOptions("choices", calibration="none", prompt=prompt)
        sound(ModelAdvisor(client, options=options).decide(SNAPSHOT).advice)
        assert all(message.content.encode() for asked in client.requests for message in asked.messages)

    return read


def _labels(data, folder):
    path = folder / "own.csv"
    path.write_bytes(data)
    labels = OwnLabels.from_file(path)
    assert OwnLabels.from_document({"rows": [list(row) for row in labels.rows]}, "again") == labels
    labels.of("AAA")


SETTING = (ConfigurationError,)
TARGETS = (
    Target("prompt template", lambda: [TEMPLATE], _prompt("own.j2"), SETTING, tries=80),
    Target("prompt document", lambda: [DOCUMENT], _prompt("own.yaml"), SETTING, tries=60),
    Target("labels", lambda: [LABELS], _labels, SETTING, tries=80),
)
