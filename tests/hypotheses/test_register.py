"""The register of hypotheses: what it keeps, what its rules refuse, and that a changed one is found."""

import errno
import json
import multiprocessing
import os
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from llm_strategy.errors import ConfigurationError, RegisterError
from simulator.hypotheses.register import Proposer, Register, data_folder
from simulator.hypotheses.statement import Hypothesis
from simulator.registers import chain
from simulator.registers.data import DataWindow

MODEL = Proposer("model", "smollm2-135m")
FOUND = {"closes": 295, "events": 60, "runs": 12, "usual": 0.0, "effect": 0.02, "low": 0.01, "high": 0.03, "p": 0.03}
FOUND |= {"block": 5}
EARNED = {"total_return": 0.1, "max_drawdown": 0.02, "trades": 3, "exposure": 0.4}
TRADED = {"first": "2012-03-11T00:00:00", "last": "2012-09-26T00:00:00", **EARNED, "holder": EARNED}


def statement(threshold=0.1, horizon=5):
    document = {"conditions": [f"market.trend > {threshold}"], "direction": "up", "horizon": horizon, "effect": 0.01}
    return Hypothesis.from_document(document, "statement")


def market(seed=1, bars=1000, scale=1.0):
    times = np.datetime64("2010-01-01", "us") + np.arange(bars) * np.timedelta64(1, "D")
    return times, np.round(scale * 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, bars))), 4)


def window(first, last, seed=1, prices="file", symbol="ABC", scale=1.0, skip=0):
    """The bars first to last (numbers) of a seeded market, from a file that begins ``skip`` bars later."""
    times, closes = market(seed, scale=scale)
    return DataWindow.of({symbol: (times[skip:], closes[skip:])}, times[first], times[last], {symbol: prices})


@pytest.fixture
def register(tmp_path):
    return Register(tmp_path / "hypotheses.sqlite")


def registered(register, hypothesis=None, seen=(0, 399)):
    hypothesis = hypothesis or statement()
    register.propose(hypothesis, MODEL, window(*seen))
    return hypothesis


def test_what_was_proposed_tested_and_traded_stands_there_in_its_order(register):
    hypothesis = registered(register)
    register.record_test(hypothesis, window(500, 799), FOUND, 0.03, "run-1")
    register.record_trade(hypothesis, window(800, 999), TRADED, "run-1")
    entries = Register(register.path).entries()
    assert [(entry.kind, entry.statement) for entry in entries] == [
        ("proposed", hypothesis.id),
        ("tested", hypothesis.id),
        ("traded", hypothesis.id),
    ]
    assert Hypothesis.from_document(entries[0].content["statement"], "kept") == hypothesis
    assert entries[0].content["sentence"] == hypothesis.sentence
    assert entries[0].content["proposer"] == {"kind": "model", "name": "smollm2-135m", "unmasked": []}
    assert [entry.earlier for entry in entries] == ["", entries[0].hash, entries[1].hash]
    assert register.window(entries[1]) == window(500, 799)
    assert register.find(hypothesis.id[:5]) == hypothesis.id
    assert register.check() is None


def test_a_statement_is_registered_before_it_is_tested(register):
    with pytest.raises(ConfigurationError, match=r"is not registered in .* register it before it is tested"):
        register.record_test(statement(), window(500, 799), FOUND, 0.5)
    assert register.entries() == []


def test_the_same_proposal_is_one_entry_and_masked_and_unmasked_are_two(register):
    first = register.propose(statement(), MODEL, window(0, 399), "run-1")
    assert register.propose(statement(), MODEL, window(0, 399), "run-2") == first
    unmasked = Proposer("model", "smollm2-135m", ("symbol", "date"))
    register.propose(statement(), unmasked, window(0, 399))
    register.propose(statement(), Proposer("person", "A. Writer"))
    proposers = [entry.content["proposer"] for entry in register.entries("proposed", statement().id)]
    assert [(one["kind"], one["unmasked"]) for one in proposers] == [
        ("model", []),
        ("model", ["date", "symbol"]),
        ("person", []),
    ]


@pytest.mark.parametrize(
    "again",
    [
        window(500, 799),
        window(799, 950),
        window(600, 900, prices="another file", symbol="OTHER"),
        window(600, 900, prices="from later on", skip=450),
        window(600, 900, prices="scaled for dividends", scale=0.87),
    ],
    ids=["the same", "one bar of it", "another name and file", "a file that begins later", "scaled prices"],
)
def test_a_second_test_on_bars_that_it_has_seen_is_refused(register, again):
    hypothesis = registered(register)
    register.record_test(hypothesis, window(500, 799), FOUND, 0.5, "run-1")
    with pytest.raises(ConfigurationError, match=r"was tested on .* choose a window that it has not seen"):
        register.record_test(hypothesis, again, FOUND, 0.01, "run-2")
    assert len(register.entries("tested")) == 1


