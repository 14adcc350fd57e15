"""A day of one-minute bars of three symbols, watched by the embedded model and killed at random: ``python -m
benchmarks.kills``.

The bars come through a file that is cut, told again from its beginning, out of order and doubled. All questions are
asked while kills fall, from an empty record. What is left is held against the same day watched in one go,
against the ordinary simulation of its bars, and against a run of the experiment that never heard of a watch.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import simulator
from benchmarks.figures import Figure, print_part
from llm_strategy.llm import FolderStore, RecordingClient, get_llm_client
from llm_strategy.llm.settings import load_settings
from simulator.prices.load import load_prices
from simulator.watch.events import WatchEvent, WatchState
from simulator.watch.folder import BARS, WatchFolder
from simulator.watch.offline import shadow
from simulator.watch.proof import prove
from simulator.watch.watch import watch

MODEL = "smollm2-135m"
SYMBOLS = ("AAA", "BBB", "CCC")
MINUTES, HISTORY = 390, 300
KILLS, CUTS = 50, 6
FEED = "feed.jsonl"
_OPENING = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
_FORK = multiprocessing.get_context("fork")
Rows: TypeAlias = dict[str, list[tuple[datetime, list[float]]]]
"""By symbol the start of each bar, and its prices and volume."""
_AHEAD = 40
"""Minutes by which the file may be ahead of what is decided."""
_ARMS = ("llm",)


def figures() -> Iterator[Figure]:
    """What came of it: counts of what differs, each of which is meant to be 0."""
    with tempfile.TemporaryDirectory(prefix="btllm-kills-") as name:
        place = Path(name)
        rows = {symbol: _rows(number) for number, symbol in enumerate(SYMBOLS)}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        kills, in_start, cuts = _watch_killed(place, rows)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        killed = next(place.glob(f"killed/reports/*/{BARS}")).parent
        record = place / "record"
        asked = sum(1 for _ in record.rglob("*.json"))
        whole = _watched(place / "whole", "replay:", rows, record)
        left = sum(1 for _ in record.rglob("*.json")) - asked
        offline = _offline(place / "offline", rows, record)
        yield Figure("kills", kills, "kills", aim=KILLS, least=True)
        yield Figure("of these before the first new close", in_start, "kills")
        yield Figure("cuts of the feed", cuts, "cuts", aim=CUTS, least=True)
        proof = prove(killed)
        yield Figure("closes", proof.closes, "closes", aim=MINUTES, least=True)
        yield Figure("decisions in the chain", proof.decisions, "decisions")
        yield Figure("faults of the chain", len(proof.faults), "faults", aim=0)
        lost, doubled = _against(_decided(killed), _decided(whole))
        yield Figure("decisions lost", lost, "decisions", aim=0)
        yield Figure("decisions doubled, or other than without kills", doubled, "decisions", aim=0)
        yield Figure("accounts other than without kills", _other_files(killed, whole), "files", aim=0)
        checks = shadow(killed)
        yield Figure("lines held against the shadow", sum(check.count for check in checks), "lines")
        yield Figure("parts that the shadow has otherwise", sum(not check.same for check in checks), "parts", aim=0)
        yield Figure("closes whose account is another cent offline", _cents(killed, offline), "closes", aim=0)
        yield Figure("distinct questions, asked from an empty record", asked, "questions")
        yield Figure("of these left for the run without kills", left, "questions", aim=0)
        yield Figure("processor, all starts", _processor(after) - _processor(before), "s")


def _rows(number: int) -> list[tuple[datetime, list[float]]]:
    """Minutes of one symbol, from before the opening on."""
    table = load_prices(f"synthetic:cycles?bars={HISTORY + MINUTES}&seed={number + 1}").table
    begin = _OPENING - timedelta(minutes=HISTORY)
    return [(begin + timedelta(minutes=at), list(values)) for at, values in enumerate(table.to_numpy().tolist())]


def _experiment(folder: Path, feed: str, rows: Rows, *, whole: bool) -> dict[str, Any]:
    """The experiment; its prices are the whole day, or what was before it."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = {}
    for symbol, lines in rows.items():
        path = folder / f"{symbol}.csv"
        kept = lines if whole else lines[:HISTORY]
        told = [",".join([time.isoformat(), *map(repr, values)]) for time, values in kept]
        path.write_text("\n".join(["time,open,high,low,close,volume", *told]) + "\n")
        sources[symbol] = f"csv:{path}"
    start = {"start": _OPENING.replace(tzinfo=None).isoformat()} if whole else {}
    return {
        "name": "day",
        "data": {"sources": sources, "timeframe": "1m", **start},
        "watch": {"feed": feed},
        "arms": list(_ARMS),
        "risk": {"max_position_size": 0.3, "stop_loss_pct": 0.02, "max_holding_bars": 40, "max_gross_exposure": 0.8},
        "evaluation": {"bootstrap_samples": 100, "placebos": 19},
        "output": {"folder": str(folder / "reports"), "explain": False},
    }


class _End:
    """A sink that ends the watch behind the last close."""

    def __init__(self) -> None:
        self.stop = threading.Event()

    def take(self, event: WatchEvent) -> None:
        """Nothing."""

    def show(self, state: WatchState) -> None:
        """Where the day is over, end."""
        if state.bars >= MINUTES:
            self.stop.set()

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def _embedded(record: Path) -> Iterator[RecordingClient]:
    """The embedded model with its adapter, in one thread, in front of it a record of its own."""
    with get_llm_client("bench", settings=load_settings(model=MODEL, backend="llama_cpp", threads=1)) as model:
        yield RecordingClient(model, model.identity, FolderStore(record))


