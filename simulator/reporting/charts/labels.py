"""The colours of regime labels, in tables and in charts."""

from __future__ import annotations

from llm_strategy.market.regimes import Regimes

LABEL_COLOURS = (
    "#d2609a", "#2f9aa0", "#b39a2f", "#5f74c9", "#c0504d", "#4fa36b", "#a9764f", "#7f8c3f", "#4b9be0", "#e58a45",
    "#9a63c4", "#8d949c",
)  # fmt: skip
"""For a person's own labels without a colour: told apart on a light page and on a dark one, those last that are like
the colours of the causal rule's labels, which stand in the same table."""


def label_colours(regimes: Regimes) -> dict[str, str]:
    """The colour of each label as a style sheet writes it."""
    if regimes.are_usual:
        return {name: kind.colour or f"var(--{name})" for name, kind in regimes.kinds.items()}
    chosen = {kind.colour.lower() for kind in regimes.kinds.values()}
    free = (colour for colour in LABEL_COLOURS if colour not in chosen)
    return {name: kind.colour or next(free) for name, kind in regimes.kinds.items()}
