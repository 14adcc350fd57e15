"""A checklist of an experiment: kept in the run folder, obeyed in every arm behind the gate, and replayed."""

import json
import re
from pathlib import Path

import pytest
import yaml
from small_run import SMALL

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator import Experiment, compare, replay
from simulator.folder.provenance import run_identity
from simulator.prices.universe import load_universe
from simulator.runs.advise import advise_at

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_strategy.py"
ITEMS = {
    "low": {"when": "returns_by_horizon.bars_20 < 6%", "do": "halve"},
    "turn": {"when": ["advice.label_age < 2", "calendar.weekday is not monday"], "do": "block"},
    "bank": {"preset": "event_blackout", "path": "days.csv", "bars_before": 2},
    "seen": {"when": "account.exposure >= 0", "do": "flag"},
}


def rider(request):
    """A model that is long while prices rise."""
    rising = "momentum: rising" in request.messages[-1].content
    label, action, why = ("bull", "enter_long", "Rising.") if rising else ("bear", "exit", "Not rising.")
    return {"label": label, "action": action, "action_confidence": "70", "rationale": why}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checked")
    (folder / "days.csv").write_text("time\n2001-01-31\n2001-03-20\n")
    (folder / "list.yaml").write_text(
        yaml.safe_dump({"items": ITEMS, "limits": {"max_position_size": 0.1}}, sort_keys=False)
    )
    return folder


@pytest.fixture(scope="module")
def result(folder):
    sections = {"risk": {"checklist": "list.yaml"}, "output": {"folder": str(folder / "runs"), "explain": False}}
    arms = {
        "arms": {
            "llm": None,
            "buy_and_hold": None,
            "mine": {"strategy": f"{EXAMPLE}:Donchian", "params": {"period": 10}},
        }
    }
    experiment = Experiment.from_mapping(SMALL | sections | arms, folder=folder)
    return compare(experiment, client=ScriptedClient(rider))


def test_every_arm_behind_the_gate_obeys_it_and_a_replay_needs_no_file_of_it(result, folder):
    found = {}
    for arm in ("llm", "buy_and_hold", "mine"):
        text = (result.folder / arm / "decisions.jsonl").read_text()
        found[arm] = set(re.findall(r"checklist\.(\w+)", text))
    assert found["llm"] >= {"low", "turn", "seen"}
    assert found["mine"] >= {"low", "seen"}
    assert "turn" not in found["mine"]  # nothing is known of an advice
    assert all(names & {"low", "seen", "turn"} for names in found.values())
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["format"] == "2.5.0"
    risk = manifest["experiment"]["risk"]
    assert risk["checklist"]["items"]["bank"]["events"] == ["2001-01-31", "2001-03-20"]
    assert list(risk["checklist"]["items"]) == list(ITEMS)
    assert risk["max_position_size"] == 0.1
    (folder / "list.yaml").rename(folder / "gone.yaml")
    (folder / "days.csv").rename(folder / "gone.csv")
    try:
        assert [check.name for check in replay(result.folder) if not check.same] == []
    finally:
        (folder / "gone.yaml").rename(folder / "list.yaml")
        (folder / "gone.csv").rename(folder / "days.csv")
    report = (result.folder / "report.md").read_text()
    assert "checklist item seen" not in report  # a flag is no cut
    assert "checklist item turn" in report


def experiment_with(checklist, folder=None, **sections):
    return Experiment.from_mapping(SMALL | {"arms": ["buy_and_hold"], "risk": {"checklist": checklist}} | sections)


def test_what_a_checklist_says_decides_the_run_and_not_where_it_stands(folder):
    arms = {"arms": ["buy_and_hold"]}
    by_name = Experiment.from_mapping(SMALL | arms | {"risk": {"checklist": "list.yaml"}}, folder=folder)
    document = by_name.as_dict()
    written = Experiment.from_mapping(document)
    assert written.as_dict() == document
    turned = {"items": dict(reversed(document["risk"]["checklist"]["items"].items()))}
    other = Experiment.from_mapping(document | {"risk": document["risk"] | {"checklist": turned}})
    plain = Experiment.from_mapping(SMALL | arms)
    assert "checklist" not in plain.as_dict()["risk"]
    universe = load_universe(plain.data)
    identities = [run_identity(one, ("buy_and_hold",), universe, None) for one in (by_name, written, other, plain)]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 3
    assert by_name.warm_up == plain.warm_up  # 21 bars are fewer than features need
    longest = experiment_with([{"deep": {"when": "returns_by_horizon.bars_250 < 0", "do": "flag"}}])
    short = {"advisor": {"lookbacks": {"trend": 40, "volatility_rank": 30, "drawdown": 40}}}
    later = experiment_with(longest.risk.checklist.as_dict(), **short)
    assert later.warm_up == (251, "risk.checklist")


@pytest.mark.parametrize(
    ("checklist", "said"),
    [
        ([{"a": {"ask": "Is it?", "do": "block"}}], "items.a asks a model, and no arm has one"),
        (["disagreement"], "items.disagreement looks at the disagreement of an ensemble, and no arm has one"),
        ([{"a": {"when": "breadth.above_mean_50 > 0.5", "do": "block"}}], "breadth, which looks at other symbols"),
        ("list.txt", "a file of your own that ends in .yaml"),
        (3, "risk.checklist is 3"),
        ({"items": ["stale_data"], "limits": {"max_drawdown": 0.9}}, "which is tighter"),
    ],
    ids=["no-model", "no-ensemble", "one-symbol", "no-yaml", "a-number", "looser"],
)
def test_what_could_never_fire_or_is_no_checklist_is_refused(checklist, said):
    with pytest.raises(ConfigurationError) as raised:
        experiment_with(checklist)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_advise_judges_by_the_checklist_as_a_run_does(result, folder):
    lines = map(json.loads, (result.folder / "llm" / "decisions.jsonl").read_text().splitlines())
    refused = next(line for line in lines if line["clamps"] and line["clamps"][-1]["limit"] == "checklist.turn")
    sections = {"arms": ["llm"], "risk": {"checklist": "list.yaml"}}
    experiment = Experiment.from_mapping(SMALL | sections, folder=folder)
    alone = advise_at(experiment, refused["time"][:10], client=ScriptedClient(rider))
    assert alone.decision.snapshot.time == refused["time"]
    told = alone.as_text()
    assert "The item turn of the checklist refuses the entry." in told
    assert "flag checklist.seen" in told
    limits = [cut.limit for cut in alone.verdict.clamps if cut.limit.startswith("checklist.")]
    assert limits == [cut["limit"] for cut in refused["clamps"] if cut["limit"].startswith("checklist.")]
