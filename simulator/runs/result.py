"""The result of a run, the same object from the command line, a script and a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Self

import pandas as pd

from llm_strategy.advice.citations import citable
from llm_strategy.llm.client import LLMClient
from llm_strategy.support.outside_text import spelled_out
from simulator.evaluation.advice import valid_share
from simulator.evaluation.measures import arm_remarks, measure
from simulator.folder.documents import LedgerRecord
from simulator.folder.hypotheses import read_hypotheses
from simulator.folder.integrity import changed_evidence
from simulator.folder.manifest import put_back
from simulator.folder.record import ArmRecord, Record, load_record
from simulator.reporting.brief.brief import Brief
from simulator.reporting.brief.file import read_brief
from simulator.reporting.facts.advisors import pair_subject
from simulator.reporting.facts.charges import open_trade_sentences, slippage_sentences
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, read_facts
from simulator.reporting.facts.reporting_checklist import checklist
from simulator.reporting.facts.run import advised_arm, advisor_arms, same_close
from simulator.reporting.facts.terms import DECISION_TERMS
from simulator.reporting.sections.arms import doubt_sentences
from simulator.reporting.sections.summary import UNREAL_FILLS, advisor_lines, rests_on
from simulator.reporting.sections.symbols import SYMBOL_TERMS, slugs_of
from simulator.reporting.verdict_words import chips, verdict_sentences
from simulator.runs.briefs.last import brief_of_record
from simulator.runs.result_html import result_html
from simulator.runs.result_rows import HYPOTHESIS_COLUMNS, answer_costs, hypothesis_row
from simulator.runs.result_tables import account_table, decision_table, order_table, trade_table

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

    def brief(self, at: str | None = None, *, symbol: str | None = None, client: LLMClient | None = None) -> Brief:
        """The summary of the market's condition at the last close up to ``at`` (ISO date or time) by the model of the
        primary arm, each figure measured and each direction checked; without ``at`` that of the page, where there is
        one.

        What the arm chose at a decision is not asked for again; the sentences are asked of the experiment's model, or
        of a ``client``, once for all. Where none can be asked the program tells everything. Raises as ``btllm brief``.
        """
        if at is None and symbol is None and client is None and (kept := read_brief(self.folder)) is not None:
            return kept
        return brief_of_record(self.record, at, symbol=symbol, client=client)

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
        each source), plan (the analytics that it chose). Texts, times and float64."""
        return decision_table(self.record).set_index(["arm", "time"])

    @cached_property
    def advisors(self) -> pd.DataFrame:
        """A row an arm that a model advised, by its name, the primary one first. Columns: model, valid_share (decisions
        with a valid advice of the model), coherent_share (advice whose label, action and rationale agree), both
        fractions, abstained and asked (decisions without advice, and questions that the model was asked in this run),
        cost (of these, in the currency of the configured prices; missing where a call had no price or none is on
        record)."""
        arms, rows = advisor_arms(self.record), {}
        costs = answer_costs(self.folder, arms)
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
        return trade_table(self.record).set_index(["arm", "trade"])

    @cached_property
    def orders(self) -> pd.DataFrame:
        """A row an order: index ``arm`` and ``order`` (number within the arm), columns as in ``orders.csv``: times,
        prices and commission in the currency of the prices, sizes in shares; ``done``, ``price`` and ``fill_price`` are
        missing where there is none."""
        return order_table(self.record).set_index(["arm", "order"])

    @cached_property
    def accounts(self) -> pd.DataFrame:
        """A row a bar of each account: index ``arm`` and ``time`` (the close), columns as in ``equity.csv``, all in
        currency: equity, cash, net and gross value of the positions, carry (paid for borrowing so far). ``equity`` is
        the first of them with a column an arm."""
        return account_table(self.record).set_index(["arm", "time"])

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

    @cached_property
    def hypotheses(self) -> pd.DataFrame:
        """A row a statement that was made of the market, by its id. Columns: sentence, proposer (model or person),
        unmasked (what the model was told in spite of the mask), registered (when), first and last (close that it was
        tested on), events and runs, effect (difference of the mean change from the usual one, in the claimed
        direction), low and high (its interval), p alone and adjusted, verdict, worth_having (whether the interval is
        all above the smallest effect worth having), rule_return and holder_return on the tested closes, last_return in
        the last window, note (why something is missing). Changes and returns are fractions."""
        document = read_hypotheses(self.folder)
        rows = {card["id"]: hypothesis_row(card) for card in document["hypotheses"]} if document else {}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=list(HYPOTHESIS_COLUMNS)).rename_axis("id")
        return table.assign(registered=pd.to_datetime(table["registered"], format="ISO8601"))

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
    def charges(self) -> list[str]:
        """What was charged of what was set, and which results rest on trades still open; often nothing."""
        said = [*slippage_sentences(self.record, self.facts), *open_trade_sentences(self.record, self.facts)]
        return [self._spelled(sentence) for sentence in said]

    @property
    def verdict(self) -> str:
        """What the comparison allows to say about the advice, in one word or two."""
        return self.facts["run.verdict"].text

    @property
    def verdicts(self) -> dict[str, str]:
        """The same for each arm that a model advised, by its name, the primary one first."""
        arms = [arm.name for arm in advisor_arms(self.record)]
        named = {arm: f"{arm}.verdict" for arm in arms}  # which earlier versions have only for several advisors
        return {arm: self.facts[name if name in self.facts else "run.verdict"].text for arm, name in named.items()}

    @cached_property
    def reasons(self) -> list[str]:
        """Why the verdict is what it is, a sentence each; empty where only rules ran, and for a report of an earlier
        version."""
        return self._told(lambda arm: verdict_sentences(self.record, arm, self.facts))

    @cached_property
    def rests_on(self) -> list[str]:
        """What the verdict rests on, a line each: timing, market, rule, and how long it would take to see more."""
        return [line.replace("*", "") for line in self._told(lambda _: rests_on(self.record, self.facts))]

    @cached_property
    def chips(self) -> list[str]:
        """The limits of the verdict, a few words each."""
        return self._told(lambda arm: chips(self.record, arm, self.facts))

    @cached_property
    def reporting_checklist(self) -> list[dict[str, str]]:
        """The checklist of honest reporting, an item each: ``item``, ``state`` (done, in part, not done, or not needed
        where no model was asked) and ``evidence`` in sentences; empty for a report of an earlier version."""
        if "reporting.temporal" not in self.facts:
            return []
        return [
            {"item": item.name, "state": str(item.state), "evidence": self._spelled(" ".join(item.evidence))}
            for item in checklist(self.record, self.facts)
        ]

    def _told(self, told_of: Callable[[ArmRecord], list[str]]) -> list[str]:
        """What is told of the primary arm, with the texts of its facts."""
        primary = advised_arm(self.record)
        if primary is None or "run.worthwhile" not in self.facts:
            return []
        return [self._spelled(text) for text in told_of(primary)]

    @property
    def advisor_lines(self) -> list[str]:
        """Where there are several advisors, how each further one compares with the primary one, a line each."""
        return [self._spelled(" ".join(line)).replace("*", "") for line in advisor_lines(self.record, self.facts)]

    def __repr__(self) -> str:
        arms = f"{len(self.record.arms)} arms" if len(self.record.arms) > 1 else self.record.arms[0].name
        return spelled_out(f"<Result of {arms}: {self.verdicts_in_line()}; report {self.report}>")

    def verdicts_in_line(self) -> str:
        """The verdict, or where there are several that of each advised arm, as a list in one line."""
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
        return result_html(self)
