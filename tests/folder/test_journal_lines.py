"""Lines of a journal that are read in parts say what each line read whole says, whatever stands in it."""

import json
import random
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from llm_strategy.errors import RunFolderError
from llm_strategy.trading.decision_lines import entry_of
from simulator.folder import journal_lines, record
from simulator.folder.record import Decisions
from simulator.folder.record_check import as_damage

GOLDEN = Path(__file__).parents[1] / "golden" / "unsealed_run.tar.xz"
PLACED = ("bar", "snapshot", "time")
CUTS = (',"bar":', ',"snapshot":{', '},"status"', ',"time":"', '","verdict"')
BREAKAGE = (
    *CUTS,
    ",",
    "{",
    "}",
    '"',
    "\\",
    "0",
    "1e5",
    "-",
    "NaN",
    '"bar":3,',
    '"time":"x",',
    '"snapshot":{},',
    "\u2028",
)


@pytest.fixture(scope="module")
def lines():
    with tarfile.open(GOLDEN) as kept:
        journals = [kept.extractfile(name) for name in sorted(kept.getnames()) if name.endswith("decisions.jsonl")]
        found = [line for journal in journals for line in journal.read().decode().splitlines(keepends=True)]
    assert len(found) > 150
    return found


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch):
    monkeypatch.setattr(record, "READER", journal_lines.LineReader())


def read(lines, folder):
    """What a journal of these lines says in parts, and what it says line by line, up to the error that ends it."""
    path = folder / "decisions.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return all_of(map(by_parts, Decisions(path).lines())), all_of(map(whole, Decisions(path)))


def by_parts(line):
    return line.bar, line.time, line.market.symbol, line.market.close, line.common.row, line.row()


def whole(row):
    common = {name: value for name, value in row.items() if name not in PLACED}
    return row["bar"], row["time"], row["snapshot"]["symbol"], row["snapshot"]["close"], common, row


def read_entries(lines, folder):
    """The entries of a journal of these lines, and what each line by itself comes to, up to the error that ends it."""
    path = folder / "decisions.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return all_of(map(repr, Decisions(path).entries())), all_of(map(repr, one_by_one(path)))


def one_by_one(path):
    with as_damage(path.parent):
        yield from map(entry_of, Decisions(path))


def all_of(said):
    found = []
    try:
        found.extend(said)
    except RunFolderError as problem:
        found.append(str(problem))
    return found


def test_lines_in_parts_say_what_whole_lines_say(lines, tmp_path):
    in_parts, plain = read(lines * 2, tmp_path)
    assert in_parts == plain
    assert len(plain) == 2 * len(lines)


def test_equal_parts_are_one_object(lines, tmp_path):
    path = tmp_path / "decisions.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    decisions = Decisions(path)
    first, again = list(decisions.lines()), list(decisions.lines())
    assert [line.common for line in first] == [line.common for line in again]
    assert len({line.common for line in first}) < len(first)


def test_markets_with_features_of_a_person_are_read_in_parts_too(lines, tmp_path):
    rows = [json.loads(line) for line in lines[:40]]
    for number, row in enumerate(rows):
        row["snapshot"]["extra"] = {"rsi": number / 7, "gap": None} if number == 39 else {"rsi": number / 7}
    with_extra = [json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n" for row in rows]
    in_parts, plain = read(with_extra, tmp_path)
    assert in_parts == plain
    (tmp_path / "decisions.jsonl").write_text("".join(with_extra[:39]), encoding="utf-8")
    assert len({line.common for line in Decisions(tmp_path / "decisions.jsonl").lines()}) < 39


def test_a_line_that_is_written_otherwise_says_the_same(lines, tmp_path):
    spaced = [json.dumps(json.loads(line)) + "\n" for line in lines[:20]]
    turned = [json.dumps(dict(reversed(json.loads(line).items())), separators=(",", ":")) + "\n" for line in lines[:20]]
    in_parts, plain = read([*lines[:20], *spaced, *turned], tmp_path)
    assert in_parts == plain
    assert len(plain) == 60


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_line_is_refused_as_a_whole_line_is(lines, tmp_path, seed):
    dice = random.Random(seed)
    for _ in range(40):
        line = dice.choice(lines)
        at = dice.choice(
            [line.index(cut) + dice.randrange(-2, len(cut) + 3) for cut in CUTS] + [dice.randrange(len(line))]
        )
        damaged = line[:at] + dice.choice(BREAKAGE) + line[at + dice.choice((0, 0, 1, 4)) :].rstrip("\n") + "\n"
        in_parts, plain = read([*lines[:3], damaged, line], tmp_path)
        assert in_parts == plain, damaged


def test_entries_are_those_of_every_line_by_itself(lines, tmp_path):
    fast, plain = read_entries(lines * 2, tmp_path)
    assert fast == plain
    decisions = Decisions(tmp_path / "decisions.jsonl")
    entries = [*decisions.entries()]
    assert (
        len({id(entry.verdict) for entry in entries}) == len({line.common for line in decisions.lines()}) < len(lines)
    )


def test_bounds_of_what_is_kept_change_nothing(lines, tmp_path, monkeypatch):
    monkeypatch.setattr(journal_lines, "_MOST_COMMON", 3)
    monkeypatch.setattr(journal_lines, "_MOST_MARKETS", 5)
    fast, plain = read_entries(lines, tmp_path)
    assert fast == plain


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
def test_lines_that_no_run_writes_come_to_the_same_entries(name, times, lines, tmp_path):
    old, new = HOSTILE[name]
    some = lines[::20]
    changed = [line.replace(old, new, times) for line in some]
    assert changed != some
    fast, plain = read_entries(changed + some, tmp_path)
    assert fast == plain
    for line in changed:
        for order in ([*some, line], [line, line, *some]):
            fast, plain = read_entries(order, tmp_path)
            assert fast == plain


def test_pieces_of_lines_put_together_at_random_come_to_the_same_entries(lines, tmp_path):
    chance = random.Random(5)
    marks = [*map(json.dumps, json.loads(lines[0])), ",", "{", "}", '"']
    for _ in range(400):
        one, other = chance.sample(lines, 2)
        mark = chance.choice(marks)
        cut, at = (chance.choice([place for place in range(len(line)) if line.startswith(mark, place)] or [0])
                   for line in (one, other))  # fmt: skip
        fast, plain = read_entries([one, other, one[:cut] + other[at:].rstrip("\n") + "\n", one], tmp_path)
        assert fast == plain


def test_a_journal_that_changed_behind_a_reading_is_checked_again(lines, tmp_path):
    path = tmp_path / "decisions.jsonl"
    for some in ("".join(lines), "".join(lines).replace('"clamps":[]', '"clamps":[0]', 1)):
        path.write_text(some, encoding="utf-8")
        found = [all_of(map(by_parts, Decisions(path).lines())) for _ in range(2)]
        assert found[0] == found[1] == all_of(map(whole, Decisions(path)))
    assert "'clamps'" in found[1][-1]


def test_a_reading_that_was_left_early_vouches_for_nothing(lines, tmp_path):
    path = tmp_path / "decisions.jsonl"
    path.write_text("".join([*lines[:5], lines[5].replace('"status":"', '"status":0,"other":"', 1)]), encoding="utf-8")
    with closing(Decisions(path).lines()) as some:
        assert next(some).bar == json.loads(lines[0])["bar"]
    for _ in range(2):
        with pytest.raises(RunFolderError, match="line 6, has no valid 'status'"):
            list(Decisions(path).entries())
