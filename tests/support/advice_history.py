"""Histories of advice written as words: one letter a close for each symbol."""

from llm_strategy.types import (
    Abstention,
    AbstentionReason,
    Action,
    ActionType,
    Advice,
    Decision,
    PolicyOutcome,
    PolicyVerdict,
    Regime,
    Snapshot,
    Status,
)
from simulator.evaluation.placebo import AdviceHistory

_ACTIONS = {"L": "enter_long", "S": "enter_short", "x": "exit", ".": "hold"}
_TREND = {"U": 0.1, "D": -0.1, "-": 0.0}


def time_of(close):
    return f"2020-01-01T{close // 60:02d}:{close % 60:02d}:00"


def snapshot(symbol, close, trend=0.0):
    return Snapshot(symbol, "1d", time_of(close), 100.0, trend, 0.0, 0.01, 0.5, 0.0, 0.5, 1.0)


def decision(symbol, close, letter, trend=0.0):
    """``L`` long, ``S`` short, ``x`` out, ``.`` hold, ``?`` no advice; its confidence tells of which close it is."""
    policy, seen = PolicyOutcome(PolicyVerdict.ALLOW), snapshot(symbol, close, trend)
    if letter == "?":
        return Decision(seen, Status.ABSTAINED, None, Abstention(AbstentionReason.TIMEOUT, "Late."), policy)
    action = Action(ActionType(_ACTIONS[letter]), confidence=close / 10_000)
    return Decision(seen, Status.ADVISED, Advice(symbol, "1d", Regime("bull"), "So.", action), None, policy)


def history(rule="", **words):
    """The history of these symbols; a space is a close without a decision. ``rule`` is what the causal rule sees of
    every symbol: ``U`` above the mean, ``D`` below, ``-`` near it."""
    made = [
        decision(symbol, close, letter, _TREND[rule[close]] if rule else 0.0)
        for symbol, word in words.items()
        for close, letter in enumerate(word)
        if letter != " "
    ]
    return AdviceHistory.of(made, {symbol: map(time_of, range(len(word))) for symbol, word in words.items()})


def word(made):
    """The actions of a series as letters."""
    letters = {value: letter for letter, value in _ACTIONS.items()}
    return "".join(
        " " if one is None else "?" if one.advice is None else letters[str(one.advice.action.type)] for one in made
    )


def origins(made):
    """The close of which each decision is, by its confidence; None for one that is no decision of the history."""
    return [None if one is None or one.advice is None else round(one.advice.action.confidence * 10_000) for one in made]
