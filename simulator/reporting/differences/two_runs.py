"""Two finished runs beside each other: which arms belong together, and whether they traded the same bars."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.evaluation.measures import measure
from simulator.evaluation.regimes import BySymbol
from simulator.folder.evidence import PRICE_COLUMNS
from simulator.folder.record import ArmRecord, Record, load_record
from simulator.reporting.facts.fact import Facts, read_facts
from simulator.reporting.facts.run import subject_arm

SIDES = ("A", "B")
"""What the two runs are called beside each other, as in ``btllm diff A B``."""


@dataclass(frozen=True, eq=False)
class ArmPair:
    """An arm of A and the arm of B that it is held against."""

    first: ArmRecord
    second: ArmRecord

    @property
    def name(self) -> str:
        """How both are called in tables and ids of facts."""
        same = self.first.name == self.second.name
        return self.first.name if same else f"{self.first.name}-{self.second.name}"

    @property
    def is_advised(self) -> bool:
        """Whether a model decided in one of them."""
        return any(arm.manifest["model"] is not None for arm in (self.first, self.second))

    def decisions(self) -> tuple[BySymbol, BySymbol]:
        """The decisions of both, numbered by their times: a bar has another number where the data begin earlier."""
        sides = measure(self.first).decisions, measure(self.second).decisions
        numbered: tuple[dict[str, object], dict[str, object]] = ({}, {})
        for symbol in sides[0].keys() & sides[1].keys():
            times = sorted({time for side in sides for time in side[symbol].times})
            place = {time: number for number, time in enumerate(times)}
            for found, side in zip(numbered, sides, strict=True):
                made = side[symbol]
                found[symbol] = replace(made, bars=array("q", (place[time] for time in made.times)))
        return numbered  # type: ignore[return-value]


@dataclass(frozen=True)
class TwoRuns:
    """The records of two folders with the facts of their reports, A first."""

    records: tuple[Record, Record]
    facts: tuple[Facts, Facts]
    changed: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Files of each folder that are not as the run wrote them."""

    @classmethod
    def load(cls, first: Path, second: Path, changed: tuple[tuple[str, ...], tuple[str, ...]]) -> TwoRuns:
        """Read two finished folders, of which these files were ``changed``; raises ``RunFolderError``."""
        records = load_record(first), load_record(second)
        facts = read_facts(first / "facts.json"), read_facts(second / "facts.json")
        return cls(records, facts, changed)

    @cached_property
    def pairs(self) -> list[ArmPair]:
        """The arms that belong together, those that the pages are about first: arms of one name, and the two that the
        pages are about where neither name stands in the other run."""
        first, second = self.records
        there = {arm.name: arm for arm in second.arms}
        found = [ArmPair(arm, there[arm.name]) for arm in first.arms if arm.name in there]
        about = subject_arm(first), subject_arm(second)
        paired = {arm.name for pair in found for arm in (pair.first, pair.second)}
        if not paired & {arm.name for arm in about}:
            found.append(ArmPair(*about))
        return sorted(found, key=lambda pair: (pair.first is not about[0], not pair.is_advised))

    @cached_property
    def unpaired(self) -> tuple[list[str], list[str]]:
        """The arms of A that B has nothing like, and those of B."""
        taken = [{pair.first.name for pair in self.pairs}, {pair.second.name for pair in self.pairs}]
        left = [[arm.name for arm in record.arms if arm.name not in taken[n]] for n, record in enumerate(self.records)]
        return left[0], left[1]

    @cached_property
    def shared_bars(self) -> pd.Index:
        """The bars of the account that both runs have."""
        first, second = (subject_arm(record).equity.index for record in self.records)
        return first.intersection(second)

    @cached_property
    def same_bars(self) -> bool:
        """Whether both saw the same prices of the same symbols on the bars that both have."""
        return len(self.shared_bars) > 1 and same_prices(
            self.records[0].prices, self.records[1].prices, self.shared_bars
        )

    @cached_property
    def same_window(self) -> bool:
        """Whether neither run has a bar of the account that the other lacks, so that figures of whole runs can be
        subtracted."""
        return self.same_bars and all(
            len(subject_arm(record).equity) == len(self.shared_bars) for record in self.records
        )

    def values(self, pair: ArmPair, metric: str) -> tuple[float | None, float | None]:
        """A figure of both arms of a pair, as their reports have it."""
        found = []
        for facts, arm in zip(self.facts, (pair.first, pair.second), strict=True):
            fact = facts.get(f"{arm.name}.{metric}")
            found.append(None if fact is None or isinstance(fact.value, str) else fact.value)
        return found[0], found[1]


def same_prices(first: Mapping[str, pd.DataFrame], second: Mapping[str, pd.DataFrame], bars: pd.Index) -> bool:
    """Whether two sets of prices have the same symbols and, on these bars, the same rows."""
    if first.keys() != second.keys():
        return False
    for symbol in first:
        tables = [side[symbol].loc[side[symbol].index.isin(bars)] for side in (first, second)]
        if not tables[0].index.equals(tables[1].index):
            return False
        values = [table[PRICE_COLUMNS[2:]].to_numpy(dtype=np.float64) for table in tables]
        if not np.array_equal(values[0], values[1], equal_nan=True):
            return False
    return True
