"""How a plan is made: how many analytics may be chosen, from which, when, and by whom."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Field, WithJsonSchema

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.context.features import FEATURES
from llm_strategy.market.context.menu import Menu, Offer, read_menu

When: TypeAlias = Literal["bar", "run", "regime"]
By: TypeAlias = Literal["model", "all", "fixed", "random"]
MOST_CHOSEN = 20
PLAN = "plan"
"""The placeholder of a person's own prompt for the results of a plan."""
_ANALYTICS = {
    "type": ["array", "null"],
    "minItems": 1,
    "items": {"if": {"type": "object"}, "then": {"minProperties": 1, "maxProperties": 1}, "else": {"type": "string"}},
    "description": "a list of analytics by name (btllm analytics) and of sources of context, with options as in "
    "{analogues: {k: 5}}",
}


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """A plan: of the ``analytics`` that are offered at most so many are chosen (``choose``), whose results have at most
    so many ``tokens`` together.

    ``when`` a plan is made: at each ``bar``, once a ``run`` for each symbol, or at each change of ``regime``, as the
    causal rule labels it; between those moments the same is chosen. ``analytics`` are names, references
    (``package.module:NAME``, ``FILE.py:NAME``) and sources of context with their options; without a list all of the
    package that the market has what it takes for. ``by`` whom: the ``model``, or in its place the null of a plan:
    ``all`` without bound, the first of the list (``fixed``), or ``random`` ones, drawn anew at each close. Raises
    ``ConfigurationError`` for an unknown analytic, and for bounds that the list cannot meet.
    """

    choose: Annotated[int, Field(ge=1, le=MOST_CHOSEN)] = 3
    tokens: Annotated[int, Field(ge=1)] = 400
    when: When = "bar"
    analytics: Annotated[tuple[str | dict[str, dict[str, Any]], ...] | None, WithJsonSchema(_ANALYTICS)] = None
    by: By = "model"

    def __post_init__(self) -> None:
        for name, most in (("choose", MOST_CHOSEN), ("tokens", None)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most and value > most):
                bounds = f"from 1 to {most}" if most else "from 1 upwards"
                raise ConfigurationError(f"plan.{name} is {value!r:.40}: give a whole number {bounds}.")
        for name, words in (("when", get_args(When)), ("by", get_args(By))):
            if getattr(self, name) not in words:
                raise ConfigurationError(
                    f"plan.{name} is {getattr(self, name)!r:.40}: choose one of {', '.join(words)}."
                )
        if self.analytics is not None:  # the one way to give a frozen instance its normal form
            object.__setattr__(self, "analytics", read_menu(self.analytics, "plan.analytics"))
        menu = self.menu()
        if self.choose > len(menu.everywhere):
            raise ConfigurationError(
                f"plan.choose is {self.choose} and there are {len(menu.everywhere)} analytics to choose from: choose "
                "no more than there are, or name more in plan.analytics."
            )
        takes = {name: menu.tokens(name) for name in menu.names}
        bounded = {name: tokens for name, tokens in takes.items() if tokens is not None}
        if len(bounded) == len(takes) and self.tokens < min(bounded.values()):
            cheapest = min(bounded, key=bounded.__getitem__)
            raise ConfigurationError(
                f"plan.tokens is {self.tokens}, and the least that one of the analytics takes is "
                f"{bounded[cheapest]} ({cheapest}): allow at least so many."
            )

    @classmethod
    def of(cls, plan: PlanOptions | Mapping[str, Any] | None) -> PlanOptions | None:
        """The options, or those of a mapping of their names; None for none."""
        if plan is None or isinstance(plan, PlanOptions):
            return plan
        try:
            return cls(**{**plan, "analytics": plan.get("analytics")})
        except TypeError:
            known = ", ".join(cls.__slots__)
            raise ConfigurationError(f"plan is {plan!r:.80}: write a mapping of some of {known}.") from None

    def menu(self) -> Menu:
        """What can be chosen, without a past."""
        return Menu(self.analytics, "plan.analytics")

    def beside(self, context: Sequence[str]) -> tuple[str, ...]:
        """The names of what is shown at every close (``context``) and of what this adds; raises
        ``ConfigurationError`` where the market's line is none of it, which a plan is made for."""
        if FEATURES not in context:
            raise ConfigurationError(
                "advisor.plan is made for the market's line, and advisor.context leaves the features out: add features "
                "to context, or leave plan out."
            )
        return (*context, PLAN)

    def fitting(self, ranked: Sequence[str], offer: Offer) -> tuple[str, ...]:
        """Those of ``ranked``, the best first, that are run: one that is there already, or that the tokens left do not
        suffice for, is passed over."""
        chosen: list[str] = []
        left = float(self.tokens)
        for name in ranked:
            if name not in chosen and len(chosen) < self.choose and offer.tokens(name) <= left:
                chosen.append(name)
                left -= offer.tokens(name)
        return tuple(chosen)

    def without_model(self, offer: Offer) -> tuple[str, ...]:
        """What is run where no model chooses."""
        names = list(offer.names)
        if self.by == "all":
            return tuple(names)
        if self.by == "random":
            random.Random(" ".join(offer.key)).shuffle(names)  # noqa: S311 - the same for the same close
        return self.fitting(names, offer)
