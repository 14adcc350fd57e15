"""Advisors that are rules: they go the same way through policy, gate, orders and costs as a model, without one.

Every rule labels the market with the causal regime rule; they differ in what they do about it.
"""

from __future__ import annotations

import copy
import inspect
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Self

import backtrader as bt
from pydantic import Field

from llm_strategy.advice.outcome import assess
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.feature import MOST_BARS
from llm_strategy.market.view import ACTION_FOR_LABEL, causal_label
from llm_strategy.types import (
    Action,
    ActionType,
    Advice,
    Decision,
    PolicyOutcome,
    Regime,
    Snapshot,
    Status,
)

_Bars = Annotated[int, Field(ge=1, le=MOST_BARS)]
_Strength = Annotated[float, Field(ge=0, le=100)]


class Rule(ABC):
    """An advisor that is a rule: a subclass says at each close what to do (``action``).

    A person's own is named in an experiment (``baselines: {mine: {rule: "my_rules.py:Mine"}}``); its settings are the
    keywords of its constructor.
    """

    rationale: str
    """Why it does that: one sentence without numbers."""
    bars_needed: int = 1
    """Bars after which the indicators of ``prepare`` have values."""

    def attach(self, data: bt.AbstractDataBase) -> Self:
        """A copy of the rule with the indicators of this feed."""
        bound = copy.copy(self)
        bound.prepare(data)
        return bound

    def prepare(self, data: bt.AbstractDataBase) -> None:  # noqa: B027 - most rules need no indicator of their own
        """Create the indicators that the snapshot does not hold."""

    @abstractmethod
    def action(self, snapshot: Snapshot) -> ActionType:
        """What to do at this close."""

    def decide(self, snapshot: Snapshot) -> Decision:
        """The rule's decision, always certain of itself."""
        label = causal_label(snapshot)
        action = ActionType(self.action(snapshot))  # a person's own rule may say anything
        advice, policy = _advice(snapshot.symbol, snapshot.timeframe, label, self.rationale, action)
        return Decision(snapshot, Status.ADVISED, advice, None, policy)


@lru_cache(maxsize=4096)
def _advice(
    symbol: str, timeframe: str, label: str, rationale: str, action: ActionType
) -> tuple[Advice, PolicyOutcome]:
    """Kept, because a rule says the same few things at thousands of bars."""
    advice = Advice(symbol, timeframe, Regime(label), rationale, Action(action, confidence=1.0))
    return advice, assess(advice)


class BuyAndHold(Rule):
    """Always in the market: what the gate alone does to a holder."""

    rationale = "Always holds."

    def action(self, snapshot: Snapshot) -> ActionType:
        """Always long."""
        return ActionType.ENTER_LONG


class SmaCross(Rule):
    """Long while the fast mean of the close is above the slow one."""

    rationale = "Follows the crossing of two means."

    def __init__(self, fast: _Bars = 50, slow: _Bars = 200) -> None:
        if not 1 <= fast < slow:
            raise ConfigurationError(f"sma_cross has fast {fast} and slow {slow}: the fast mean needs fewer bars.")
        self._fast_bars, self._slow_bars = fast, slow
        self.bars_needed = slow

    def prepare(self, data: bt.AbstractDataBase) -> None:
        """The two means."""
        self._fast = bt.ind.SMA(data.close, period=self._fast_bars)
        self._slow = bt.ind.SMA(data.close, period=self._slow_bars)

    def action(self, snapshot: Snapshot) -> ActionType:
        """Long above, out below."""
        return ActionType.ENTER_LONG if self._fast[0] > self._slow[0] else ActionType.EXIT


class Momentum(Rule):
    """Long while the return over the last year of bars is positive (Moskowitz, Ooi and Pedersen 2012)."""

    rationale = "Follows the sign of the long return."

    def __init__(self, bars: _Bars = 250) -> None:
        self._bars = bars
        self.bars_needed = bars + 1  # those of the return, and the one before

    def prepare(self, data: bt.AbstractDataBase) -> None:
        """The long return."""
        self._return = bt.ind.Momentum(data.close, period=self._bars)  # in currency: its sign is all that counts

    def action(self, snapshot: Snapshot) -> ActionType:
        """Long after a gain, out after a loss."""
        return ActionType.ENTER_LONG if self._return[0] > 0 else ActionType.EXIT


