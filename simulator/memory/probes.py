"""The probes of an audit: each asks its questions and tests what comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from llm_strategy.llm.client import LLMClient
from llm_strategy.market.view import render_snapshot
from simulator.evaluation.memory import (
    MOVES,
    Mirage,
    Probe,
    Recall,
    Recognition,
    change_share,
    moved_places,
    propensity,
    recall,
    timing_p,
)
from simulator.evaluation.memory_power import Planted
from simulator.evaluation.metrics import Floats, bars_per_year, sharpe_ratio
from simulator.evaluation.sharpe import compare_sharpe
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.memory.advice import Account, Answers, decide_at, trade
from simulator.memory.closes import Closes
from simulator.memory.counterfactual import Path, false_identity, resampled, under
from simulator.memory.questions import MemoryQuestions, bars_in_words
from simulator.memory.result import Twins
from simulator.memory.windows import Market, quizzes
from simulator.prices.load import Prices, load_prices
from simulator.prices.sources.samples import SAMPLES
from simulator.prices.universe import Universe
from simulator.progress.stages import Progress
from simulator.runs.answers import advisor_of
from simulator.runs.simulation import snapshots

BEYOND = 24
"""Months behind the window that are asked about, to see where the model's knowledge ends."""
NOBODY_KNOWS = 6
"""Days, forty years on, that nobody can know."""


@dataclass(frozen=True)
class AuditOptions:
    """How much an audit asks: so many ``dates`` and ``windows``, outcomes over ``horizon`` bars, whether the twins
    ``trade`` every bar, and the ``seed`` of all that is drawn."""

    dates: int = 120
    windows: int = 40
    horizon: int = 5
    trade: bool = True
    seed: int = 1


_Ratios: TypeAlias = tuple[float | None, float | None, float | None, float | None, float | None]
"""Annual Sharpe ratios of the advisor and its twin, their difference and its interval."""


