"""A person's own rule as an arm: from a file or a package, part of the run's identity, replayed, and told where it
fails."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from small_run import seal

from llm_strategy.advice.own_rule import installed_rules
from llm_strategy.errors import ConfigurationError, RunFolderError
from simulator import Experiment, compare, replay
from simulator.folder.provenance import identity_from
from simulator.runs.compare import run

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_rule.py"
RULE = """
from llm_strategy import ActionType, Rule

class Mine(Rule):
    rationale = "Says one thing."
    def __init__(self, period: int = 3, share: float = 0.5, *, strict: bool = False):
        pass
    def action(self, snapshot):
        {action}

class Silent(Rule):
    def action(self, snapshot):
        return "hold"

class Quiet(Silent):
    rationale = " "

class Nameless(Mine):
    def __init__(self, period=None):
        pass

class Any(Mine):
    def __init__(self, *rest, **settings):
        pass

class Needy(Mine):
    def __init__(self, period):
        pass

class Unfinished(Rule):
    rationale = "Says nothing."

def function(snapshot, share=0.5):
    {action}

def nothing():
    return "hold"

def needy(snapshot, share):
    return "hold"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder with the file of the example."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLE, tmp_path)
    return tmp_path


def experiment(rule="own_rule.py:UpperHalf", **settings):
    return {
        "data": {"source": "synthetic:cycles?bars=330"},
        "arms": ["buy_and_hold", "mine"],
        "baselines": {"mine": {"rule": rule, **settings}},
        "evaluation": {"bootstrap_samples": 100},
        "output": {"explain": False},
    }


def write_rule(folder, action='return "hold"', name="rules.py"):
    (folder / name).write_text(RULE.format(action=action))


def test_the_example_has_at_most_fifteen_lines_of_code():
    assert len([line for line in EXAMPLE.read_text().splitlines() if line.strip()]) <= 15


def test_an_own_rule_runs_beside_ours_and_is_replayed(folder):
    result = compare(experiment(period=5))
    assert list(result.table.index) == ["buy_and_hold", "mine", "market"]
    rule = json.loads((result.folder / "manifest.json").read_text())["experiment"]["baselines"]["mine"]
    assert (rule["rule"], rule["period"], len(rule["sha256"])) == ("own_rule.py:UpperHalf", 5, 64)
    assert "Holds what trades in the upper half" in (result.folder / "mine" / "decisions.jsonl").read_text()
    assert all(check.same for check in replay(result.folder))
    source = folder / "own_rule.py"
    source.write_text(source.read_text().replace("snapshot.close >", "snapshot.close <"))
    with pytest.raises(RunFolderError, match=r"'mine' \(own_rule.py:UpperHalf\) has changed: its file has the sha256"):
        replay(result.folder)
    assert compare(experiment(period=5)).folder != result.folder
    source.unlink()
    with pytest.raises(RunFolderError, match=r"own_rule\.py, which is not there"):
        replay(result.folder)


def test_an_own_rule_runs_alone_and_decides_where_the_model_fails():
    assert run(experiment(), "mine").folder.name.startswith("experiment-mine-")
    with pytest.raises(ConfigurationError, match="There is no arm 'mime', did you mean 'mine'"):
        run(experiment(), "mime")
    failing = Experiment.from_mapping(experiment() | {"advisor": {"fallback": "mine"}, "arms": ["llm"]})
    assert failing.fallback_of(failing.advisor).rationale == "Holds what trades in the upper half of its range."
    assert failing.warm_up.bars == 270


def test_the_identity_holds_the_content_of_the_file_and_not_its_place(folder):
    (folder / "sub").mkdir()
    shutil.copy(EXAMPLE, folder / "sub")
    here, there = (Experiment.from_mapping(experiment(), folder=place) for place in (None, folder / "sub"))
    (folder / "sub" / "own_rule.py").unlink()
    assert there.baselines["mine"]["rule"] == str(folder / "sub" / "own_rule.py") + ":UpperHalf"
    manifest = json.loads((compare(experiment()).folder / "manifest.json").read_text())
    identities = {
        identity_from(manifest | {"experiment": one.as_dict() | changed}, ["mine"])
        for one in (here, there)
        for changed in ({}, {"baselines": {**one.baselines, "mine": {**one.baselines["mine"], "sha256": "0" * 64}}})
    }
    assert len(identities) == 2


