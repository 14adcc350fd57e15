"""What stands under the table of arms: a late first decision, states that could hardly be told apart, and a gate that
let nothing through. Facts are added only where there is something to say."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from simulator.evaluation.measures import measure
from simulator.evaluation.sameness import CUT_AWAY, SAME_LABEL, SAME_TEXT, SAME_TREND, cut_away
from simulator.folder.record import Record
from simulator.reporting.facts.fact import Facts, Unit
from simulator.reporting.facts.run import day, named, subject_arm
from simulator.reporting.facts.table import FactTable

_CURES = {
    "max_participation": "the bars hold too little volume for such sizes, or count something else than shares; see "
    "data.volume and risk.max_participation",
    "lot_step": "one lot is more than an entry may be; raise costs.starting_cash, or set a smaller risk.lot_step",
    "min_notional": "risk.min_notional is more than an entry may be; lower it, or raise costs.starting_cash",
    "max_risk_per_trade": "a stop so far away risks too much; raise risk.max_risk_per_trade, or bring the stops closer",
}


def add_doubts(table: FactTable, record: Record) -> None:
    """Add what the sentences are made of."""
    arm = subject_arm(record)
    same = measure(arm).sameness
    if same is not None:
        if same.text is not None and same.text >= SAME_TEXT:
            words = f"share of the decisions of {arm.name} with the most frequent text"
            table.add(arm.name, "same_text", same.text, Unit.FRACTION, words)
        elif same.trend is not None and same.trend >= SAME_TREND:
            words = f"share of the decisions of {arm.name} with the most frequent trend in their text"
            table.add(arm.name, "same_trend", same.trend, Unit.FRACTION, words)
        if same.label >= SAME_LABEL:
            words = f"share of the decisions of {arm.name} with the most frequent label of the causal rule"
            table.add(arm.name, "same_label", same.label, Unit.FRACTION, words)
            table.add(arm.name, "same_label_name", same.label_name, Unit.TEXT, f"that label of {arm.name}")
    cut = cut_away(sum((measure(each).cuts for each in record.arms), Counter()))
    if cut is not None and cut.share >= CUT_AWAY:
        table.add("run", "cut_away", cut.share, Unit.FRACTION, "share of entries cut away by a limit of the trade")
        table.add("run", "cut_away_by", cut.limit, Unit.TEXT, "limit that cut most of them away")
    _add_late_start(table, record)


def _add_late_start(table: FactTable, record: Record) -> None:
    start, prices = record.manifest["experiment"]["data"].get("start"), record.manifest["prices"]
    needed = prices.get("warm_up", 1) - 1
    before = {symbol: market.get("before_start", needed) for symbol, market in prices["symbols"].items()}
    late = [symbol for symbol, bars in before.items() if bars < needed]
    if start is None or not late:
        return
    first = min(pd.Timestamp(prices["symbols"][symbol]["first_decision"]) for symbol in late)
    table.add("run", "start", start, Unit.TEXT, "data.start")
    table.add("run", "late_symbols", named(late), Unit.TEXT, "symbols whose first decision is later than data.start")
    table.add("run", "late_first", day(first), Unit.TEXT, "first decision on one of them")
    table.add("run", "warm_up", needed, Unit.BARS, "bars that a first decision needs before it")
    table.add("run", "before_start", min(before.values()), Unit.BARS, "fewest of these that stand before data.start")


def doubt_sentences(record: Record, facts: Facts) -> list[str]:
    """The sentences, ids of facts in braces; empty where there is nothing to say."""
    arm, said = subject_arm(record).name, []
    if "run.late_symbols" in facts:
        said.append(
            "Decisions on {run.late_symbols} begin at {run.late_first} and not at data.start ({run.start}): a first "
            "decision needs {run.warm_up} bars before it, and {run.before_start} stand there. Begin the file earlier, "
            "or set shorter advisor.lookbacks and baselines."
        )
    if f"{arm}.same_text" in facts or f"{arm}.same_trend" in facts:
        what = "text" if f"{arm}.same_text" in facts else "trend"
        experiment = record.manifest["experiment"]
        numbers = experiment["advisor"]["style"] == "numbers"
        cure = "more advisor.decimals" if numbers else "advisor.style numbers, other advisor.lookbacks or longer bars"
        said.append(
            f"The model could hardly tell states apart: {{{arm}.same_{what}}} of the decisions showed it the same "
            f"{what}. It needs {cure}."
        )
    if f"{arm}.same_label" in facts:
        said.append(
            f"There was little to tell apart: the causal rule says {{{arm}.same_label_name}} at {{{arm}.same_label}} "
            "of the decisions."
        )
    if "run.cut_away" in facts:
        said.append(
            "The gate cut {run.cut_away} of the entries that the arms asked for to nothing, or to less than a "
            f"hundredth of their size, mostly by {{run.cut_away_by}}: {_CURES[str(facts['run.cut_away_by'].value)]}."
        )
    return said