class Probes:
    """Asks the model of one advisor, and counts what it was asked."""

    def __init__(
        self,
        experiment: Experiment,
        config: AdvisorConfig,
        universe: Universe,
        closes: Closes,
        options: AuditOptions,
        client: LLMClient,
        progress: Progress,
    ) -> None:
        self.config, self.closes, self.client = config, closes, client
        self.masked = replace(config, unmasked=()).of_experiment(config.regimes, config.checks)
        self.questions = MemoryQuestions(client)
        self.decided = self.unadvised = 0
        self.why = ""
        """Why the model last gave no advice."""
        self._experiment, self._universe, self._options, self._progress = experiment, universe, options, progress
        self._timeframe = universe.calendar.decide_on or universe.calendar.timeframe
        self._accounts: list[Account] = []
        self._masked_answers = Answers()

    def named(self) -> Answers:
        """What the advisor says as it is: at every close where the twins trade, else at the dates."""
        if self._options.trade and self.config.unmasked:
            self._accounts = [self._trade(self.config, "as it is"), self._trade(self.masked, "under the mask")]
            return self._accounts[0].answers
        return self._at_dates(self.config, "the advice as it is", self.closes)

    def compare_twins(self, named: Answers) -> tuple[list[Probe], Twins]:
        """The advisor as it is against its twin under the mask: where the advice differs, and what both earn."""
        closes, traded = self.closes, bool(self._accounts)
        self._masked_answers = (
            self._accounts[1].answers if traded else self._at_dates(self.masked, "the advice under the mask", closes)
        )
        again = self._at_dates(self.config, "the advice once more", closes, draw=1)
        first, second, third = (closes.table(each.stances) for each in (named, self._masked_answers, again))
        changed, noise = change_share(first, second), change_share(first, third)
        found: list[Probe] = []
        ratios: _Ratios = (None, None, None, None, None)
        if traded:
            probe, ratios = self._compare_accounts(*self._accounts)
            found.append(probe)
        times = closes.every_time if traded else closes.times
        first, second = (closes.table(each.stances, times) for each in (named, self._masked_answers))
        found.append(self._timing("advice under the name", first - second, closes.table(closes.outcomes, times)))
        return found, Twins(*ratios, changed, noise)

    def _at_dates(
        self, config: AdvisorConfig, what: str, closes: Closes, path: Path | None = None, draw: int = 0
    ) -> Answers:
        """What an advisor says at the dates."""
        answers = Answers()
        self._progress.begin(what, sum(map(len, closes.places.values())), lambda: len(answers.decisions), "decisions")
        advisor = advisor_of(self.client, config, draw=draw)
        return self._counted(decide_at(advisor, path or closes.snapshots, closes, answers))

    def _counted(self, answers: Answers) -> Answers:
        self.decided += len(answers.decisions)
        self.unadvised += answers.failed
        self.why = answers.why or self.why
        self._progress.end()
        return answers

    def _timing(self, name: str, answers: Floats, outcomes: Floats) -> Probe:
        """The test whether answers go with outcomes more than they do at other times."""
        value, p_value = timing_p(answers, outcomes, moved_places(len(outcomes), MOVES, self._options.seed))
        return Probe(name, len(outcomes), value, p_value)

    def _trade(self, config: AdvisorConfig, what: str) -> Account:
        answers = Answers()
        self._progress.begin(f"trading {what}", len(self.closes.all), lambda: len(answers.decisions), "decisions")
        advisor = advisor_of(self.client, config, fallback=self._experiment.fallback_of(config))
        account = trade(self._universe, self._experiment, advisor, config, answers)
        self._counted(account.answers)
        return account

    def _compare_accounts(self, named: Account, masked: Account) -> tuple[Probe, _Ratios]:
        """The difference of the Sharpe ratios (Ledoit and Wolf), as a one-sided test that the name earns more."""
        evaluation = self._experiment.evaluation
        times = pd.DatetimeIndex(self.closes.every_time)
        year = evaluation.bars_per_year or bars_per_year(times) or 252.0
        bars = min(len(named.returns), len(masked.returns))
        first, second = named.returns[:bars], masked.returns[:bars]
        test = compare_sharpe(
            first,
            second,
            year,
            confidence_level=evaluation.confidence_level,
            samples=evaluation.bootstrap_samples,
            seed=evaluation.seed,
        )
        own, other = (None if (one := sharpe_ratio(each)) is None else one * year**0.5 for each in (first, second))
        ratios = own, other, test.sharpe_difference, test.low, test.high
        difference, p_value = test.sharpe_difference, test.p_value
        if difference is None or p_value is None:
            problem = "One of the accounts never moved, or has too few bars, so that they are not compared."
            return Probe("account under the name", bars, problem=problem), ratios
        one_sided = p_value / 2 if difference > 0 else 1 - p_value / 2
        return Probe("account under the name", bars, difference, one_sided), ratios

    def recall(self) -> tuple[Probe, Floats, Recall]:
        """What the model says of dates alone; the probability of either direction, a row a date."""
        closes, options = self.closes, self._options
        months = pd.date_range(closes.every_time[-1], periods=BEYOND + 1, freq="30D")[1:]
        far = pd.date_range(months[-1] + pd.DateOffset(years=40), periods=NOBODY_KNOWS, freq="91D")
        horizon = bars_in_words(options.horizon, self._timeframe)
        days = [*closes.times, *(each.isoformat() for each in (*months, *far))]
        total, before = len(days) * len(closes.symbols), self.questions.asked
        self._progress.begin("dates without prices", total, lambda: self.questions.asked - before, "questions")
        said = np.array([[self.questions.direction(symbol, day, horizon) for symbol in closes.symbols] for day in days])
        self._progress.end()
        known, outcomes = len(closes.times), closes.table(closes.outcomes)
        up, down = said[..., 0], said[..., 1]
        probe = self._timing("recall", up[:known] - down[:known], np.sign(outcomes))
        asked = len(days) - NOBODY_KNOWS
        padded = np.vstack([outcomes, np.full((BEYOND, len(closes.symbols)), np.nan)])
        found = recall(
            [day.removesuffix("T00:00:00") for day in days[:asked]],
            up[:asked],
            down[:asked],
            padded,
            (up + down)[asked:],
        )
        return probe, (up + down)[:known], found

    def propensity(self, named: Answers, either: Floats) -> Probe:
        """Whether the advice is better on the dates that the model claims to know."""
        stances, outcomes = self.closes.table(named.stances), self.closes.table(self.closes.outcomes)
        return propensity(stances, either, outcomes, moved_places(len(stances), MOVES, self._options.seed))

    def exchange(self, named: Answers) -> tuple[Probe, Mirage, str, Planted]:
        """The two by two: whether the advice follows the name's real outcome, whatever path is shown; and what a memory
        can be planted into."""
        config, everything = self.config, self.closes.snapshots
        false = false_identity(self.closes, config.unmasked)
        closes = false.closes
        drawn = Closes.of(
            resampled(self._universe, self._options.seed), self._experiment, config, self._options.dates, closes.horizon
        ).snapshots
        misnamed = self._at_dates(config, "the path under a false name", closes, under(everything, false.snapshots))
        other = self._at_dates(config, "another path under the true name", closes, under(drawn, everything))
        neither = self._at_dates(config, "another path under a false name", closes, under(drawn, false.snapshots))
        tables = [closes.table(each.stances) for each in (named, misnamed, other, neither)]
        true, untrue = closes.table(closes.outcomes), np.nan_to_num(closes.table(false.outcomes))
        probe = self._timing("follows the name", tables[0] - tables[1] + tables[2] - tables[3], true - untrue)
        times = self.closes.every_time if self._accounts else self.closes.times
        stances = self._masked_answers.stances
        planted = Planted(
            *(np.nan_to_num(self.closes.table(stances, times)), self.closes.table(self.closes.outcomes, times)),
            *(np.nan_to_num(closes.table(stances)), true, untrue),
        )
        return probe, named.compared(other), false.words, planted

    def recognise(self) -> list[Recognition]:
        """Which market and which year a window is, by how much it hides."""
        own = [self._universe.decisions(symbol) for symbol in self.closes.symbols]
        markets = [self._market(prices) for prices in (*own, *self._samples(own))]
        markets = [market for market in markets if market.ends]
        asked = list(quizzes(markets, self._options.windows, self._options.seed))
        total, before = sum(len(quiz.questions) for quiz in asked), self.questions.asked
        self._progress.begin("masked windows", total, lambda: self.questions.asked - before, "questions")
        found = [quiz.ask(self.questions) for quiz in asked]
        self._progress.end()
        return found

    def _samples(self, own: Sequence[Prices]) -> list[Prices]:
        """Markets of the samples over the same time, to be told from those of the experiment."""
        if self._timeframe != "1d":
            return []
        taken = {prices.symbol for prices in own}
        first, last = own[0].table.index[0], own[0].table.index[-1]
        others = [load_prices(f"sample:{name}") for name, symbol in SAMPLES.items() if symbol not in taken]
        within = [replace(prices, table=prices.table.loc[first:last]) for prices in others]
        return [prices for prices in within if len(prices.table)]

    def _market(self, prices: Prices) -> Market:
        """A market with the text that the advisor shows of it under the mask."""
        view = self.masked.view
        seen = snapshots(prices, self._experiment, self.masked)
        return Market(prices.symbol, prices.table["close"], {one.time: render_snapshot(one, view) for one in seen})
