"""The user's register of hypotheses: each statement stands there before it is tested, and each test stays.

Its rules hold for whoever writes: no test of what was not registered, none on bars from which it was proposed or tested
before, and one trade of a last window.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from llm_strategy.errors import ConfigurationError, RegisterError
from llm_strategy.support.schemas import require, violation
from llm_strategy.support.strict_json import parse_json
from simulator.hypotheses.statement import Hypothesis, statement_id
from simulator.registers.chain import Chain, Entry, find_statement
from simulator.registers.data import DataWindow
from simulator.registers.exchange import append_lines, export_lines, line_of, read_lines
from simulator.registers.place import data_folder

Kind: TypeAlias = Literal["proposed", "tested", "traded"]
KINDS: tuple[Kind, ...] = ("proposed", "tested", "traded")
FILE = "hypotheses.sqlite"
SCHEMA = "register"


@dataclass(frozen=True, slots=True)
class Proposer:
    """Who proposed a statement: a model (by its identity) or a person, and what the model saw ``unmasked`` (symbol,
    date, price), because it may then remember what it proposes."""

    kind: Literal["model", "person"]
    name: str
    unmasked: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """The proposer as plain data."""
        return {"kind": self.kind, "name": self.name, "unmasked": sorted(self.unmasked)}


class Tested(NamedTuple):
    """A test that stands in the register: number of its entry, id of the statement, and p value (1 where too few events
    left none)."""

    number: int
    statement: str
    p_value: float


class Register:
    """The register in a file (default: ``hypotheses.sqlite`` in ``data_folder()``), made at the first entry.

    Whatever writes refuses, with ``RegisterError``, a register that was changed, cut or deleted; whatever reads gives
    what is there, and ``check`` says what is wrong with it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or data_folder() / FILE
        self._chain = Chain(self.path)

    def check(self) -> str | None:
        """One sentence where the register was changed, cut or deleted, or cannot be read; None where it is whole."""
        try:
            fault = self._chain.fault()
        except RegisterError as problem:
            return str(problem)
        return None if fault is None else f"{fault}: {self._chain.cure}."

    def entries(self, kind: Kind | None = None, statement: str | None = None) -> list[Entry]:
        """The entries in their order: all, those of a kind, or those of a statement by its id. Raises ``RegisterError``
        for one of these that no command writes, as in a file of somebody else."""
        found = [
            entry
            for entry in self._chain.entries()
            if kind in (None, entry.kind) and statement in (None, entry.statement)
        ]
        for entry in found:
            if not _is_written_so(json.dumps(line_of(entry), sort_keys=True)):
                raise RegisterError(f"Entry {entry.number} of {self.path} is none of a register: {self._chain.cure}.")
        return found

    def find(self, text: str) -> str:
        """The id of the statement that begins so; raises ``ConfigurationError`` where there is none, or several."""
        return find_statement(
            self.entries(),
            text,
            "statement",
            f"is registered in {self.path}",
            "'btllm hypotheses list' shows those that are.",
        )

    def window(self, entry: Entry) -> DataWindow | None:
        """The window of an entry; None for a statement that a person wrote without one."""
        return _window(self._chain, entry)

    def propose(
        self, hypothesis: Hypothesis, proposer: Proposer, window: DataWindow | None = None, run: str = ""
    ) -> Entry:
        """Register a statement, by whom it was proposed and from which bars (None: a person's own, from none that is
        known). The same once more, also by another ``run``, is the entry that stands there."""
        content = {
            "statement": hypothesis.as_document(),
            "sentence": hypothesis.sentence,
            "proposer": proposer.as_document(),
            "run": run,
        }
        name = None if window is None else window.id
        with self._chain.writing() as appender:
            for entry in _of(appender.entries, "proposed", hypothesis.id):
                if (entry.content.get("proposer"), entry.content.get("window")) == (content["proposer"], name):
                    return entry
            return appender.add("proposed", hypothesis.id, content, None if window is None else window.as_document())

    def require_testable(self, hypothesis: Hypothesis, window: DataWindow, run: str = "") -> Entry | None:
        """Raise ``ConfigurationError`` where the rules forbid this test. A test of these bars that this very ``run``
        (its identity) has made is returned instead, so that a run that was killed goes on."""
        return _require_testable(self._chain, self._chain.entries(), hypothesis, window, run)

    def record_test(
        self,
        hypothesis: Hypothesis,
        window: DataWindow,
        result: Mapping[str, Any],
        p_value: float | None,
        run: str = "",
    ) -> Entry:
        """Keep a test and what it found (plain data), under the rules of ``require_testable``."""
        with self._chain.writing() as appender:
            if entry := _require_testable(self._chain, appender.entries, hypothesis, window, run):
                return entry
            content = {"p": p_value, "result": dict(result), "run": run}
            return appender.add("tested", hypothesis.id, content, window.as_document())

    def require_tradable(self, hypothesis: Hypothesis, window: DataWindow, run: str = "") -> Entry | None:
        """Raise ``ConfigurationError`` unless the statement was tested, and may trade this last window: on none of its
        bars was it proposed, tested or traded. A trade that this very ``run`` has made is returned instead."""
        return _require_tradable(self._chain, self._chain.entries(), hypothesis, window, run)

    def record_trade(
        self, hypothesis: Hypothesis, window: DataWindow, result: Mapping[str, Any], run: str = ""
    ) -> Entry:
        """Keep what a statement earned on a last window, under the rules of ``require_tradable``."""
        with self._chain.writing() as appender:
            if entry := _require_tradable(self._chain, appender.entries, hypothesis, window, run):
                return entry
            return appender.add("traded", hypothesis.id, {"result": dict(result), "run": run}, window.as_document())

    def family(self, window: DataWindow, before: int | None = None) -> list[Tested]:
        """All tests of any statement whose bars overlap these, in their order; with ``before`` those whose entry has a
        smaller number."""
        chosen = [
            entry
            for entry in self._chain.entries()
            if entry.kind == "tested"
            and (before is None or entry.number < before)
            and _overlaps(self._chain, entry, window)
        ]
        return [Tested(entry.number, entry.statement, _p_of(entry)) for entry in chosen]

    def export(self) -> Iterator[str]:
        """The register as lines of JSON: of each entry all that it holds, with its window."""
        return export_lines(self._chain)

    def bring_in(self, lines: Iterable[str], where: str) -> int:
        """Append the entries of an exported register that are not here, in their order, and return how many.

        Into an empty register they come as they were. Beside entries of its own each keeps its time and names its hash
        there as ``origin``. Raises ``ConfigurationError``, which begins with ``where``, for lines that are no register
        or were changed; nothing is then brought in.
        """
        return append_lines(self._chain, read_lines(lines, where, SCHEMA, _is_itself))


