"""How an advisor puts its question and reads the answer: the settings, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from llm_strategy.advice.calibration import LabelPrior
from llm_strategy.advice.layout import LayoutText
from llm_strategy.errors import ConfigurationError
from llm_strategy.market.view import ACTION_FOR_LABEL, market_view
from llm_strategy.types import ActionType, RegimeLabel

DecisionMode = Literal["auto", "json", "slots", "choices"]
ExampleKind = Literal["auto", "fixed", "balanced", "nearest"]
LabelSource = Literal["rule", "followed"]
CalibrationKind = Literal["auto", "none", "content_free", "batch"]
RationaleWanted = Literal["auto", "always", "changes", "never"]
Layout = Literal["auto", "rows", "sheet", "steps", "facts", "turns", "page", "json"]

NEAREST_BY_DEFAULT = 2
"""Chosen by measurement on an earlier window: more examples cost time and read no better."""


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
        return f"{market_view(self.market).rule_facts}."


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How to ask, with which examples, and what to make of the probabilities.

    ``mode``: the model writes the whole ``json``, only the values (``slots``), or the labels are scored (``choices``);
    ``auto`` is the last of these that the backend can do. ``examples``: the ``fixed`` ones of ``prompts/``, the first
    ``count`` past states with every label alike (``balanced``), or the ``count`` past states ``nearest`` to the one in
    question; ``auto`` is nearest with choices and with slots of an embedded model, and fixed otherwise. ``labels``:
    past states carry the label of the causal rule, or of what ``followed``. ``rationale``: when the model is asked for
    one; else the program writes it (``auto`` is never with choices and with slots behind nearest examples, always
    otherwise). With choices alone: ``calibration`` of the label's probabilities, by a ``LabelPrior`` or by what the run
    itself scores (``auto`` is batch with examples that stay, none with the nearest), and the ``layout`` of the prompt,
    one of ``prompts/`` by its name or one's own (``auto`` is rows with examples that stay, sheet with the nearest).
    """

    mode: DecisionMode = "auto"
    examples: ExampleKind = "auto"
    count: int = NEAREST_BY_DEFAULT
    labels: LabelSource = "rule"
    calibration: CalibrationKind | LabelPrior = "auto"
    rationale: RationaleWanted = "auto"
    layout: Layout | LayoutText = "auto"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigurationError(f"The number of examples is {self.count}: give at least 1.")

    @property
    def stateless(self) -> bool:
        """Whether a decision depends on the snapshots so far alone, and not on what was answered to them."""
        return self.mode != "choices" or (self.calibration != "batch" and self.rationale != "changes")

    def resolved(self, *, forms: bool, choices: bool, backend: str, embedded: bool) -> PromptOptions:
        """The same without ``auto``, for what a backend can do and whether the model is ``embedded`` in the program;
        ``ConfigurationError`` where it cannot do the mode, or the mode cannot do without a rationale."""
        mode = self._mode(forms=forms, choices=choices, backend=backend)
        if mode != "choices":
            self._refuse_settings_of_choices(mode, backend, able=choices)
        examples = self.examples
        if examples == "auto":
            examples = "nearest" if mode == "choices" or (mode == "slots" and embedded) else "fixed"
        if examples == "fixed" and self.labels != "rule":
            raise ConfigurationError(
                f"advisor.labels is {self.labels}, and the fixed examples that mode {mode} shows with backend "
                f"{backend!r} have labels of their own: set advisor.examples to {{nearest: {self.count}}} or "
                "{balanced: 4}, or leave labels out."
            )
        stay = examples != "nearest"
        rationale, calibration, layout = self.rationale, self.calibration, self.layout
        if rationale == "auto":
            rationale = "never" if mode == "choices" or (mode == "slots" and not stay) else "always"
        if (mode == "json" and rationale != "always") or (mode == "slots" and rationale == "changes"):
            able = "auto" if mode == "json" else "always, never or auto"
            raise ConfigurationError(f"advisor.rationale is {rationale}, which mode {mode} cannot do: choose {able}.")
        if calibration == "auto":
            calibration = "batch" if mode == "choices" and stay else "none"
        if layout == "auto":
            layout = "rows" if stay else "sheet"
        return PromptOptions(mode, examples, self.count, self.labels, calibration, rationale, layout)

    def _refuse_settings_of_choices(self, mode: DecisionMode, backend: str, *, able: bool) -> None:
        """Raise ``ConfigurationError`` for what is set and would change nothing, as labels are not scored."""
        for setting, given, idle in (
            ("layout", self.layout, ("auto",)),
            ("calibration", self.calibration, ("auto", "none")),
        ):
            if given in idle:
                continue
            told = given if isinstance(given, str) else "your own"
            cure = (
                "set advisor.mode to choices" if able else "choose a backend that scores labels (LLM_BACKEND=llama_cpp)"
            )
            raise ConfigurationError(
                f"advisor.{setting} is {told}, which only mode choices reads, and backend {backend!r} decides in mode "
                f"{mode}: {cure}, or leave {setting} out."
            )

    def _mode(self, *, forms: bool, choices: bool, backend: str) -> DecisionMode:
        if self.mode == "auto":
            return "choices" if choices else "slots" if forms else "json"
        if (self.mode == "choices" and not choices) or (self.mode == "slots" and not forms):
            able = [name for name, can in (("json", True), ("slots", forms), ("choices", choices)) if can]
            raise ConfigurationError(
                f"advisor.mode is {self.mode}, which backend {backend!r} cannot do: "
                f"choose {' or '.join(able)}, or auto."
            )
        return self.mode
