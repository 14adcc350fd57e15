"""Every figure that a report may show, measured from a saved run folder and named once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.folder.record import Record
from simulator.reporting.facts.arm import add_arm, add_pair, add_ranks, overall
from simulator.reporting.facts.fact import Fact, Unit
from simulator.reporting.facts.run import add_run, advised_arm
from simulator.reporting.facts.symbol import add_symbols
from simulator.reporting.facts.table import FactTable
from simulator.reporting.facts.vocabulary import MODEL_TERMS
from simulator.reporting.sections.costs import add_costs
from simulator.reporting.sections.doubts import add_doubts
from simulator.reporting.sections.noise import add_noise
from simulator.reporting.sections.worst_case import add_harm


def build_facts(record: Record) -> dict[str, Fact]:
    """All facts of a run or comparison by id, in the order of the report."""
    table = FactTable()
    add_run(table, record)
    add_costs(table, record.manifest["experiment"]["costs"])
    for name, term in MODEL_TERMS.items():
        table.term("model", name, term, record.manifest["usage"].get(name, 0))
    for arm in record.arms:
        add_arm(table, record, arm)
    add_ranks(table, [arm.name for arm in record.arms])
    add_symbols(table, record)
    add_harm(table, record.folder)
    add_doubts(table, record)
    advised = advised_arm(record)
    if advised is not None:
        add_noise(table, record, advised)
    for other in record.arms:
        if advised is not None and other is not advised:
            add_pair(table, record, advised, other)
    table.add("run", "verdict", overall(table, record, advised), Unit.TEXT, "verdict on the advice")
    return table.facts


def explanation_facts(explanation: Mapping[str, Any]) -> dict[str, Fact]:
    """The counts of an explanation as facts, for the page that shows it."""
    table = FactTable()
    for name, count in explanation["counts"].items():
        table.add("explanation", name, count, Unit.COUNT, f"sentences of the explanation {name.replace('_', ' ')}")
    return table.facts
