"""Entries of a journal whose repetitions are read once are those that every line read by itself comes to, whatever
stands in it."""

import json
import random
import tarfile
from pathlib import Path

import pytest

from llm_strategy.errors import RunFolderError
from llm_strategy.trading.decision_lines import entry_of
from simulator.folder import entry_reader
from simulator.folder.record import Decisions
from simulator.folder.record_check import as_damage

GOLDEN = Path(__file__).parents[1] / "golden" / "unsealed_run.tar.xz"


@pytest.fixture(scope="module")
def lines():
    with tarfile.open(GOLDEN) as kept:
        journals = [kept.extractfile(name) for name in sorted(kept.getnames()) if name.endswith("decisions.jsonl")]
        found = [line for journal in journals for line in journal.read().decode().splitlines(keepends=True)]
    assert len(found) > 150
    return found


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(entry_reader, "_outcomes", {})
    monkeypatch.setattr(entry_reader, "_closes", {})


def read(lines, folder):
    """The entries of a journal of these lines, and what each line by itself comes to; behind them the error that ended
    it."""
    path = folder / "decisions.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return [_all(Decisions(path).entries()), _all(_one_by_one(path))]


def _one_by_one(path):
    with as_damage(path.parent):
        yield from map(entry_of, Decisions(path))


def _all(entries):
    found = []
    try:
        found.extend(map(repr, entries))
    except RunFolderError as problem:
        found.append(str(problem))
    return found


def test_entries_are_those_of_every_line_by_itself(lines, tmp_path):
    fast, plain = read(lines * 2, tmp_path)
    assert fast == plain
    assert sum(entry_reader.known_entry(line) is not None for line in lines) == len(lines)


def test_bounds_of_what_is_kept_change_nothing(lines, tmp_path, monkeypatch):
    monkeypatch.setattr(entry_reader, "_MOST_OUTCOMES", 3)
    monkeypatch.setattr(entry_reader, "_MOST_SNAPSHOTS", 5)
    fast, plain = read(lines, tmp_path)
    assert fast == plain
    assert len(entry_reader._outcomes) <= 3
    assert len(entry_reader._closes) <= 5


HOSTILE = {
    "another bar behind": ('"policy":', '"bar":7,"policy":'),
    "another bar before": ('"advice":', '"bar":7,"advice":'),
    "a bar within": ('"intent":"propose_trade"', '"intent":"propose_trade","bar":7'),
    "no whole bar": ('"bar":', '"bar":1.5e'),
    "a bar below": ('"bar":', '"bar":-'),
    "a bar that begins with 0": ('"bar":', '"bar":0'),
    "a bar as text": ('"bar":', '"bar":"", "bar":'),
    "a bar beyond": ('"bar":', '"bar":' + "9" * 400),
    "another snapshot": ('"status":', '"snapshot":null,"status":'),
    "another snapshot behind": ('"verdict":', '"snapshot":{},"verdict":'),
    "a snapshot within": ('"verdict":{', '"verdict":{"snapshot":{"a":1},"status":"x","time":"x","verdict":1,'),
    "a key behind the snapshot": ('"status":', '"plan":{"chosen":["a"],"asked":[]},"status":'),
    "a status in a symbol": ('"symbol":"', '"symbol":"\\",\\"status\\":\\"'),
    "a close that is none": ('"close":', '"close":NaN,"closed":'),
    "a close beyond": ('"close":', '"close":1e999,"closed":'),
    "a close that is not known": ('"close":', '"close":null,"closed":'),
    "a further feature": ('"close":', '"extra":{"gap":null,"tail":2},"close":'),
    "a feature as text": ('"drawdown":', '"drawdown":"deep","fell":'),
    "another time": ('"time":"', '"time":"1'),
    "a time with a quote": ('"time":"', '"time":"\\"'),
    "a time of letters beyond ASCII": ('"time":"', '"time":"é'),
    "another time behind": ('"verdict":', '"time":"","verdict":'),
    "another status": ('"status":"', '"status":"un'),
    "no prompt": ('"prompt":', '"prompted":'),
    "spaces": ('"bar":', '"bar": '),
    "no end": ('"reason":', '"reason'),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("times", [1, 9], ids=["once", "everywhere"])
def test_lines_that_no_run_writes_come_to_the_same(name, times, lines, tmp_path):
    old, new = HOSTILE[name]
    some = lines[::20]
    changed = [line.replace(old, new, times) for line in some]
    assert changed != some
    fast, plain = read(changed + some, tmp_path)
    assert fast == plain
    for line in changed:
        for order in ([*some, line], [line, line, *some]):
            fast, plain = read(order, tmp_path)
            assert fast == plain


def test_pieces_of_lines_put_together_at_random_come_to_the_same(lines, tmp_path):
    chance = random.Random(5)
    marks = [*map(json.dumps, json.loads(lines[0])), ",", "{", "}", '"']
    for _ in range(400):
        one, other = chance.sample(lines, 2)
        mark = chance.choice(marks)
        cut, at = (chance.choice([place for place in range(len(line)) if line.startswith(mark, place)] or [0])
                   for line in (one, other))  # fmt: skip
        fast, plain = read([one, other, one[:cut] + other[at:].rstrip("\n") + "\n", one], tmp_path)
        assert fast == plain
