"""Lines of a journal that are read in parts say what each line read whole says, whatever stands in it."""

import json
import random
import tarfile
from pathlib import Path

import pytest

from llm_strategy.errors import RunFolderError
from simulator.folder.record import Decisions

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


def read(lines, folder):
    """What a journal of these lines says in parts, and what it says line by line, up to the error that ends it."""
    path = folder / "decisions.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return all_of(map(by_parts, Decisions(path).lines())), all_of(map(whole, Decisions(path)))


def by_parts(line):
    return line.bar, line.time, line.symbol, line.close, line.common.row, line.row()


def whole(row):
    common = {name: value for name, value in row.items() if name not in PLACED}
    return row["bar"], row["time"], row["snapshot"]["symbol"], row["snapshot"]["close"], common, row


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
