"""The section ``hypotheses`` of an experiment: what is stated, on which closes it is tested, how strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.market.analytics.registry import ANALYTICS
from llm_strategy.market.features import WarmUp
from simulator.hypotheses.statement import Hypothesis

MOST_PROPOSED = 20
"""Statements that a model proposes, and that a person gives, in one run."""
_STATEMENTS: dict[str, Any] = {
    "type": "array",
    "maxItems": MOST_PROPOSED,
    "items": {"type": "object"},
    "description": "statements of one's own, each as in hypothesis.schema.json",
}
_WINDOWS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "a share of the closes"}
        for name in ("propose", "test")
    },
}


@dataclass(frozen=True, slots=True)
class HypothesesConfig:
    """What is stated about the market of a run, and how that is tested.

    The closes of a run from the first decision on are cut into three windows: from the first the model proposes, on the
    second everything is tested, and on the last one a confirmed statement is traded, once. Raises
    ``ConfigurationError`` for what is wrong.
    """

    propose: Annotated[int, Field(ge=0, le=MOST_PROPOSED)] = 0
    """How many statements the model of the first advised arm proposes."""
    statements: Annotated[tuple[Mapping[str, Any] | Hypothesis, ...], WithJsonSchema(_STATEMENTS)] = ()
    """A person's own, as in ``contracts/hypothesis.schema.json``."""
    windows: Annotated[Mapping[str, float], WithJsonSchema(_WINDOWS)] = field(default_factory=dict)
    """Shares of the closes: those that are proposed from, and those behind them that are tested on; the rest is the
    last window."""
    rate: Annotated[float, Field(gt=0, le=0.5, description="the share of confirmed statements that may be false")] = 0.1
    """The false discovery rate (Benjamini and Hochberg 1995) of what is confirmed."""
    trade: bool = True
    """Whether every statement that is tested is traded as a rule, through gate and costs, too."""
    chance: Annotated[int, Field(ge=0, le=100)] = 0
    """How many statements are drawn at random from the lists that the model chooses from: they are tested beside its
    own and counted, claimed by nobody, neither registered nor traded."""
    analytics: Annotated[
        tuple[str, ...], Field(description="names of analytics", json_schema_extra={"uniqueItems": True})
    ] = ()
    """What the model may speak of; all analytics of the package where none is named."""

    USUAL_WINDOWS: ClassVar[Mapping[str, float]] = {"propose": 0.4, "test": 0.4}

    def __post_init__(self) -> None:
        if not self.propose and not self.statements:
            raise ConfigurationError(
                "hypotheses has nothing to do: set hypotheses.propose to a number above 0, or write "
                "hypotheses.statements."
            )
        # The one way to give a frozen instance its normal form.
        object.__setattr__(self, "windows", {**self.USUAL_WINDOWS, **self.windows})
        if (total := sum(self.windows.values())) > 1 + 1e-9:
            raise ConfigurationError(
                f"hypotheses.windows are {total:g} of the closes together: lower propose or test, so that they are at "
                "most 1."
            )
        for name in self.analytics:
            if name not in ANALYTICS:
                raise ConfigurationError(f"hypotheses.analytics names {name!r}{did_you_mean(name, ANALYTICS)}")
        read = tuple(
            one
            if isinstance(one, Hypothesis)
            else Hypothesis.from_document(dict(one), f"hypotheses.statements, statement {number}")
            for number, one in enumerate(self.statements, 1)
        )
        ids = [one.id for one in read]
        if twice := next((one for one in read if ids.count(one.id) > 1), None):
            raise ConfigurationError(f"hypotheses.statements states twice: {twice.sentence} Write it once.")
        object.__setattr__(self, "statements", read)

    @property
    def own(self) -> tuple[Hypothesis, ...]:
        """The statements of a person."""
        return tuple(one for one in self.statements if isinstance(one, Hypothesis))

    @property
    def names(self) -> tuple[str, ...]:
        """The analytics that a model may speak of."""
        return self.analytics or tuple(ANALYTICS)

    @property
    def warm_up(self) -> WarmUp:
        """Decision bars that the analytics need which statements may speak of, whoever states them."""
        spoken = {field.partition(".")[0] for one in self.own for field in one.fields}
        needs = {name: ANALYTICS[name].lookback for name in (*self.names, *sorted(spoken))}
        longest = max(needs, key=lambda name: needs[name])
        return WarmUp(max(1, needs[longest]), f"{longest} of hypotheses")

    def as_document(self) -> dict[str, Any]:
        """The section as a person writes it; analytics where some are named."""
        document: dict[str, Any] = {
            "propose": self.propose,
            "statements": [one.as_document() for one in self.own],
            "windows": dict(self.windows),
            "rate": self.rate,
            "trade": self.trade,
        }
        if self.chance:
            document["chance"] = self.chance
        return document | ({"analytics": list(self.analytics)} if self.analytics else {})
