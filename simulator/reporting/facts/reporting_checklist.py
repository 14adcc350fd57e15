"""The checklist of honest reporting, filled from the record: what was done against each way in which a backtest
misleads, and what was not.

An item is *done*, done *in part*, *not done*, or *not needed* where no model was asked. Its evidence are sentences
whose figures are facts; what the record does not back is not said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from simulator.evaluation.verdict import STALE_SHARE
from simulator.experiment import COPY_ARM, REFERENCE_ARM
from simulator.folder.evidence import EVIDENCE
from simulator.folder.later_bars import Origin
from simulator.folder.record import Record
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts, FactTable, listed_names
from simulator.reporting.facts.run import advised_arm, arm_settings, market_arms, same_close, subject_arm
from simulator.reporting.facts.terms import Unit
from simulator.reporting.facts.verdict import NO_IDENTITY

COMMISSIONS = ("commission_bps", "commission_per_share", "commission_per_trade", "commission_minimum")
SLIPPAGES = ("slippage_bps", "slippage_per_share", "slippage_volatility", "impact", "spread_bps")


class State(StrEnum):
    """How far an item was met."""

    DONE = "done"
    IN_PART = "in part"
    NOT_DONE = "not done"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist: its ``name``, how far it was met, sentences (ids of facts in braces), and the id of
    the section that holds the evidence."""

    key: str
    name: str
    state: State
    evidence: tuple[str, ...]
    section: str


def add_checklist(table: FactTable, record: Record) -> None:
    """Add the state of each item, and the counts that it rests on alone."""
    filled = early = 0
    for arm in record.arms:
        is_filled = arm.orders["filled"].to_numpy(dtype=np.float64) != 0
        filled += int(is_filled.sum())
        early += int((is_filled & (arm.orders["done"].to_numpy() <= arm.orders["created"].to_numpy())).sum())
    table.add("reporting", "fills", filled, Unit.COUNT, "fills of all arms")
    table.add("reporting", "early_fills", early, Unit.COUNT, "fills not later than the close that sent their order")
    for item in checklist(record, table.facts):
        table.add("reporting", item.key, str(item.state), Unit.TEXT, f"how far this was met: {item.name.lower()}")


def checklist(record: Record, facts: Facts) -> list[Item]:
    """All items in their order."""
    return [Item(key, name, *fill(record, facts), section) for key, (name, fill, section) in _ITEMS.items()]


_Filled = tuple[State, tuple[str, ...]]


def _temporal(record: Record, facts: Facts) -> _Filled:
    arm = subject_arm(record).name
    said = ["Of {reporting.fills} fills, {reporting.early_fills} came no later than the close that sent their order."]
    wrong = bool(facts["reporting.early_fills"].value)
    if same_close(record):
        said.append("Market orders filled at the very close that decided them (orders.fill: same_close).")
        return State.NOT_DONE, tuple(said)
    if (stale := _number(facts, "run.stale_opens")) is not None:
        said.append("Behind {run.stale_opens} of the decisions the next open only repeats the close.")
        wrong |= stale >= STALE_SHARE
    for metric, words in (("calibration_bars", "calibrated on"), ("label_bars", "shown as examples")):
        if f"{arm}.{metric}" in facts and facts[f"{arm}.{metric}"].value == Origin.LATER:
            said.append(f"What the model was {words} came from later bars.")
            wrong = True
    if advised_arm(record) is not None:
        known, sentence = _memory(arm, facts)
        said.append(sentence)
        wrong |= not known
    return State.IN_PART if wrong else State.DONE, tuple(said)


def _memory(arm: str, facts: Facts) -> tuple[bool, str]:
    """Whether the model can have known what came, as far as that is on record."""
    shown = _text(facts, f"{arm}.identity_shown")
    if _number(facts, f"{arm}.knowledge_share") == 0:
        return True, "All bars are from behind the stated knowledge cutoff of the model."
    if shown == NO_IDENTITY:
        return False, "The model was shown nothing that names the period; whether it knows it all the same is open."
    return False, "The model may have read about these bars, and nothing here rules that out."


