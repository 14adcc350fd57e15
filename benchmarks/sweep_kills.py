"""A sweep of 1,000 cells that is killed again and again, and a worker of it: ``python -m benchmarks.sweep_kills``.

The demo's experiment with the embedded model, as ``benchmarks.sweep`` has it, each time by the command and in a process
of its own. First undisturbed; then killed ten times at random moments of counting, answering, trading and writing (by
turns the command alone and with its workers), and gone on with; then with one worker killed in mid-run, of this machine
and of a Dask cluster. Every folder has to hold the same bytes, or this ends with an error. What is not on record is
asked by the first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure, print_part
from benchmarks.sweep import CELLS, ENDS, document

_SAME = ("sweep.json", "cells.parquet", "returns.parquet", "facts.json", "report.html", "report.md")
_PATIENCE_S = 3_600


class Place:
    """A folder with the sweep, its own ledger of trials, and one call of the command after the other."""

    def __init__(self, folder: Path, windows: int) -> None:
        self.folder = folder
        folder.mkdir()
        whole = document(folder / "reports")
        grid = CELLS["grid"] | {"data.end": ENDS[:windows]}
        (folder / "sweep.yaml").write_text(json.dumps(whole | {"grid": grid}))

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin the command, in a session of its own with its workers."""
        program = "from simulator.cli.main import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", program, "sweep", "sweep.yaml", "--quiet", *words],
            cwd=self.folder,
            env=os.environ | {"BTLLM_DATA_DIR": str(self.folder / "data")},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def finish(self, *words: str) -> None:
        """Run the command to its end."""
        if code := self.start(*words).wait(_PATIENCE_S):
            raise SystemExit(f"the sweep ended with {code}")

    @property
    def parts(self) -> int:
        """Finished parts that a sweep under way has kept."""
        return len(list(self.folder.glob("reports/*.partial/work/cells-*.arrow")))

    @property
    def finished(self) -> Path | None:
        """The finished sweep."""
        return next(
            (path.parent for path in self.folder.glob("reports/*/report.html") if path.parent.suffix == ""), None
        )

    @property
    def sums(self) -> dict[str, str]:
        """The hashes of what it found."""
        if self.finished is None:
            raise SystemExit(f"no finished sweep under {self.folder}")
        return {name: hashlib.sha256((self.finished / name).read_bytes()).hexdigest() for name in _SAME}


def kill_at_random(place: Place, kills: int, parts: int, rng: random.Random, words: Sequence[str]) -> tuple[int, int]:
    """Kill the command so many times, each time once a random number of all parts is finished or some time before that;
    gives how often it was killed, and how often before any part was finished."""
    goals = sorted(rng.sample(range(-parts // 4, parts), kills))  # some of them before the first cell is traded
    killed = early = 0
    for number, goal in enumerate(goals):
        process = place.start(*words)
        if goal <= 0:
            time.sleep(rng.uniform(0.5, 8))
        while process.poll() is None and place.parts < goal:
            time.sleep(0.002)
        early += not place.parts
        if number % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        _tell(f"killed {killed} times, {place.parts} of {parts} parts finished")
    return killed, early


def finish_without_one(place: Place, victims: Callable[[int], Sequence[int]], parts: int, *words: str) -> None:
    """Run the command to its end, and kill the first of the workers that ``victims`` finds for its process once a
    third of the parts is finished."""
    process = place.start(*words)
    while process.poll() is None and place.parts < parts / 3:
        time.sleep(0.002)
    found = victims(process.pid)
    if process.poll() is not None or not found:
        raise SystemExit("there was no worker to kill")
    os.kill(found[0], signal.SIGKILL)
    if code := process.wait(_PATIENCE_S):
        raise SystemExit(f"the sweep ended with {code} once a worker was killed")


def loky_workers(parent: int) -> list[int]:
    """The processes that trade for a process of this machine."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            above = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if above == parent and "popen_loky" in (place / "cmdline").read_text():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def figures(kills: int = 10, windows: int = len(ENDS), workers: int = 2, seed: int = 17) -> Iterator[Figure]:
    """All of it, one after the other."""
    words = ("--workers", str(workers))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def spent() -> float:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            return used.ru_utime + used.ru_stime

        whole = Place(folder / "whole", windows)
        begin, whole_parts = spent(), 0
        process = whole.start(*words)
        while process.poll() is None:
            whole_parts = max(whole_parts, whole.parts)
            time.sleep(0.02)
        undisturbed, wanted = spent() - begin, whole.sums
        about = json.loads(((whole.finished or folder) / "sweep.json").read_text())
        yield Figure("cells", about["cells"], "cells")
        yield Figure("parts that they are traded in", whole_parts, "parts")
        _tell(f"undisturbed: {undisturbed:.0f} s of processors")

        place, begin = Place(folder / "killed", windows), spent()
        killed, early = kill_at_random(place, kills, whole_parts, random.Random(seed), words)  # noqa: S311
        place.finish(*words)
        _require_same(place, wanted, f"the sweep that was killed {killed} times")
        yield Figure("times killed at random, with the same bytes at the end", killed, "times", aim=kills, least=True)
        yield Figure("of them before a cell was finished", early, "times")
        yield Figure("processor over that of the undisturbed sweep", (spent() - begin) / undisturbed, "x")

        place = Place(folder / "worker", windows)
        finish_without_one(place, loky_workers, whole_parts, *words)
        _require_same(place, wanted, "the sweep that lost a worker")
        yield Figure("workers of this machine killed in mid-run, with the same bytes", 1, "worker", aim=1, least=True)

        try:
            from distributed import LocalCluster
        except ImportError:
            return
        make: Callable[..., LocalCluster] = LocalCluster
        settings = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
        with make(processes=True, silence_logs=50, **settings) as cluster:
            place = Place(folder / "dask", windows)
            pids = [worker.pid for worker in cluster.workers.values()]
            finish_without_one(place, lambda _: pids, whole_parts, "--dask", cluster.scheduler_address)
        _require_same(place, wanted, "the sweep that lost a worker of Dask")
        yield Figure("workers of Dask killed in mid-run, with the same bytes", 1, "worker", aim=1, least=True)


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # a full call takes minutes


def _require_same(place: Place, wanted: dict[str, str], what: str) -> None:
    if differing := [name for name, found in place.sums.items() if found != wanted[name]]:
        raise SystemExit(f"{what} has other bytes in {', '.join(differing)}")
    _tell(f"{what} has the same bytes")
    if left := list(place.folder.glob("reports/*.partial")):
        raise SystemExit(f"{what} left {left[0].name}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--windows", type=int, default=len(ENDS), help="fewer windows, on a busy machine")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    print_part("sweep_kills", lambda: figures(options.kills, options.windows, options.workers, options.seed))


if __name__ == "__main__":
    main()
