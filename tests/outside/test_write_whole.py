"""Files that are written whole: the old one or the new one, on the disk before it has its name, nothing left over."""

import os
import resource
import stat
import threading

import pytest

from llm_strategy.support.write_whole import whole_file, write_whole


def limited(bytes_at_most):
    """Writing more than so many bytes into a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "content", ["ä\r\n\u2028", b"\x00\xff", "", "x" * 200_000], ids=["text", "bytes", "none", "long"]
)
def test_what_is_written_is_read(tmp_path, content):
    path = tmp_path / ("a" * 250)
    write_whole(path, "before")
    write_whole(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert os.listdir(tmp_path) == [path.name]


def test_the_content_is_on_the_disk_before_it_has_its_name_and_the_name_after(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else f"{os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("name"), replace(*names)))
    write_whole(tmp_path / "a", "12345")
    assert done == ["5 bytes", "name", "folder"]


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, size):
    write_whole(tmp_path / "a", "old")
    restore = limited(64)
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(tmp_path / "a", "x" * size)
    finally:
        restore()
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    write_whole(tmp_path / "a", "old")

    def write():
        with whole_file(tmp_path / "a") as file:
            file.write("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_rights_are_those_that_the_user_gives_new_files(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


def test_a_reader_meets_whole_files_alone_while_threads_write(tmp_path):
    texts = [letter * 50_000 for letter in "abcd"]
    write_whole(tmp_path / "a", texts[0])

    def write(text):
        for _ in range(10):
            write_whole(tmp_path / "a", text)

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert (tmp_path / "a").read_text() in texts
    assert os.listdir(tmp_path) == ["a"]
