"""What the worst advice could have done: figures of ``harm.json``, where a run folder holds one."""

from __future__ import annotations

import json
import math
from pathlib import Path

from llm_strategy.errors import RunFolderError
from simulator.reporting.facts.fact import Facts
from simulator.reporting.facts.run import MARKET_ARM
from simulator.reporting.facts.table import FactTable
from simulator.reporting.facts.vocabulary import HARM_TERMS

HARM = "harm.json"
"""``worst_return``, ``worst_drawdown`` and ``bound``, fractions: total return and largest drawdown of an adviser who
knew the next bar and proposed the worst action at each close, and the largest drawdown that the limits allow."""

UNBOUNDED = 0.999
"""A bound above this share of equity bounds nothing."""


def add_harm(table: FactTable, folder: Path) -> None:
    """Add the figures of the folder, none where it holds none; ``RunFolderError`` for a file that cannot be read."""
    path = folder / HARM
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        values = {name: float(found[name]) for name in HARM_TERMS}
        if not all(math.isfinite(value) for value in values.values()):
            raise ValueError("a figure is not finite")
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): run the experiment again.") from None
    for name, term in HARM_TERMS.items():
        table.add("harm", name, values[name], term.unit, term.words)


def harm_sentences(facts: Facts) -> list[str]:
    """The section in plain words, ids of facts in braces; empty where nothing was measured."""
    if "harm.bound" not in facts:
        return []
    said = [
        "Suppose the adviser knew the next bar and chose the worst action at every close. Through the same limits and "
        "costs the account would have returned {harm.worst_return} and lost {harm.worst_drawdown} from its highest "
        "value."
    ]
    if f"{MARKET_ARM}.total_return" in facts:
        said.append(
            f"Under the same limits {MARKET_ARM} returned {{{MARKET_ARM}.total_return}} and lost "
            f"{{{MARKET_ARM}.max_drawdown}} from its highest value."
        )
    said.append(
        "These limits bound no loss over the whole period: the kill switch re-arms and as much may be lost again, or "
        "an exit may take any number of bars."
        if _number(facts, "bound") > UNBOUNDED
        else "No advice at all could have lost more than {harm.bound} on these prices: there the kill switch closes "
        "everything, the largest adverse move that it cannot foresee included."
    )
    if _number(facts, "worst_drawdown") > _number(facts, "bound"):
        said.append("The worst adviser lost more than that: the limits did not hold, trust no figure of this run.")
    return said


def _number(facts: Facts, name: str) -> float:
    value = facts[f"harm.{name}"].value
    return math.nan if isinstance(value, str) else float(value)
