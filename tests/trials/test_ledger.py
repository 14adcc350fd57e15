"""The ledger of trials: what counts as one trial, on which bars, and that nobody changes it unseen."""

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from llm_strategy.errors import ConfigurationError, RegisterError
from simulator.registers.chain import Entry
from simulator.registers.data import DataWindow
from simulator.trials.ledger import Ledger, Trial

TRIAL = Trial("0" * 12, "llm", "advisor", "script", 252.0, 0.4)
DAYS = np.datetime64("2010-01-01") + np.arange(400)
CLOSES = {
    name: 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, 400))) for seed, name in enumerate("AB")
}


def window(first=0, last=399, symbol="A", prices=""):
    times = DAYS.astype("datetime64[us]")
    return DataWindow.of(
        {symbol: (times, CLOSES[symbol])}, str(DAYS[first]), str(DAYS[last]), {symbol: prices or symbol}
    )


def run(name):
    return f"{name:0>64}"


def enter(ledger, number=0, bars=None, configuration=None, arms=("llm",)):
    identity = configuration or f"{number:012d}"
    trials = [replace(TRIAL, configuration=identity, arm=arm) for arm in arms]
    return ledger.record(trials, bars or window(), "mine", run(number))


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials.sqlite")


def test_the_same_run_stands_there_once(ledger):
    (first,) = enter(ledger, 1)
    (again,) = enter(ledger, 1)
    assert again == first
    assert len(ledger.entries()) == 1
    assert ledger.check() is None


def test_the_same_run_that_came_out_otherwise_is_another_entry_and_no_other_configuration(ledger):
    enter(ledger, 1)
    ledger.record([replace(TRIAL, configuration=f"{1:012d}", sharpe=-0.2)], window(), "mine", run(1))
    assert [entry.content["sharpe"] for entry in ledger.entries()] == [0.4, -0.2]
    assert [len(found) for found in ledger.configurations(window())] == [1, 1]


def test_configurations_count_once_whatever_their_seed(ledger):
    for number in range(3):
        enter(ledger, number, configuration="a" * 12)
    enter(ledger, 7, configuration="b" * 12)
    assert len(ledger.entries()) == 4
    assert [len(found) for found in ledger.configurations(window())] == [2, 2]


def test_trials_on_other_bars_count_only_where_they_overlap(ledger):
    enter(ledger, 1, window(0, 199))
    enter(ledger, 2, window(150, 399))
    enter(ledger, 3, window(symbol="B"))
    same, overlapping = ledger.configurations(window(150, 399))
    assert (len(same), len(overlapping)) == (1, 2)
    assert [len(found) for found in ledger.configurations(window(250, 399))] == [0, 1]
    assert [len(found) for found in ledger.configurations(window(symbol="B"))] == [1, 1]


def test_the_same_prices_from_another_file_are_the_same_bars(ledger):
    enter(ledger, 1, window(prices="one file"))
    assert [len(found) for found in ledger.configurations(window(prices="another"))] == [0, 1]


def test_the_count_of_an_entry_stays_what_it_was(ledger):
    (first,) = enter(ledger, 1)
    enter(ledger, 2)
    assert [len(found) for found in ledger.configurations(window(), first.number)] == [1, 1]
    assert [len(found) for found in ledger.configurations(window())] == [2, 2]


def test_sealed_bars_are_opened_once(ledger):
    first = ledger.open(window(300), "mine", run(1), again=False)
    assert ledger.open(window(300), "mine", run(1), again=False) == first
    told = r"^The sealed bars from 2010-12-17 to 2011-02-04 were opened once before, first on .* by mine: .*--again"
    with pytest.raises(ConfigurationError, match=told):
        ledger.open(window(350), "other", run(2), again=False)
    ledger.open(window(350), "other", run(2), again=True)
    assert [entry.content["name"] for entry in ledger.openings(window(300))] == ["mine", "other"]
    ledger.open(window(0, 299), "earlier bars", run(3), again=False)


WRITER = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from test_ledger import enter, Ledger
for number in range(10):
    enter(Ledger(Path({path!r})), {base} + number)
