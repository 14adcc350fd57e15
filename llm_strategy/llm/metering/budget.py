"""What a run may use of a model: calls, tokens, seconds and money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from llm_strategy.errors import BudgetReached, ConfigurationError
from llm_strategy.llm.record.client import Usage


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
                told = f"The budget is used up: {spent:,.6g} {unit} of {allowed:,.6g} (advisor.budget.{name})"
                if used.kept:
                    cure = "every answer is kept, and the same command goes on from there with a fresh budget"
                else:
                    cure = "no answer came of it that could be kept, so raise it, or put right what fails"
                raise BudgetReached(f"{told}; {cure}.")
