"""The folder of a watch: what it was told, the bars as they closed, and the decisions as they were committed.

::

    watch.json             the experiment, who answers, and the symbols; everything below stands on its hash
    history.csv            the bars before the first close, as prices.csv of a run
    bars.jsonl             a line a close: the bars of all symbols, when they were known, and the last decision before
    decisions.chain.jsonl  a line a decision, and a line an account at each close (``simulator.watch.chain_file``)
    head.json              how long both chains are, and the hash of their last lines
    events.jsonl           what happened and may be told to a person, each once
    accounts/NAME/         orders, trades and account of each arm, as in a run folder, where the watch was ended
    audit.jsonl            every question to the model, as in a run folder; answered.txt names those answered
    forward/               the run folder and the page that ``btllm report`` makes of it
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError, RunFolderError
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.strict_json import parse_json
from llm_strategy.support.write_whole import whole_file
from llm_strategy.trading.decision_lines import Entry, read_decision
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import write_json
from simulator.prices.load import Prices
from simulator.prices.table import make_table
from simulator.prices.universe import Universe, read_universe_csv
from simulator.watch.bar_clock import Close, ClosedBar
from simulator.watch.chain_file import ChainFile, Fault, Head
from simulator.watch.periods import Period

FORMAT = "1.0.0"
BARS, DECISIONS = "bars.jsonl", "decisions.chain.jsonl"
ABOUT, HISTORY, HEAD, EVENTS, ACCOUNTS, FORWARD = (
    "watch.json", "history.csv", "head.json", "events.jsonl", "accounts", "forward",
)  # fmt: skip
_MOST_ABOUT = 10_000_000


@dataclass(frozen=True)
class RecordedClose:
    """A close as it stands in ``bars.jsonl``: its number (from 1), its bars, when it was known by the wall clock (ISO
    8601), and why it was missed, where it was."""

    number: int
    close: Close
    known: str
    missed: str
    live: bool
    """Whether it came as the wall clock passed it, and was not played."""


@dataclass(frozen=True)
class RecordedLine:
    """A line of the chain of decisions: of which ``arm`` at which close (by its number), and either the canonical line
    of a decision or a row of its account; ``at`` is the wall clock (ISO 8601), ``delay_s`` seconds since the bars of
    the close were on the disk, ``late`` whether it was decided late."""

    arm: str
    close: int
    line: str
    account: tuple[Any, ...]
    at: str
    delay_s: float
    late: bool

    @property
    def entry(self) -> Entry:
        """The decision with the gate's verdict; raises ``RunFolderError`` where the line holds none."""
        try:
            return read_decision(self.line)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
            raise RunFolderError(
                f"{DECISIONS} holds what is no decision of {self.arm} ({problem}): restore it from a copy."
            ) from None


