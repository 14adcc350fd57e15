"""An answer is read once, as long as its file stays the same."""

import json
import os

import pytest

from llm_strategy.llm.record.store import FolderStore
from llm_strategy.llm.requests import Generation

KEY = "ab" * 32


def file_of(store):
    return store.path / KEY[:2] / f"{KEY}.json"


def test_what_another_program_records_instead_is_read(tmp_path):
    store, other = FolderStore(tmp_path), FolderStore(tmp_path)
    store.put(KEY, Generation("first", 1, 1, 1.0))
    assert store.get(KEY) is store.get(KEY)
    other.put(KEY, Generation("later", 1, 1, 1.0))
    assert store.get(KEY).text == "later"
    other.remove(KEY)
    assert store.get(KEY) is None


@pytest.mark.parametrize("damage", ["checksum", "cut"])
def test_damage_after_it_was_read_is_seen(tmp_path, damage):
    store = FolderStore(tmp_path)
    store.put(KEY, Generation("first", 1, 1, 1.0))
    assert store.get(KEY) is not None
    file, text = file_of(store), file_of(store).read_text()
    time = os.stat(file).st_mtime_ns
    if damage == "cut":
        file.write_text(text[:40])
    else:
        entry = json.loads(text)
        file.write_text(text.replace(entry["checksum"][:8], "00000000"))
    os.utime(file, ns=(time + 1, time + 1))
    assert store.get(KEY) is None
