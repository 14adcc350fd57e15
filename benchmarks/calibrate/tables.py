"""The tables of a study, from what is on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scipy.stats import binomtest

from benchmarks.calibrate.plan import Line, Table
from benchmarks.calibrate.record import Key, Known
from benchmarks.calibrate.study import Outcome
from simulator.evaluation.verdict import Word

HEAD = (
    "| advisors | adds | subtracts | adds nothing worth having | cannot tell | better moments (p at most 5%) "
    "|\n|:--|:--|:--|--:|--:|:--|"
)


def text_of(table: Table, known: Mapping[Key, Known]) -> Iterator[str]:
    """A table with a line for each kind of advisor that is on record, and where that means anything one for all."""
    yield f"\n## {table.title}\n\n{HEAD}"
    whole: list[Outcome] = []
    for line in table.lines:
        outcomes = outcomes_of(line, known)
        whole += outcomes
        if outcomes:
            yield row(f"{line.name} ({line.placebos} placebos)", outcomes)
    if table.summed:
        yield row(f"**all {len(whole):,}**", whole)


def outcomes_of(line: Line, known: Mapping[Key, Known]) -> list[Outcome]:
    """What is on record of a line."""
    keys = [Key(line.cell, advisor, line.placebos, seed) for seed, advisor in line.advisors]
    return [known[key].outcome for key in keys if key in known]


def curve(lines: Iterable[Line], known: Mapping[Key, Known]) -> Iterator[str]:
    """How often each dose of knowing signs is told that it adds, by years."""
    years = sorted({line.cell.years for line in lines})
    yield f"| right sign of | in | {' | '.join(f'{one} years' for one in years)} | Sharpe ratio |"
    yield f"|--:|--:|{':--|' * len(years)}--:|"
    doses = sorted({(line.advisor.horizon, line.advisor.dose) for line in lines})
    for horizon, dose in doses:
        same = {
            line.cell.years: outcomes_of(line, known)
            for line in lines
            if (line.advisor.horizon, line.advisor.dose) == (horizon, dose)
        }
        cells = [share(_told(same.get(one, ()), Word.ADDS), len(same.get(one, ()))) for one in years]
        ratios = [one.sharpe for outcomes in same.values() for one in outcomes if one.sharpe is not None]
        mean = f"{sum(ratios) / len(ratios):.2f}" if ratios else "-"
        yield f"| {horizon} bars | {dose:.0%} | {' | '.join(cells)} | {mean} |"


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    """A line of a table."""
    words = Counter(one.word for one in outcomes)
    low = sum(one.p is not None and one.p <= 0.05 and (one.effect or 0) > 0 for one in outcomes)
    number = len(outcomes)
    cells = [name, share(words[Word.ADDS], number), share(words[Word.SUBTRACTS], number)]
    cells += [str(words[Word.NOT_WORTH_HAVING]), str(words[Word.CANNOT_TELL]), share(low, number)]
    return f"| {' | '.join(cells)} |"


def other_words(outcomes: Iterable[Outcome]) -> str:
    """Of how many the verdict would be another if only an interval below zero counted against them."""
    found = [one.word != one.lenient for one in outcomes]
    return (
        f"{sum(found):,} of {len(found):,} would have another word if only a difference from market or rule that is "
        "shown to be below zero stood against them, in place of an estimate below zero."
    )


def _told(outcomes: Iterable[Outcome], word: Word) -> int:
    return sum(one.word == word for one in outcomes)


def share(found: int, of: int) -> str:
    """A share with its 95% interval (Clopper and Pearson)."""
    if not of:
        return "-"
    interval = binomtest(found, of).proportion_ci(method="exact")
    return f"{found}/{of} = {found / of:.1%} ({interval.low:.1%} to {interval.high:.1%})"
