"""A seeded fact table of the kind that a comparison gives, with no two figures alike."""

from __future__ import annotations

import random

from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.terms import ARM_TERMS, PAIR_TERMS, Unit
from simulator.reporting.sections.model import MODEL_TERMS

ARMS = ("llm", "buy_and_hold", "sma_cross", "momentum")
RANGES = {
    "total_return": (-0.4, 1.9), "volatility": (0.05, 0.3), "sharpe": (-0.9, 1.6), "max_drawdown": (0.1, 0.6),
    "exposure": (0.1, 0.99), "time_in_market": (0.1, 0.99), "trades": (5, 400), "costs": (12.0, 9_000.0),
}  # fmt: skip


def made_facts(seed=7):
    """Facts of four arms, three pairs, the model, failures and cuts; the advisor is dead."""
    drawn = random.Random(seed)
    table = FactTable()
    table.add("run", "subject", "llm", Unit.TEXT, "arm that the page is about")
    for name, count in {"questions": 4760, "distinct": 216, "from_record": 4544}.items():
        table.term("model", name, MODEL_TERMS[name], count)
    for arm in ARMS:
        for metric, (low, high) in RANGES.items():
            value = drawn.uniform(low, high) if isinstance(low, float) else drawn.randint(low, high)
            table.term(arm, metric, ARM_TERMS[metric], value)
    table.term("llm", "decisions", ARM_TERMS["decisions"], 4752)
    table.term("llm", "constant_share", ARM_TERMS["constant_share"], 0.998)
    table.term("llm", "life", ARM_TERMS["life"], "dead")
    table.counts("llm", "statuses", {"advised": 4731, "repaired": 8, "abstained": 13})
    table.counts("llm", "clamps", {"max_position": 311})
    for arm in ARMS[1:]:
        difference = table.number("llm.sharpe") - table.number(f"{arm}.sharpe")
        width = drawn.uniform(0.2, 0.9)
        figures = {
            "sharpe_difference": difference, "low": difference - width, "high": difference + width * 1.1,
            "p_value": drawn.uniform(0.01, 0.9), "detectable": drawn.uniform(0.2, 0.9),
        }  # fmt: skip
        for metric, value in figures.items():
            term = PAIR_TERMS[metric]
            table.add(f"llm-{arm}", metric, value, term.unit, term.words.format("llm", arm))
    return table.facts
