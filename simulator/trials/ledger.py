"""The user's ledger of trials: which configurations were evaluated on which bars, and which sealed bars were opened.

It is append-only and chained by hashes, as the register of hypotheses is. An evaluated run stands in it once, however
often it is started, and equal configurations count once, whatever their seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import ConfigurationError, RegisterError
from llm_strategy.support.schemas import violation
from llm_strategy.support.strict_json import parse_json
from simulator.registers.chain import Chain, Entry, find_statement
from simulator.registers.data import DataWindow
from simulator.registers.exchange import append_lines, export_lines, line_of, read_lines
from simulator.registers.place import data_folder

FILE = "trials.sqlite"
NOUN = "ledger of trials"
SCHEMA = "trial"
FORMAT = 1
_DIGITS = 12
"""Of the identity of a run that opened bars: the id of its entry."""
Kind: TypeAlias = Literal["tried", "opened"]


@dataclass(frozen=True, slots=True)
class Trial:
    """An arm of an evaluated run: its ``configuration`` (the id of all that decides its trading, seed aside), who
    ``decides`` (advisor, rule or strategy) by which ``model``, and what came of it: annual ``sharpe`` ratio, None where
    the account had none, with ``bars_per_year``."""

    configuration: str
    arm: str
    decides: str
    model: str | None
    bars_per_year: float
    sharpe: float | None

    def content(self, name: str, run: str) -> dict[str, Any]:
        """What an entry keeps of it, beside the window: the ``name`` of the experiment and the identity of its
        ``run``."""
        return {
            "format": FORMAT,
            "name": name,
            "run": run,
            "arm": self.arm,
            "decides": self.decides,
            "model": self.model,
            "bars_per_year": self.bars_per_year,
            "sharpe": self.sharpe,
        }


class Ledger:
    """The ledger in a file (default: ``trials.sqlite`` in ``data_folder()``), made at the first entry.

    Whatever writes refuses, with ``RegisterError``, a ledger that was changed, cut or deleted; whatever reads gives
    what is there, and ``check`` says what is wrong with it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or data_folder() / FILE
        self._chain = Chain(self.path, NOUN)

    def check(self) -> str | None:
        """One sentence where the ledger was changed, cut or deleted, or cannot be read; None where it is whole."""
        try:
            fault = self._chain.fault()
            if fault is None:
                self.entries()
        except RegisterError as problem:
            return str(problem)
        return None if fault is None else f"{fault}: {self._chain.cure}."

    def entries(self, kind: Kind | None = None) -> list[Entry]:
        """The entries in their order. Raises ``RegisterError`` for one that no command writes."""
        found = self._chain.entries()
        for entry in found:
            if not _is_written_so(json.dumps(line_of(entry), sort_keys=True)):
                raise RegisterError(f"Entry {entry.number} of {self.path} is none of a {NOUN}: {self._chain.cure}.")
        return [entry for entry in found if kind in (None, entry.kind)]

    def set_back(self) -> list[Entry]:
        """The entries that are dated before the one before them, though they were written here: then the clock was set
        back, and a date in this ledger proves little."""
        own = [entry for entry in self._chain.entries() if "origin" not in entry.content]
        return [entry for last, entry in pairwise(own) if entry.at < last.at]

    def disagreement(self, number: int, name: str) -> str | None:
        """Whether the entry of this number and hash, as a run folder keeps them, stands here no more, in a few words;
        None where it does. So a ledger is found cut whose head was cut with it."""
        entries = self._chain.entries()
        if name in {known for entry in entries for known in (entry.hash, entry.content.get("origin"))}:
            return None
        if number > len(entries):
            return f"it was entry {number}, and the ledger has {len(entries)}"
        return f"it was entry {number}, and another one stands there"

    def find(self, text: str) -> str:
        """The id of the configuration that begins so; raises ``ConfigurationError`` where there is none, or several."""
        return find_statement(
            self.entries(),
            text,
            "configuration",
            f"stands in {self.path}",
            "'btllm trials list' shows those that do.",
        )

    def window(self, entry: Entry) -> DataWindow:
        """The decision bars of an entry."""
        return _window(self._chain, entry)

    def record(self, trials: Sequence[Trial], window: DataWindow, name: str, run: str) -> list[Entry]:
        """Enter the arms of an evaluated run (its identity) on these bars, and return their entries. What the same run
        entered before is the entry that stands there; where it came out otherwise, as with a model that answers anew,
        it is another one."""
        with self._chain.writing() as appender:
            known = {_said(entry.statement, entry.content): entry for entry in appender.entries}
            found = []
            for trial in trials:
                content = trial.content(name, run)
                said = _said(trial.configuration, content | {"window": window.id})
                found.append(
                    known.get(said) or appender.add("tried", trial.configuration, content, window.as_document())
                )
            return found

    def open(self, window: DataWindow, name: str, run: str, *, again: bool) -> Entry:
        """Enter that sealed bars are opened, before anything of them is run; once more by the same ``run`` is the entry
        that stands there. Raises ``ConfigurationError`` where bars of them were opened before, unless ``again``."""
        with self._chain.writing() as appender:
            earlier = self._opened(appender.entries, window)
            if own := next((entry for entry in earlier if entry.content["run"] == run), None):
                return own
            if earlier and not again:
                first, times = earlier[0], f"{len(earlier)} times" if len(earlier) > 1 else "once"
                raise ConfigurationError(
                    f"The sealed bars from {window.first[:10]} to {window.last[:10]} were opened {times} before, "
                    f"first on {first.at[:10]} by {first.content['name']}: what is seen twice is no test any more, so "
                    "seal later bars, or open these with --again, which the page will say."
                )
            content = {"format": FORMAT, "name": name, "run": run}
            return appender.add("opened", run[:_DIGITS], content, window.as_document())

    def openings(self, window: DataWindow, before: int | None = None) -> list[Entry]:
        """The entries, in their order, that opened bars of these; with ``before`` those of a smaller number."""
        return [entry for entry in self._opened(self.entries(), window) if before is None or entry.number < before]

    def configurations(self, window: DataWindow, up_to: int | None = None) -> tuple[set[str], set[str]]:
        """The ids of configurations that were evaluated on exactly these bars, and on any of them; with ``up_to`` those
        whose entries have no larger number."""
        same: set[str] = set()
        overlapping: set[str] = set()
        shared: dict[str, bool] = {window.id: True}
        for entry in self.entries("tried"):
            if up_to is not None and entry.number > up_to:
                break
            name = entry.content["window"]
            if name not in shared:
                shared[name] = self.window(entry).overlaps(window)
            if shared[name]:
                overlapping.add(entry.statement)
            if name == window.id:
                same.add(entry.statement)
        return same, overlapping

    def export(self) -> Iterator[str]:
        """The ledger as lines of JSON: of each entry all that it holds, with its bars."""
        return export_lines(self._chain)

    def bring_in(self, lines: Iterable[str], where: str) -> int:
        """Append the entries of an exported ledger that are not here, in their order, and return how many; a run that
        stands in both counts once. Raises ``ConfigurationError``, which begins with ``where``, for lines that are no
        ledger or were changed; nothing is then brought in."""
        brought = read_lines(lines, where, SCHEMA, lambda entry, place: True, NOUN)
        return append_lines(self._chain, brought, _stands_among)

    def _opened(self, entries: Iterable[Entry], window: DataWindow) -> list[Entry]:
        opened = [entry for entry in entries if entry.kind == "opened"]
        return [entry for entry in opened if self.window(entry).overlaps(window)]


@lru_cache(maxsize=16384)
def _is_written_so(line: str) -> bool:
    """Whether an entry has the form that the ledger writes."""
    return violation(SCHEMA, parse_json(line)) is None


def _said(configuration: str, content: Mapping[str, Any]) -> str:
    """All that an entry says, so that the same is known in any ledger."""
    return json.dumps([configuration, {**content, "origin": None}], sort_keys=True)


def _stands_among(entry: Entry, entries: Iterable[Entry]) -> bool:
    said = _said(entry.statement, entry.content)
    return any(other.kind == entry.kind and _said(other.statement, other.content) == said for other in entries)


def _window(chain: Chain, entry: Entry) -> DataWindow:
    document: Mapping[str, Any] | None = chain.window(entry.content["window"])
    try:
        if document is not None:
            return DataWindow.from_document(document)
    except (ValueError, KeyError, TypeError):
        pass
    raise RegisterError(f"The {NOUN} {chain.path} holds no bars at entry {entry.number}: {chain.cure}.")
