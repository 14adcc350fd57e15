"""One command's use of a model behind the record of answers: its budget and prices, what it used, which answers are its
own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from llm_strategy.llm.metering.calls import Budget, Call, Prices, Usage
from llm_strategy.llm.requests import Generation

UNBOUNDED = Budget()


@dataclass(eq=False)
class Session:
    """What a command asks, from ``RecordingClient.session`` on until it is closed; nothing of it is left then.

    It counts together with the session that it was opened in (``above``), whose budget holds too. The client's lock
    guards it.
    """

    budget: Budget = UNBOUNDED
    prices: Prices | None = None
    """Of calls that have none of their own."""
    on_record: Callable[[str], None] | None = None
    """Called with the key of each answer that is recorded, one call at a time."""
    above: Session | None = None
    usage: Usage = field(default_factory=Usage)
    latencies: list[float] = field(default_factory=list)
    """Seconds of each question that the model was asked, failed ones too, in the order in which they ended."""
    answered: dict[str, Generation] = field(default_factory=dict)
    """Answers that were given, or are taken for the command's own, by key."""
    own: set[str] = field(default_factory=set)
    """Keys of the answers of this command; all others are of an earlier one."""
    passed_over: set[str] = field(default_factory=set)
    """Keys whose answer of an earlier command is not read any more."""
    unusable: set[str] = field(default_factory=set)
    """Keys of answers of this command that their reader can do nothing with."""

    @property
    def all(self) -> Iterator[Session]:
        """This session and those that it was opened in."""
        session: Session | None = self
        while session is not None:
            yield session
            session = session.above

    def count_time(self, seconds: float) -> None:
        """Count further seconds in which questions were under way: added, since clients that share a record count
        each their own."""
        for session in self.all:
            session.usage.seconds += seconds

    def check_budget(self, seconds: float) -> None:
        """Raise ``BudgetReached`` where a bound is reached after so many further seconds of questions."""
        self.count_time(seconds)
        for session in self.all:
            session.budget.check(session.usage)

    def begin_call(self, seconds: float) -> None:
        """Count a call as it begins: threads together make no more calls than a budget allows."""
        self.check_budget(seconds)
        for session in self.all:
            session.usage.calls += 1

    def charge(self, call: Call) -> None:
        """Count what a call took that has ended."""
        for session in self.all:
            session.usage.tokens_in += call.tokens_in
            session.usage.tokens_out += call.tokens_out
            session.usage.cost += call.cost or 0.0
            session.usage.unpriced += call.cost is None

    def end_question(self, seconds: float, took: float) -> None:
        """Count the time of a question that has ended, with an answer or without."""
        self.count_time(seconds)
        for session in self.all:
            session.latencies.append(took)

    def keep(self, key: str) -> None:
        """Count an answer that was recorded, and say so."""
        for session in self.all:
            session.usage.kept += 1
            if session.on_record is not None:
                session.on_record(key)
