"""The result of a run, the same object from the command line, a script and a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import pandas as pd

from simulator.record import Record, load_record
from simulator.reporting.doubts import doubt_sentences
from simulator.reporting.fact import Facts
from simulator.reporting.fact_file import read_facts
from simulator.reporting.roles import same_close
from simulator.reporting.statements import UNREAL_FILLS
from simulator.reporting.symbol_facts import slugs_of
from simulator.reporting.vocabulary import SYMBOL_TERMS

COLUMNS = {
    "total_return": "total return",
    "volatility": "volatility",
    "sharpe": "Sharpe",
    "max_drawdown": "max drawdown",
    "exposure": "exposure",
    "turnover": "turnover",
    "trades": "trades",
    "costs": "costs",
}
"""Metrics of the table of arms, and their headings."""


@dataclass(frozen=True)
class Result:
    """A finished run folder: ``facts`` by id, and the ``record`` it was measured from."""

    folder: Path
    facts: Facts

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a finished folder; raises ``RunFolderError``."""
        folder = Path(folder)
        return cls(folder, read_facts(folder / "facts.json"))

    @cached_property
    def record(self) -> Record:
        """Decisions, orders, trades, equity and prices as tables."""
        return load_record(self.folder)

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    @property
    def table(self) -> pd.DataFrame:
        """One row an arm: values (fractions, ratios, currency) under the metrics of ``COLUMNS``."""
        return self._rows(lambda identity: self.facts[identity].value)

    @property
    def shown(self) -> pd.DataFrame:
        """The same table in the spelling of the report."""
        return self._rows(lambda identity: self.facts[identity].text).rename(columns=COLUMNS)

    @property
    def symbols(self) -> pd.DataFrame:
        """One row a symbol, as traded by the arm that the report is about: the values of ``SYMBOL_TERMS``."""
        slugs = slugs_of(self.record.prices)
        columns = [metric for metric in SYMBOL_TERMS if metric != "name"]
        rows = {
            symbol: [self.facts[f"symbol.{slug}.{metric}"].value for metric in columns]
            for symbol, slug in slugs.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    @property
    def warning(self) -> str:
        """What must not be overlooked of the whole result: that its fills could not have been had; else empty."""
        return " ".join(UNREAL_FILLS) if same_close(self.record) else ""

    @property
    def doubts(self) -> list[str]:
        """What stands under the table: a late first decision, states that could hardly be told apart, a gate that let
        nothing through; mostly nothing."""
        sentences = doubt_sentences(self.record, self.facts)
        return [re.sub(r"\{([^{}]+)\}", lambda part: self.facts[part[1]].text, sentence) for sentence in sentences]

    @property
    def verdict(self) -> str:
        """What the comparison allows to say about the advice, in one word or two."""
        return self.facts["run.verdict"].text

    def _rows(self, cell: Callable[[str], object]) -> pd.DataFrame:
        arms = [arm.name for arm in self.record.arms]
        return pd.DataFrame({metric: {arm: cell(f"{arm}.{metric}") for arm in arms} for metric in COLUMNS})

    def _repr_html_(self) -> str:
        warning = f"<p><strong>{self.warning}</strong></p>" if self.warning else ""
        return f"{warning}<p>Verdict: {self.verdict}. Report: {self.report}</p>{self.shown.to_html()}"
