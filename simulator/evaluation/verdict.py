"""What may be said of advice, in one word: what was measured of an arm goes in, a word with its reasons comes out.

The order is that of honesty: a run that failed or a model that answers always the same says nothing else; then whether
the advice only repeats what stood in its prompt; then whether the result can be put down to the advice at all; and only
then the figures. 5% below stands for one minus the level of the intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Literal, TypeAlias

from simulator.evaluation.placebo import FEWEST_CLOSES, FEWEST_RUNS
from simulator.evaluation.sharpe import POWER
from simulator.evaluation.timing import p_of_tail
from simulator.evaluation.trials import sidak

COPY_SHARE = 0.95
"""Share of decisions with the label that stood in the prompt from which the advice repeats it."""
STALE_SHARE = 0.10
"""Share of bars that open at the close before from which fills were not real."""


class Word(StrEnum):
    """What may be said of advice."""

    ADDS = "adds"
    NOT_WORTH_HAVING = "adds nothing worth having"
    SUBTRACTS = "subtracts"
    CANNOT_TELL = "cannot tell"
    REPEATS = "repeats its prompt"
    NOT_ATTRIBUTABLE = "not attributable"
    FAILED = "failed"
    DEAD = "dead advisor"
    NO_MODEL = "no model"
    NOT_COMPARED = "not compared"


class Cap(StrEnum):
    """Why the figures of an arm may not speak for its advice."""

    FAILED = "failed"
    DEAD = "dead"
    NOT_COMPARED = "not_compared"
    COPIES_EXAMPLES = "copies_examples"
    COPIES_RULE = "copies_rule"
    SAME_CLOSE = "same_close"
    STALE_OPENS = "stale_opens"
    IDENTIFIED = "identified"
    KNOWN_PERIOD = "known_period"
    LATER_BARS = "later_bars"
    KILLED = "killed"
    FEW_BARS = "few_bars"
    FEW_RUNS = "few_runs"


CAP_WORDS = {
    Cap.FAILED: Word.FAILED,
    Cap.DEAD: Word.DEAD,
    Cap.NOT_COMPARED: Word.NOT_COMPARED,
    Cap.COPIES_EXAMPLES: Word.REPEATS,
    Cap.COPIES_RULE: Word.REPEATS,
    Cap.SAME_CLOSE: Word.NOT_ATTRIBUTABLE,
    Cap.STALE_OPENS: Word.NOT_ATTRIBUTABLE,
    Cap.IDENTIFIED: Word.NOT_ATTRIBUTABLE,
    Cap.KNOWN_PERIOD: Word.NOT_ATTRIBUTABLE,
    Cap.LATER_BARS: Word.NOT_ATTRIBUTABLE,
    Cap.KILLED: Word.NOT_ATTRIBUTABLE,
    Cap.FEW_BARS: Word.CANNOT_TELL,
    Cap.FEW_RUNS: Word.CANNOT_TELL,
}
"""The word of each cap, in the order in which the first one decides."""


class Reason(StrEnum):
    """What the figures say, one by one."""

    BETTER_MOMENTS = "better_moments"
    WORSE_MOMENTS = "worse_moments"
    CHANCE = "chance"
    """Other moments with the same holding times did as well often enough."""
    FEW_PLACEBOS = "few_placebos"
    """Not even an account beyond all of them would have stood out among so many trials."""
    TIMING_UNTESTED = "timing_untested"
    BELOW_MARKET = "below_market"
    BELOW_RULE = "below_rule"
    NO_MARKET = "no_market"
    NO_RULE = "no_rule"
    NOT_WORTH_HAVING = "not_worth_having"
    """A difference worth having is ruled out."""


Benchmark: TypeAlias = Literal["market", "rule", "copy"]
Demand: TypeAlias = Literal["estimate", "upper end"]


@dataclass(frozen=True, slots=True)
class Advantage:
    """The annual Sharpe ratio of an advised arm minus that of a benchmark, with its interval and standard error."""

    benchmark: Benchmark
    sharpe: float
    """That of the benchmark."""
    difference: float
    low: float
    high: float
    error: float

    def years_to_see(self, worthwhile: float, years: float, size: float) -> float | None:
        """Years after which a true difference of ``worthwhile`` is found in four runs of five, if the error falls as
        that of these ``years`` would; None where nothing differs or nothing is sought."""
        if not self.error or not worthwhile:
            return None
        normal = NormalDist()
        needed = normal.inv_cdf(1 - size / 2) + normal.inv_cdf(POWER)
        return years * (needed * self.error / worthwhile) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured of an advised arm; None where it was not measured. Shares are fractions."""

    compared: bool = True
    failed: bool = False
    dead: bool = False
    killed_for_good: bool = False
    same_close: bool = False
    stale_opens: float | None = None
    """Share of bars that open at the close before."""
    bars: int
    runs: int | None = None
    """Holding runs: unbroken spells in which something was held."""
    years: float
    identified: bool = False
    """The prompts held the symbol or the date."""
    knowledge: Literal["before", "overlaps"] | None = None
    """Whether the model's stated knowledge ends before the bars, or overlaps them; None where it is not stated."""
    later_bars: bool = False
    """A calibration or examples came from later bars than those decided on."""
    example_copies: float | None = None
    """Share of decisions with the label of the nearest example in the prompt."""
    rule_copies: float | None = None
    """Share of decisions with the rule's label, where that stood in the prompt."""
    timing_p: float | None = None
    placebos: int | None = None
    """Accounts at other moments that the timing was held against."""
    timing_effect: float | None = None
    """Sharpe ratio minus the mean of accounts with the same holding times at other moments."""
    trials: int | None = None
    """Distinct configurations that were evaluated on these bars, this one among them, at least."""
    market: Advantage | None = None
    rule: Advantage | None = None
    copy: Advantage | None = None

    @property
    def better_rule(self) -> Advantage | None:
        """Against the better of rule and copy by Sharpe ratio."""
        found = [one for one in (self.rule, self.copy) if one is not None]
        return max(found, key=lambda one: one.sharpe, default=None)

    @property
    def best(self) -> Advantage | None:
        """Against the best of market, rule and copy by Sharpe ratio."""
        found = [one for one in (self.market, self.better_rule) if one is not None]
        return max(found, key=lambda one: one.sharpe, default=None)

    @property
    def repeats_another(self) -> bool:
        """Whether the account is to the last bit that of the rule or of the copy."""
        return any(one is not None and one.low == one.high == 0 for one in (self.rule, self.copy))

    def ruled_out(self, worthwhile: float) -> Advantage | None:
        """The comparison whose interval ends lowest, where it ends below what would be worth having.

        Whoever is not so much better than one of market, rule and copy is not so much better than the best of them.
        """
        found = [one for one in (self.market, self.rule, self.copy) if one is not None and one.high < worthwhile]
        return min(found, key=lambda one: one.high, default=None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word on the advice of an arm, with its reasons."""

    word: Word
    caps: tuple[Cap, ...] = ()
    """All that hold, the one that decides first."""
    reasons: tuple[Reason, ...] = ()
    by_figures: Word = Word.CANNOT_TELL
    """What the figures alone would say."""
    p: float | None = None
    """The p-value of the timing after the correction for trials."""
    best: Advantage | None = None
    """The comparison with the best of market, rule and copy."""
    ruled_out: Advantage | None = None
    """The comparison that rules out anything worth having."""
    years: float | None = None
    """Years that the difference worth having would take to be seen against that benchmark."""


NO_MODEL = Verdict(Word.NO_MODEL, by_figures=Word.NO_MODEL)
"""Where only rules ran."""


def judge(evidence: Evidence, *, worthwhile: float = 0.2, size: float = 0.05, demand: Demand = "estimate") -> Verdict:
    """The verdict on an advised arm.

    ``worthwhile`` is the smallest difference of annual Sharpe ratios worth having, ``size`` the error that is taken
    (one minus the level of the intervals). Advice adds where its moments are better than chance and the ``demand`` on
    it is not below zero: the estimate of its differences from the market and from the better of rule and copy, or the
    upper ends of their intervals.
    """
    caps = tuple(_caps(evidence))
    p = None if evidence.timing_p is None else sidak(evidence.timing_p, max(1, evidence.trials or 1))
    word, reasons = _by_figures(evidence, p, worthwhile, size, demand)
    best = evidence.best
    return Verdict(
        CAP_WORDS[caps[0]] if caps else word,
        caps,
        reasons,
        word,
        p,
        best,
        evidence.ruled_out(worthwhile),
        None if best is None else best.years_to_see(worthwhile, evidence.years, size),
    )


def _caps(evidence: Evidence) -> Iterator[Cap]:
    """What stands against letting the figures speak, in order."""
    holds = {
        Cap.FAILED: evidence.failed,
        Cap.DEAD: evidence.dead,
        Cap.NOT_COMPARED: not evidence.compared,
        Cap.COPIES_EXAMPLES: _reaches(evidence.example_copies, COPY_SHARE),
        Cap.COPIES_RULE: _reaches(evidence.rule_copies, COPY_SHARE),
        Cap.SAME_CLOSE: evidence.same_close,
        Cap.STALE_OPENS: _reaches(evidence.stale_opens, STALE_SHARE),
        Cap.IDENTIFIED: evidence.identified and evidence.knowledge is None,
        Cap.KNOWN_PERIOD: evidence.identified and evidence.knowledge == "overlaps",
        Cap.LATER_BARS: evidence.later_bars,
        Cap.KILLED: evidence.killed_for_good,
        Cap.FEW_BARS: evidence.bars < FEWEST_CLOSES,
        Cap.FEW_RUNS: evidence.runs is not None and evidence.runs < FEWEST_RUNS,
    }
    return (cap for cap in CAP_WORDS if holds[cap])


def _reaches(share: float | None, least: float) -> bool:
    return share is not None and share >= least


def _by_figures(
    evidence: Evidence, p: float | None, worthwhile: float, size: float, demand: Demand
) -> tuple[Word, tuple[Reason, ...]]:
    """What the figures alone say, and why."""
    effect = evidence.timing_effect
    timing = Reason.TIMING_UNTESTED
    if p is not None and effect is not None:
        timing = Reason.CHANCE if p > size or not effect else _moments(effect)
        if timing is Reason.CHANCE and _smallest_p(evidence) > size:
            timing = Reason.FEW_PLACEBOS
    ruled_out = evidence.ruled_out(worthwhile) is not None
    if timing is Reason.WORSE_MOMENTS and not (ruled_out and evidence.repeats_another):
        return Word.SUBTRACTS, (timing,)  # but the rule does not subtract from itself
    if ruled_out:
        return Word.NOT_WORTH_HAVING, (Reason.NOT_WORTH_HAVING, timing)
    if timing is not Reason.BETTER_MOMENTS:
        return Word.CANNOT_TELL, (timing,)
    against = {
        "market": (evidence.market, Reason.NO_MARKET, Reason.BELOW_MARKET),
        "rule": (evidence.better_rule, Reason.NO_RULE, Reason.BELOW_RULE),
    }
    missing = [
        absent if advantage is None else below
        for advantage, absent, below in against.values()
        if advantage is None or (advantage.difference if demand == "estimate" else advantage.high) < 0
    ]
    return (Word.CANNOT_TELL if missing else Word.ADDS), (timing, *missing)


def _smallest_p(evidence: Evidence) -> float:
    """What the p-value of an account beyond all placebos would be after the correction for trials."""
    if evidence.placebos is None:
        return 0.0
    return sidak(p_of_tail(0, evidence.placebos), max(1, evidence.trials or 1))


def _moments(effect: float) -> Reason:
    return Reason.BETTER_MOMENTS if effect > 0 else Reason.WORSE_MOMENTS
