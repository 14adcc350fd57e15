"""What a question takes: every real call of a model behind it, whoever makes it, and what each reads, writes and costs.

A question may be asked again, of another address, of another backend, or of all members of an ensemble. Each of these
is a call of its own. A client that answers through others, or from several addresses, notes the calls that it makes
(``LLMClient.counts_calls``); for any other one call is noted by whoever asks it (``LLMClient.ask``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


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

    ``endpoint`` names the address where there may be several; ``prices`` of None are those of the bill.
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


class Bill:
    """The calls of one question, in the order in which they began. Threads may share it.

    ``before`` is called before each call, which is not made where it raises; ``after`` with each that has ended.
    ``prices`` are for calls that have none; ``above`` is a bill on which the same calls are noted too.
    """

    def __init__(
        self,
        prices: Prices | None = None,
        above: Bill | None = None,
        *,
        before: Callable[[Call], None] | None = None,
        after: Callable[[Call], None] | None = None,
    ) -> None:
        self.calls: list[Call] = []
        self._prices = prices
        self._above = above
        self._before = before
        self._after = after

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


@contextmanager
def on_the_bill(bill: Bill | None, call: Call) -> Iterator[Call]:
    """Note a call, which is made in here, on a bill where there is one."""
    if bill is not None:
        bill._begin(call)
    try:
        yield call
    finally:
        if bill is not None:
            bill._end(call)


def total(calls: Iterable[Call]) -> float | None:
    """Currency for all of these; None where one of them that may have cost something has no price."""
    costs = [call.cost for call in calls]
    return None if None in costs else sum(filter(None, costs), 0.0)
