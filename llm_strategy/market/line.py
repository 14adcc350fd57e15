"""What is cut out of a market's line for a prompt: its values alone, or what the causal rule goes by. Pure."""

from __future__ import annotations

from typing import Literal, get_args

Unmasked = Literal["symbol", "date", "price"]
"""What a line may show beside its features; each lets a model remember the period instead of reading it."""

TELLING = ("trend", "volatility")
"""The features that the causal rule goes by."""

_UNITS = (" long average", " from", " of its range", " of its mean")


def values_of(market: str, between: str = " ") -> str:
    """The row of a line's values; symbol, date and price, where they are shown, keep their names."""
    facts = (fact.partition(": ") for fact in market.split("; "))
    return between.join(
        f"{name} {value}" if name in get_args(Unmasked) else _brief(value or name) for name, _, value in facts
    )


def telling_values(market: str) -> str:
    """The values of what the causal rule goes by."""
    facts = dict(fact.partition(": ")[::2] for fact in market.split("; "))
    return " ".join(_brief(facts[name]) for name in TELLING if name in facts)


def telling_facts(market: str) -> str:
    """The same with their names."""
    facts = (fact.replace(":", "") for fact in market.split("; ") if fact.partition(":")[0] in TELLING)
    return ", ".join(facts)


def _brief(value: str) -> str:
    for unit in _UNITS:
        value = value.removesuffix(unit)
    return value
