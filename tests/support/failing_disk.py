"""A disk on which the n-th write, fsync, rename, link or new folder below one place fails, for the process that asks
for it: everything that Python writes there goes through these functions."""

import builtins
import io
import os
import threading
from pathlib import Path


class FailingDisk:
    """``fail_at`` counts from 0; ``fired`` says what failed, once it has."""

    def __init__(self, root, fail_at, number):
        self.root, self.fail_at, self.number = os.path.realpath(root), fail_at, number
        self.count = 0
        self.fired = None
        self._counting = threading.Lock()

    def step(self, what, *places):
        """Raise if this is the one that is to fail."""
        if not any(os.path.realpath(place).startswith(self.root) for place in places):
            return
        with self._counting:
            turn, self.count = self.count, self.count + 1
        if turn == self.fail_at:
            self.fired = f"{what} {places[-1]}"
            raise OSError(self.number, os.strerror(self.number), str(places[-1]))

    def install(self):
        """From here on."""
        disk, plain_open = self, io.open

        class File(io.FileIO):
            def write(self, data):
                disk.step("write", self.name)
                return super().write(data)

        def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
            if not isinstance(file, str | Path) or not set(mode) & set("wax+"):
                return plain_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
            raw = File(str(file), mode.replace("b", "").replace("t", ""), closefd, opener)
            if buffering == 0:
                return raw
            stream = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return stream if "b" in mode else io.TextIOWrapper(stream, encoding, errors, newline)

        def watched(name, plain):
            def call(*given, **named):
                disk.step(name, *(one for one in given if isinstance(one, str | Path)))
                return plain(*given, **named)

            return call

        def fsync(descriptor, plain=os.fsync):
            disk.step("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
            return plain(descriptor)

        io.open = builtins.open = opened
        os.fsync = fsync
        for name in ("rename", "replace", "link", "mkdir"):
            setattr(os, name, watched(name, getattr(os, name)))
