"""Which arm plays which part in a report."""

from __future__ import annotations

from simulator.folder.record import ArmRecord, Record

REFERENCE_ARM = "regime_rule"
"""The causal rule whose labels an advisor's are compared with."""
RANDOM_ARM = "random"
"""Chance with the holding times of the advised arm: nothing that advice is meant to beat by itself."""
MARKET_ARM = "buy_and_hold"
"""What the gate alone does to a holder."""
BENCHMARKS = (MARKET_ARM, REFERENCE_ARM)
"""The arms that advice must beat to have added anything: the market, and the rule that needs no model."""


def benchmark_arms(record: Record) -> list[str]:
    """The arms that the verdict rests on: the benchmarks among them, or else all but the advised one."""
    names = [arm.name for arm in record.arms if arm is not advised_arm(record)]
    return [name for name in BENCHMARKS if name in names] or names


def advised_arm(record: Record) -> ArmRecord | None:
    """The arm that a model advised: ``llm``, or else the first one with a model; ``None`` where only rules ran."""
    modelled = [arm for arm in record.arms if arm.manifest["model"] is not None]
    return next((arm for arm in modelled if arm.name == "llm"), modelled[0] if modelled else None)


def subject_arm(record: Record) -> ArmRecord:
    """The arm that a page is about: the advised one, or else the first."""
    return advised_arm(record) or record.arms[0]


def same_close(record: Record) -> bool:
    """Whether market orders filled at the very close that decided them, which nobody could have done."""
    return bool(record.manifest["experiment"]["orders"]["fill"] == "same_close")
