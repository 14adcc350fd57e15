"""Two finished runs compared: which settings, which decisions and which results differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.support.write_whole import write_whole
from simulator.evaluation.pairs import Parting
from simulator.folder.integrity import changed_evidence
from simulator.folder.manifest import put_back
from simulator.folder.outside import guard_writing
from simulator.folder.record_check import as_damage
from simulator.reporting.differences.facts import AGREEMENT, COUNTED, differing_decisions, two_runs_facts
from simulator.reporting.differences.page import difference_page, in_short
from simulator.reporting.differences.settings import Setting, differing_settings
from simulator.reporting.differences.two_runs import SIDES, TwoRuns
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts


@dataclass(frozen=True, repr=False)
class Difference:
    """What two finished runs, A and B, differ by; ``facts`` by id are what the page shows."""

    runs: TwoRuns
    differing: Sequence[Setting]
    partings: dict[str, Sequence[Parting]]
    """By pair of arms, the first closes at which they part."""
    facts: Facts

    @property
    def settings(self) -> pd.DataFrame:
        """A row a setting that differs. Columns: of (experiment, model, prices, program), key, A, B (as configured,
        missing where it is not set)."""
        return pd.DataFrame([tuple(each) for each in self.differing], columns=["of", "key", "A", "B"])

    @property
    def decisions(self) -> pd.DataFrame:
        """A row a pair of arms: counts of closes (bars, both, first_alone, second_alone, same), shares that agree and
        Cohen's kappa with the ends of their intervals (``label_kappa_low``)."""
        ends = [f"{metric}{end}" for metric in AGREEMENT for end in ("", "_low", "_high")]
        return self._rows("decisions", [*COUNTED, "parted", *ends])

    @property
    def results(self) -> pd.DataFrame:
        """A row a pair of arms: the Sharpe ratio of A minus that of B on the same bars, the ends of its interval, p,
        what could have been seen, correlation; missing where the bars differ."""
        metrics = ["sharpe_difference", "low", "high", "p_value", "detectable", "correlation"]
        return self._rows("paired", metrics)

    @property
    def first_partings(self) -> pd.DataFrame:
        """A row a close at which a pair of arms parts, the first ones: arm, time, symbol, label and action of both."""
        rows = [
            (arm, each.time, each.symbol, *each.labels, *each.actions)
            for arm, found in self.partings.items()
            for each in found
        ]
        columns = ["arm", "time", "symbol", "label_A", "label_B", "action_A", "action_B"]
        table = pd.DataFrame(rows, columns=columns)
        return table.assign(time=pd.to_datetime(table["time"]))

    def lines(self) -> list[str]:
        """The same in a few lines."""
        return list(in_short(self.runs, self.differing, self.partings, self.facts))

    def write(self, path: str | Path = "diff.html") -> Path:
        """Write the page; raises ``RunFolderError`` where the file cannot be written, or would stand in a run."""
        path = Path(path)
        with guard_writing(path, "name another file"):
            write_whole(path, difference_page(self.runs, self.differing, self.partings, self.facts))
        return path

    def as_dict(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "A": str(self.runs.records[0].folder),
            "B": str(self.runs.records[1].folder),
            "changed": dict(zip(SIDES, self.runs.changed, strict=True)),
            "settings": [each._asdict() for each in self.differing],
            "partings": {
                arm: [
                    {"time": each.time, "symbol": each.symbol, "labels": each.labels, "actions": each.actions}
                    for each in found
                ]
                for arm, found in self.partings.items()
            },
            "facts": {identity: fact.value for identity, fact in self.facts.items()},
        }

    def __repr__(self) -> str:
        first, second = (record.folder.name for record in self.runs.records)
        return f"<Difference of {first} and {second}: {len(self.differing)} settings>"

    def _rows(self, subject: str, metrics: Sequence[str]) -> pd.DataFrame:
        rows = {}
        for pair in self.runs.pairs:
            found = [self.facts[f"{pair.name}.{subject}.{metric}"].value for metric in metrics]
            rows[pair.name] = [None if value == NOT_AVAILABLE else value for value in found]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=list(metrics)).rename_axis("arm")
        return table.astype("Float64" if subject == "paired" else {})


def diff_runs(first: str | Path, second: str | Path) -> Difference:
    """Compare two finished folders, A and B; raises ``RunFolderError``.

    Arms of one name belong together, and so do the two that the reports are about. Results are subtracted only where
    both runs saw the same prices on the bars that they share.
    """
    folders = Path(first), Path(second)
    for folder in folders:
        put_back(folder)
    runs = TwoRuns.load(*folders, (changed_evidence(folders[0]), changed_evidence(folders[1])))
    with as_damage(folders[0]):
        settings = differing_settings(runs)
        found = {pair.name: differing_decisions(runs, pair) for pair in runs.pairs}
        table = two_runs_facts(runs, settings, {name: made for name, (made, _) in found.items()})
    return Difference(runs, settings, {name: partings for name, (_, partings) in found.items()}, table.facts)