"""


def test_two_processes_that_enter_at_once_leave_a_whole_ledger(ledger):
    folder = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER.format(folder=folder, path=str(ledger.path), base=base)])
        for base in (100, 200)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    assert ledger.check() is None
    assert len(ledger.entries()) == 20
    assert [entry.number for entry in ledger.entries()] == list(range(1, 21))


def change(path, order):
    """Change a ledger as somebody would who knows SQLite."""
    base = sqlite3.connect(path)
    for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        base.execute(f"DROP TRIGGER {name}")
    base.execute(order)
    base.commit()
    base.close()


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("DELETE FROM entries WHERE number = 3", "was cut: it has 2 of 3 entries"),
        ("DELETE FROM entries WHERE number = 1", "was cut"),
        ("UPDATE entries SET content = replace(content, '0.4', '0.9') WHERE number = 2", "was changed at entry 2"),
        ("UPDATE entries SET at = '2020-01-01T00:00:00+00:00' WHERE number = 1", "was changed at entry 1"),
        ("DELETE FROM windows", "was changed: the window of entry 1"),
    ],
)
def test_a_ledger_that_was_changed_is_told_and_not_written(ledger, order, said):
    for number in range(3):
        enter(ledger, number)
    change(ledger.path, order)
    assert said in ledger.check()
    assert "The ledger of trials" in ledger.check()
    with pytest.raises(RegisterError, match="bring back"):
        enter(ledger, 9)


def test_a_deleted_ledger_is_missed_by_its_head(ledger):
    enter(ledger, 1)
    ledger.path.unlink()
    assert "is gone: it has 0 of 1 entries" in ledger.check()


def test_a_ledger_cut_with_its_head_is_found_by_what_a_run_kept(ledger):
    kept = [(entry.number, entry.hash) for number in range(3) for entry in enter(ledger, number)]
    assert [ledger.disagreement(*each) for each in kept] == [None] * 3
    lines = list(ledger.export())
    ledger.path.unlink()
    ledger.path.with_name("trials.sqlite.head").unlink()
    other = Ledger(ledger.path)
    other.bring_in(lines[:2], "saved")
    assert other.check() is None
    assert other.disagreement(*kept[2]) == "it was entry 3, and the ledger has 2"
    enter(other, 8)
    assert other.disagreement(*kept[2]) == "it was entry 3, and another one stands there"


@pytest.mark.parametrize("place", ["folder", "text", "dangling link"])
def test_what_is_no_ledger_is_told_in_a_sentence(ledger, place):
    if place == "folder":
        ledger.path.mkdir()
    elif place == "text":
        ledger.path.write_text("my notes\n" * 200)
    else:
        ledger.path.symlink_to(ledger.path.parent / "gone" / "nowhere.sqlite")
    with pytest.raises(RegisterError, match=r"^The ledger of trials .*[.]$"):
        enter(ledger)


@pytest.mark.skipif(os.geteuid() == 0, reason="who may do everything is refused nothing")
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(ledger):
    ledger.path.parent.chmod(0o500)
    with pytest.raises(RegisterError, match="cannot be written"):
        enter(ledger)


def test_a_clock_that_was_set_back_is_told_by_the_entry(ledger, monkeypatch):
    enter(ledger, 1)
    later = ledger.entries()[0].at
    with monkeypatch.context() as patch:

        class Earlier:
            @staticmethod
            def now(zone):
                return datetime(2019, 5, 1, tzinfo=zone)

        patch.setattr("simulator.registers.chain.datetime", Earlier)
        enter(ledger, 2)
    assert ledger.check() is None
    assert [entry.at < later for entry in ledger.set_back()] == [True]


def test_a_colleagues_trials_are_brought_in_once(ledger, tmp_path):
    enter(ledger, 1)
    other = Ledger(tmp_path / "colleague.sqlite")
    enter(other, 2)
    enter(other, 1)  # the same run
    lines = list(other.export())
    assert ledger.bring_in(lines, "colleague.jsonl") == 1
    assert ledger.bring_in(lines, "colleague.jsonl") == 0
    assert ledger.check() is None
    assert [len(found) for found in ledger.configurations(window())] == [2, 2]
    assert ledger.entries()[1].content["origin"] == other.entries()[0].hash


def hashed(line):
    """A line whose hash is right again."""
    columns = ("number", "kind", "statement", "at", "content", "earlier", "hash")
    return json.dumps({**line, "hash": Entry(*map(line.get, columns)).digest})


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: "no JSON",
        lambda line: json.dumps({**json.loads(line), "at": "2020-01-01T00:00:00+00:00"}),
        lambda line: hashed({**json.loads(line), "kind": "sold"}),
        lambda line: hashed({**json.loads(line), "content": {**json.loads(line)["content"], "name": "\x1b[2J"}}),
        lambda line: hashed({**json.loads(line), "data": None}),
        lambda line: line.replace('"sharpe": 0.4', '"sharpe": NaN'),
    ],
    ids=["no JSON", "another time", "an unknown kind", "a terminal's order", "no bars", "no number"],
)
def test_a_damaged_line_is_refused_and_nothing_brought_in(ledger, tmp_path, damage):
    enter(ledger, 1)
    enter(ledger, 2)
    good, bad = ledger.export()
    other = Ledger(tmp_path / "other.sqlite")
    with pytest.raises(ConfigurationError, match=r"^saved.jsonl, line 2"):
        other.bring_in([good, damage(bad)], "saved.jsonl")
    assert other.entries() == []
