"""What an audit asks a model itself: what came after a date, and which market and year a masked window is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_strategy.advice.choosing import NoChoice, Questions
from llm_strategy.advice.written_prompt import render
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Message
from llm_strategy.support.outside_text import quoted, symbol_name
from simulator.prices.sessions import parse_timeframe

DIRECTIONS = ("up", "down", "unknown")


@dataclass
class MemoryQuestions:
    """Asks a model multiple-choice questions and counts those that it did not answer."""

    client: LLMClient
    asked: int = 0
    failed: int = 0
    why: str = ""
    """What went wrong last."""
    _system: Message = field(init=False)

    def __post_init__(self) -> None:
        self._system = Message("system", render("memory_system.j2"))

    def direction(self, symbol: str, time: str, horizon: str) -> tuple[float, float]:
        """The probabilities of up and of down after this time; neither where the model gives no answer."""
        asks = render(
            "memory_direction.j2",
            market=quoted(symbol_name(symbol)),
            date=time.removesuffix("T00:00:00"),
            horizon=horizon,
        )
        found = self._weigh("direction", asks, DIRECTIONS)
        return (0.0, 0.0) if found is None else (found[0], found[1])

    def which(self, about: str, shown: str, choices: Sequence[str]) -> list[float]:
        """The probability of each choice for what is shown; all alike where the model gives no answer."""
        asks = render("memory_window.j2", shown=shown, about=about, choices=", ".join(choices))
        found = self._weigh(about, asks, choices)
        return [1 / len(choices)] * len(choices) if found is None else found

    def _weigh(self, about: str, asks: str, choices: Sequence[str]) -> list[float] | None:
        self.asked += 1
        try:
            return Questions(self.client).weigh(about, (self._system, Message("user", asks)), choices)
        except NoChoice as problem:
            self.failed += 1
            self.why = str(problem)
            return None


def bars_in_words(count: int, timeframe: str) -> str:
    """So many bars as a question tells them."""
    if timeframe == "1d":
        return f"{count} trading days"
    unit = parse_timeframe(timeframe)
    return f"{count} bars of {unit}"
