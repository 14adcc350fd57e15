"""The arms beside each other, what trading cost, and doubts: a late first decision, states that could hardly be told
apart, a gate that let nothing through. Costs and doubts are facts only where there is something to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from simulator.evaluation.measures import measure
from simulator.evaluation.sameness import CUT_AWAY, SAME_LABEL, SAME_TEXT, SAME_TREND, cut_away
from simulator.folder.manifest import advisor_settings
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Column, Details, Heading, Paragraph, Table, in_markdown, on_page
from simulator.reporting.facts.charges import add_charges, cash_sentence, open_trade_sentences, slippage_sentences
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable
from simulator.reporting.facts.run import advisor_arms, day, join_names, main_arms, subject_arm, ungated_arms
from simulator.reporting.facts.terms import Term, Unit, listed
from simulator.reporting.sections.symbols import slugs_of

_CURES = {
    "max_participation": "the bars hold too little volume for such sizes, or count something else than shares; see "
    "data.volume and risk.max_participation",
    "lot_step": "one lot is more than an entry may be; raise costs.starting_cash, or set a smaller risk.lot_step",
    "min_notional": "risk.min_notional is more than an entry may be; lower it, or raise costs.starting_cash",
    "max_risk_per_trade": "a stop so far away risks too much; raise risk.max_risk_per_trade, or bring the stops closer",
}


FEW_SYMBOLS = 5
"""Symbols whose price changes are named one by one beside the arms."""


def facts(table: FactTable, record: Record) -> None:
    """Add costs and doubts."""
    add_costs(table, record.manifest["experiment"]["costs"])
    add_charges(table, record)
    add_doubts(table, record)


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """The tables of all arms, and what bears on them."""
    arms = [arm.name for arm in main_arms(record)]
    costs, changes = cost_sentences(facts), _price_changes(record)
    yield Heading("Arms" if len(arms) > 1 else "Result", "arms")
    table = table_of_arms(record, listed("arms"))
    yield replace(table, rows=[*table.rows, *_at_other_moments(record, facts)])
    if doubts := doubt_sentences(record, facts):
        yield Paragraph(doubts, "strong")
    over = "Sharpe over what cash earned" if "costs.cash_rate" in facts else "without a risk-free rate"
    risk = f"Volatility and Sharpe are annual, {over}. Drawdown is the largest loss from an earlier peak."
    charged = [*slippage_sentences(record, facts), *open_trade_sentences(record, facts)]
    size = "Exposure is the mean value of all positions over equity, turnover the traded value a year over mean equity."
    paid = (
        "Costs are commission, slippage, borrow and financing in the currency of the prices, and a year as a share of "
        "equity."
    )
    hits = "Hits are the share of closed trades that won after commission."
    costs += [cash_sentence(facts)] if "costs.cash_rate" in facts else []
    yield on_page(Paragraph([*costs, *charged, *changes]), Paragraph([risk, size, paid, hits], "note"))
    yield in_markdown(Paragraph([*costs, *charged]), Paragraph(changes), Paragraph([risk, paid]))
    more = [(term.words, *(f"{{{arm}.{metric}}}" for arm in arms)) for metric, term in listed("more").items()]
    title = "More figures of each arm"
    yield on_page(Details(title, [Table(["Figure", *arms], more, label=title)]))


def table_of_arms(record: Record, terms: Mapping[str, Term]) -> Table:
    """A row for each arm, a column for each term; the arm that the page is about stands out among several."""
    return table_of(record, [arm.name for arm in main_arms(record)], terms)


def table_of_gated(record: Record, terms: Mapping[str, Term]) -> Table:
    """The same of the arms that traded through the gate."""
    ungated = ungated_arms(record)
    return table_of(record, [arm.name for arm in record.arms if arm.name not in ungated], terms)


def table_of(record: Record, arms: list[str], terms: Mapping[str, Term]) -> Table:
    """The same of the arms of these names."""
    ungated = ungated_arms(record)
    columns = [Column("Arm"), *(Column(term.heading) for term in terms.values())]
    rows = [
        (f"{arm} (no gate)" if arm in ungated else arm, *(f"{{{arm}.{metric}}}" for metric in terms)) for arm in arms
    ]
    return Table(columns, rows, marked=subject_arm(record).name if len(record.arms) > 1 else None)


def _at_other_moments(record: Record, facts: Facts) -> Iterator[tuple[str, ...]]:
    """A row for the accounts with the holding times of each advised arm at other moments: their means, and where most
    of them lie."""
    advisors = [arm.name for arm in advisor_arms(record)]
    for arm in advisors:
        if f"{arm}.timing.placebos" not in facts:
            continue
        among = {
            metric: f"{{{arm}.timing.{name}mean}} ({{{arm}.timing.{name}low}} to {{{arm}.timing.{name}high}})"
            for metric, name in (("total_return", "return_"), ("sharpe", ""), ("max_drawdown", "drawdown_"))
        }
        whose = f"{arm} at other moments" if len(advisors) > 1 else "other moments"
        yield f"{whose} ({{{arm}.timing.placebos}})", *(among.get(metric, NOT_AVAILABLE) for metric in listed("arms"))


def _price_changes(record: Record) -> list[str]:
    """How far the price of each symbol moved, or of many symbols in the mean."""
    prefixes = [f"symbol.{slug}" for slug in slugs_of(record.prices).values()]
    if len(prefixes) > FEW_SYMBOLS:
        return [
            "From its first decision to its last close the price of a symbol changed by {run.mean_price_change} on "
            "average; each one is listed under Symbols."
        ]
    changes = [f"{{{prefix}.name}} by {{{prefix}.price_change}}" for prefix in prefixes]
    moves = ", that of ".join(changes).replace("} by", "} changed by", 1)
    return [f"From the first decision to the last close the price of {moves}."]


def add_doubts(table: FactTable, record: Record) -> None:
    """Add what the sentences are made of."""
    for arm in advisor_arms(record) or [subject_arm(record)]:
        _add_sameness(table, arm)
    gated = [each for each in record.arms if each.name not in ungated_arms(record)]
    cut = cut_away(sum((measure(each).cuts for each in gated), Counter()))
    if cut is not None and cut.share >= CUT_AWAY:
        table.add("run", "cut_away", cut.share, Unit.FRACTION, "share of entries cut away by a limit of the trade")
        table.add("run", "cut_away_by", cut.limit, Unit.TEXT, "limit that cut most of them away")
    _add_late_start(table, record)


def _add_sameness(table: FactTable, arm: ArmRecord) -> None:
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


def _add_late_start(table: FactTable, record: Record) -> None:
    start, prices = record.manifest["experiment"]["data"].get("start"), record.manifest["prices"]
    needed = prices.get("warm_up", 1) - 1
    before = {symbol: market.get("before_start", needed) for symbol, market in prices["symbols"].items()}
    late = [symbol for symbol, bars in before.items() if bars < needed]
    if start is None or not late:
        return
    first = min(pd.Timestamp(prices["symbols"][symbol]["first_decision"]) for symbol in late)
    table.add("run", "start", start, Unit.TEXT, "data.start")
    table.add(
        "run", "late_symbols", join_names(late), Unit.TEXT, "symbols whose first decision is later than data.start"
    )
    table.add("run", "late_first", day(first), Unit.TEXT, "first decision on one of them")
    table.add("run", "warm_up", needed, Unit.BARS, "bars that a first decision needs before it")
    table.add("run", "before_start", min(before.values()), Unit.BARS, "fewest of these that stand before data.start")


def doubt_sentences(record: Record, facts: Facts) -> list[str]:
    """The sentences, ids of facts in braces; empty where there is nothing to say."""
    arm, sentences = subject_arm(record).name, []
    if "run.late_symbols" in facts:
        sentences.append(
            "Decisions on {run.late_symbols} begin at {run.late_first} and not at data.start ({run.start}): a first "
            "decision needs {run.warm_up} bars before it, and {run.before_start} stand there. Begin the file earlier, "
            "or set shorter advisor.lookbacks and baselines."
        )
    advisors = [each.name for each in advisor_arms(record)] or [arm]
    for name in advisors:
        if f"{name}.same_text" in facts or f"{name}.same_trend" in facts:
            what = "text" if f"{name}.same_text" in facts else "trend"
            numbers = advisor_settings(record.arm(name).manifest).get("style", "words") == "numbers"
            cure = (
                "more advisor.decimals" if numbers else "advisor.style numbers, other advisor.lookbacks or longer bars"
            )
            whose = f" of {name}" if len(advisors) > 1 else ""
            sentences.append(
                f"The model{whose} could hardly tell states apart: {{{name}.same_{what}}} of the decisions showed it "
                f"the same {what}. It needs {cure}."
            )
    if f"{arm}.same_label" in facts:
        sentences.append(
            f"There was little to tell apart: the causal rule says {{{arm}.same_label_name}} at {{{arm}.same_label}} "
            "of the decisions."
        )
    if "run.cut_away" in facts:
        sentences.append(
            "The gate cut {run.cut_away} of the entries that the arms asked for to nothing, or to less than a "
            f"hundredth of their size, mostly by {{run.cut_away_by}}: {_CURES[str(facts['run.cut_away_by'].value)]}."
        )
    return sentences


_COMMISSION = {
    "commission_bps": "{} basis points of the traded value",
    "commission_per_share": "{} a share",
    "commission_per_trade": "{} a trade",
    "commission_minimum": "at least {} a trade",
    "commission_maximum_bps": "at most {} basis points of the value",
}
_SLIPPAGE = {
    "slippage_bps": "{} basis points of the price",
    "slippage_per_share": "{} a share",
    "slippage_volatility": "{} times the volatility of one bar",
    "spread_bps": "half of a spread of {} basis points",
    "impact": "market impact of {} times the volatility of one bar times the square root of the order's share of the "
    "bar's volume",
}
_CARRY = {"borrow_rate": "borrowed shares cost {} a year", "financing_rate": "borrowed cash costs {} a year"}
_RATES = ("borrow_rate", "financing_rate", "max_fill_share")


def add_costs(table: FactTable, costs: Mapping[str, Any]) -> None:
    """Add ``costs.KEY`` for every cost that is not zero, the starting cash, and what bounds a fill."""
    table.add("costs", "starting_cash", costs["starting_cash"], Unit.CURRENCY, "cash at the start")
    if costs["preset"] != "none":
        table.add("costs", "preset", costs["preset"], Unit.TEXT, "preset of the costs")
    for key in (*_COMMISSION, *_SLIPPAGE, *_CARRY, "max_fill_share"):
        if costs[key]:
            rate = key in _RATES
            shown = f"{100 * costs[key]:g}%" if rate else f"{costs[key]:g}"
            unit = Unit.FRACTION if rate else Unit.RATIO
            table.add("costs", key, costs[key], unit, f"{key.replace('_', ' ')} of the costs", shown)
    if costs["leverage"] > 1:
        table.add("costs", "leverage", costs["leverage"], Unit.RATIO, "leverage", f"{costs['leverage']:g}")
    for number, tier in enumerate(costs["commission_tiers"], start=1):
        table.add("costs", f"tier_{number}_bps", tier["bps"], Unit.RATIO, f"rate of tier {number}", f"{tier['bps']:g}")
        above = f"{tier['above']:,g}" if tier["above"] < 1e6 else f"{tier['above']:,.0f}"
        table.add("costs", f"tier_{number}_above", tier["above"], Unit.CURRENCY, f"start of tier {number}", above)


def cost_sentences(facts: Facts) -> list[str]:
    """What trading cost, ids of facts in braces."""
    tiers = [
        f"{{costs.tier_{number}_bps}} basis points of a trade worth more than {{costs.tier_{number}_above}}"
        for number in range(1, len(facts))
        if f"costs.tier_{number}_bps" in facts
    ]
    commission, slippage = [*tiers, *_in_force(facts, _COMMISSION)], list(_in_force(facts, _SLIPPAGE))
    parts = [
        f"{name} {', '.join(found)}" for name, found in (("commission", commission), ("slippage", slippage)) if found
    ]
    parts += _in_force(facts, _CARRY)
    preset = " (preset {costs.preset})" if "costs.preset" in facts else ""
    sentences = ["Each arm began with {costs.starting_cash} in cash."]
    sentences.append(
        f"Costs in force{preset}: {'; '.join(parts)}."
        if parts
        else "No costs are charged, neither commission nor slippage: real figures would be worse."
    )
    if "costs.leverage" in facts:
        sentences.append("The broker lends: positions may be worth up to {costs.leverage} times equity.")
    return sentences


def fill_sentence(facts: Facts) -> str:
    """How much of an order fills, and what that does to the price."""
    fills = (
        "Orders fill up to {costs.max_fill_share} of a bar's volume on each bar"
        if "costs.max_fill_share" in facts
        else "Orders of any size fill"
    )
    return f"{fills}." if "costs.impact" in facts else f"{fills}, and do not move the price: there is no market impact."


def _in_force(facts: Facts, words: Mapping[str, str]) -> Iterator[str]:
    for key, phrase in words.items():
        if f"costs.{key}" in facts:
            yield phrase.format(f"{{costs.{key}}}")