def _frictions(record: Record, facts: Facts) -> _Filled:
    costs: Mapping[str, Any] = record.manifest["experiment"]["costs"]
    arm = subject_arm(record).name
    is_set = [any(costs.get(key) for key in keys) for keys in (COMMISSIONS, SLIPPAGES)]
    missing = [name for name, found in zip(("commission", "slippage and spread"), is_set, strict=True) if not found]
    said = [
        f"{arm} paid {{{arm}.commission}} of commission, {{{arm}.slippage}} of slippage and {{{arm}.carry}} for "
        "borrowing."
    ]
    if missing:
        said.append(f"Not charged: {listed_names(missing)}.")
    if f"{arm}.robust.costs_2.sharpe" in facts:
        said.append(
            f"At twice the costs its Sharpe ratio is {{{arm}.robust.costs_2.sharpe}} in place of "
            f"{{{arm}.robust.own.sharpe}}."
        )
    return _how_far(2 - len(missing), 2), tuple(said)


def _counterfactuals(record: Record, facts: Facts) -> _Filled:
    arm, names = subject_arm(record).name, [one.name for one in record.arms]
    beside = [
        words
        for words, is_there in (
            ("the market", bool(market_arms(record))),
            ("the causal rule", REFERENCE_ARM in names and arm != REFERENCE_ARM),
            ("a copy of the prompt's examples", COPY_ARM in names),
            ("a strategy without a model", any("strategy" in arm_settings(record, name) for name in names)),
        )
        if is_there
    ]
    said = [f"Held against {listed_names(beside)}."] if beside else ["Held against nothing but itself."]
    moved = f"{arm}.timing.p" in facts
    said.append(
        f"Traded again {{{arm}.timing.placebos}} times with the same holding times at other moments (p "
        f"{{{arm}.timing.p}})."
        if moved
        else "Not traded again at other moments."
    )
    if f"{arm}.beyond_rule.p" in facts:
        said.append(f"Its deviations from the causal rule at other moments: p {{{arm}.beyond_rule.p}}.")
    if advised_arm(record) is None:
        return _how_far(len(beside[:1]), 1), tuple(said[:1])
    return _how_far(moved + len(beside[:2]), 3), tuple(said)


def _calibration(record: Record, facts: Facts) -> _Filled:
    if advised_arm(record) is None:
        return State.NOT_NEEDED, ("No model was asked.",)
    arm = subject_arm(record).name
    if f"{arm}.confidence.skill" in facts:
        return State.DONE, (
            f"Right on {{{arm}.confidence.right}} of {{{arm}.confidence.actions}} actions at a mean confidence of "
            f"{{{arm}.confidence.mean}}; Brier skill {{{arm}.confidence.skill}}.",
        )
    if f"{arm}.confidence.actions" in facts:
        return State.IN_PART, (
            f"Right on {{{arm}.confidence.right}} of {{{arm}.confidence.actions}} actions; it gave too few different "
            "confidences to tell whether higher ones are right more often.",
        )
    return State.NOT_DONE, ("Its confidence was held against nothing: too few actions that point up or down.",)


def _execution(record: Record, facts: Facts) -> _Filled:
    arm = subject_arm(record).name
    said = [
        "All fills are those of a simulated broker: no order book, no queue and no outage is in them.",
        f"Entry bars of {arm} that went through their own stop, which it cannot fill: {{{arm}.entry_bar_breaches}}; "
        f"orders pending at the end: {{{arm}.pending}}.",
    ]
    late = f"{arm}.robust.late.sharpe" in facts and facts[f"{arm}.robust.late.sharpe"].value != NOT_AVAILABLE
    said.append(
        f"With each decision one bar late the Sharpe ratio is {{{arm}.robust.late.sharpe}} in place of "
        f"{{{arm}.robust.own.sharpe}}."
        if late
        else "What a delay would change was not measured."
    )
    return State.NOT_DONE if same_close(record) else State.IN_PART, tuple(said)


