"""Readers of a watched market: what a feed says in text, and the folder of a watch, of which one file was changed."""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

from small_run import SMALL

from llm_strategy.errors import RunFolderError
from simulator.prices.sessions import TradingCalendar, parse_timeframe
from simulator.watch.bar_clock import BarClock
from simulator.watch.feed import FeedTime
from simulator.watch.left_out import LEFT_OUT
from simulator.watch.messages import read_message
from simulator.watch.offline import shadow
from simulator.watch.periods import ClockPeriods
from simulator.watch.proof import prove
from simulator.watch.status import status_of
from simulator.watch.watch import watch

from .target import Target

MINUTE = parse_timeframe("1m")
MESSAGES = [
    {"symbol": "AAA", "time": "2026-01-05T14:30:00.25Z", "price": 100.5, "size": 200, "id": "t-17"},
    {"symbol": "AAA", "time": 1767623400.5, "price": "100.5"},
    {"symbol": "AAA", "start": "2026-01-05T14:30:00Z", "open": 10, "high": 12, "low": 9, "close": 11, "volume": 5},
    {"time": "2026-01-05T14:31:00+00:00"},
]


def _read_message(data, folder):
    text = data.decode("utf-8", "replace")
    try:
        message = read_message(text, MINUTE)
    except ValueError:
        return
    if isinstance(message, FeedTime):
        assert message.time.tzinfo is not None
        return
    clock = BarClock((message.symbol,), ClockPeriods(TradingCalendar("1m"), MINUTE))
    if not clock.take(message):
        (close,) = clock.closes(LAST)
        bar = close.bars[message.symbol]
        assert 0 < bar.low <= bar.open <= bar.high


LAST = read_message('{"time": "9999-01-01T00:00:00Z"}', MINUTE).time


@cache
def _watched():
    made = SMALL | {"arms": ["regime_rule"], "data": {"source": "synthetic:cycles?bars=275&seed=5"}}
    folder = watch(made | {"output": {"folder": tempfile.mkdtemp(prefix="btllm-fuzz-")}}).folder
    (folder / LEFT_OUT).write_text('{"doubled": 1, "late": 2}\n')
    return folder


def _files():
    """Each file of the folder behind a line that says which it is."""
    kept = ("watch.json", "history.csv", "bars.jsonl", "decisions.chain.jsonl", "head.json", "events.jsonl", LEFT_OUT)
    return [name.encode() + b"\n" + (_watched() / name).read_bytes() for name in kept]


def _read_folder(data, folder):
    head, _, content = data.partition(b"\n")
    names = {path.name for path in _watched().iterdir() if path.is_file()}
    name = head.decode("utf-8", "replace")
    place = Path(folder) / "watched"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(_watched(), place)
    changed = name in names and (place / name).read_bytes() != content
    if name in names:
        (place / name).write_bytes(content)
    json.dumps(status_of(place).as_dict(), default=str)
    proof = prove(place)
    list(proof.lines())
    if changed and name in ("bars.jsonl", "decisions.chain.jsonl", "history.csv", "watch.json"):
        assert not proof.is_whole or content.endswith(b"\n") is False
    if proof.is_whole:
        shadow(place)


TARGETS = [
    Target("feed_message", lambda: [json.dumps(one).encode() for one in MESSAGES], _read_message, ()),
    Target("watch_folder", _files, _read_folder, (RunFolderError,), tries=60),
]
