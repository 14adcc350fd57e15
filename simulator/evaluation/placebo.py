"""Placebos of an arm's advice: the same decisions, kept together as they were held, at other moments.

A plain shuffle of single decisions would trade far more often than the arm did. Here stretches of holding and the gaps
between them stay whole, so that exposure and turnover match and the moments alone are luck.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llm_strategy.types import Action, ActionType, Decision

Method: TypeAlias = Literal["shuffle", "shift"]
"""``shuffle`` puts stretches of holding and gaps in another order; ``shift`` moves the whole history around the run,
after a shuffle of what stretches there are."""
Moments: TypeAlias = NDArray[np.int64]
"""For each close of a run the number of the close whose decisions are made there."""
Stances: TypeAlias = NDArray[np.int8]
"""What is wanted at each close (row) of each symbol (column): 1 long, -1 short, 0 nothing."""
Made: TypeAlias = Mapping[str, Sequence[Decision | None]]
"""What is decided at each close, by symbol; None where nothing is."""


class Choices(NamedTuple):
    """What accounts in one symbol decide."""

    actions: Sequence[Action | None]
    """None where no action is advised."""
    decided: Sequence[bool]
    """Of each of these, whether somebody was asked at all."""
    places: Moments
    """Which of them (place among them) each account (row) takes at each close (column)."""

    @classmethod
    def of(cls, decisions: Sequence[Decision | None], places: Moments) -> Choices:
        """Those among these decisions."""
        advised = [None if one is None or one.advice is None else one.advice.action for one in decisions]
        return cls(advised, [one is not None for one in decisions], places)


FEWEST_CLOSES = 250
"""Closes from the first decision on below which nothing is said of advice: about a year of days."""
FEWEST_RUNS = 10
"""Stretches of holding below which nothing is said about timing, or about what lies beyond the rule."""
STANCES = {ActionType.ENTER_LONG: 1, ActionType.ENTER_SHORT: -1, ActionType.EXIT: 0}
"""What is wanted after an action; a hold changes nothing."""


@dataclass(frozen=True)
class AdviceHistory:
    """What an arm decided at each close of its run, by symbol."""

    times: tuple[str, ...]
    """Closes of any symbol from the first decision on, ISO 8601, in order."""
    decisions: Mapping[str, Sequence[Decision | None]]
    """None where it was not asked, or the symbol has no bar."""
    has_bar: Mapping[str, Sequence[bool]]
    """Whether the symbol has a bar to decide on, from its own first decision on."""

    @classmethod
    def of(cls, decisions: Iterable[Decision], closes: Mapping[str, Iterable[str]]) -> AdviceHistory:
        """The history of these decisions; ``closes`` are the times of all bars to decide on, by symbol."""
        made = {(one.snapshot.symbol, one.snapshot.time): one for one in decisions}
        first: dict[str, str] = {}
        for symbol, time in made:
            first[symbol] = min(time, first.get(symbol, time))
        bars = {symbol: {time for time in closes[symbol] if time >= first[symbol]} for symbol in sorted(first)}
        times = tuple(sorted(set().union(*bars.values()))) if made else ()
        return cls(
            times,
            {symbol: [made.get((symbol, time)) for time in times] for symbol in bars},
            {symbol: [time in there for time in times] for symbol, there in bars.items()},
        )

    @cached_property
    def stances(self) -> Stances:
        """What the advice wants to hold; an abstention and a hold leave it as it was, and the end of a symbol's bars
        ends it."""
        return self.stances_after(map(action_of, made) for made in self.decisions.values())

    def stances_after(self, actions: Iterable[Iterable[ActionType | None]]) -> Stances:
        """What these actions, symbol by symbol, want to hold while there are bars of it."""
        columns = [list(stances_of(made)) for made in actions]
        wanted = np.array(columns, np.int8).reshape(len(columns), len(self.times)).T
        for column, there in enumerate(self.has_bar.values()):
            wanted[_lifetime(there)[1] :, column] = 0
        return wanted

    @cached_property
    def breaks(self) -> tuple[int, ...]:
        """Closes from which on a symbol has bars, or has no more, while others go on."""
        ends = {end for there in self.has_bar.values() for end in _lifetime(there)}
        return tuple(sorted(ends - {0, len(self.times)}))

    @property
    def runs(self) -> int:
        """Stretches of holding of all symbols together."""
        return count_runs(self.stances)

    @cached_property
    def columns(self) -> dict[str, _Column]:
        """The decisions of each symbol, ready to be moved."""
        return {
            symbol: _Column(made, self.stances[:, number])
            for number, (symbol, made) in enumerate(self.decisions.items())
        }


def _lifetime(there: Sequence[bool]) -> tuple[int, int]:
    """The first close with a bar, and the one behind the last."""
    bars = np.flatnonzero(there)
    return (int(bars[0]), int(bars[-1]) + 1) if len(bars) else (0, 0)


def action_of(decision: Decision | None) -> ActionType | None:
    """What a decision advises; None without advice."""
    return None if decision is None or decision.advice is None else decision.advice.action.type


def stances_of(actions: Iterable[ActionType | None]) -> Iterator[int]:
    """What a sequence of actions wants to hold at each close."""
    held = 0
    for action in actions:
        held = held if action is None else STANCES.get(action, held)
        yield held


def count_runs(stances: Stances) -> int:
    """Stretches of one value other than 0, of all columns together."""
    before = np.vstack([np.zeros((1, stances.shape[1]), np.int8), stances[:-1]])
    return int(((stances != before) & (stances != 0)).sum())


@dataclass(frozen=True)
class Placement:
    """How the stretches of a run are put at other moments: draws by number, the same in every process.

    The symbols of a run are moved together, because what they hold at the same time belongs together. Where there are
    too few stretches for many different orders, everything is moved around the run as a whole. Long and short stretches
    change places among themselves, or two of a kind would come to stand side by side and trade half as often.
    """

    stances: Stances
    """Of one column a stretch ends where its value changes; of several, where all become 0, or no longer are."""
    seed: int
    name: str
    """What is placed, so that no two of the same seed are placed alike."""
    breaks: tuple[int, ...] = ()
    """Closes that nothing is moved across: what was held of a symbol would be lost where it has no bars."""

    @cached_property
    def method(self) -> Method:
        """How they are moved."""
        return "shuffle" if sum(bool(stance) for stance, _ in self._stretches) >= FEWEST_RUNS else "shift"

    def most(self, number: int) -> int:
        """How many different placements there are, up to a number."""
        return number if self.method == "shuffle" else min(number, max(0, len(self.stances) - 1))

    def moments(self, number: int) -> Moments:
        """The placement of this number, from 1 on."""
        shuffled = self._shuffled(self._generator(number))
        if self.method == "shuffle":
            return shuffled
        move = int(self._moves[number - 1])
        return np.concatenate([np.roll(part, move) for part in np.split(shuffled, self.breaks)])

    def _shuffled(self, source: np.random.Generator) -> Moments:
        placed: list[Moments] = []
        for stances, of_kind in self._parts:
            orders = {kind: iter(source.permutation(len(closes)).tolist()) for kind, closes in of_kind.items()}
            placed += [of_kind[stance][next(orders[stance])] for stance in stances]
        return np.concatenate(placed)

    @cached_property
    def _parts(self) -> list[tuple[list[int], dict[int, list[Moments]]]]:
        """Between two breaks: the stances of the stretches in their order, and the stretches of each, long ones
        first."""
        found = []
        for _, part in groupby(self._stretches, lambda stretch: bisect_right(self.breaks, stretch[1][0])):
            stretches = list(part)
            kinds = sorted({stance for stance, _ in stretches}, reverse=True)
            of_kind = {kind: [closes for stance, closes in stretches if stance == kind] for kind in kinds}
            found.append(([stance for stance, _ in stretches], of_kind))
        return found

    @cached_property
    def _moves(self) -> Moments:
        """Each different move once, in an order of chance."""
        return np.asarray(self._generator(0).permutation(np.arange(1, len(self.stances))), np.int64)

    @cached_property
    def _stretches(self) -> list[tuple[int, Moments]]:
        wanted = self.stances[:, 0] if self.stances.shape[1] == 1 else (self.stances != 0).any(axis=1)
        begins = {0, len(wanted), *self.breaks, *(np.flatnonzero(np.diff(wanted)) + 1).tolist()}
        return [(int(wanted[first]), np.arange(first, last)) for first, last in pairwise(sorted(begins))]

    def _generator(self, number: int) -> np.random.Generator:
        key = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big")
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(key, number)))


@dataclass(frozen=True)
class Placebos(ABC):
    """Series of decisions by number; 0 is the one that is held against the others. A subclass says what is moved."""

    history: AdviceHistory
    seed: int
    name: str

    @property
    @abstractmethod
    def runs(self) -> int:
        """Stretches that are moved."""

    @abstractmethod
    def series(self, number: int) -> Made:
        """The decisions of a placebo from 1 on; 0 are those of the account that it is held against."""

    @abstractmethod
    def choices(self, numbers: Sequence[int]) -> Choices:
        """The same of several placebos, in a run of one symbol."""

    @property
    def method(self) -> Method:
        """How they are moved."""
        return self._placement.method

    def most(self, number: int) -> int:
        """How many different placements there are, up to a number."""
        return self._placement.most(number)

    @property
    @abstractmethod
    def _placement(self) -> Placement: ...


class AdvicePlacebos(Placebos):
    """Accounts that make the decisions of an arm at other moments."""

    @property
    def runs(self) -> int:
        """Stretches of holding."""
        return self.history.runs

    def series(self, number: int) -> Made:
        """The decisions of a placebo from 1 on; 0 are those of the arm."""
        return place(self.history, self._placement.moments(number)) if number else self.history.decisions

    def choices(self, numbers: Sequence[int]) -> Choices:
        """The same of several placebos, in a run of one symbol."""
        (column,) = self.history.columns.values()
        unmoved = np.arange(len(self.history.times))
        moved = [column.placed(self._placement.moments(number)) if number else unmoved for number in numbers]
        return Choices.of(column.decisions, np.array(moved))

    @cached_property
    def _placement(self) -> Placement:
        return Placement(self.history.stances, self.seed, self.name, self.history.breaks)


def place(history: AdviceHistory, moments: Moments) -> Made:
    """The decisions of a history made at other moments, each of them whole.

    Where a stretch begins that did not follow the one before it, a symbol leaves what it held, or enters as it had done
    before that moment. What falls on a close at which a symbol has no bar waits for its next one.
    """
    placed: dict[str, list[Decision | None]] = {}
    for symbol, column in history.columns.items():
        moved = [column.decisions[number] for number in column.placed(moments).tolist()]
        there = history.has_bar[symbol]
        placed[symbol] = moved if all(there) else list(_on_bars(moved, there))
    return placed


class _Column:
    """The decisions of one symbol: those of each close, and behind them plain exits where some are needed."""

    def __init__(self, made: Sequence[Decision | None], stances: NDArray[np.int8]) -> None:
        self.decisions = list(made)
        self._made, self._stances = made, stances
        self._sets = np.array([_sets(decision) for decision in made], dtype=np.bool_)
        self._setters: dict[int, int] = {}

    def placed(self, moments: Moments) -> Moments:
        """Which of the decisions is made at each close, where those of these closes are moved there."""
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(moments) != 1) + 1])
        closes = moments[cuts]
        before = np.where(cuts > 0, self._stances[moments[cuts - 1]], 0)
        unset = ~self._sets[closes] & (self._stances[closes] != before)
        placed = moments.copy()
        for cut, close in zip(cuts[unset].tolist(), closes[unset].tolist(), strict=True):
            placed[cut] = self._setter(close)
        return placed

    def _setter(self, close: int) -> int:
        """What brings about the stance at a close: the decision that had done so before it, or a plain exit."""
        if close not in self._setters:
            self._setters[close] = self._found(close)
        return self._setters[close]

    def _found(self, close: int) -> int:
        for number in range(close, -1, -1):
            if self._sets[number]:
                if STANCES[action_of(self._made[number]) or ActionType.HOLD] == self._stances[close]:
                    return number
                break
        there = self._made[close]
        known = there if there is not None and there.advice is not None else _first_advised(self._made)
        self.decisions.append(None if known is None else with_action(known, ActionType.EXIT))
        return len(self.decisions) - 1


def _sets(decision: Decision | None) -> bool:
    return action_of(decision) in STANCES


def _first_advised(made: Sequence[Decision | None]) -> Decision | None:
    return next((decision for decision in made if decision is not None and decision.advice is not None), None)


def with_action(decision: Decision, action: ActionType) -> Decision:
    """The same decision with another action and no requests of its own."""
    assert decision.advice is not None  # noqa: S101 - callers look
    return replace(decision, advice=replace(decision.advice, action=Action(action, confidence=1.0)))


def _on_bars(moved: Iterable[Decision | None], has_bar: Iterable[bool]) -> Iterator[Decision | None]:
    waiting: Decision | None = None
    for decision, there in zip(moved, has_bar, strict=True):
        if _sets(decision):
            waiting = decision
        if not there:
            yield None
            continue
        yield waiting if waiting is not None else decision
        waiting = None