def _watched(folder: Path, feed: str, rows: Rows, record: Path) -> Path:
    """The day, watched until it is over: the folder of the watch."""
    end = _End()
    with _embedded(record) as client:
        made = _experiment(folder, feed, rows, whole=feed == "replay:")
        return watch(made, client=client, sinks=[end], stop=end.stop).folder


def _offline(folder: Path, rows: Rows, record: Path) -> Path:
    """A comparison of the same prices, without any watch: its folder."""
    with _embedded(record) as client:
        return simulator.compare(_experiment(folder, "replay:", rows, whole=True), client=client, progress=False).folder


def _watch_killed(place: Path, rows: Rows) -> tuple[int, int, int]:
    """Watch in processes that are killed, while the file grows and is cut: kills, those of them before a new close, and
    cuts."""
    rng = random.Random(18)  # noqa: S311 - where kills fall
    marks = sorted(rng.sample(range(2, MINUTES - 1), KILLS))
    early = set(rng.sample(range(KILLS), KILLS // 5))
    folder = place / "killed"
    feed = _GrowingFile(place / FEED, rows, random.Random(19))  # noqa: S311
    kills = in_start = 0
    while True:
        begun = _closes(folder)
        process = _start(place, rows)
        until = time.monotonic() + rng.uniform(0.5, 4) if kills in early else None
        while process.is_alive():
            closes = _closes(folder)
            feed.grow(closes)
            if kills < KILLS and (time.monotonic() >= until if until else closes >= marks[kills]):
                time.sleep(rng.uniform(0, 0.03))  # anywhere between two closes
                process.kill()
                kills += 1
                in_start += _closes(folder) == begun
                break
            time.sleep(0.005)
        process.join()
        if process.exitcode == 0:
            return kills, in_start, feed.cuts
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"A start of the watch ended with {process.exitcode}.")


def _start(place: Path, rows: Rows) -> multiprocessing.context.ForkProcess:
    """A process that watches: a copy of this one, which has loaded modules and nothing else, so that fifty starts do
    not load them fifty times."""
    feed = f"follow:{place / FEED}?clock=file"
    process = _FORK.Process(target=_watched, args=(place / "killed", feed, rows, place / "record"))
    process.start()
    return process


class _GrowingFile:
    """The file that is followed: minutes out of order within themselves, some lines twice. At a cut it is taken away,
    and another one tells all from the beginning."""

    def __init__(self, path: Path, rows: Rows, rng: random.Random) -> None:
        self._path = path
        self._rows = {symbol: lines[HISTORY:] for symbol, lines in rows.items()}
        self._rng = rng
        self._told: list[str] = []
        self._minute = 0
        self._cuts = sorted(rng.sample(range(5, MINUTES - 5), CUTS))
        self._back = 0.0
        self.cuts = 0

    def grow(self, closes: int) -> None:
        """Tell another minute, where the reader is not far behind."""
        if self._back:
            if time.monotonic() < self._back:
                return
            self._back = 0.0
            other = self._path.with_suffix(".other")
            other.write_text("".join(self._told))
            other.replace(self._path)
        if self._minute == MINUTES or self._minute > closes + _AHEAD:
            return
        lines = []
        for symbol, bars in self._rows.items():
            start, values = bars[self._minute]
            bar = dict(zip(("open", "high", "low", "close", "volume"), values, strict=True))
            lines.append(json.dumps({"symbol": symbol, "start": start.isoformat(), **bar}) + "\n")
        self._rng.shuffle(lines)
        lines += [lines[0]] if self._rng.random() < 0.2 else []
        self._minute += 1
        end = (_OPENING + timedelta(minutes=self._minute)).isoformat()
        self._told += [*lines, json.dumps({"time": end}) + "\n"]
        with self._path.open("a") as file:
            file.write("".join([*lines, json.dumps({"time": end}) + "\n"]))
        if self._cuts and self._minute >= self._cuts[0]:
            self._cuts.pop(0)
            self.cuts += 1
            self._path.unlink()
            self._back = time.monotonic() + 0.5


def _closes(folder: Path) -> int:
    found = next(folder.glob(f"reports/*/{BARS}"), None)
    return 0 if found is None else found.read_bytes().count(b"\n")


def _decided(folder: Path) -> dict[str, list[str]]:
    """By arm the lines of its decisions and accounts, in their order."""
    read = WatchFolder(folder)
    found: dict[str, list[str]] = {}
    for line in map(read.line_of, read.decisions.read()):
        found.setdefault(line.arm, []).append(line.line or json.dumps(line.account))
    return found


def _against(killed: dict[str, list[str]], whole: dict[str, list[str]]) -> tuple[int, int]:
    """How many lines of the whole day are missing, and how many there are that it has not, or has once less."""
    lost = doubled = 0
    for arm, lines in whole.items():
        own = killed.get(arm, [])
        lost += len(set(lines) - set(own))
        doubled += len(own) - len(set(own)) + len(set(own) - set(lines)) + (own != lines)
    return lost, doubled


def _other_files(killed: Path, whole: Path) -> int:
    names = [str(path.relative_to(whole)) for path in (whole / "accounts").rglob("*.csv")]
    return sum((killed / name).read_bytes() != (whole / name).read_bytes() for name in names)


def _cents(killed: Path, offline: Path) -> int:
    """At how many closes equity or cash differ, told to the cent."""
    other = 0
    for arm in _ARMS:
        ours, theirs = (
            [[row.split(",")[0], *(f"{float(cell):.2f}" for cell in row.split(",")[1:])] for row in text[1:]]
            for text in (
                (killed / "accounts" / arm / "equity.csv").read_text().splitlines(),
                (offline / arm / "equity.csv").read_text().splitlines(),
            )
        )
        other += sum(one != two for one, two in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))
    return other


def _processor(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print_part("kills", figures)
