"""A chain of lines says what was done to it: which line, and what."""

import json

import pytest

from llm_strategy.errors import RunFolderError
from simulator.watch.chain_file import ChainFile

LINES = 7


@pytest.fixture
def chain(tmp_path):
    made = ChainFile(tmp_path / "chain.jsonl", "root")
    assert made.open() == []
    for number in range(1, LINES + 1):
        made.append({"text": f"line {number}"})
    made.sync()
    made.close()
    return made


def lines(chain):
    return chain.path.read_text().splitlines()


def write(chain, found):
    chain.path.write_text("".join(f"{line}\n" for line in found))


def forged(chain, text, number, earlier):
    """A line that is sound in itself."""
    other = ChainFile(chain.path.with_name("forged.jsonl"), earlier)
    other.open()
    other.head = type(other.head)(number - 1, earlier)
    other.append({"text": text})
    other.close()
    (line,) = other.path.read_text().splitlines()
    other.path.unlink()
    return line


def found(chain, head=None):
    return [(fault.kind, fault.line) for fault in chain.faults(head)]


def test_a_whole_chain_has_no_fault_and_goes_on(chain):
    again = ChainFile(chain.path, "root")
    assert [line["text"] for line in again.open()] == [f"line {number}" for number in range(1, LINES + 1)]
    again.append({"text": "line 8"})
    again.close()
    assert found(again, chain.head) == []
    assert found(ChainFile(chain.path, "another root")) == [("changed", 1)]


@pytest.mark.parametrize("line", [1, 4, LINES])
def test_a_changed_byte_is_found_and_named(chain, line):
    text = chain.path.read_bytes().splitlines(keepends=True)
    at = text[line - 1].index(b"line ") + 5
    text[line - 1] = text[line - 1][:at] + b"9" + text[line - 1][at + 1 :]
    chain.path.write_bytes(b"".join(text))
    assert found(chain, chain.head) == [("changed", line)]


@pytest.mark.parametrize("line", [1, 4, LINES])
def test_a_removed_line_is_found_and_named(chain, line):
    write(chain, [each for number, each in enumerate(lines(chain), 1) if number != line])
    assert found(chain, chain.head) == [("removed", line)]


@pytest.mark.parametrize("line", [2, 4, LINES])
def test_an_inserted_line_is_found_and_named(chain, line):
    whole = lines(chain)
    before = json.loads(whole[line - 2])
    sound = forged(chain, "never decided", line, before["hash"])
    for inserted in (whole[0], "{}", "no JSON", sound):
        write(chain, [*whole[: line - 1], inserted, *whole[line - 1 :]])
        assert found(chain, chain.head) == [("inserted", line)], inserted


def test_a_line_that_was_written_anew_with_its_hash_is_named_by_the_line_that_does_not_follow(chain):
    whole = lines(chain)
    whole[3] = forged(chain, "decided otherwise", 4, json.loads(whole[2])["hash"])
    write(chain, whole)
    assert found(chain, chain.head) == [("changed", 4)]


def test_a_chain_that_was_written_anew_from_some_line_on_is_not_that_of_its_head(chain):
    whole = lines(chain)[:4]
    write(chain, whole)
    other = ChainFile(chain.path, "root")
    other.open()
    for number in range(5, LINES + 1):
        other.append({"text": f"another {number}"})
    other.close()
    assert found(chain) == []
    assert found(chain, chain.head) == [("changed", LINES)]


def test_what_a_kill_left_of_a_line_is_taken_away_and_a_broken_chain_is_not_gone_on_with(chain):
    with chain.path.open("a") as file:
        file.write('{"earlier": "half a li')
    again = ChainFile(chain.path, "root")
    assert len(again.open()) == LINES
    again.close()
    assert found(chain, chain.head) == []
    write(chain, lines(chain)[1:])
    with pytest.raises(RunFolderError, match=r"line 1 was removed.*bring back"):
        ChainFile(chain.path, "root").open()