@pytest.mark.parametrize(
    "other",
    [window(800, 999), window(500, 799, seed=2, prices="another market")],
    ids=["later bars", "another market of the same days and name"],
)
def test_a_test_on_other_bars_is_another_one(register, other):
    hypothesis = registered(register)
    register.record_test(hypothesis, window(500, 799), FOUND, 0.5, "run-1")
    assert register.record_test(hypothesis, other, FOUND, 0.4, "run-2").number == 3


def test_a_run_that_goes_on_finds_its_own_test_and_trade(register):
    hypothesis = registered(register)
    tested = register.record_test(hypothesis, window(500, 799), FOUND | {"effect": 1.0}, 0.5, "run-1")
    traded = register.record_trade(hypothesis, window(800, 999), TRADED, "run-1")
    assert register.require_testable(hypothesis, window(500, 799), "run-1") == tested
    assert register.record_test(hypothesis, window(500, 799), FOUND | {"effect": 2.0}, 0.6, "run-1") == tested
    assert register.record_trade(hypothesis, window(800, 999), TRADED, "run-1") == traded


@pytest.mark.parametrize(("gap", "is_refused"), [(-50, True), (0, True), (4, True), (5, False)])
def test_the_window_of_a_test_is_a_horizon_away_from_that_of_the_proposal(register, gap, is_refused):
    hypothesis = registered(register, statement(horizon=5), seen=(0, 399))
    test = window(400 + gap, 799)
    if is_refused:
        with pytest.raises(ConfigurationError, match=r"proposed from bars within 5 bars \(its horizon\)"):
            register.require_testable(hypothesis, test)
    else:
        assert register.require_testable(hypothesis, test) is None


def test_a_last_window_is_traded_once_and_is_no_earlier_one(register):
    hypothesis = registered(register)
    with pytest.raises(ConfigurationError, match="was never tested"):
        register.record_trade(hypothesis, window(800, 999), TRADED)
    register.record_test(hypothesis, window(500, 799), FOUND, 0.01, "run-1")
    with pytest.raises(ConfigurationError, match=r"was tested on .* bars of the window"):
        register.record_trade(hypothesis, window(700, 999), TRADED, "run-1")
    register.record_trade(hypothesis, window(800, 999), TRADED, "run-1")
    with pytest.raises(ConfigurationError, match="was traded on"):
        register.record_trade(hypothesis, window(900, 999), TRADED, "run-2")
    with pytest.raises(ConfigurationError, match="was traded on"):
        register.record_test(hypothesis, window(900, 999), FOUND, 0.1, "run-2")


def test_the_family_is_what_was_ever_tested_on_these_bars(register):
    tests = [
        (0.1, window(500, 799), 0.04),
        (0.2, window(600, 700, prices="another file", symbol="OTHER"), 0.5),
        (0.3, window(500, 799, seed=2, prices="another market"), 0.001),
        (0.4, window(500, 799), None),
        (0.5, window(800, 999), 0.2),
    ]
    for threshold, seen, p_value in tests:
        hypothesis = registered(register, statement(threshold))
        register.record_test(hypothesis, seen, FOUND, p_value)
    family = register.family(window(500, 799))
    assert [(member.statement, member.p_value) for member in family] == [
        (statement(0.1).id, 0.04),
        (statement(0.2).id, 0.5),
        (statement(0.4).id, 1.0),
    ]
    assert register.family(window(500, 799), before=family[2].number) == family[:2]


def _meddle(register, order):
    with sqlite3.connect(register.path) as base:
        for trigger in ("entries_stay", "entries_remain", "windows_stay", "windows_remain"):
            base.execute(f"DROP TRIGGER {trigger}")
        base.execute(order)
    base.close()


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ("UPDATE entries SET content = replace(content, '0.04', '0.01') WHERE number = 2", "was changed at entry 2"),
        ("UPDATE entries SET at = '2020-01-01T00:00:00+00:00' WHERE number = 1", "was changed at entry 1"),
        ("DELETE FROM entries WHERE number = 3", "was cut: it has 2 of 3 entries"),
        ("DELETE FROM entries WHERE number = 1", "was cut: it has 2 of 3 entries"),
        ("DELETE FROM entries", "is gone: it has 0 of 3 entries"),
        ("DELETE FROM windows", "the window of entry 1 is not what it was"),
        ("UPDATE windows SET document = replace(document, '2011', '2012')", "the window of entry"),
        ("UPDATE entries SET content = 'no JSON' WHERE number = 3", "holds what is no entry"),
        ("UPDATE entries SET content = x'00' WHERE number = 3", "holds what is no entry"),
    ],
    ids=lambda value: value if value[:6] in ("UPDATE", "DELETE") else "",
)
def test_a_register_that_was_changed_or_cut_is_found_and_not_written(register, order, told):
    hypothesis = registered(register)
    register.record_test(hypothesis, window(500, 799), FOUND, 0.04)
    register.record_trade(hypothesis, window(800, 999), TRADED)
    _meddle(register, order)
    assert told in register.check()
    with pytest.raises(RegisterError, match=told):
        register.propose(statement(0.7), MODEL)


