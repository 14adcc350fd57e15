"""A part that a person brings is found by its name, or one sentence says why not."""

from __future__ import annotations

import sys

import pytest

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.plugins import find_plugin, is_reference, load_reference, place_reference

KNOWN = {"momentum": object(), "sma_cross": object()}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of modules that Python finds."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_parts.py").write_text("def donchian(): return 20\n")
    (tmp_path / "broken_parts.py").write_text("import no_such_package_here\n")
    (tmp_path / "leaving_parts.py").write_text("import sys\nsys.exit('bye')\n")
    (tmp_path / "refused_parts.py").write_text("from llm_strategy import Limits\nMINE = Limits(max_drawdown=7)\n")
    (tmp_path / "raising_parts.py").write_text("raise ValueError('half\\nwritten')\n")
    yield tmp_path
    for name in ("my_parts", "broken_parts", "raising_parts", "leaving_parts", "refused_parts"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("momentum", False),
        ("my_parts:donchian", True),
        ("my.own.parts:Donchian", True),
        ("parts.py:donchian", True),
        ("a folder/parts.py:donchian", True),
        ("https://host/path", False),
        ("csv:prices.csv", False),
    ],
)
def test_references_are_told_from_names(text, expected):
    assert is_reference(text) is expected


def test_a_known_part_goes_before_all_else(shelf):
    assert find_plugin("baseline", "momentum", "backtrader_llm.none", KNOWN) is KNOWN["momentum"]


def test_a_module_and_a_file_give_the_part(shelf):
    assert find_plugin("baseline", "my_parts:donchian", "backtrader_llm.none", KNOWN)() == 20
    assert load_reference("baseline", f"{shelf / 'my_parts.py'}:donchian")() == 20


def test_an_entry_point_gives_the_part():
    connect = find_plugin("backend", "scripted", "backtrader_llm.backends", {})
    assert callable(connect)


def test_a_changed_file_is_read_again(shelf):
    file = shelf / "my_parts.py"
    assert load_reference("baseline", f"{file}:donchian")() == 20
    file.write_text("def donchian(): return 55\n")
    assert load_reference("baseline", f"{file}:donchian")() == 55


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("momentun", "There is no baseline 'momentun', did you mean 'momentum'?"),
        ("my_part:donchian", "The baseline 'my_part:donchian' cannot be imported (ModuleNotFoundError: No module named "
         "'my_part'): install what it needs, or correct the name."),
        ("my_parts:donchain", "The baseline 'my_parts:donchain': my_parts has no 'donchain', did you mean 'donchian'?"),
        ("my_parts:", "The baseline 'my_parts:' names nothing in it: write my_parts:donchian."),
        ("broken_parts:x", "The baseline 'broken_parts:x' cannot be imported (ModuleNotFoundError: No module named "
         "'no_such_package_here'): install what it needs, or correct the name."),
        ("raising_parts:x", "The baseline 'raising_parts:x' cannot be imported (ValueError: half written): correct it "
         "there."),
        ("leaving_parts:x", "The baseline 'leaving_parts:x' cannot be imported (SystemExit: bye): correct it there."),
        ("my_parts.py", "The baseline 'my_parts.py' is no reference: write package.module:name or FILE.py:name."),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_one_sentence(shelf, text, sentence):
    with pytest.raises(ConfigurationError) as told:
        find_plugin("baseline", text, "backtrader_llm.none", KNOWN)
    assert str(told.value) == sentence


def test_a_file_that_is_not_there_names_its_neighbour(shelf):
    with pytest.raises(ConfigurationError, match=r"is not there, did you mean 'my_parts.py'\?"):
        load_reference("baseline", f"{shelf / 'my_part.py'}:donchian")


def test_what_our_own_classes_refuse_is_told_in_their_words(shelf):
    with pytest.raises(ConfigurationError, match=r"^The limits 'refused_parts:MINE': .*max_drawdown.*7") as told:
        find_plugin("limits", "refused_parts:MINE", "backtrader_llm.none", KNOWN)
    assert "ConfigurationError" not in str(told.value)


def test_a_path_is_one_from_the_folder_where_the_file_is(shelf):
    (shelf / "sub").mkdir()
    (shelf / "sub" / "parts.py").touch()
    assert place_reference("parts.py:x", shelf / "sub") == f"{shelf / 'sub' / 'parts.py'}:x"
    assert place_reference("my_parts:x", shelf / "sub") == "my_parts:x"
    assert place_reference("momentum", shelf / "sub") == "momentum"


@pytest.mark.parametrize("data", ["prices.csv", "decisions.jsonl"])
def test_nothing_that_lies_in_a_run_folder_is_run(shelf, data):
    inner = shelf / "reports" / "llm"
    inner.mkdir(parents=True)
    (shelf / "reports" / "manifest.json").touch()
    (inner / "evil.py").write_text("raise AssertionError('it ran')")
    (shelf / "reports" / data).touch()
    with pytest.raises(ConfigurationError, match=r"evil.py:x' lies in a run folder, which holds data alone: move"):
        find_plugin("feature", f"{inner / 'evil.py'}:x", "backtrader_llm.none", KNOWN)
