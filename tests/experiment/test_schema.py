"""The schema of experiments is written from the fields of their classes, and the starter shows all of it."""

import json
import re
from importlib.resources import files

import pytest

from simulator import Experiment
from simulator.experiment.schema import experiment_schema
from simulator.experiment.starters import starter_text, with_all_settings

SCHEMA = json.loads((files("llm_strategy.contracts") / "experiment.schema.json").read_text(encoding="utf-8"))


def entries():
    """What the starter says of each key of a section."""
    found = {}
    for section in re.split(r"^(?=\w)", starter_text(), flags=re.MULTILINE):
        for entry in re.split(r"^(?=  (?:# )?\w+: )", section, flags=re.MULTILINE):
            key = re.match(r" *(?:# )?(\w*)", entry)[1]
            found[section.partition(":")[0], key] = entry
    return found


def leaves(schema, path=()):
    for name, inner in schema["properties"].items():
        if "properties" in inner:
            yield from leaves(inner, (*path, name))
        else:
            yield (*path, name), inner


LEAVES = dict(leaves(SCHEMA))
CHOICES = {
    path: [*schema.get("enum", ()), *schema.get("else", {}).get("enum", ())]
    for path, schema in LEAVES.items()
    if "enum" in schema or "else" in schema
}


def test_the_schema_is_that_of_the_fields():
    assert experiment_schema() == SCHEMA, "write it again with: make contracts"


@pytest.mark.parametrize("path", [path for path in LEAVES if path[0] != "baselines"], ids=".".join)
def test_every_key_stands_in_the_starter(path):
    """The rules are a list that grows: there it shows what it likes."""
    section = re.split(rf"^(?:# )?(?={path[0]}:)", starter_text(), flags=re.MULTILINE)[1]
    section = re.split(r"\n(?=\w)", section)[0]
    assert all(re.search(rf"\b{key}\b", section) for key in path[1:])


@pytest.mark.parametrize("path", CHOICES, ids=".".join)
def test_the_starter_names_every_choice_and_no_other(path):
    entry = entries()[path]
    choices = {str(choice) for choice in CHOICES[path] if choice is not None}
    assert choices <= set(re.findall(r"\w+", entry))
    assert {word for word in re.findall(r"\| (\w+)", entry) if word not in ("a", "the")} <= choices


def test_a_setting_that_the_file_does_not_show_is_added_with_its_default_and_what_it_is():
    text = starter_text()
    assert with_all_settings(text) == text
    cut = re.sub(r"^  # impact: .*\n|^  min_notional: .*\n", "", text, flags=re.MULTILINE)
    assert "\n  # min_notional: 0.0  # Least value of an entry, in currency.\n" in with_all_settings(cut)
    assert "\n  # impact: 0.0  # Y of the square-root law of market impact," in with_all_settings(cut)
    assert Experiment.from_text(with_all_settings(cut)) == Experiment.from_text(cut)


def test_a_choice_that_the_file_does_not_show_is_added_behind_those_of_its_setting():
    text = starter_text()
    cut = text.replace(" | crypto (Binance spot, lowest tier: 10 bps)", "").replace(" | facts | turns", "")
    cut = cut.replace("| choices: labels", "| labels")
    for choice, following in (("choices", "examples"), ("facts", "answers"), ("crypto", "# commission_per_share")):
        assert re.search(rf"\n +# \|.* {choice}\b.*\n  {following}:", with_all_settings(cut)), choice
    assert Experiment.from_text(with_all_settings(cut)) == Experiment.from_text(text)
