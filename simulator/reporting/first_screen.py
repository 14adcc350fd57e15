"""What a portfolio manager needs before anything else: three plain sentences, the differences that the verdict rests on
as a picture, and the accounts behind them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.evaluation.verdict import Word
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Figure, Items, on_page
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, INK, Bars, Layer, Line, Marks, Upright, Words
from simulator.reporting.charts.scale import Rows, numbers_around
from simulator.reporting.facts.fact import NOT_AVAILABLE, Facts
from simulator.reporting.facts.verdict import WORDS as BENCHMARK_WORDS
from simulator.reporting.facts.verdict import benchmarks_of, verdict_of, worthwhile_of
from simulator.reporting.sections.charts import draw_accounts

_MEANS = {
    Word.ADDS: "Luck alone would seldom do so well, and neither market nor rule did better: worth a test on bars that "
    "nobody has seen yet.",
    Word.NOT_WORTH_HAVING: "An advantage that would be worth paying for is ruled out: there is no reason to pay for "
    "this advice.",
    Word.SUBTRACTS: "Most accounts that held as long at other moments did better: following this advice cost money.",
    Word.CANNOT_TELL: "Luck alone does as much often enough: this run is no reason to follow the advice, nor to drop "
    "it.",
    Word.REPEATS: "The model mostly handed back an answer that stood in its prompt: the same can be had without a "
    "model.",
    Word.NOT_ATTRIBUTABLE: "What it earned cannot be put down to its reading of the market: see above why.",
    Word.FAILED: "The run did not end as it should: none of its figures says anything of the advice.",
    Word.DEAD: "It gave the same answer whatever it was shown: this is the account of a constant, not of advice.",
    Word.NOT_COMPARED: "Nothing ran beside it: whether the advice added anything cannot be seen here.",
}
"""What a verdict means for somebody who has money at stake, by its word."""
_NONE = np.array([])


def opening(record: Record, arm: ArmRecord, facts: Facts) -> Iterator[Block]:
    """The sentences and both pictures, each where there is something to tell."""
    if sentences := plain_sentences(record, arm, facts):
        yield Items(sentences, look="plain")
    charts = [chart for chart in (draw_differences(record, arm, facts), _accounts(record, arm)) if chart is not None]
    yield on_page(*map(Figure, charts))


def plain_sentences(record: Record, arm: ArmRecord, facts: Facts) -> list[str]:
    """What was earned and lost beside the market, what that means, and how much trading it took."""
    name, market = arm.name, benchmarks_of(record, arm).get("market")
    said = []
    # Growth a year of a few months is what nobody has had.
    short = float(facts["run.years"].value) < 1
    made, over = ("total_return", "in {run.years} years") if short else ("cagr", "a year")
    if _known(facts, f"{name}.{made}", f"{name}.max_drawdown"):
        beside = f"Following {name} made {{{name}.{made}}} {over} and lost {{{name}.max_drawdown}} at worst"
        if market is not None and _known(facts, f"{market}.{made}", f"{market}.max_drawdown"):
            beside += f"; holding the market made {{{market}.{made}}} and lost {{{market}.max_drawdown}}"
        said.append(f"{beside}.")
    said.append(_MEANS[verdict_of(record, arm, facts).word])
    if _known(facts, f"{name}.exposure", f"{name}.trades", f"{name}.cost_rate"):
        said.append(
            f"It traded {{{name}.trades}} times, had {{{name}.exposure}} of its money at stake on average, and paid "
            f"{{{name}.cost_rate}} a year for trading."
        )
    return said


def _known(facts: Facts, *names: str) -> bool:
    return all(name in facts and facts[name].value != NOT_AVAILABLE for name in names)


def draw_differences(record: Record, arm: ArmRecord, facts: Facts) -> Chart | None:
    """The difference of the Sharpe ratio from market, rule and copy, each with its interval, zero and what would be
    worth having marked; None where none was measured."""
    found = []
    for benchmark, other in benchmarks_of(record, arm).items():
        worth, pair = f"{arm.name}.worth.{benchmark}", f"{arm.name}-{other}"
        if not _known(facts, worth, f"{worth}_low", f"{worth}_high"):
            continue
        low, at, high = (float(facts[f"{worth}{end}"].value) for end in ("_low", "", "_high"))
        seen = float(facts[f"{pair}.detectable"].value) if _known(facts, f"{pair}.detectable") else np.nan
        found.append((f"minus {BENCHMARK_WORDS[benchmark]}", low, at, high, seen, facts[worth].text))
    if not found:
        return None
    worthwhile = worthwhile_of(record)
    scale = numbers_around(
        [worthwhile, 0.0, *(end for _, low, _, high, seen, _ in found for end in (low, high, seen, -seen))]
    )
    detectable = [(row, seen) for row, (_, _, _, _, seen, _) in enumerate(found) if np.isfinite(seen)]
    at_rows, sizes = (np.array(part, float) for part in zip(*detectable, strict=True)) if detectable else (_NONE, _NONE)
    layers: list[Layer] = [
        Bars("seen in fewer than four runs of five", -sizes, sizes, at_rows + 0.1, at_rows + 0.4),
        Upright(0.0, colour=INK, dash=""),
        Upright(worthwhile, "worth having", colour=ARM[2], dash="3 2"),
    ]
    for row, (words, low, at, high, _, text) in enumerate(found):
        height = np.array([row + 0.25])
        layers += [
            Line("interval", np.array([low, high]), np.repeat(height, 2), ARM[0], 3.0),
            Marks("difference", np.array([at]), height, "dot", ARM[0], 9.0),
            Words(scale.low, row, f"{words}: {text}", INK, "start", (2, -4)),  # above the dot it would meet the words
        ]
    return Chart(
        "first-differences",
        f"Annual Sharpe ratio of {arm.name} minus that of what it is held against, with the intervals of the verdict",
        f"Rows: {', '.join(row[0] for row in found)}. The figures stand in the lines above.",
        [Panel(layers, scale, Rows(len(found)), height=58 * len(found))],
    )


def _accounts(record: Record, arm: ArmRecord) -> Chart | None:
    """The advised account, the rule's and the market's."""
    found = benchmarks_of(record, arm)
    others = [record.arm(found[one]) for one in ("rule", "market") if one in found]
    shown = [one for one in (arm, *others) if len(one.equity) > 1]
    if len(shown) < 2 or shown[0] is not arm:
        return None
    names = ", ".join(one.name for one in shown)
    title = f"Account value as a multiple of its value at the first decision: {names}"
    return draw_accounts(record, "first-accounts", title, shown, "All arms are drawn further down.")
