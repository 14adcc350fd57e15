"""btllm trials and open-holdout: what each command says, and its one sentence where something is wrong."""

import json

import numpy as np
import pytest
from command_line import only_error, write_experiment

from simulator.registers.data import DataWindow
from simulator.trials.ledger import Ledger, Trial

DAYS = np.datetime64("2010-01-01").astype("datetime64[us]") + np.arange(300) * np.timedelta64(1, "D")
CLOSES = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 300)))
BARS = DataWindow.of({"SPY": (DAYS, CLOSES)}, DAYS[0], DAYS[-1], {"SPY": "prices"})


@pytest.fixture
def folder(btllm, tmp_path, monkeypatch):
    """A folder whose ledger knows two seeds of one configuration, and another one."""
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path / "data"))
    for number, (configuration, sharpe) in enumerate([("a" * 12, 0.31), ("a" * 12, 0.42), ("b" * 12, None)]):
        trial = Trial(configuration, "llm", "advisor", "smollm2", 252.0, sharpe)
        Ledger().record([trial], BARS, "mine", f"{number:064d}")
    return tmp_path


def test_the_list_has_a_row_for_each_configuration_with_what_its_runs_showed(btllm, folder):
    status, out, err = btllm("trials")
    assert (status, err) == (0, "")
    head, last, first, told = out.strip().splitlines()
    assert head.split()[:3] == ["configuration", "experiment", "arm"]
    assert last.split()[:4] == ["b" * 12, "mine", "llm", "smollm2"]
    assert last.split()[-2:] == ["1", "n/a"]
    assert "SPY 2010-01-01 to 2010-10-27" in first
    assert first.endswith("2  0.31 to 0.42")
    assert told.startswith("2 configurations in ")
    assert len(json.loads(btllm("trials", "list", "--json")[1])["trials"]) == 2


def test_one_configuration_is_shown_by_the_beginning_of_its_id(btllm, folder):
    _, out, _ = btllm("trials", "show", "aa")
    assert "annual Sharpe ratio 0.42, 252.0 bars a year" in out
    assert "300 bars of SPY from 2010-01-01 to 2010-10-27" in out
    assert Ledger().entries()[1].hash in out
    assert "No configuration 'zz' stands in" in only_error(btllm("trials", "show", "zz"), 2)


def test_the_ledger_is_carried_to_another_machine(btllm, folder, monkeypatch):
    assert "Written: t.jsonl, 3 entries" in btllm("trials", "export", "t.jsonl")[1]
    monkeypatch.setenv("BTLLM_DATA_DIR", str(folder / "elsewhere"))
    assert "No run stands in" in btllm("trials")[1]
    assert "Brought in: 3 of 3" in btllm("trials", "import", "t.jsonl")[1]
    assert "Brought in: 0 of 3" in btllm("trials", "import", "t.jsonl")[1]
    assert "is whole: 3 entries" in btllm("trials", "check")[1]


def test_what_cannot_be_brought_in_is_one_sentence(btllm, folder):
    btllm("trials", "export", "t.jsonl")
    lines = (folder / "t.jsonl").read_text().replace("0.31", "0.91")
    (folder / "t.jsonl").write_text(lines)
    assert "t.jsonl, line 1 was changed: export it again." in only_error(btllm("trials", "import", "t.jsonl"), 2)
    assert "There is no file none.jsonl" in only_error(btllm("trials", "import", "none.jsonl"), 2)
    assert "cannot be written" in only_error(btllm("trials", "export", folder / "no" / "t.jsonl"), 2)


def test_a_ledger_that_is_gone_is_an_error_of_check_and_a_warning_of_the_list(btllm, folder):
    (folder / "data" / "trials.sqlite").unlink()
    assert "is gone: it has 0 of 3 entries" in only_error(btllm("trials", "check"), 6)
    _, out, err = btllm("trials")
    assert err.startswith("Warning: The ledger of trials")
    assert "No run stands in" in out


def test_a_folder_that_is_no_run_is_told_by_check(btllm, folder):
    assert "is not a finished run folder" in only_error(btllm("trials", "check", folder), 6)


def test_nothing_is_opened_where_nothing_is_sealed(btllm, folder):
    write_experiment(folder, arms=["buy_and_hold"])
    status, _, err = btllm("open-holdout", "experiment.yaml", "--quiet")
    assert status == 2
    assert "evaluation.holdout is not set, so that no bars are sealed" in err
