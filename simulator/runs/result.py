"""The result of a run, the same object from the command line, a script and a notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import combinations
from pathlib import Path
from typing import Self

import pandas as pd

from llm_strategy.advice.citations import citable
from llm_strategy.support.outside_text import spelled_out
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import shown_text
from simulator.evaluation.advice import valid_share
from simulator.evaluation.measures import arm_remarks, measure
from simulator.folder.documents import LedgerRecord
from simulator.folder.integrity import changed_evidence
from simulator.folder.manifest import put_back
from simulator.folder.record import ArmRecord, Record, load_record
from simulator.folder.workspace import AUDIT
from simulator.reporting.facts.advisors import pair_subject
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, read_facts
from simulator.reporting.facts.run import advisor_arms, same_close
from simulator.reporting.facts.terms import DECISION_TERMS
from simulator.reporting.sections.arms import doubt_sentences
from simulator.reporting.sections.summary import UNREAL_FILLS, advisor_lines
from simulator.reporting.sections.symbols import SYMBOL_TERMS, slugs_of

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


DECISION_COLUMNS = (
    "symbol", "status", "label", "action", "confidence", "rationale", "policy", "intent", "size", "stop_pct",
    "target_pct", "reason", "close", "context",
)  # fmt: skip


ADVISOR_COLUMNS = ("model", "valid_share", "coherent_share", "abstained", "cost", "asked")
_OF_TEXT = ("available_at", "source")


@dataclass(frozen=True, repr=False)
class Result:
    """A finished run folder: ``facts`` by id, and the ``record`` it was measured from."""

    folder: Path
    facts: Facts

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a finished folder; raises ``RunFolderError``."""
        folder = Path(folder)
        put_back(folder)
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

    @cached_property
    def equity(self) -> pd.DataFrame:
        """Account values: a row a bar (index ``time``, timestamps without zone), a column an arm, in currency at the
        close; from the first decision on."""
        return pd.DataFrame({arm.name: arm.equity["equity"] for arm in self.record.arms}).rename_axis("time")

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Returns of the account from one bar to the next: index and columns as in ``equity`` without its first row,
        fractions (0.01 is one percent), costs taken off."""
        return self.equity.pct_change(fill_method=None).iloc[1:]

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """A row a decision. Index: ``arm`` and ``time`` (the close that decided), so that ``decisions.loc["llm"]`` is
        one arm. Columns: symbol, status (advised, repaired, abstained), label, action and confidence (0 to 1) as
        advised, missing where it abstained, rationale, policy (allow, review, deny), intent (what the gate made of it),
        size (shares), stop_pct and target_pct (fractions of the fill), reason (why it abstained, or the gate did
        nothing), close (the price), context (what the model was shown beside the market's line, a paragraph for
        each source)."""
        rows = [_decision_row(arm.name, entry) for arm in self.record.arms for entry in arm.entries]
        table = pd.DataFrame(rows, columns=["arm", "time", *DECISION_COLUMNS])
        return table.assign(time=pd.to_datetime(table["time"])).set_index(["arm", "time"])

    @cached_property
    def advisors(self) -> pd.DataFrame:
        """A row an arm that a model advised, by its name, the primary one first. Columns: model, valid_share (decisions
        with a valid advice of the model), coherent_share (advice whose label, action and rationale agree), both
        fractions, abstained and asked (decisions without advice, and questions that the model was asked in this run),
        cost (of these, in the currency of the configured prices; missing where a call had no price or none is on
        record)."""
        arms, rows = advisor_arms(self.record), {}
        costs = _answer_costs(self.folder, arms)
        for arm in arms:
            counts, usage = measure(arm).advice, arm.about.usage
            model = (arm.about.model or {}).get("name")
            valid = valid_share(counts)
            abstained = counts.statuses.get("abstained", 0)
            rows[arm.name] = (model, valid, counts.coherent_share, abstained, costs[arm.name], usage.asked)
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(ADVISOR_COLUMNS)).rename_axis("arm")

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """A row for any two of the advisors, index ``first`` and ``second``: what ``DECISION_TERMS`` counts and the
        ends of its intervals (``label_kappa``, ``label_kappa_low``, ``label_kappa_high``), missing where there is
        none. Shares, kappas and returns are fractions; ``verdict`` says whether their decisions can be told apart."""
        names = [arm.name for arm in advisor_arms(self.record)]
        rows = {}
        for first, second in combinations(names, 2):
            subject = f"{pair_subject(first, second)}."
            found = {fact.metric: fact.value for name, fact in self.facts.items() if name.startswith(subject)}
            rows[first, second] = {key: None if value == NOT_AVAILABLE else value for key, value in found.items()}
        index = pd.MultiIndex.from_tuples(list(rows), names=["first", "second"]) if rows else None
        columns = [f"{metric}{end}" for metric in DECISION_TERMS for end in ("", "_low", "_high")]
        known = set().union(*rows.values()) if rows else set(DECISION_TERMS)
        table = pd.DataFrame(list(rows.values()), index, [column for column in columns if column in known])
        return table.astype({column: float for column in table if column not in ("first_parting", "verdict")})

    @cached_property
    def trades(self) -> pd.DataFrame:
        """A row a round trip: index ``arm`` and ``trade`` (number within the arm), columns as in ``trades.csv``: times,
        prices and amounts in the currency of the prices, sizes in shares."""
        tables = [arm.trades.assign(arm=arm.name) for arm in self.record.arms]
        return pd.concat([table for table in tables if len(table)] or tables[:1]).set_index(["arm", "trade"])

    @cached_property
    def documents(self) -> pd.DataFrame:
        """A row for each text that a model was shown at a decision. Index: ``arm`` and ``time`` (the close). Columns:
        symbol, id, available_at (timestamp, UTC), source, rank (1 is the best, cited as [D1])."""
        rows: list[list[object]] = []
        for arm in self.record.arms:
            ledger = LedgerRecord.read(arm.decisions.path.parent)
            for entry in arm.entries if ledger is not None else ():
                seen = entry.decision.snapshot
                for rank, identity in enumerate(citable(entry.decision.context), 1):
                    about = ledger.record(identity) if ledger is not None else {}
                    rows.append([arm.name, seen.time, seen.symbol, identity, *map(about.get, _OF_TEXT), rank])
        table = pd.DataFrame(rows, columns=["arm", "time", "symbol", "id", *_OF_TEXT, "rank"])
        times = {
            "time": pd.to_datetime(table["time"]),
            "available_at": pd.to_datetime(table["available_at"], utc=True, format="ISO8601"),
        }
        return table.assign(**times).set_index(["arm", "time"])

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
        """What must not be overlooked of the whole result: that its evidence was changed, or that its fills could not
        have been had; else empty."""
        changed = changed_evidence(self.folder)
        said = [f"Evidence changed since the run: {', '.join(changed)}."] if changed else []
        return " ".join([*said, *(UNREAL_FILLS if same_close(self.record) else ())])

    @cached_property
    def remarks(self) -> list[str]:
        """A sentence for the arms that traded nothing or next to nothing, with the reason."""
        return arm_remarks(self.record.arms)

    @property
    def notes(self) -> tuple[str, ...]:
        """What one must know of the prices and limits before reading the figures, a sentence each."""
        return self.record.about.notes or ()

    @property
    def doubts(self) -> list[str]:
        """What stands under the table: a late first decision, states that could hardly be told apart, a gate that let
        nothing through; mostly nothing."""
        return [self._spelled(sentence) for sentence in doubt_sentences(self.record, self.facts)]

    @property
    def verdict(self) -> str:
        """What the comparison allows to say about the advice, in one word or two."""
        return self.facts["run.verdict"].text

    @property
    def verdicts(self) -> dict[str, str]:
        """The same for each arm that a model advised, by its name, the primary one first."""
        arms = [arm.name for arm in advisor_arms(self.record)]
        return {arm: self.facts[f"{arm}.verdict" if len(arms) > 1 else "run.verdict"].text for arm in arms}

    @property
    def advisor_lines(self) -> list[str]:
        """Where there are several advisors, how each further one compares with the primary one, a line each."""
        return [self._spelled(" ".join(line)).replace("*", "") for line in advisor_lines(self.record, self.facts)]

    def __repr__(self) -> str:
        arms = f"{len(self.record.arms)} arms" if len(self.record.arms) > 1 else self.record.arms[0].name
        return spelled_out(f"<Result of {arms}: {self._verdicts_in_line()}; report {self.report}>")

    def _verdicts_in_line(self) -> str:
        if len(self.verdicts) < 2:
            return self.verdict
        return ", ".join(f"{arm} {verdict}" for arm, verdict in self.verdicts.items())

    def _spelled(self, sentence: str) -> str:
        """A sentence of the report with the texts of its facts."""
        return re.sub(r"\{([^{}]+)\}", lambda part: self.facts[part[1]].text, sentence)

    def _rows(self, cell: Callable[[str], object]) -> pd.DataFrame:
        arms = [arm.name for arm in self.record.arms]
        return pd.DataFrame({metric: {arm: cell(f"{arm}.{metric}") for arm in arms} for metric in COLUMNS})

    def _repr_html_(self) -> str:
        warning = f"<p><strong>{escape(self.warning)}</strong></p>" if self.warning else ""
        notes = "".join(f"<p>Note: {escape(note)}</p>" for note in self.notes)
        several = len(self.verdicts) > 1
        told = escape(f"{'Verdicts' if several else 'Verdict'}: {self._verdicts_in_line()}. Report: {self.report}")
        return spelled_out(f"{warning}{notes}<p>{told}</p>{self.shown.to_html()}")


def _decision_row(arm: str, entry: Entry) -> tuple[object, ...]:
    """The cells of ``Result.decisions``."""
    decision, gate = entry.decision, entry.verdict
    snapshot, advice, abstained = decision.snapshot, decision.advice, decision.abstention
    advised = (
        (str(advice.regime.label), advice.action.type.value, advice.action.confidence, advice.rationale)
        if advice
        else (None,) * 4
    )
    return (
        arm, snapshot.time, snapshot.symbol, decision.status.value, *advised, decision.policy.verdict.value,
        gate.intent.value, gate.size, gate.stop_pct, gate.target_pct,
        f"{abstained.reason}: {abstained.detail}" if abstained else gate.reason, snapshot.close,
        shown_text(decision.context),
    )  # fmt: skip


def _answer_costs(folder: Path, arms: Sequence[ArmRecord]) -> dict[str, float | None]:
    """By arm, the cost of what its model was asked in this run, read from the audit log, in the currency of the
    configured prices.

    ``None`` where a call had no price, where the folder holds no readable log, and where several arms share an advisor,
    of whose questions the log does not say for which arm they were.
    """
    by_advisor: dict[str, float | None] = {}
    try:
        lines = (folder / AUDIT).read_text(encoding="utf-8").splitlines()
        for asked in map(json.loads, lines):
            name, cost = str(asked.get("advisor", "")), asked["cost"]
            before = by_advisor.get(name, 0.0)
            by_advisor[name] = before + float(cost) if before is not None and not isinstance(cost, str) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return dict.fromkeys((arm.name for arm in arms), None)
    advisors = [str(arm.manifest.get("advisor") or "") for arm in arms]
    return {
        arm.name: by_advisor.get(advisor, by_advisor.get("", 0.0) if len(arms) == 1 else 0.0)
        if advisors.count(advisor) == 1
        else None
        for arm, advisor in zip(arms, advisors, strict=True)
    }
