"""The lines of a ``decisions.jsonl`` as entries of a journal, where what lines repeat is read and checked once.

The lines of a run are alike: a few hundred different outcomes, and the same closes in every arm. A line is cut into
bar, snapshot, time and what is left, its outcome, which is looked up by its text, as the snapshot is. Whatever cannot
be found so is for the reader to take as plain JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from llm_strategy.risk import Verdict
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import Decision, Snapshot
from simulator.folder.record_check import DAMAGE, is_snapshot

_MOST_OUTCOMES = 4_096
_MOST_SNAPSHOTS = 65_536
_LONGEST_BAR = 15
"""Digits of a bar's number."""

_Outcome: TypeAlias = tuple[str, str, str, str]


class _Cut(NamedTuple):
    """A line in parts, of which ``outcome`` is all but the others."""

    outcome: _Outcome
    bar: str
    snapshot: str
    time: str


class _Close(NamedTuple):
    """A snapshot with its time as JSON writes it."""

    snapshot: Snapshot
    time: str


_outcomes: dict[_Outcome, tuple[Decision, Verdict]] = {}
_closes: dict[str, _Close] = {}


def known_entry(line: str) -> Entry | None:
    """The entry of a line of a journal whose outcome was read before (``keep_entry``); None for another one."""
    if (cut := _cut(line)) is None or (known := _outcomes.get(cut.outcome)) is None:
        return None
    if (snapshot := _snapshot_of(cut)) is None:
        return None
    one, verdict = known
    decision = Decision(
        snapshot,
        one.status,
        one.advice,
        one.abstention,
        one.policy,
        one.prompt,
        one.exchanges,
        one.repairs,
        one.instead_of,
        one.context,
        one.plan,
    )
    return Entry(int(cut.bar), decision, verdict)


def keep_entry(line: str, row: Mapping[str, Any], entry: Entry) -> None:
    """Keep the outcome of a line that was read as JSON, checked, and made an entry."""
    if (cut := _cut(line)) is not None and _snapshot_of(cut) is not None and _is_cut_right(cut, row):
        if len(_outcomes) >= _MOST_OUTCOMES:
            _outcomes.clear()
        _outcomes[cut.outcome] = entry.decision, entry.verdict


def _cut(line: str) -> _Cut | None:
    """The parts of a line as ``write_decision`` writes it; None for another one."""
    before, _, rest = line.partition(',"bar":')
    bar, _, rest = rest.partition(",")
    after, _, rest = rest.rpartition(',"snapshot":')
    snapshot, _, rest = rest.partition(',"status":')
    status, _, rest = rest.partition(',"time":"')
    time, found, verdict = rest.partition('","verdict":')
    is_number = bar.isascii() and bar.isdigit() and len(bar) <= _LONGEST_BAR and (bar == "0" or bar[0] != "0")
    return _Cut((before, after, status, verdict), bar, snapshot, time) if found and is_number else None


def _snapshot_of(cut: _Cut) -> Snapshot | None:
    """The snapshot of a line, the same object for the same text; None where it is no sound one, or of another time."""
    close = _closes.get(cut.snapshot)
    if close is None:
        try:
            held = json.loads(cut.snapshot)
            if not is_snapshot(held):
                return None
            snapshot = Snapshot.from_record(held)
            close = _Close(snapshot, json.dumps(snapshot.time)[1:-1])
        except DAMAGE:
            return None
        if len(_closes) >= _MOST_SNAPSHOTS:
            _closes.clear()
        _closes[cut.snapshot] = close
    return close.snapshot if close.time == cut.time else None


def _is_cut_right(cut: _Cut, row: Mapping[str, Any]) -> bool:
    """Whether bar, snapshot and time of the line are those parts, each a whole value of JSON, so that lines of the same
    outcome differ in them alone. It shows where other values in their places are read."""
    before, after, status, verdict = cut.outcome
    try:
        other = json.loads(f'{before},"bar":-1,{after},"snapshot":-1,"status":{status},"time":"","verdict":{verdict}')
    except DAMAGE:
        return False
    return (other["bar"], other["snapshot"], other["time"]) == (-1, -1, "") and row["bar"] != -1 and row["time"] != ""
