"""Masked windows of prices, and whether a model says which market and which year they are: by how much is hidden."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice

import numpy as np
import pandas as pd

from llm_strategy.support.outside_text import quoted, symbol_name
from simulator.evaluation.memory import Recognition, recognition
from simulator.memory.questions import MemoryQuestions

BARS = 30
"""Closes of a window."""
MOST_CHOICES = 4
CONTROL, SHOWN = "named", "as shown"
LEVELS = (CONTROL, "alias", "no dates", "rebased", "ratios")
"""What a window shows, the least hidden first: symbol, dates and prices; an alias for the symbol; no dates either;
prices rebased to 100; changes alone. ``SHOWN`` is the text that the advisor itself shows, under the mask."""
HIDES_SYMBOL = (*LEVELS[1:], SHOWN)
HIDES_YEAR = (*LEVELS[2:], SHOWN)


@dataclass(frozen=True)
class Market:
    """The closes of one market, and the text that the advisor shows under the mask by time, where it shows one."""

    symbol: str
    closes: pd.Series
    shown: Mapping[str, str]

    @cached_property
    def times(self) -> tuple[str, ...]:
        """The times of the closes."""
        return tuple(time.isoformat() for time in self.closes.index)

    @cached_property
    def ends(self) -> Sequence[int]:
        """The places at which a window may end: those where the advisor shows its text."""
        return [place for place in range(BARS - 1, len(self.times)) if self.times[place] in self.shown]

    @cached_property
    def years(self) -> Mapping[str, Sequence[int]]:
        """The places at which a window may end, by year."""
        years: dict[str, list[int]] = {}
        for end in self.ends:
            years.setdefault(self.times[end][:4], []).append(end)
        return years


@dataclass(frozen=True)
class Window:
    """A window that ends at a place of a market."""

    market: Market
    end: int

    @property
    def year(self) -> str:
        """The year of its last bar."""
        return self.market.times[self.end][:4]

    def text(self, level: str) -> str:
        """The window as it is shown."""
        first, last = self.end - BARS + 1, self.end
        values = self.market.closes.to_numpy()[first : last + 1]
        if level == SHOWN:
            return f"Market at a close: {self.market.shown[self.market.times[last]]}"
        if level == "ratios":
            changes = ", ".join(f"{100 * change:+.1f}%" for change in values[1:] / values[:-1] - 1)
            return f"Changes of a market from close to close: {changes}."
        if level == "rebased":
            values = 100 * values / values[0]
        who = quoted(symbol_name(self.market.symbol)) if level == CONTROL else "a market"
        begin, end = (self.market.times[at].removesuffix("T00:00:00") for at in (first, last))
        when = f" from {begin} to {end}" if level in (CONTROL, "alias") else ""
        prices = ", ".join(f"{value:.2f}" for value in values)
        return f"Closes of {who}{when}: {prices}."


@dataclass(frozen=True)
class Quiz:
    """Questions about windows at one level: what each shows, the choices, and the place of the true one."""

    level: str
    about: str
    questions: tuple[tuple[str, tuple[str, ...], int], ...]

    def ask(self, model: MemoryQuestions) -> Recognition:
        """What comes of asking them all."""
        answers = [model.which(self.about, shown, choices) for shown, choices, _ in self.questions]
        return recognition(self.level, self.about, np.array(answers), [truth for *_, truth in self.questions])


def quizzes(markets: Sequence[Market], count: int, seed: int) -> Iterator[Quiz]:
    """For each level the questions about so many windows: which market, where there are several, and which year, where
    there are. True and false choices are drawn alike, so that a model which favours one gains nothing by it."""
    source = random.Random(seed)  # noqa: S311 - no secret
    if len(markets) > 1:
        drawn = [Window(market, source.choice(market.ends)) for market in islice(cycle(markets), count)]
        others = [sorted({one.symbol for one in markets} - {window.market.symbol}) for window in drawn]
        yield from _quizzes("market", drawn, [window.market.symbol for window in drawn], others, HIDES_SYMBOL, source)
    if drawn := _windows_of_years(markets[0], count, source):
        years = sorted(markets[0].years)
        others = [[year for year in years if year != window.year] for window in drawn]
        yield from _quizzes("year", drawn, [window.year for window in drawn], others, HIDES_YEAR, source)


def _quizzes(
    about: str,
    windows: Sequence[Window],
    truths: Sequence[str],
    others: Sequence[Sequence[str]],
    levels: Sequence[str],
    source: random.Random,
) -> Iterator[Quiz]:
    number = min(MOST_CHOICES, 1 + min(map(len, others)))
    choices = []
    for truth, false in zip(truths, others, strict=True):
        each = [truth, *source.sample(list(false), number - 1)]
        source.shuffle(each)
        choices.append(tuple(each))
    for level in (CONTROL, *levels):
        asked = zip(windows, truths, choices, strict=True)
        yield Quiz(level, about, tuple((window.text(level), each, each.index(truth)) for window, truth, each in asked))


def _windows_of_years(market: Market, count: int, source: random.Random) -> list[Window]:
    """Windows whose years are as often each one as any other; none where there is one year alone."""
    if len(market.years) < 2:
        return []
    order = sorted(market.years) * (count // len(market.years) + 1)
    source.shuffle(order)
    return [Window(market, source.choice(market.years[year])) for year in order[:count]]