def test_a_rule_of_an_installed_package_is_an_arm_by_its_name(folder, monkeypatch):
    (folder / "site" / "theirs-1.dist-info").mkdir(parents=True)
    write_rule(folder / "site", name="theirs_rules.py")
    (folder / "site" / "theirs-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n"
    )
    (folder / "site" / "theirs-1.dist-info" / "entry_points.txt").write_text(
        "[backtrader_llm.baselines]\ntheirs = theirs_rules:Mine\n"
    )
    monkeypatch.syspath_prepend(str(folder / "site"))
    installed_rules.cache_clear()
    try:
        made = Experiment.from_mapping({"arms": ["theirs"], "baselines": {"theirs": {"period": 4.0}}})
        assert made.baselines["theirs"]["rule"] == "theirs_rules:Mine"
        assert made.baselines["theirs"]["period"] == 4
        assert Experiment.from_mapping(made.as_dict()) == made
        with pytest.raises(ConfigurationError, match="did you mean 'theirs'"):
            Experiment.from_mapping({"arms": ["thiers"]})
    finally:
        installed_rules.cache_clear()
        sys.modules.pop("theirs_rules", None)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("1 / 0", "fails at CYCLES, 2001-01-12T00:00:00 (ZeroDivisionError: division by zero): correct it there."),
        ('return "buy"', "fails at CYCLES, 2001-01-12T00:00:00 (ValueError: 'buy' is not a valid ActionType)"),
    ],
    ids=["raises", "no action"],
)
def test_a_rule_that_fails_at_its_first_bar_is_one_sentence_with_symbol_and_bar(btllm, folder, action, words):
    write_rule(folder, action)
    (folder / "experiment.yaml").write_text(json.dumps(experiment("rules.py:Mine")))
    code, out, err = btllm("compare", "experiment.yaml")
    assert code == 2
    assert f"The baseline 'mine' (rules.py:Mine) {words}" in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("baselines", "words"),
    [
        ({"mine": {"rule": "rules.py:Mime"}}, "rules.py has no 'Mime', did you mean 'Mine'?"),
        ({"mine": {"rule": "ruls.py:Mine"}}, "names the file ruls.py, which is not there, did you mean 'rules.py'?"),
        ({"mine": {"rule": "no_such_package.rules:Mine"}}, "cannot be imported (ModuleNotFoundError: No module named"),
        ({"mine": {"rule": "rules.py"}}, "is no reference: write package.module:name or FILE.py:name"),
        (
            {"mine": {"rule": "rules.py:ActionType"}},
            "is neither a class of llm_strategy.Rule nor a function: derive it",
        ),
        ({"mine": {"rule": "rules.py:nothing"}}, "takes no snapshot: write it as def nothing(snapshot)"),
        ({"mine": {"rule": "rules.py:needy"}}, "needs its setting 'share': write it among the settings of mine"),
        ({"mine": {"rule": "rules.py:function", "shares": 1}}, "has no setting 'shares', did you mean 'share'?"),
        ({"mine": {"rule": "rules.py:Silent"}}, "has no rationale: say in a sentence what it does"),
        ({"mine": {"rule": "rules.py:Quiet"}}, "has no rationale: say in a sentence what it does"),
        ({"mine": {"rule": "rules.py:Nameless"}}, "has a default of type NoneType for its setting 'period': give it a"),
        (
            {"mine": {"rule": "rules.py:Unfinished"}},
            "fails when it is made (TypeError: Can't instantiate abstract class",
        ),
        ({"mine": {"rule": "rules.py:Needy"}}, "needs its setting 'period': write it among the settings of mine"),
        ({"mine": {"rule": "rules.py:Mine", "perod": 4}}, "has no setting 'perod', did you mean 'period'?"),
        ({"mine": {"rule": "rules.py:Mine", "period": [4]}}, "baselines.mine.period is [4], it must be of type"),
        ({"mine": {"rule": "rules.py:Mine", "sha256": "0" * 64}}, "that asked for is 000000000000: restore the file"),
        ({"My rule": {"rule": "rules.py:Mine"}}, "'My rule' cannot be the name of a rule: write small letters"),
        ({"llm": {"rule": "rules.py:Mine"}}, "'llm' is a name of the program's own: give your rule another"),
        ({"mine": {"period": 4}}, "baselines.mine is an unknown key"),
        ({"mine": 4}, "baselines.mine is an unknown key"),
        ({"mine": {"rule": 4}}, "baselines.mine.rule is 4, it must be of type string"),
        ({"momentum": {"rule": "rules.py:Mine"}}, "'momentum' is a name of the program's own"),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value)[:50],
)
def test_a_wrong_rule_of_ones_own_is_one_sentence(folder, baselines, words):
    write_rule(folder)
    with pytest.raises(ConfigurationError) as caught:
        Experiment.from_mapping({"arms": ["buy_and_hold"], "baselines": baselines})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rule_may_take_any_settings(folder):
    write_rule(folder)
    made = Experiment.from_mapping(experiment("rules.py:Any", one=1, two="b"))
    assert made.baselines["mine"] == {**made.baselines["mine"], "one": 1, "two": "b"}
    assert made.rule("mine").rationale == "Says one thing."


