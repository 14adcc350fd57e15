"""The page of facts: every figure that a page may show, with its id, unit and words, from the catalogue of terms."""

from __future__ import annotations

from collections.abc import Mapping

from documentation.markdown import cell, code, table
from simulator.reporting.facts import terms
from simulator.reporting.facts.terms import CountTerm, Term, Unit

_CATALOGUES: tuple[tuple[str, str, Mapping[str, Term]], ...] = (
    ("One arm", "ARM.{}", terms.ARM_TERMS),
    ("Two arms", "FIRST-SECOND.{}", terms.PAIR_TERMS),
    ("The decisions of two advisors", "pair.FIRST.SECOND.{}", terms.DECISION_TERMS),
    ("Each of several advisors", "ARM.{}", terms.ADVISOR_TERMS),
    ("One label", "ARM.regimes.LABEL.{}", terms.REGIME_TERMS),
)
_UNITS = {
    Unit.FRACTION: "1.0 is 100 percent; shown as percent",
    Unit.POINTS: 'a difference of two fractions; shown in percentage points, "12.3 pp"',
    Unit.RATIO: "a pure number",
    Unit.COUNT: "how many",
    Unit.BARS: "bars",
    Unit.CURRENCY: "the currency of the prices",
    Unit.SECONDS: "seconds",
    Unit.TEXT: "words",
}


def facts() -> str:
    """The page: units, then a table for each catalogue."""
    parts = [
        "# Facts",
        "Every figure on a page is the text of a fact, which stands with its id, value, unit and words in `facts.json` "
        "of the run folder and in `Result.facts`. Figures that a single section adds for itself (`ARM.timing.p`, "
        "`ARM.copy.nearest_share`, `run.verdict`) are named on the page of that section.",
        '```python title="behind a run: result = compare(...)"\nresult.facts["regime_rule.sharpe"].value\n```',
        "## Units",
        table(("unit", "what a value counts"), [(code(unit), cell(_UNITS[unit])) for unit in Unit]),
    ]
    for heading, pattern, catalogue in _CATALOGUES:
        rows = [
            (code(pattern.format(key)), code(term.unit), cell(term.words), _better(term))
            for key, term in catalogue.items()
        ]
        parts += [f"## {heading}", table(("id", "unit", "what", "better"), rows)]
    parts += ["## Counted by kind", "`ARM.KEY.KIND`, one for each kind that came.", table(("key", "what"), _counted())]
    return "\n\n".join(parts) + "\n"


def _counted() -> list[tuple[str, str]]:
    counted: Mapping[str, CountTerm] = terms.COUNTED_TERMS
    return [(code(f"ARM.{key}.KIND"), cell(f"{term.words} KIND")) for key, term in counted.items()]


def _better(term: Term) -> str:
    return {1: "more", -1: "less"}.get(term.better, "")
