"""An analytic of one's own: found, shown, journaled and replayed; refused where it knows what comes later."""

import json
import shutil
from pathlib import Path

import pytest
from small_run import recording, small

import simulator
from llm_strategy.errors import ConfigurationError, RunFolderError
from simulator.experiment.named_analytics import named_analytics
from simulator.folder.record import without_folders
from simulator.prices.load import load_prices
from simulator.prices.universe import load_universe
from simulator.runs.lookahead.analytics import refuse_lookahead

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_analytic.py"
LOOKBACKS = {"trend": 40, "momentum": 20, "volatility_rank": 30, "drawdown": 40}
CHEATS = """
import pandas as pd
from llm_strategy import Analytic, Quantity

NEXT = {"next": Quantity("fraction", "the return of the next bar")}
CLOSES = pd.read_csv("prices.csv", parse_dates=["time"], index_col="time")["close"]
AHEAD, BEHIND = CLOSES.shift(-1) / CLOSES - 1, CLOSES / CLOSES.shift(1) - 1
SEEN = {}

def told(value):
    return {"next": None if value is None or value != value else float(value)}

def reads_at_import(past):
    return told(AHEAD.get(pd.Timestamp(past.snapshot.time)))

def reads_at_each_close(past):
    closes = pd.read_csv("prices.csv", parse_dates=["time"], index_col="time")["close"]
    return told(closes.iloc[closes.index.get_loc(past.snapshot.time) + 1] / past.snapshot.close - 1)

def remembers(past):
    later = [close for time, close in SEEN.items() if time > past.snapshot.time]
    SEEN[past.snapshot.time] = past.snapshot.close
    return told(later[0] / past.snapshot.close - 1 if later else None)

def ranks_in_all(past):
    return told((CLOSES < past.snapshot.close).mean())

def guesses(past):
    import random
    return told(random.random())

def honest(past):
    return told(BEHIND.get(pd.Timestamp(past.snapshot.time)))

for function in (reads_at_import, reads_at_each_close, remembers, ranks_in_all, guesses, honest):
    globals()[function.__name__.upper()] = Analytic(function.__name__, "it says what comes next", 2, function, NEXT)
"""
LOOKS_AHEAD = ("READS_AT_IMPORT", "READS_AT_EACH_CLOSE", "REMEMBERS", "RANKS_IN_ALL")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with prices, the example and those that cheat."""
    monkeypatch.chdir(tmp_path)
    load_prices("synthetic:cycles?bars=120&seed=5").table.rename_axis("time").to_csv("prices.csv")
    shutil.copy(EXAMPLE, "own_analytic.py")
    Path("cheats.py").write_text(CHEATS)
    return tmp_path


def experiment(tmp_path, names, **sections):
    advisor = {"lookbacks": LOOKBACKS, "mode": "slots", "context": ["features", {"analytics": {"names": names}}]}
    return small(tmp_path, data={"source": "csv:prices.csv"}, advisor=advisor, arms=["llm", "buy_and_hold"], **sections)


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 20


def test_it_is_shown_journaled_and_replayed(folder):
    client, model = recording()
    sections = guarded("own_analytic.py:CALM")
    sections["advisor"] = planned("cheats.py:HONEST")["advisor"] | {
        "mode": "slots",
        "context": ["features", {"analytics": {"names": ["own_analytic.py:CALM", "money_flow"]}}],
    }
    result = simulator.run(small(folder, data={"source": "csv:prices.csv"}, arms=["llm"], **sections), client=client)
    lines = [json.loads(line) for line in (result.folder / "decisions.jsonl").read_text().splitlines()]
    assert all("calm: bars " in line["context"][0]["text"] for line in lines)
    assert "calm: bars " in model.requests[0].messages[-1].content
    assert len(lines) == 120 - 61 + 1
    assert result.record.manifest["own_parts"].keys() == {"own_analytic.py:CALM", "cheats.py:HONEST"}
    assert all(check.same for check in simulator.replay(result.folder))
    with open("own_analytic.py", "a") as file:
        file.write("# a remark\n")
    with pytest.raises(RunFolderError, match=r"The file of own_analytic.py:CALM has changed since the run"):
        simulator.replay(result.folder)


def test_its_file_lies_beside_the_experiment(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    shutil.move("own_analytic.py", elsewhere)
    (elsewhere / "experiment.yaml").write_text(
        'advisor: {context: [features, analytics: {names: ["own_analytic.py:CALM"]}]}\n'
    )
    found = simulator.Experiment.from_file(elsewhere / "experiment.yaml")
    assert named_analytics(found) == (f"{elsewhere}/own_analytic.py:CALM",)
    assert found.as_dict()["advisor"]["context"][1] == {"analytics": {"names": list(named_analytics(found))}}


@pytest.mark.parametrize("name", LOOKS_AHEAD)
def test_a_run_refuses_one_that_knows_what_comes_later(folder, name):
    client, model = recording()
    with pytest.raises(
        ConfigurationError, match=rf"^The analytic 'cheats.py:{name}' looks ahead: .* after 2000-"
    ) as told:
        simulator.compare(experiment(folder, [f"cheats.py:{name}"]), client=client)
    assert "\n" not in str(told.value)
    assert not model.requests


def test_a_run_refuses_one_that_guesses_and_takes_an_honest_one(folder):
    wanted = experiment(folder, ["cheats.py:GUESSES"])
    universe = load_universe(wanted.data, folder=wanted.folder)
    with pytest.raises(ConfigurationError, match=r"'cheats.py:GUESSES' is not deterministic: at 2000-.* seed what is"):
        refuse_lookahead(wanted, universe)
    refuse_lookahead(experiment(folder, ["cheats.py:HONEST", "own_analytic.py:CALM"]), universe)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("breadth", r"^llm: context names the analytic breadth, which needs other symbols, and there is prices alone"),
        (
            "money_flow",
            r"^llm: context names the analytic money_flow, which needs volumes, and the bars of prices have",
        ),
    ],
    ids=["symbols", "volume"],
)
def test_one_that_could_never_tell_anything_is_refused(folder, name, told):
    table = load_prices("synthetic:cycles?bars=120&seed=5").table.rename_axis("time")
    table.assign(volume=0).to_csv("prices.csv")
    client, model = recording()
    with pytest.raises(ConfigurationError, match=told):
        simulator.compare(experiment(folder, ["bar_shape", name]), client=client)
    assert not model.requests


def planned(name):
    return {"advisor": {"lookbacks": LOOKBACKS, "plan": {"choose": 1, "by": "fixed", "analytics": [name, "bar_shape"]}}}


def guarded(name, condition="calm.bars > 3"):
    items = {"mine": {"when": condition, "do": "block"}}
    return {"advisor": {"lookbacks": LOOKBACKS}, "risk": {"checklist": {"items": items, "analytics": [name]}}}


@pytest.mark.parametrize(
    "sections",
    [planned("cheats.py:REMEMBERS"), guarded("cheats.py:REMEMBERS", "remembers.next > 0")],
    ids=["plan", "checklist"],
)
def test_one_that_a_plan_or_a_checklist_names_is_tried_too(folder, sections):
    wanted = small(folder, data={"source": "csv:prices.csv"}, arms=["llm"], **sections)
    with pytest.raises(ConfigurationError, match=r"cheats\.py:REMEMBERS' looks ahead"):
        refuse_lookahead(wanted, load_universe(wanted.data, folder=wanted.folder))


@pytest.mark.parametrize("name", ["own_analytic.py:CALM"])
@pytest.mark.parametrize("sections", [planned, guarded], ids=["plan", "checklist"])
def test_where_its_file_lies_is_no_part_of_what_a_run_is(folder, sections, name):
    found = []
    for place in ("one", "other"):
        (folder / place).mkdir()
        shutil.copy("own_analytic.py", folder / place)
        found.append(without_folders(small(folder, **sections(f"{folder / place}/{name}")).as_dict()))
    assert found[0] == found[1]


def test_check_lookahead_has_a_part_for_each(folder):
    names = [*LOOKS_AHEAD, "GUESSES", "HONEST"]
    result = simulator.check_lookahead(experiment(folder, [f"cheats.py:{name}" for name in names]), cuts=4)
    found = {part.part.removeprefix("analytic "): part.outcome for part in result.parts}
    assert {name: found[name.lower()] for name in names} == dict.fromkeys(LOOKS_AHEAD, "looks ahead") | {
        "GUESSES": "not deterministic",
        "HONEST": "passes",
    }