def _universe(record: Record, facts: Facts) -> _Filled:
    ended = len({table.index[-1] for table in record.prices.values()}) > 1
    said = [
        "{run.symbols} symbols" if len(record.prices) > 1 else "One symbol",
        " from {run.source}, {run.bars} bars from {run.first_bar} to {run.last_bar}.",
    ]
    more = ["Some of them end before the others."] if ended else []
    why = "Which others there were to choose from, and why these bars were taken, is not on record."
    return State.IN_PART, ("".join(said), *more, why)


def _held_out(record: Record, facts: Facts) -> _Filled:
    number = _number(facts, "run.trials_overlap")
    words = "configuration was" if number == 1 else "configurations were"
    tried = (
        [] if number is None else [f"At least {{run.trials_overlap}} {words} tried on these bars, this one included."]
    )
    if "run.openings" in facts:
        fresh = facts["run.openings"].value == 1 and facts["run.tried_before_opening"].value == 0
        again = _number(facts, "run.openings")
        opened = "opened for the first time" if again == 1 else "opened {run.openings} times" if again else "opened"
        said = (
            f"These bars were sealed, and {opened}; configurations tried on them before: {{run.tried_before_opening}}."
        )
        return State.DONE if fresh else State.IN_PART, (said, *tried)
    if "run.sealed_from" in facts:
        return State.IN_PART, (
            "The bars from {run.sealed_from} on ({run.sealed_bars} decisions) are sealed, and nothing is told of them "
            "yet.",
            *tried,
        )
    return State.NOT_DONE, ("No bars were sealed before the run.", *tried)


def _draws(record: Record, facts: Facts) -> _Filled:
    if advised_arm(record) is None:
        return State.NOT_NEEDED, ("No model was asked.",)
    if "noise.states" not in facts:
        return State.NOT_DONE, ("Every answer is that of one draw.",)
    return State.DONE, (
        "Asked everything {noise.draws} times: another action in {noise.action_flips_by_bars} of the pairs of "
        "decisions, Sharpe ratios from {noise.sharpe_lowest} to {noise.sharpe_highest}.",
    )


def _artefacts(record: Record, facts: Facts) -> _Filled:
    kept = all(set(EVIDENCE) <= {*(arm.manifest.get("files") or {})} for arm in record.arms)
    prices = bool(record.manifest["prices"].get("sha256"))
    said = []
    if kept:
        said.append(
            "Decisions with prompts and answers, orders, trades and accounts of every arm are kept, with their hashes."
        )
    if prices:
        said.append("So is the hash of the prices." if kept else "The hash of the prices is kept.")
    source = record.manifest.get("git")
    said.append(
        "The commit of the source tree is on record."
        if source
        else "Which commit of the source tree ran is not on record, its version is."
    )
    return _how_far(kept + prices, 2), tuple(said)


_ITEMS: dict[str, tuple[str, Callable[[Record, Facts], _Filled], str]] = {
    "temporal": ("Temporal integrity", _temporal, "copying"),
    "frictions": ("Frictions", _frictions, "costs-waterfall"),
    "counterfactuals": ("Counterfactuals", _counterfactuals, "timing"),
    "calibration": ("Calibration", _calibration, "confidence"),
    "execution": ("Execution", _execution, "trades"),
    "universe": ("Universe", _universe, "symbols"),
    "held_out": ("Held-out window", _held_out, "trials"),
    "draws": ("Draws", _draws, "noise"),
    "artefacts": ("Artefacts", _artefacts, "provenance"),
}
"""By key the name of an item, who fills it, and the section with its evidence."""


def not_done(record: Record, facts: Facts) -> Iterator[str]:
    """The names of the items that were not done, in their order."""
    yield from (item.name for item in checklist(record, facts) if item.state is State.NOT_DONE)


def _how_far(met: int, wanted: int) -> State:
    return State.DONE if met >= wanted else State.IN_PART if met else State.NOT_DONE


def _number(facts: Facts, identity: str) -> float | None:
    fact = facts.get(identity)
    return None if fact is None or isinstance(fact.value, str) else float(fact.value)


def _text(facts: Facts, identity: str) -> str | None:
    fact = facts.get(identity)
    return None if fact is None else str(fact.value)