def test_a_register_that_was_deleted_or_lost_its_head_is_found(register):
    registered(register)
    head = register.path.with_name("hypotheses.sqlite.head")
    kept = head.read_text()
    head.unlink()
    assert "has lost its head" in register.check()
    head.write_text("{}")
    assert "is no head of a register" in register.check()
    head.write_text(kept)
    assert register.check() is None
    register.path.unlink()
    assert "is gone: it has 0 of 1 entries" in register.check()


def test_entries_are_neither_changed_nor_removed_by_plain_sql(register):
    registered(register)
    base = sqlite3.connect(register.path)
    for order in ("UPDATE entries SET kind = 'tested'", "DELETE FROM entries", "DELETE FROM windows"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            base.execute(order)
    base.close()


def propose_some(path, first):
    register = Register(Path(path))
    for number in range(first, first + 5):
        register.propose(statement(number / 100), MODEL)


def test_processes_that_write_together_make_one_chain(register):
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(propose_some, [str(register.path)] * 2, [1, 11]))
    assert register.check() is None
    assert len({entry.statement for entry in register.entries()}) == 10


def propose_and_die(path):
    """The entry is in the file, and its head is not yet written."""
    chain.write_whole = lambda *whole: os._exit(9)
    Register(path).propose(statement(), MODEL)


def test_a_process_that_is_killed_between_entries_leaves_a_whole_register(register):
    registered(register, statement(0.9))
    killed = multiprocessing.Process(target=propose_and_die, args=[register.path])
    killed.start()
    killed.join()
    assert killed.exitcode == 9
    assert register.check() is None
    registered(register, statement(0.8))
    assert [register.check(), len(register.entries())] == [None, 3]


@pytest.mark.parametrize("content", [b"hypotheses, by hand\n", b"SQLite format 3\0" + b"x" * 200], ids=["text", "torn"])
def test_a_file_that_is_no_register_is_told_in_a_sentence(register, content):
    register.path.write_bytes(content)
    assert "cannot be read" in register.check()
    for act in (register.entries, lambda: register.propose(statement(), MODEL)):
        with pytest.raises(RegisterError, match=r"The register .* cannot be (read|written) \(.*\): bring back"):
            act()
    assert register.path.read_bytes() == content


def test_another_database_is_told_in_a_sentence(register):
    with sqlite3.connect(register.path) as base:
        base.execute("CREATE TABLE notes (text TEXT)")
    base.close()
    with pytest.raises(RegisterError, match="no register of this version"):
        register.propose(statement(), MODEL)


def test_a_register_that_another_program_holds_is_told_in_a_sentence(register, monkeypatch):
    registered(register)
    monkeypatch.setattr("simulator.registers.chain.WAIT_S", 0.2)
    base = sqlite3.connect(register.path, isolation_level=None)
    base.execute("BEGIN IMMEDIATE")
    with pytest.raises(RegisterError, match=r"cannot be written \(database is locked\): end the program that holds it"):
        register.propose(statement(0.7), MODEL)
    assert len(register.entries()) == 1
    base.close()


def test_a_register_that_another_process_writes_for_long_is_told_in_a_sentence(register, monkeypatch):
    monkeypatch.setattr("simulator.registers.chain.WAIT_S", 0.1)
    lock = FileLock(register.path.with_name("hypotheses.sqlite.lock"))
    with lock, pytest.raises(RegisterError, match="has been held by another process"):
        register.propose(statement(), MODEL)


def test_a_full_disk_is_told_with_what_makes_the_entry_whole(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(RegisterError, match="free space, and run the same command again"):
        Register(tmp_path / "new" / "hypotheses.sqlite").propose(statement(), MODEL)


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RegisterError, match=r"cannot be written \(.*\): correct its rights, or set BTLLM_DATA_DIR"):
        Register(tmp_path / "file" / "hypotheses.sqlite").propose(statement(), MODEL)
    assert Register(tmp_path / "file" / "hypotheses.sqlite").entries() == []