def test_a_manifest_that_does_not_say_which_code_it_means_is_refused(folder):
    forged = compare(experiment()).folder.rename("forged")
    manifest = json.loads((forged / "manifest.json").read_text())
    del manifest["experiment"]["baselines"]["mine"]["sha256"]
    (forged / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFolderError, match="names a rule without the hash of its file"):
        replay(seal(forged))


def test_the_code_of_a_run_folder_is_never_run(folder):
    result = compare(experiment())
    write_rule(result.folder, name="evil.py")
    with pytest.raises(ConfigurationError, match="lies in a run folder, which holds data alone"):
        Experiment.from_mapping({"baselines": {"evil": {"rule": f"{result.folder}/evil.py:Mine"}}})


def test_a_function_is_a_rule_and_is_replayed(folder):
    write_rule(folder, 'return "enter_long" if snapshot.range_position > share else None')
    result = compare(experiment("rules.py:function", share=0.7))
    lines = (result.folder / "mine" / "decisions.jsonl").read_text().splitlines()
    snapshots = [json.loads(line) for line in lines]
    wanted = ["enter_long" if each["snapshot"]["range_position"] > 0.7 else "hold" for each in snapshots]
    assert [each["advice"]["action"]["type"] for each in snapshots] == wanted
    assert len(set(wanted)) == 2
    rule = json.loads((result.folder / "manifest.json").read_text())["experiment"]["baselines"]["mine"]
    assert (rule["share"], len(rule["sha256"])) == (0.7, 64)
    assert all(check.same for check in replay(result.folder))


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (
            'return "enter_lung"',
            r"returned 'enter_lung' at CYCLES, 200\d-.*, which is no action, did you mean 'enter_long'",
        ),
        ("return 1", "returned 1 at CYCLES, .*, which is no action; known are enter_long, enter_short, exit, hold"),
        ("return snapshot.volum", r"fails at CYCLES, 200\d-.* \(AttributeError: "),
    ],
)
def test_what_a_function_returns_wrongly_is_one_sentence(folder, action, words):
    write_rule(folder, action)
    with pytest.raises(ConfigurationError, match=words) as caught:
        compare(experiment("rules.py:function"))
    assert "\n" not in str(caught.value)
