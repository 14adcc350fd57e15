"""Prices and decisions of a sweep as Arrow tables, which processes on one machine map into memory, and which travel to
another machine as they are."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Generic, Self, TypeAlias, TypeVar

import pandas as pd
import pyarrow
from pyarrow import ipc

from llm_strategy.errors import RunFolderError
from llm_strategy.market.view import View
from llm_strategy.support.write_whole import write_whole
from llm_strategy.trading.decision_lines import entry_of
from llm_strategy.types import Decision, Snapshot
from simulator.prices.load import Prices
from simulator.prices.table import COLUMNS
from simulator.prices.universe import Universe

Held: TypeAlias = str | bytes
"""An Arrow file: its path, which is mapped, or its content."""
DAMAGED = (pyarrow.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What is raised by a file that was cut off or changed."""
_Kept = TypeVar("_Kept")
_OF_ONE_BAR = ("bar", "time", "snapshot", "verdict", "clamps")
_OF_NO_TRADE: dict[str, Any] = {"prompt": "", "answer": None, "context": [], "repairs": []}
"""What of a decision its trading does not depend on."""
_NO_SNAPSHOT = {
    "symbol": "", "timeframe": "", "time": "", "close": 0.0, "trend": 0.0, "momentum": 0.0, "volatility": 0.0,
    "volatility_rank": 0.0, "drawdown": 0.0, "range_position": 0.0, "volume_ratio": 0.0,
}  # fmt: skip
_NO_VERDICT = {
    "intent": "none", "size": 0.0, "stop_pct": None, "target_pct": None, "stop_price": None, "reason": "",
}  # fmt: skip


def prices_key(universe: Universe) -> str:
    """A name of the prices by all that trading depends on."""
    volumes = [prices.volume for prices in universe.markets]
    return f"prices-{hashlib.sha256(json.dumps([universe.sha256, volumes]).encode()).hexdigest()[:24]}"


def decisions_key(group: str) -> str:
    """A name of the decisions of a group of equal questions."""
    return f"decisions-{group}"


def universe_bytes(universe: Universe) -> bytes:
    """The bars of a universe as an Arrow file: symbol by symbol a row a bar, all else beside."""
    about = {
        "groups": dict(universe.groups),
        "decide_on": universe.decide_on,
        "session": universe.session,
        "timezone": universe.timezone,
        "markets": [
            {
                "source": str.__str__(prices.source),
                "symbol": prices.symbol,
                "timeframe": prices.timeframe,
                "volume": prices.volume,
                "naive": prices.naive,
                "notes": list(prices.notes),
                "bars": len(prices.table),
            }
            for prices in universe.markets
        ],
    }
    whole = pd.concat([prices.table for prices in universe.markets])
    columns = {"time": pyarrow.array(whole.index.to_numpy().astype("datetime64[us]"))}
    columns |= {name: pyarrow.array(whole[name].to_numpy()) for name in COLUMNS}
    return arrow_bytes(pyarrow.table(columns), about)


def read_universe(held: Held) -> Universe:
    """The universe of ``universe_bytes``, exact to the last bit; its columns are views of the file."""
    table, about = read_arrow(held)
    columns = {name: _numpy(table, name) for name in ("time", *COLUMNS)}
    markets, begin = [], 0
    for market in about["markets"]:
        end = begin + market.pop("bars")
        index = pd.DatetimeIndex(columns["time"][begin:end], name="time", copy=False)
        bars = pd.DataFrame({name: columns[name][begin:end] for name in COLUMNS}, index=index, copy=False)
        markets.append(Prices(**market | {"table": bars, "notes": tuple(market["notes"])}))
        begin = end
    return Universe(tuple(markets), about["groups"], about["decide_on"], about["session"], about["timezone"])


