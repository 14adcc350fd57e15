"""Training rows from finished runs and from synthetic paths: which closes pass the gates, and what each is labelled.

A row is what a model would be shown at a close, under the mask and in the layout that is trained, with a label that no
model gave. What does not pass is dropped and counted by its reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from llm_strategy.advice.examples import label_of_what_followed
from llm_strategy.advice.layout import LayoutText, load_layout
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.requests import Message
from llm_strategy.market.view import ACTION_FOR_LABEL, View, causal_label, render_snapshot
from llm_strategy.types import RegimeLabel, Snapshot
from simulator.folder.record import Record, load_record
from simulator.prices.load import Prices, load_prices, moment
from simulator.prices.sources.synthetic import MOST_BARS, SCENARIOS
from simulator.runs.recorded import experiment_of, universe_of
from simulator.runs.simulation import snapshots
from simulator.training.rows import write_rows

LabelKind: TypeAlias = Literal["outcome", "regime", "rule"]
FORMAT = 1
LAYOUT = "brief"
PATH_BARS = 10_000
"""Bars of a synthetic path."""
MOST_PATHS = 1000
_NOT_MATURED = "what followed is not known yet"
_NO_REGIME = "the true regime is not on record"
_LATE = "within the validation window, or its outcome is"
_LEAK = "the text shows a number or the symbol"
_UNKNOWN = "a feature is not a number"


@dataclass(frozen=True, slots=True)
class SyntheticPaths:
    """So many seeded paths, one after the other of each scenario, with seeds from ``seed`` on; raises
    ``ConfigurationError`` for numbers out of range."""

    paths: int
    seed: int
    bars: int = PATH_BARS

    def __post_init__(self) -> None:
        for name, least, most in (("paths", 1, MOST_PATHS), ("seed", 0, 2**31), ("bars", 400, MOST_BARS)):
            if not least <= (value := getattr(self, name)) <= most:
                raise ConfigurationError(f"--{name} is {value}: give a whole number from {least} to {most:,}.")

    @property
    def sources(self) -> tuple[str, ...]:
        """The paths as sources of prices."""
        names = list(SCENARIOS)
        return tuple(
            f"synthetic:{names[number % len(names)]}?bars={self.bars}&seed={self.seed + number}"
            for number in range(self.paths)
        )


@dataclass
class Collected:
    """Rows so far with how often each came, and what was dropped."""

    layout: LayoutText
    label: LabelKind
    before: datetime | None = None
    counts: Counter[tuple[tuple[Message, ...], str]] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def take(self, seen: Sequence[Snapshot], wanted: Callable[[Snapshot], bool], prices: Prices) -> None:
        """Take the closes of one market that are ``wanted``; ``seen`` are all of them in order."""
        true = {} if prices.true_regimes is None else dict(prices.true_regimes.items())
        for number, snapshot in enumerate(seen):
            if not wanted(snapshot):
                continue
            matured = number + snapshot.momentum_bars if self.label == "outcome" else number
            if (problem := self._problem(snapshot, matured, seen)) is not None:
                self.dropped[problem] += 1
                continue
            match self.label:
                case "outcome":
                    label: RegimeLabel | None = label_of_what_followed(seen[matured])
                case "rule":
                    label = causal_label(snapshot)
                case "regime":
                    told = true.get(datetime.fromisoformat(snapshot.time))
                    label = None if told is None else RegimeLabel(told)
            text = render_snapshot(snapshot, View())
            if label is None:
                self.dropped[_NO_REGIME] += 1
            elif re.search(r"[0-9]", text) or snapshot.symbol.lower() in text.lower().split():
                self.dropped[_LEAK] += 1
            else:
                self._add(text, label)

    def _problem(self, snapshot: Snapshot, matured: int, seen: Sequence[Snapshot]) -> str | None:
        if not snapshot.known:
            return _UNKNOWN
        if matured >= len(seen):
            return _NOT_MATURED
        if not seen[matured].known:
            return _UNKNOWN
        late = self.before is not None and datetime.fromisoformat(seen[matured].time) >= self.before
        return _LATE if late else None

    def _add(self, text: str, label: RegimeLabel) -> None:
        messages = self.layout.messages(text, (), with_reason=False)
        answer = self.layout.answer.replace("{label}", label).replace("{action}", ACTION_FOR_LABEL[label])
        self.counts[messages, answer] += 1
        self.labels[label.value] += 1


def export_rows(
    out: Path,
    folders: Iterable[Path] = (),
    synthetic: SyntheticPaths | None = None,
    *,
    label: LabelKind,
    before: str | None = None,
    layout: str = LAYOUT,
    on_source: Callable[[str], None] = lambda source: None,
) -> dict[str, Any]:
    """Write the rows of runs and paths to ``out``, and return what stands beside them.

    ``before`` is where the validation window begins (ISO), which rows of runs must not reach: a label of the outcome
    must have matured before. Raises ``ConfigurationError`` where nothing is left or ``before`` is missing, and
    ``RunFolderError`` for a folder that cannot be read.
    """
    folders = [*folders]
    if folders and before is None:
        raise ConfigurationError(
            "--before is missing: name the day on which the validation window begins, such as 2013-01-01, so that no "
            "row of a run reaches into it."
        )
    if not folders and synthetic is None:
        raise ConfigurationError("Nothing is to be exported: name folders of runs, or add --synthetic 30.")
    found = Collected(load_layout(layout), label, None if before is None else moment(before, "--before"))
    runs = []
    for folder in folders:
        on_source(folder.name)
        record = load_record(folder)
        _take_run(record, found)
        runs.append(
            {
                "name": record.about.experiment["name"],
                "identity": record.manifest.get("identity"),
                "prices": record.about.prices["sha256"],
            }
        )
    in_runs, found.before = found.before, None  # paths that never existed have no validation window in time
    for source in synthetic.sources if synthetic is not None else ():
        on_source(source)
        prices = load_prices(source, log_notes=False)
        found.take(snapshots(prices), lambda _: True, prices)
    if not found.counts:
        why = (
            "; ".join(f"{count:,} dropped: {reason}" for reason, count in found.dropped.items()) or "no close is known"
        )
        raise ConfigurationError(f"No row is left ({why}): choose another --label or an earlier run.")
    about = {
        "format": FORMAT,
        "label": label,
        "layout": layout,
        "before": None if in_runs is None else before,
        "runs": runs,
        "synthetic": [*synthetic.sources] if synthetic is not None else [],
        "decisions": found.counts.total(),
        "prompts": len({messages for messages, _ in found.counts}),
        "labels": dict(sorted(found.labels.items())),
        "dropped": dict(sorted(found.dropped.items())),
    }
    write_rows(out, found.counts, about)
    return about


def _take_run(record: Record, found: Collected) -> None:
    """The closes that an advisor of a finished run decided on."""
    experiment = experiment_of(record)
    universe = universe_of(record, experiment)
    arms = [arm for arm in record.arms if arm.manifest["model"] is not None] or [*record.arms[:1]]
    decided = {(entry.decision.snapshot.symbol, entry.decision.snapshot.time) for arm in arms for entry in arm.entries}
    for symbol in universe.symbols:
        prices = universe.decisions(symbol)
        found.take(snapshots(prices, experiment), lambda snapshot: (snapshot.symbol, snapshot.time) in decided, prices)