class RsiReversion(Rule):
    """Buys a short relative-strength low and sells the recovery."""

    rationale = "Buys weakness and sells the recovery."

    def __init__(self, bars: _Bars = 2, low: _Strength = 10.0, high: _Strength = 70.0) -> None:
        if low > high:
            raise ConfigurationError(
                f"rsi_reversion has low {low:g} and high {high:g}: it buys below low, exchange them."
            )
        self._bars, self._low, self._high = bars, low, high
        self.bars_needed = bars + 1  # those of the index, and the one before

    def prepare(self, data: bt.AbstractDataBase) -> None:
        """The relative strength index (0 to 100)."""
        self._strength = bt.ind.RSI(data.close, period=self._bars, safediv=True)

    def action(self, snapshot: Snapshot) -> ActionType:
        """Long below ``low``, out above ``high``, unchanged between."""
        if self._strength[0] < self._low:
            return ActionType.ENTER_LONG
        return ActionType.EXIT if self._strength[0] > self._high else ActionType.HOLD


class RegimeRule(Rule):
    """Trades the causal regime label: the rule that a model should beat."""

    rationale = "Follows the causal regime label."

    def action(self, snapshot: Snapshot) -> ActionType:
        """Long in a bull market, out in a bear or turbulent one, unchanged in a sideways one."""
        return ACTION_FOR_LABEL[causal_label(snapshot)]


class MatchedRandom(Rule):
    """Does what another advisor did, run by run, at random times: an account of it is in folders of earlier versions.

    The other's advised holding runs, with every action in them, and the gaps between them are kept, each in shuffled
    order, so that exposure and turnover match and only the timing is luck. A plain shuffle of single decisions would
    trade far more often. ``actions`` are the advised ones by symbol.
    """

    rationale = "Keeps the holding times of the advised arm at random places."

    def __init__(self, actions: Mapping[str, Sequence[ActionType]], seed: int) -> None:
        source = random.Random(seed)  # noqa: S311 - a placebo, no secret
        self._actions = {symbol: shuffle_runs(actions[symbol], source) for symbol in sorted(actions)}
        self._next = 0

    def prepare(self, data: bt.AbstractDataBase) -> None:
        """Begin again with the first bar."""
        self._next = 0

    def action(self, snapshot: Snapshot) -> ActionType:
        """The action that was drawn for this bar."""
        self._next += 1
        return self._actions[snapshot.symbol][self._next - 1]


def stances(actions: Iterable[ActionType]) -> list[int]:
    """What a sequence of advised actions wants to hold at each bar: 1 long, -1 short, 0 nothing."""
    wanted, held = [], 0
    changes = {ActionType.ENTER_LONG: 1, ActionType.ENTER_SHORT: -1, ActionType.EXIT: 0}
    for action in actions:
        held = changes.get(action, held)
        wanted.append(held)
    return wanted


def shuffle_runs(actions: Sequence[ActionType], source: random.Random) -> list[ActionType]:
    """The same runs of holding and of not holding, action by action, in another order; a gap begins with an exit."""
    paired = zip(stances(actions), actions, strict=True)
    runs = [(stance, [action for _, action in run]) for stance, run in groupby(paired, key=itemgetter(0))]
    held = [bars for stance, bars in runs if stance]
    gaps = [[ActionType.EXIT, *bars[1:]] for stance, bars in runs if not stance]
    source.shuffle(held)
    source.shuffle(gaps)
    return [action for stance, _ in runs for action in (held if stance else gaps).pop()]


BASELINES: dict[str, type[Rule]] = {
    "buy_and_hold": BuyAndHold,
    "sma_cross": SmaCross,
    "momentum": Momentum,
    "rsi_reversion": RsiReversion,
    "regime_rule": RegimeRule,
}
"""The rules by the names that an experiment uses."""


def rule_settings(name: str) -> dict[str, float]:
    """The settings of a rule by this name, with their usual values."""
    given = inspect.signature(BASELINES[name]).parameters.values()
    return {setting.name: setting.default for setting in given}
