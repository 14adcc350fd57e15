"""What the items of a checklist were worth: counted, traded again without each, and shown on the page."""

import json
import shutil

import numpy as np
import pytest
from small_run import recording, small

import simulator
from llm_strategy.errors import RunFolderError
from simulator.evaluation.checklists import PLACEMENTS, moves, percentile_of, read_worth
from simulator.folder.record import load_record
from simulator.reporting.page import build_facts, render
from simulator.runs.replaying import replay

ITEMS = {
    "wild": {"when": "market.volatility_rank > 0.6", "do": "block"},
    "friday": {"when": "calendar.weekday is friday", "do": "flag"},
    "never": {"when": "market.drawdown < -0.9", "do": "block"},
    "asked": {"ask": "Does the market look overextended?", "do": "flag"},
}


def answer(request):
    """Long above the average, else out; yes where the range is at its top."""
    market = request.messages[-1].content
    label, action = ("bull", "enter_long") if "above" in market else ("bear", "exit")
    told = {"label": label, "action": action, "action_confidence": "70", "rationale": "As shown."}
    return told | {"asked applies": "yes" if "range: high" in market else "no", "asked field": "range"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    experiment = small(
        tmp_path_factory.mktemp("worth"),
        data={"source": "synthetic:cycles?bars=500&seed=12"},
        arms=["llm", "buy_and_hold"],
        output={"folder": str(tmp_path_factory.mktemp("worth")), "explain": False},
        risk={"checklist": {"items": ITEMS}},
    )
    client, _ = recording(answer)
    return simulator.compare(experiment, client=client, progress=False)


def test_every_item_is_counted_against_the_journal(run):
    worth = read_worth(run.folder)
    journal = [json.loads(line) for line in (run.folder / "llm" / "decisions.jsonl").read_text().splitlines()]
    asked = [line["advice"]["checks"]["asked"]["applies"] for line in journal]
    found = {item.name: item for item in worth.items}
    assert worth.closes == len(journal)
    assert found["asked"].closes == sum(asked) > 0
    assert [found["never"].fired, found["never"].closes] == [0, 0]
    clamped = sum(cut["limit"] == "checklist.wild" for line in journal for cut in line["clamps"])
    assert found["wild"].fired == clamped > 0  # no other limit refused an entry before


def test_an_item_is_held_against_the_account_without_it(run, tmp_path):
    (wild,) = [item for item in read_worth(run.folder).items if item.name == "wild"]
    others = {name: item for name, item in ITEMS.items() if name != "wild"}
    experiment = simulator.Experiment.from_mapping(
        load_record(run.folder).manifest["experiment"]
        | {"risk": {"checklist": {"items": others}}, "output": {"folder": str(tmp_path)}}
    )
    client, _ = recording(answer)
    without = simulator.run(experiment, "llm", client=client, progress=False)
    ends = [load_record(one.folder).arms[0].equity["equity"] for one in (run, without)]
    grown = [float(equity.iloc[-1] / equity.iloc[0]) for equity in ends]
    assert wild.total_return == pytest.approx(grown[0] - grown[1], abs=1e-9)
    assert wild.total_return_low <= wild.total_return <= wild.total_return_high
    assert wild.placed == PLACEMENTS
    assert 0 <= wild.percentile <= 1


def test_the_page_tells_it_and_a_replay_writes_the_same(run):
    facts = build_facts(load_record(run.folder))
    assert facts["checklist.never.verdict"].value == "never fired"
    assert facts["checklist.friday.verdict"].value == "flags alone"
    for page in ("report.md", "report.html"):
        text = (run.folder / page).read_text()
        assert "What the checklist was worth" in text
        assert "Does the market look overextended?" in text
        assert facts["checklist.wild.share"].text in text
    assert all(check.same for check in replay(run.folder))


def test_the_page_says_what_a_long_run_left_out(run, tmp_path):
    folder = tmp_path / "long"
    shutil.copytree(run.folder, folder)
    worth = json.loads((folder / "checklist.json").read_text())
    wild = worth["items"]["wild"]
    placeless = {key: value for key, value in wild.items() if key not in ("placed", "percentile")}
    unmeasured = {key: wild[key] for key in ("do", "kind", "closes", "fired")}
    here = worth | {"items": {"kept": placeless, "left": unmeasured, "idle": unmeasured | {"fired": 0}}}
    (folder / "checklist.json").write_text(json.dumps(here))
    record = load_record(folder)
    facts = build_facts(record)
    page = render(record, facts, None).markdown
    assert "Not measured at other times: kept, because the run is too long" in page
    assert "too long to be traded again without every item" in page
    assert facts["checklist.left.verdict"].value == "not measured"
    assert facts["checklist.idle.verdict"].value == "held at no proposed entry"
    assert "too long" not in (run.folder / "report.md").read_text().split("## What the checklist was worth")[1]


def test_a_changed_file_is_one_sentence(run, tmp_path):
    whole = json.loads((run.folder / "checklist.json").read_text())
    wild = whole["items"]["wild"]
    changed = [
        [],
        {"arm": "llm"},
        whole | {"closes": -1},
        whole | {"entries": 10**400},
        whole | {"items": {"a} {run.bars": wild}},
        whole | {"items": {"wild": wild | {"sharpe": "0.3"}}},
        whole | {"items": {"wild": wild | {"effect": "wonderful"}}},
        whole | {"items": {"wild": wild | {"more": 1}}},
    ]
    for text in (*map(json.dumps, changed), "{", '{"arm": NaN}'):
        (tmp_path / "checklist.json").write_text(text)
        with pytest.raises(RunFolderError, match=r"checklist.json cannot be read"):
            read_worth(tmp_path)


def test_moves_keep_runs_and_are_the_same_each_time():
    assert moves(300, 7) == moves(300, 7) != moves(300, 8)
    assert len(set(moves(300, 7))) == PLACEMENTS
    assert moves(15, 7) == ()
    assert percentile_of(1.0, [0.5, 1.0, 2.0, 3.0]) == pytest.approx(np.mean([1, 0.5, 0, 0]))
    assert percentile_of(1.0, []) is None