class WatchFolder:
    """Reads the folder of a watch; raises ``RunFolderError`` where it is none, or cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def about(self) -> dict[str, Any]:
        """What ``watch.json`` says."""
        try:
            found = parse_json(self._about_text)
            if found["format"] == FORMAT and isinstance(found["symbols"], dict) and isinstance(found["arms"], dict):
                return dict(found)
            problem = f"its format is {found['format']!r:.20}, this is {FORMAT}"
        except (ValueError, KeyError, TypeError, RecursionError) as broken:
            problem = str(broken)
        raise RunFolderError(f"{self.path / ABOUT} is not that of a watch ({problem}): restore it from a copy.")

    @cached_property
    def _about_text(self) -> str:
        try:
            return read_text(self.path / ABOUT, _MOST_ABOUT)
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(
                f"{self.path} is no folder of a watch: it has no {ABOUT}; name one that btllm watch wrote."
            ) from None
        except (OSError, ValueError) as problem:
            raise RunFolderError(f"{self.path / ABOUT} cannot be read ({problem}).") from None

    @property
    def root(self) -> str:
        """What both chains stand on: the hash of ``watch.json``, which holds that of the history."""
        return hashlib.sha256(self._about_text.encode()).hexdigest()

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment as it was watched."""
        try:
            return Experiment.from_mapping(self.about["experiment"], str(self.path / ABOUT))
        except ConfigurationError as problem:
            raise RunFolderError(f"{self.path / ABOUT} holds an experiment that cannot be run ({problem})") from None

    @cached_property
    def history(self) -> Universe:
        """The bars before the first close."""
        symbols = self.about["symbols"]
        try:
            return read_universe_csv(
                self.path / HISTORY,
                self.experiment.data,
                {name: one["source"] for name, one in symbols.items()},
                {name: one["volume"] for name, one in symbols.items()},
            )
        except MarketDataError as problem:
            raise RunFolderError(f"The history of {self.path} cannot be read: {problem}") from None

    @property
    def bars(self) -> ChainFile:
        """The chain of closes."""
        return ChainFile(self.path / BARS, self.root)

    @property
    def decisions(self) -> ChainFile:
        """The chain of decisions."""
        return ChainFile(self.path / DECISIONS, self.root)

    def heads(self) -> tuple[Head | None, Head | None]:
        """How long the chains of closes and of decisions were when this was last noted; None where it never was."""
        try:
            found = parse_json(read_text(self.path / HEAD, 10_000))
            return Head.from_record(found["bars"]), Head.from_record(found["decisions"])
        except FileNotFoundError:
            return None, None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise RunFolderError(f"{self.path / HEAD} is no head of a watch: restore it from a copy.") from None

    def write_head(self, bars: Head, decisions: Head) -> None:
        """Note how long the chains are."""
        with whole_file(self.path / HEAD, name_may_wait=True) as file:
            file.write(json.dumps({"bars": bars.as_dict(), "decisions": decisions.as_dict()}) + "\n")

    def faults(self) -> list[Fault]:
        """Everything that was changed, removed or inserted in bars, decisions, history and settings."""
        bars_head, decisions_head = self.heads()
        bars, decisions = self.bars, self.decisions
        found = [*bars.faults(bars_head), *decisions.faults(decisions_head)]
        if hashlib.sha256((self.path / HISTORY).read_bytes()).hexdigest() != self.about["history"]:
            found.append(Fault(HISTORY, "changed", 1, f"{HISTORY} is not what was written"))
        if found:
            return found
        known = {self.root, *(line["hash"] for line in decisions.read())}
        for line in bars.read():
            if line["decisions"] not in known:
                at = line["number"]
                words = f"{DECISIONS} is not the one that {BARS} was written beside: line {at:,} names another one"
                return [Fault(DECISIONS, "changed", at, words)]
        return []

    def universe(self, closes: Iterable[RecordedClose]) -> Universe:
        """All bars: the history, and behind it these closes."""
        rows: dict[str, list[tuple[datetime, ClosedBar]]] = {symbol: [] for symbol in self.history.symbols}
        missed: dict[str, dict[str, str]] = {}
        for recorded in closes:
            time = recorded.close.period.time
            for symbol, bar in recorded.close.bars.items():
                rows[symbol].append((time, bar))
                if recorded.missed:
                    missed.setdefault(symbol, {})[time.isoformat()] = recorded.missed
        return with_bars(self.history, rows, missed)

    def close_of(self, line: Mapping[str, Any]) -> RecordedClose:
        """The close of a line of ``bars.jsonl``."""
        try:
            start, end, time = (datetime.fromisoformat(line[name]) for name in ("start", "end", "time"))
            firsts = line.get("first", {})
            bars = {symbol: _bar(values, firsts.get(symbol)) for symbol, values in line["bars"].items()}
            return RecordedClose(
                line["number"], Close(Period(start, end, time), bars), line["known"], line["missed"], line["live"]
            )
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise RunFolderError(f"{self.path / BARS} holds what is no close ({problem}): restore it.") from None

    def line_of(self, line: Mapping[str, Any]) -> RecordedLine:
        """The content of a line of ``decisions.chain.jsonl``."""
        try:
            account = tuple(line.get("account", ()))
            text = line.get("line", "")
            return RecordedLine(
                line["arm"], line["close"], text, account, line["at"], float(line["delay_s"]), "late" in line
            )
        except (KeyError, TypeError, ValueError) as problem:
            raise RunFolderError(f"{self.path / DECISIONS} holds what is no decision ({problem}).") from None


def close_line(close: Close, known: datetime, missed: str, decisions: str, *, live: bool) -> dict[str, Any]:
    """The content of a line of ``bars.jsonl``; ``decisions`` is the hash of the last line of the other chain."""
    period = close.period
    firsts = {symbol: bar.first.isoformat() for symbol, bar in close.bars.items() if bar.first is not None}
    return {
        "time": period.time.isoformat(),
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "known": known.astimezone(UTC).isoformat(),
        "missed": missed,
        "live": live,
        "decisions": decisions,
        "bars": {symbol: [bar.open, bar.high, bar.low, bar.close, bar.volume] for symbol, bar in close.bars.items()},
        **({"first": firsts} if firsts else {}),
    }


def is_watch(path: Path) -> bool:
    """Whether a folder is that of a watch."""
    return (path / ABOUT).is_file()


def begin_folder(path: Path, about: Mapping[str, Any], history: Universe) -> None:
    """Write what a watch stands on; raises ``OSError``."""
    path.mkdir(parents=True, exist_ok=True)
    history.write_csv(path / HISTORY)
    digest = hashlib.sha256((path / HISTORY).read_bytes()).hexdigest()
    write_json({"format": FORMAT, **about, "history": digest}, path / ABOUT)


def with_bars(
    history: Universe,
    rows: Mapping[str, list[tuple[datetime, ClosedBar]]],
    missed: Mapping[str, Mapping[str, str]] | None = None,
) -> Universe:
    """A universe with these bars behind those of its symbols."""
    markets = tuple(_longer(prices, rows.get(prices.symbol, [])) for prices in history.markets)
    return Universe(
        markets, history.groups, history.decide_on, history.session, history.timezone, missed=dict(missed or {})
    )


def _longer(prices: Prices, rows: list[tuple[datetime, ClosedBar]]) -> Prices:
    if not rows:
        return prices
    columns = {name: [getattr(bar, name) for _, bar in rows] for name in ("open", "high", "low", "close", "volume")}
    table = pd.concat([prices.table, make_table([time for time, _ in rows], columns)])
    return Prices(prices.source, prices.symbol, prices.timeframe, table, None, prices.volume)


def _bar(values: list[float], first: str | None) -> ClosedBar:
    opens, high, low, close, volume = map(float, values)
    return ClosedBar(opens, high, low, close, volume, None if first is None else datetime.fromisoformat(first))
