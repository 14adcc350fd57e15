"""``env.example`` and the starter of ``configs/llm.yaml`` against the settings: everything that can be set stands in
them, and nothing else, with its default."""

import re
from pathlib import Path

import pytest

from llm_strategy.llm.backends.sections import SECTIONS
from llm_strategy.llm.services import SERVICES
from llm_strategy.llm.settings import LlmSettings
from simulator.experiment.starters import starter_text

TEXT = (Path(__file__).parents[2] / "env.example").read_text(encoding="utf-8")
WRITTEN = dict(re.findall(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", TEXT, re.MULTILINE))
FIELDS = {name: field for name, field in LlmSettings.model_fields.items() if name != "sections"}
VARIABLES = {"LOG_LEVEL" if name == "log_level" else f"LLM_{name.upper()}": name for name in FIELDS}
OF_OTHERS = {"AWS_REGION", "AWS_PROFILE", "BTLLM_CACHE_DIR", "BTLLM_DATA_DIR"}


def test_every_setting_stands_in_it():
    assert set(WRITTEN) == {*VARIABLES, *OF_OTHERS}


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_value_is_the_default_or_one_that_is_taken(variable, monkeypatch):
    """A setting without a default shows an example; an empty one is unset."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    name, default = VARIABLES[variable], FIELDS[VARIABLES[variable]].get_default(call_default_factory=True)
    monkeypatch.setenv(variable, WRITTEN[variable])
    value = getattr(LlmSettings(), name)
    if default in (None, "", ()) or name == "model":
        assert WRITTEN[variable] == "" or value != default
    else:
        assert value == default


@pytest.mark.parametrize("text", [TEXT, starter_text("llm.yaml")], ids=["env.example", "llm.yaml"])
def test_every_service_is_named(text):
    assert not [service for service in SERVICES if not re.search(rf"\b{service}\b", text)]


def test_every_setting_stands_in_the_starter():
    text = starter_text("llm.yaml")
    assert not [name for name in FIELDS if not re.search(rf"^(# +)?{name}:", text, re.MULTILINE)]


@pytest.mark.parametrize("backend", [backend for backend, section in SECTIONS.items() if section.model_fields])
def test_every_option_of_a_backend_stands_in_the_starter(backend):
    (written,) = re.findall(rf"^# {backend}:\n((?:#   .*\n)+)", starter_text("llm.yaml"), re.MULTILINE)
    options = [field.alias or name for name, field in SECTIONS[backend].model_fields.items()]
    assert not [name for name in options if f"#   {name}: " not in written]