@lru_cache(maxsize=4096)
def _is_written_so(line: str) -> bool:
    """Whether an entry has the form that the register writes."""
    return violation(SCHEMA, parse_json(line)) is None


def _of(entries: Iterable[Entry], kind: Kind, statement: str) -> list[Entry]:
    return [entry for entry in entries if entry.kind == kind and entry.statement == statement]


def _window(chain: Chain, entry: Entry) -> DataWindow | None:
    name = entry.content.get("window")
    document = None if name is None else chain.window(name)
    if name is not None and document is None:
        raise RegisterError(f"The register {chain.path} lacks the window of entry {entry.number}: {chain.cure}.")
    try:
        return None if document is None else DataWindow.from_document(document)
    except (ValueError, KeyError, TypeError):
        raise RegisterError(
            f"The register {chain.path} holds no window at entry {entry.number}: {chain.cure}."
        ) from None


def _overlaps(chain: Chain, entry: Entry, window: DataWindow) -> bool:
    found = _window(chain, entry)
    return found is not None and found.overlaps(window)


def _p_of(entry: Entry) -> float:
    p_value = entry.content.get("p")
    return float(p_value) if isinstance(p_value, (int, float)) and 0 <= p_value <= 1 else 1.0


def _require_testable(
    chain: Chain, entries: list[Entry], hypothesis: Hypothesis, window: DataWindow, run: str
) -> Entry | None:
    proposals = _of(entries, "proposed", hypothesis.id)
    if not proposals:
        raise ConfigurationError(
            f"The hypothesis {hypothesis.id} is not registered in {chain.path}: register it before it is tested."
        )
    tests = _of(entries, "tested", hypothesis.id)
    if own := next((entry for entry in tests if run and _is_of(entry, run, window)), None):
        return own
    _refuse_again(chain, tests, hypothesis, window, "tested")
    _refuse_again(chain, _of(entries, "traded", hypothesis.id), hypothesis, window, "traded")
    wide = window.widened(hypothesis.horizon)
    for entry in proposals:
        if _overlaps(chain, entry, wide):
            raise ConfigurationError(
                f"The hypothesis {hypothesis.id} was proposed from bars within {hypothesis.horizon} bars (its horizon) "
                f"of the window from {window.first} to {window.last}: test it on a window further away."
            )
    return None


def _require_tradable(
    chain: Chain, entries: list[Entry], hypothesis: Hypothesis, window: DataWindow, run: str
) -> Entry | None:
    tests = _of(entries, "tested", hypothesis.id)
    if not tests:
        raise ConfigurationError(
            f"The hypothesis {hypothesis.id} was never tested in {chain.path}: test it before it trades a last window."
        )
    trades = _of(entries, "traded", hypothesis.id)
    if own := next((entry for entry in trades if run and _is_of(entry, run, window)), None):
        return own
    _refuse_again(chain, trades, hypothesis, window, "traded")
    _refuse_again(chain, tests, hypothesis, window, "tested")
    _refuse_again(chain, _of(entries, "proposed", hypothesis.id), hypothesis, window, "proposed")
    return None


def _is_of(entry: Entry, run: str, window: DataWindow) -> bool:
    return bool(entry.content.get("run") == run and entry.content.get("window") == window.id)


def _refuse_again(chain: Chain, entries: list[Entry], hypothesis: Hypothesis, window: DataWindow, done: str) -> None:
    for entry in entries:
        if _overlaps(chain, entry, window):
            raise ConfigurationError(
                f"The hypothesis {hypothesis.id} was {done} on {entry.at} on bars of the window from {window.first} to "
                f"{window.last} (entry {entry.number} of {chain.path}): choose a window that it has not seen."
            )


def _is_itself(entry: Entry, where: str) -> bool:
    """Whether an entry is about the statement that it holds; raises ``ConfigurationError``, which begins with
    ``where``, for what states nothing."""
    if entry.kind != "proposed":
        return True
    require("hypothesis", entry.content["statement"], where)
    return entry.statement == statement_id(entry.content["statement"])
