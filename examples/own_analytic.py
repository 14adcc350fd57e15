"""An analytic of one's own; ``advisor: {context: [features, analytics: {names: ["examples/own_analytic.py:CALM"]}]}``.

It sees bars that have closed, says how many, and gives named figures: a number, a word, or None where there is none.
"""

from llm_strategy import Analytic, Past, Quantity


def calm(past: Past) -> dict[str, float | None]:
    """How many bars in a row moved by less than half of the usual."""
    moves = abs(past.bars.close[1:] / past.bars.close[:-1] - 1)
    loud = (moves >= moves.mean() / 2).nonzero()[0]
    return {"bars": len(moves) - 1 - loud[-1] if len(loud) else None, "last": moves[-1]}


OUTPUTS = {"bars": Quantity("bars", "quiet bars in a row"), "last": Quantity("fraction", "size of the last move")}
CALM = Analytic("calm", "how long the market has been quiet", 61, calm, OUTPUTS)
