"""How an advisor puts its question and reads the answer: the settings, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from llm_strategy.errors import ConfigurationError
from llm_strategy.layout_text import LayoutText
from llm_strategy.regime_rule import ACTION_FOR_LABEL
from llm_strategy.types import ActionType, RegimeLabel

DecisionMode = Literal["auto", "json", "slots", "choices"]
ExampleKind = Literal["auto", "fixed", "balanced", "nearest"]
LabelSource = Literal["rule", "followed"]
CalibrationKind = Literal["auto", "none", "content_free", "batch"]
RationaleWanted = Literal["always", "changes", "never"]
Layout = Literal["auto", "rows", "sheet", "steps", "facts", "turns", "page", "json"]

NEAREST_BY_DEFAULT = 2
"""Chosen by measurement on an earlier window: more examples cost time and read no better."""


TELLING = ("trend", "volatility")
"""The features that the causal rule goes by."""


class Example(NamedTuple):
    """A market as a model reads it, with the label it is shown for it."""

    market: str
    label: RegimeLabel

    @property
    def action(self) -> ActionType:
        """What the causal rule does about the label."""
        return ACTION_FOR_LABEL[self.label]

    @property
    def rationale(self) -> str:
        """The facts that the rule goes by."""
        return f"{telling_facts(self.market)}."


def telling_facts(market: str) -> str:
    """The facts of a market line that the causal rule goes by, trend and volatility."""
    facts = (fact.replace(":", "") for fact in market.split("; ") if fact.partition(":")[0] in TELLING)
    return ", ".join(facts)


@dataclass(frozen=True, slots=True)
class Reading:
    """How to ask, with which examples, and what to make of the probabilities.

    ``mode``: the model writes the whole ``json``, only the values (``slots``), or the labels are scored (``choices``);
    ``auto`` is the last of these that the backend can do. ``examples``: the ``fixed`` ones of ``prompts/``, the first
    ``count`` past states with every label alike (``balanced``), or the ``count`` past states ``nearest`` to the one in
    question; ``auto`` is nearest with choices and fixed otherwise. ``labels``: past states carry the label of the
    causal rule, or of what ``followed``. With choices alone: ``calibration`` of the label's probabilities (``auto`` is
    batch with examples that stay, none with the nearest), when a ``rationale`` is asked for (else the program writes
    it), and the ``layout`` of the prompt, one of ``prompts/`` by its name or one's own (``auto`` is rows with examples
    that stay, sheet with the nearest).
    """

    mode: DecisionMode = "auto"
    examples: ExampleKind = "auto"
    count: int = NEAREST_BY_DEFAULT
    labels: LabelSource = "rule"
    calibration: CalibrationKind = "auto"
    rationale: RationaleWanted = "never"
    layout: Layout | LayoutText = "auto"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigurationError(f"The number of examples is {self.count}: give at least 1.")

    @property
    def forgets(self) -> bool:
        """Whether a decision depends on the snapshots so far alone, and not on what was answered to them."""
        return self.mode != "choices" or (self.calibration != "batch" and self.rationale != "changes")

    def resolved(self, *, forms: bool, choices: bool, backend: str) -> Reading:
        """The same without ``auto``, for what a backend can do; ``ConfigurationError`` where it cannot do the mode."""
        mode = self.mode
        if mode == "auto":
            mode = "choices" if choices else "slots" if forms else "json"
        if (mode == "choices" and not choices) or (mode == "slots" and not forms):
            able = [name for name, can in (("json", True), ("slots", forms), ("choices", choices)) if can]
            raise ConfigurationError(
                f"advisor.mode is {mode}, which backend {backend!r} cannot do: choose {' or '.join(able)}, or auto."
            )
        examples = self.examples
        if examples == "auto":
            examples = "nearest" if mode == "choices" else "fixed"
        stay = examples != "nearest"
        calibration, layout = self.calibration, self.layout
        if calibration == "auto":
            calibration = "batch" if mode == "choices" and stay else "none"
        if layout == "auto":
            layout = "rows" if stay else "sheet"
        return Reading(mode, examples, self.count, self.labels, calibration, self.rationale, layout)