def decisions_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The lines of a journal as an Arrow file: symbol, time and decision of each, equal decisions once."""
    symbols, times, kinds = [], [], []
    numbers: dict[str, int] = {}
    for row in rows:
        kind = {name: value for name, value in row.items() if name not in _OF_ONE_BAR}
        kind |= {name: value for name, value in _OF_NO_TRADE.items() if name in kind}
        kind.pop("plan", None)
        text = json.dumps(kind, sort_keys=True)
        symbols.append(row["snapshot"]["symbol"])
        times.append(row["time"])
        kinds.append(numbers.setdefault(text, len(numbers)))
    dictionary = pyarrow.array(list(numbers), pyarrow.string())
    columns = {
        "symbol": pyarrow.array(symbols, pyarrow.string()).dictionary_encode(),
        "time": pyarrow.array(times, pyarrow.string()),
        "decision": pyarrow.DictionaryArray.from_arrays(pyarrow.array(kinds, pyarrow.int32()), dictionary),
    }
    return arrow_bytes(pyarrow.table(columns), {})


class KnownDecisions:
    """An advisor whose decisions are known: at each close it gives the one that was made there."""

    def __init__(self, made: Mapping[tuple[str, str], Decision]) -> None:
        self._made = made

    @classmethod
    def read(cls, held: Held) -> Self:
        """The decisions of ``decisions_bytes``."""
        table, _ = read_arrow(held)
        column = table.column("decision").combine_chunks()
        kinds = [_decision(text) for text in column.dictionary.to_pylist()]
        closes = zip(table.column("symbol").to_pylist(), table.column("time").to_pylist(), strict=True)
        numbers = column.indices.to_pylist()
        return cls({close: kinds[number] for close, number in zip(closes, numbers, strict=True)})

    def seen_with(self, view: View) -> KnownDecisions:
        """The same, where more than the plain features is measured at a close."""
        other = KnownDecisions(self._made)
        other.view = view  # type: ignore[attr-defined]
        return other

    def attach(self, data: Any) -> Self:
        """Itself: nothing is measured."""
        return self

    def decide(self, snapshot: Snapshot) -> Decision:
        """What was decided at this close."""
        known = self._made.get((snapshot.symbol, snapshot.time))
        if known is None:
            raise RunFolderError(
                f"The decisions of the sweep lack that on {snapshot.symbol} at {snapshot.time}: remove the folder of "
                "the sweep that ends in .partial, and run the same command again."
            )
        return replace(known, snapshot=snapshot)


def _decision(text: str) -> Decision:
    row = json.loads(text)
    return entry_of(row | {"bar": 0, "snapshot": _NO_SNAPSHOT, "verdict": _NO_VERDICT, "clamps": []}).decision


class Memory(Generic[_Kept]):
    """What a process has read last, by key, so that cells that follow each other read nothing twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(self, key: str, make: Callable[[], _Kept]) -> _Kept:
        """What is known by this key, made where it is not."""
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


class Shelf:
    """A folder of Arrow files by key; what stands there whole is not written again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, key: str) -> bool:
        """Whether a file of this key can be read."""
        try:
            read_arrow(str(self._path(key)))
        except DAMAGED:
            return False
        return True

    def put(self, key: str, content: bytes) -> None:
        """Write a file whole; raises ``OSError``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(key), content)

    def paths(self, keys: Iterable[str]) -> dict[str, Held]:
        """The files of these keys by their paths, for processes of this machine."""
        return {key: str(self._path(key).absolute()) for key in keys}

    def contents(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The content of each of these files, for other machines."""
        for key in keys:
            yield key, self._path(key).read_bytes()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.arrow"


def arrow_bytes(table: pyarrow.Table, about: Any) -> bytes:
    """A table as an Arrow file, with plain data ``about`` it."""
    file = BytesIO()
    kept = table.replace_schema_metadata({"about": json.dumps(about)})
    with ipc.new_file(file, kept.schema) as writer:
        writer.write_table(kept)
    return file.getvalue()


def read_arrow(held: Held) -> tuple[pyarrow.Table, Any]:
    """The table of an Arrow file, and what was kept about it; raises one of ``DAMAGED``."""
    source = pyarrow.memory_map(held) if isinstance(held, str) else pyarrow.BufferReader(held)
    table = ipc.open_file(source).read_all()
    return table, json.loads(table.schema.metadata[b"about"])


def _numpy(table: pyarrow.Table, name: str) -> Any:
    return table.column(name).chunk(0).to_numpy(zero_copy_only=True)
