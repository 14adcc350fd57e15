"""What a person is told of the cells of a sweep: of all of them, not of the first alone."""

import json

import pytest
from small_run import recording

import simulator
from llm_strategy.errors import TooManyFailures
from simulator.trials.ledger import Ledger

CALM = "synthetic:calm?bars=460&seed=3"
RULES = {"data": {"source": CALM}, "arms": ["momentum"], "evaluation": {"placebos": 0}}


def rules(folder, **more):
    """A sweep of a rule of ours, which asks no model."""
    base = RULES | {"output": {"folder": str(folder / "reports")}}
    return {"name": "rules", "experiment": base, "arm": "momentum"} | more


def without_volume(folder):
    """Prices of one's own that have no volumes."""
    rows = (
        f"2010-{1 + day // 28:02}-{1 + day % 28:02},{100 + day % 7},{110},{90},{100 + day % 5}" for day in range(330)
    )
    (folder / "silent.csv").write_text("time,open,high,low,close\n" + "\n".join(rows) + "\n")
    return f"csv:{folder / 'silent.csv'}"


def test_a_limit_that_binds_behind_the_first_cell_is_told_with_the_first_value_that_it_binds(tmp_path):
    result = simulator.sweep(rules(tmp_path, grid={"risk.max_position_size": [0.1, 0.5, 0.9]}), workers=1)
    (note,) = json.loads((result.folder / "manifest.json").read_text())["notes"]
    assert note.startswith("Cell 2 (risk.max_position_size=0.5): Positions end at 20% of equity")
    assert note.endswith("Much the same goes for 1 more.")
    assert result.about["notes"] == [note]
    assert note in (result.folder / "report.md").read_text().replace("\\", "")


def test_notes_on_prices_are_those_of_every_source_and_a_count_says_them_too(tmp_path, btllm):
    document = rules(tmp_path, grid={"data.source": [CALM, without_volume(tmp_path)], "costs.slippage_bps": [1, 5]})
    (tmp_path / "sweep.json").write_text(json.dumps(document))
    code, out, err = btllm("sweep", tmp_path / "sweep.json", "--dry-run")
    assert code == 0, err
    (told,) = (line for line in out.splitlines() if "No volumes known" in line)
    assert told.startswith('Note: Cell 3 (data.source="csv:')
    _, out, _ = btllm("sweep", tmp_path / "sweep.json", "--dry-run", "--json")
    assert told.removeprefix("Note: ") in json.loads(out)["notes"]


def test_a_note_that_holds_for_all_cells_stands_alone_and_one_cell_is_no_cells(tmp_path, btllm):
    (tmp_path / "sweep.json").write_text(json.dumps(rules(tmp_path, grid={"risk.max_position_size": [0.9]})))
    code, out, err = btllm("sweep", tmp_path / "sweep.json", "--dry-run")
    assert code == 0, err
    assert "1 cell, no windows." in out
    assert "Note: Positions end at 20% of equity" in out


def test_trials_that_the_ledger_could_not_take_are_entered_by_the_same_command(tmp_path, monkeypatch):
    document = rules(tmp_path, grid={"baselines.momentum.bars": [10, 20]})
    (tmp_path / "file").touch()
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "file" / "folder"))
    result = simulator.sweep(document, workers=1)
    assert "ledger of trials" in json.loads((result.folder / "manifest.json").read_text())["notes"][-1]
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "data"))
    for _ in range(2):
        assert simulator.sweep(document, workers=1).folder == result.folder
        assert len(Ledger().entries()) == 2
    ratios = [entry.content["sharpe"] for entry in Ledger().entries()]
    assert ratios == pytest.approx(list(result.cells["sharpe"]))


def test_decisions_that_failed_name_the_cells_that_they_are_of(tmp_path):
    client, _ = recording(lambda request: {"label": "nonsense"})
    base = RULES | {"arms": ["llm"], "output": {"folder": str(tmp_path)}}
    document = {"experiment": base, "grid": {"advisor.examples": ["none"], "costs.slippage_bps": [1, 5]}}
    with pytest.raises(
        TooManyFailures, match=r'^Cell 1 \(advisor.examples="none", .*\) and 1 more: .* decisions failed'
    ):
        simulator.sweep(document, client=client, workers=1)


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        (
            "advisor.options.sed",
            [1, 2],
            "Cell 1 (advisor.options.sed=1): advisor.options has no option sed, did you mean",
        ),
        (
            "advisor.options.temperature",
            ["hot"],
            'Cell 1 (advisor.options.temperature="hot"): advisor.options.temperature is',
        ),
        ("advisor.model", ["none-such"], 'Cell 1 (advisor.model="none-such"): Model'),
        ("advisor.style", ["words"], "Model 'smollm2-135m' is not at"),
    ],
)
def test_who_cannot_answer_is_told_with_the_cell_and_where_it_stands(tmp_path, btllm, key, values, words):
    base = RULES | {"arms": ["llm"], "output": {"folder": str(tmp_path)}}
    (tmp_path / "sweep.json").write_text(json.dumps({"experiment": base, "grid": {key: values}}))
    code, _, err = btllm("sweep", tmp_path / "sweep.json", "--dry-run")
    assert code in (2, 4)
    assert err.startswith(f"Error: {words}")