def test_an_exported_register_is_brought_in_whole_and_once(register, tmp_path):
    hypothesis = registered(register)
    register.record_test(hypothesis, window(500, 799), FOUND, 0.03)
    register.record_trade(hypothesis, window(800, 999), TRADED)
    lines = list(register.export())
    other = Register(tmp_path / "other" / "hypotheses.sqlite")
    assert other.bring_in(lines, "saved.jsonl") == 3
    assert other.entries() == register.entries()
    assert other.bring_in(lines, "saved.jsonl") == 0
    with pytest.raises(ConfigurationError, match="was tested on"):
        other.require_testable(hypothesis, window(500, 799))


def test_two_registers_become_one_with_the_hashes_that_entries_had(register, tmp_path):
    other = Register(tmp_path / "other" / "hypotheses.sqlite")
    registered(other, statement(0.3))
    theirs = registered(register)
    register.record_test(theirs, window(500, 799), FOUND, 0.03)
    assert other.bring_in(register.export(), "theirs") == 2
    assert [entry.content.get("origin") for entry in other.entries()] == [None, *(e.hash for e in register.entries())]
    assert other.bring_in(register.export(), "theirs") == 0
    assert other.check() is None


def with_content(line, **change):
    document = json.loads(line)
    return {**document, "content": document["content"] | change}


def hashed(line):
    """A line whose hash is right again."""
    columns = ("number", "kind", "statement", "at", "content", "earlier", "hash")
    return json.dumps({**line, "hash": chain.Entry(*map(line.get, columns)).digest})


@pytest.mark.parametrize(
    "change",
    [
        lambda line: "no JSON",
        lambda line: "[]",
        lambda line: json.dumps({**json.loads(line), "at": "2020-01-01"}),
        lambda line: json.dumps({**json.loads(line), "number": 2}),
        lambda line: json.dumps({**json.loads(line), "data": None}),
        lambda line: json.dumps({**json.loads(line), "data": {"symbols": []}}),
        lambda line: json.dumps({**json.loads(line), "content": []}),
        lambda line: hashed({**json.loads(line), "statement": "0" * 12}),
        lambda line: hashed(with_content(line, sentence="\x1b[2J wiped")),
        lambda line: hashed(with_content(line, proposer={"kind": "oracle", "name": "m", "unmasked": []})),
        lambda line: hashed(with_content(line, statement={"conditions": []})),
    ],
    ids=[
        "no JSON",
        "a list",
        "another time",
        "another number",
        "no window",
        "an empty window",
        "no content",
        "the id of another",
        "a terminal's order",
        "an unknown proposer",
        "no statement",
    ],
)
def test_changed_lines_are_not_brought_in(register, tmp_path, change):
    registered(register)
    other = Register(tmp_path / "other.sqlite")
    with pytest.raises(ConfigurationError, match=r"^saved.jsonl, line 1"):
        other.bring_in([change(line) for line in register.export()], "saved.jsonl")
    assert other.entries() == []


@pytest.mark.parametrize(("hours", "is_same"), [(1, True), (4, True), (24 * 7, False)], ids=["hours", "days", "weeks"])
def test_bars_of_a_day_are_known_by_their_days(hours, is_same):
    """Bars of half an hour against longer ones of the same prices: the last close of a day is the same."""
    times = np.datetime64("2010-01-01", "us") + np.arange(48 * 90) * np.timedelta64(30, "m")
    closes = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.002, len(times))))
    longer = np.arange(2 * hours - 1, len(times), 2 * hours)
    short = DataWindow.of({"A": (times, closes)}, times[0], times[-1], {"A": "short"})
    long = DataWindow.of({"B": (times[longer], closes[longer])}, times[0], times[-1], {"B": "long"})
    assert short.overlaps(long) is long.overlaps(short) is is_same


def test_a_window_without_a_close_is_told_in_a_sentence():
    times, closes = market()
    with pytest.raises(ConfigurationError, match="holds no close"):
        DataWindow.of({"ABC": (times, closes)}, "2030-01-01", "2031-01-01", {"ABC": "file"})


def test_an_unknown_statement_is_told_with_the_nearest_known_one(register):
    hypothesis = registered(register)
    with pytest.raises(ConfigurationError, match=f"did you mean '{hypothesis.id}'"):
        register.find(hypothesis.id[:-1] + "x")


def test_the_register_stands_in_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("BTLLM_DATA_DIR", str(tmp_path))
    assert data_folder() == tmp_path
    registered(Register())
    assert (tmp_path / "hypotheses.sqlite").is_file()
