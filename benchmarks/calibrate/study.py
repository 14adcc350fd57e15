"""Advisors of known skill through gate, broker, placebos and verdict, as a comparison judges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.calibrate.advisors import Stances, avoids_falls, knows_signs, reads_prices, without_skill
from benchmarks.calibrate.bars import A_YEAR, Cell, make_bars
from benchmarks.calibrate.standing import Standing, stand
from llm_strategy.advice.rules import BuyAndHold, RegimeRule, Rule
from llm_strategy.trading.journal import Journal
from llm_strategy.types import ActionType, Decision, Snapshot
from simulator.evaluation.metrics import Floats
from simulator.evaluation.verdict import Advantage, Benchmark, Demand, Evidence, Verdict, judge
from simulator.evaluation.worth import measure_advantage
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import load_universe
from simulator.runs.placebos.accounts import trade_accounts
from simulator.runs.placebos.measure import Work, work_of
from simulator.runs.simulation import simulate
from simulator.runs.strategies.ungated import simulate_ungated

WORTHWHILE = 0.2
_SAMPLES = 200
"""Bootstrap samples of the comparisons with market and rule."""


class Advisor(NamedTuple):
    """A kind of advisor: without skill, the rule itself, one that knows signs over a horizon (bars), one that is out in
    falls, or one that follows or fades prices; ``dose`` is the share in which it is right, ``number`` that of several
    such on the same bars."""

    kind: str
    dose: float = 0.0
    horizon: int = 0
    number: int = 0


NULL, RULE = Advisor("none"), Advisor("rule")
_KINDS = ("none", "rule", "signs", "falls", "follows", "fades")


class Outcome(NamedTuple):
    """What became of an advisor: verdicts where the estimate, and where the upper end, must not be below zero; p-value
    of the timing, its effect and the placebos that it took; stretches of holding; and annual Sharpe ratios: its own,
    and its differences from market and rule."""

    word: str
    lenient: str
    p: float | None
    effect: float | None
    placebos: int
    runs: int
    sharpe: float | None
    against_market: float | None
    against_rule: float | None


@dataclass(frozen=True)
class _Plan(Rule):
    """Does what stands at each close."""

    actions: Mapping[tuple[str, str], ActionType]
    rationale = "Knows what it will want."

    def attach(self, data: Any) -> Self:
        """Itself: it reads no feed."""
        return self

    def action(self, snapshot: Snapshot) -> ActionType:
        """In or out."""
        return self.actions[snapshot.symbol, snapshot.time]


def study(cell: Cell, advisors: Sequence[Advisor], placebos: int, seed: int) -> list[Outcome]:
    """Draw bars by this seed, and each advisor by the seed and its kind; trade and judge them.

    An advisor's verdict rests on the evidence that a comparison has of a masked model with one trial that shows no
    examples; whether opens repeat closes is left out, because it caps a verdict whatever the advice.
    """
    bars = make_bars(cell, _generator(cell, seed))
    experiment = Experiment.from_mapping(
        {"data": _data(bars), "arms": ["regime_rule"], "evaluation": {"bars_per_year": A_YEAR}}
    )
    universe = load_universe(experiment.data, minimum_bars=experiment.warm_up.bars + 2, warm_up=experiment.warm_up)
    of_rule: list[Decision] = []
    rule = simulate(universe, RegimeRule(), experiment, Journal(keep=lambda entry: of_rule.append(entry.decision)))
    market = simulate_ungated(universe, BuyAndHold(), experiment, Journal(keep=lambda _: None))
    _check(work_of(universe, experiment, of_rule, seed, "llm"), _equity(rule))
    works = []
    for advisor in advisors:
        decisions = of_rule if advisor == RULE else _decisions(cell, advisor, bars, seed, of_rule)
        works.append(work_of(universe, experiment, decisions, seed, "llm"))
    others: dict[Benchmark, Floats] = {"market": _returns(_equity(market)), "rule": _returns(_equity(rule))}
    with threadpool_limits(1):
        return [
            _judged(standing, work.placebos.runs, placebos, others, seed)
            for standing, work in zip(stand(works, placebos, A_YEAR), works, strict=True)
        ]


def _judged(standing: Standing, runs: int, placebos: int, others: Mapping[Benchmark, Floats], seed: int) -> Outcome:
    """The verdict on an account by its timing and the returns of market and rule."""
    timing, bars = standing.timing, len(standing.equity)
    own = _returns(standing.equity)

    def advantage(name: Benchmark) -> Advantage | None:
        return measure_advantage(name, [own], others[name], A_YEAR, samples=_SAMPLES, seed=seed)

    evidence = Evidence(
        bars=bars,
        runs=runs,
        years=(bars - 1) / A_YEAR,
        timing_p=None if timing is None else timing.p,
        placebos=None if timing is None else placebos,
        timing_effect=None if timing is None else timing.effect,
        market=advantage("market"),
        rule=advantage("rule"),
    )

    def verdict(demand: Demand) -> Verdict:
        return judge(evidence, worthwhile=WORTHWHILE, demand=demand)

    return Outcome(
        str(verdict("estimate").word),
        str(verdict("upper end").word),
        evidence.timing_p,
        evidence.timing_effect,
        0 if timing is None else timing.placebos,
        runs,
        None if timing is None else timing.own,
        None if evidence.market is None else evidence.market.difference,
        None if evidence.rule is None else evidence.rule.difference,
    )


def _data(bars: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    return {"sources": dict(bars)} if len(bars) > 1 else {"source": bars["S1"]}


def _generator(cell: Cell, seed: int, *more: int) -> np.random.Generator:
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(cell.years, cell.symbols, cell.bars == "real", *more))
    )


def _decisions(
    cell: Cell, advisor: Advisor, bars: dict[str, pd.DataFrame], seed: int, closes: Sequence[Decision]
) -> list[Decision]:
    """What an advisor decides at the closes at which another one decided."""
    what = _KINDS.index(advisor.kind), round(100 * advisor.dose), advisor.horizon, advisor.number
    random = _generator(cell, seed, *what)
    kinds: dict[str, Callable[[], dict[str, Stances]]] = {
        "none": lambda: without_skill(cell, random),
        "signs": lambda: knows_signs(bars, advisor.horizon, advisor.dose, random),
        "falls": lambda: avoids_falls(bars, advisor.dose, random),
        "follows": lambda: reads_prices(bars, random, follows=True),
        "fades": lambda: reads_prices(bars, random, follows=False),
    }
    made = {symbol: pd.Series(wanted, bars[symbol].index) for symbol, wanted in kinds[advisor.kind]().items()}
    plan = _Plan(_actions(made))
    return [plan.decide(one.snapshot) for one in closes]


def _actions(stances: Mapping[str, pd.Series]) -> dict[tuple[str, str], ActionType]:
    """Entries again and again while it wants to hold, as a model proposes them, and an exit when it no longer does."""
    names = list(stances) if len(stances) > 1 else ["frame"]
    found = {}
    for name, wanted in zip(names, stances.values(), strict=True):
        for time, held in wanted.items():
            found[name, pd.Timestamp(str(time)).isoformat()] = ActionType.ENTER_LONG if held else ActionType.EXIT
    return found


def _check(work: Work, equity: Floats) -> None:
    """Raise ``RuntimeError`` where the account of a rule is not to the last bit that which gate and broker made."""
    if len(work.conditions.universe.symbols) == 1:
        history = work.placebos.history
        (again,) = trade_accounts(work.conditions, history.times, [history.decisions]).equities
        if not np.array_equal(equity, again):
            raise RuntimeError("trade_accounts makes another account than gate and broker.")


def _equity(journal: Journal) -> Floats:
    return np.array([row.equity for row in journal.equity])


def _returns(equity: Floats) -> Floats:
    return equity[1:] / equity[:-1] - 1
