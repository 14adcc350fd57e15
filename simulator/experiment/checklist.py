"""The checklist of an experiment: read, and held against what its items look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_strategy.risk.checklist import Checklist
from llm_strategy.trading.checklist_file import read_checklist
from llm_strategy.trading.checklist_inputs import analytics_of
from simulator.experiment.arms import Arm
from simulator.prices.config import DataConfig

_ENSEMBLE = "ensemble"


def with_checklist(risk: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """The section ``risk`` of a document with its checklist read, whose file is looked for in this folder."""
    given = risk.get("checklist")
    return {**risk} if given is None else {**risk, "checklist": read_checklist(given, folder, "risk.checklist")}


def idle_items(checklist: Checklist | None, plan: Sequence[Arm], data: DataConfig) -> Iterator[str]:
    """A sentence for each: questions where no model answers, disagreement where no ensemble does, and analytics that
    look at other symbols where there is one alone, or at volumes that are not read. Who answers may stand in
    ``configs/llm.yaml``, and is not known then."""
    if checklist is None:
        return
    advised = [arm.config for arm in plan if arm.config is not None]
    for item in checklist.questions if not advised else ():
        yield f"risk.checklist: items.{item.name} asks a model, and no arm has one: leave the item out, or add the arm."
    if all(config.backend not in (None, _ENSEMBLE) for config in advised):
        for item in checklist.items:
            if "advice.disagreement" in item.fields:
                yield (
                    f"risk.checklist: items.{item.name} looks at the disagreement of an ensemble, and no arm has one: "
                    "leave the item out, or set advisor.backend to ensemble."
                )
    for name, analytic in analytics_of(checklist).items():
        if "symbols" in analytic.needs and len(data.sources or ()) < 2:
            yield (
                f"risk.checklist speaks of {name}, which looks at other symbols, and there is one alone: leave it out, "
                "or name more symbols in data.sources."
            )
        if "volume" in analytic.needs and data.volume == "none":
            yield (
                f"risk.checklist speaks of {name}, which looks at volumes, and data.volume is none: leave it out, or "
                "let volumes be read."
            )
