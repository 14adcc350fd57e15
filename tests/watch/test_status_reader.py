"""The status of a watch is read on from where it was, and is what reading everything gives."""

import json

from small_run import reader
from watched_day import Steps, experiment

from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.watch.status import StatusReader, status_of
from simulator.watch.tail import Tail
from simulator.watch.watch import watch


def test_at_every_close_it_is_that_of_the_whole_folder(tmp_path):
    readers, same = [], []

    def compare(state):
        if not state.bars:
            return
        (folder,) = (path.parent for path in tmp_path.glob("reports/*/watch.json"))
        readers[:] = readers or [StatusReader(folder)]
        read = readers[0].read()
        same.append(read.as_dict() == status_of(folder).as_dict())
        assert read.closes == state.bars
        assert read.decisions == state.decisions
        assert {name: arm["equity"] for name, arm in read.arms.items()} == {
            name: account["equity"] for name, account in state.accounts.items()
        }

    result = watch(experiment(tmp_path, 20), client=ScriptedClient(reader), sinks=[Steps(compare)])
    assert len(same) == 21
    assert all(same)
    assert readers[0].read().head == json.loads((result.folder / "head.json").read_text())["decisions"]["hash"]
    begun = status_of(result.folder)
    chain = result.folder / "decisions.chain.jsonl"
    chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:-5]))  # no file that only grows
    assert readers[0].read().as_dict() == status_of(result.folder).as_dict() != begun.as_dict()


def test_what_was_read_is_not_read_again_and_another_file_is_noticed(tmp_path):
    path = tmp_path / "lines"
    tail = Tail(path)
    assert tail.read() == []
    path.write_bytes(b"one\ntwo\nthr")
    assert tail.read() == [b"one", b"two"]
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(b"ee\n")
    assert tail.read() == [b"three"]
    (tmp_path / "other").write_bytes(b"one\ntwo\nthree\nfour\n")
    (tmp_path / "other").replace(path)
    assert tail.read() is None
    path.unlink()
    assert tail.read() is None
