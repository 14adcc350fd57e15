"""What a question takes: every real call of a model behind it, whoever makes it, and what each reads, writes and costs.

A question may be asked again, of another address, of another backend, or of all members of an ensemble. Each of these
is a call of its own. A client that answers through others, or from several addresses, notes the calls that it makes
(``LLMClient.counts_calls``); for any other one call is noted by whoever asks it (``LLMClient.log_calls``). What all
calls of a command come to (``Usage``) is bounded by its ``Budget``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from llm_strategy.errors import BudgetReached, ConfigurationError


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model charges, in currency for a million tokens; None where no price is configured."""

    tokens_in: float | None = None
    tokens_out: float | None = None

    @property
    def known(self) -> bool:
        """Whether a price is configured."""
        return self.tokens_in is not None or self.tokens_out is not None

    def cost(self, tokens_in: int, tokens_out: int) -> float | None:
        """Currency for so many tokens; None where no price is configured."""
        if not self.known:
            return None
        return ((self.tokens_in or 0.0) * tokens_in + (self.tokens_out or 0.0) * tokens_out) / 1e6


@dataclass(slots=True)
class Call:
    """One call of a model: what a server sees, or an engine computes. One that failed counts no tokens.

    ``endpoint`` names the address where there may be several; ``prices`` of None are those of the log.
    """

    backend: str
    model: str
    endpoint: str = ""
    prices: Prices | None = None
    answered: bool = False
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def cost(self) -> float | None:
        """Currency; None where no price is configured."""
        return None if self.prices is None else self.prices.cost(self.tokens_in, self.tokens_out)

    def succeed(self, tokens_in: int, tokens_out: int) -> None:
        """Note that an answer came."""
        self.answered, self.tokens_in, self.tokens_out = True, tokens_in, tokens_out

    def as_dict(self) -> dict[str, Any]:
        """The call as JSON types."""
        return {
            "backend": self.backend,
            "model": self.model,
            "endpoint": self.endpoint or None,
            "answered": self.answered,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost": self.cost,
        }


class CallLog:
    """The calls of one question, in the order in which they began. Threads may share it.

    ``before`` is called before each call, which is not made where it raises; ``after`` with each that has ended.
    ``prices`` are for calls that have none; ``above`` is a log in which the same calls are recorded too.
    """

    def __init__(
        self,
        prices: Prices | None = None,
        above: CallLog | None = None,
        *,
        before: Callable[[Call], None] | None = None,
        after: Callable[[Call], None] | None = None,
    ) -> None:
        self.calls: list[Call] = []
        self._prices = prices
        self._above = above
        self._before = before
        self._after = after

    @contextmanager
    def record(self, call: Call) -> Iterator[Call]:
        """Record a call, which is made in here."""
        self._begin(call)
        try:
            yield call
        finally:
            self._end(call)

    def _begin(self, call: Call) -> None:
        if call.prices is None:
            call.prices = self._prices
        if self._before is not None:
            self._before(call)
        if self._above is not None:
            self._above._begin(call)
        self.calls.append(call)

    def _end(self, call: Call) -> None:
        if self._after is not None:
            self._after(call)
        if self._above is not None:
            self._above._end(call)


class DecisionContext:
    """One decision, for which one or several questions are asked."""

    def judged(self, status: str, policy: str, reasons: tuple[str, ...] = ()) -> None:
        """Hear what became of its last answer: status of the decision, verdict of the policy and why."""


def total(calls: Iterable[Call]) -> float | None:
    """Currency for all of these; None where one of them that may have cost something has no price."""
    costs = [call.cost for call in calls]
    return None if None in costs else sum(filter(None, costs), 0.0)


@dataclass
class Usage:
    """How often the model was asked, failed questions too, how many answers were ``kept``, and what that took.

    ``calls`` are real ones: a question may take several (``calls.py``). Seconds in which several questions are under
    way count once. Tokens are those of all calls; ``cost``, in currency, is that of all calls with a price. ``again``
    are those of the asked for which an earlier command was given an answer that could not be used.
    """

    asked: int = 0
    again: int = 0
    kept: int = 0
    calls: int = 0
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def since(self, before: Usage) -> Usage:
        """What was used after ``before`` was taken."""
        return Usage(**{name: getattr(self, name) - getattr(before, name) for name in Usage.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper bounds for what one command asks of the model; None bounds nothing, and answers on record are free.

    ``max_calls`` counts every call that a server sees or an engine computes: further attempts, those to other
    addresses, fallbacks and each member of an ensemble too, and alone not the short questions by which a server is got
    to know. ``max_tokens`` counts read and written ones as the models report them, ``max_seconds`` the time spent
    asking, waits between attempts too, ``max_cost`` is in the currency of the configured prices.

    All are looked at before each call, so that ``max_calls`` holds exactly, and beyond any other bound no call begins:
    those under way come to their end and count.
    """

    max_calls: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    max_cost: Annotated[float, Field(gt=0)] | None = None

    def check_prices(self, without_price: Sequence[str]) -> None:
        """Raise ``ConfigurationError`` where money is bounded and backends that may answer, named here, have no
        price."""
        if self.max_cost is not None and without_price:
            raise ConfigurationError(
                f"advisor.budget.max_cost needs the price of whoever may answer, and {', '.join(without_price)} has "
                "none: set price_in and price_out (for a million tokens; 0 where they cost nothing) in "
                "configs/llm.yaml (those of a fallback under its own name), or LLM_PRICE_IN and LLM_PRICE_OUT."
            )

    def check(self, used: Usage) -> None:
        """Raise ``BudgetReached`` where a bound is reached."""
        tokens = used.tokens_in + used.tokens_out
        for name, spent, allowed, unit in (
            ("max_calls", used.calls, self.max_calls, "calls"),
            ("max_tokens", tokens, self.max_tokens, "tokens"),
            ("max_seconds", used.seconds, self.max_seconds, "seconds"),
            ("max_cost", used.cost, self.max_cost, "in money"),
        ):
            if allowed is not None and spent >= allowed:
                reason = f"The budget is used up: {spent:,.6g} {unit} of {allowed:,.6g} (advisor.budget.{name})"
                if used.kept:
                    cure = "every answer is kept, and the same command goes on from there with a fresh budget"
                else:
                    cure = "no answer came of it that could be kept, so raise it, or put right what fails"
                raise BudgetReached(f"{reason}; {cure}.")
