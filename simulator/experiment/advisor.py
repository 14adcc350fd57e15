"""The ``advisor`` section of an experiment: what the model sees, how it is asked, and what becomes of its failures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from llm_strategy.advice.calibration import LabelPrior
from llm_strategy.advice.layout import LayoutText
from llm_strategy.advice.lenient import Repairs
from llm_strategy.advice.options import (
    NEAREST_BY_DEFAULT,
    CalibrationKind,
    DecisionMode,
    ExampleKind,
    LabelSource,
    Layout,
    PromptOptions,
    RationaleWanted,
)
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.metering.calls import Budget
from llm_strategy.market.lookbacks import DEFAULT_LOOKBACKS, Lookbacks
from llm_strategy.market.view import Style, Unmasked, View
from llm_strategy.support.places import at_home, place_of

_FILES = {"layout": ".yaml", "calibration": ".json"}
"""Choices that may be the path of a file, by its ending."""
ABSTAIN = "abstain"
"""In place of a rule that decides where the model failed: nobody does."""


@dataclass(frozen=True, slots=True)
class AdvisorConfig:
    """What the model sees, when any advisor is asked, whether and how much the model may be, and how many failures of
    it (share of decisions) a run may have.

    ``abort_above_failure_rate`` ends a run as soon as it has too many; ``fallback`` is the rule that decides where the
    model failed; ``examples`` is ``auto``, ``fixed``, or a mapping of ``balanced`` or ``nearest`` to a number.
    ``layout`` is a name, a ``LayoutText``, its content as a mapping, or the path of a YAML file with it, from the
    current folder (in an experiment's file from its own folder first: ``placed``); the file is read at once, and what
    it says is kept. The same with ``calibration``, which is a kind, a ``LabelPrior``, or the ``calibration.json`` of a
    run. Raises ``ConfigurationError`` for a wrong one.
    """

    style: Style = "words"
    decimals: int = 0
    unmasked: tuple[Unmasked, ...] = ()
    decide_every: int = 1
    """Decision bars from one decision to the next."""
    decide_when: Literal["always", "changed"] = "always"
    """``changed`` decides only where the text that the model would be shown has changed."""
    answers: Literal["live", "replay", "refresh"] = "live"
    max_failure_rate: float = 0.05
    budget: Budget = field(default_factory=Budget)
    abort_above_failure_rate: bool = False
    fallback: str = ABSTAIN
    mode: DecisionMode = "auto"
    examples: str | dict[str, int] = "auto"
    labels: LabelSource = "rule"
    calibration: str | dict[str, Any] | LabelPrior = "auto"
    rationale: RationaleWanted = "auto"
    layout: str | dict[str, Any] | LayoutText = "auto"
    lookbacks: Lookbacks = DEFAULT_LOOKBACKS
    """Bars behind each feature, for every advisor."""
    repairs: Repairs = "strict"
    """``lenient`` reads a value that breaks the contract where it can mean one thing alone."""

    def __post_init__(self) -> None:
        if self.decimals and self.style == "words":
            raise ConfigurationError(
                f"advisor.decimals is {self.decimals}, and style words shows no figures: set advisor.style to numbers, "
                "or leave decimals out."
            )
        # The one way to give a frozen instance its normal form.
        if isinstance(self.examples, dict):  # 4.0 is a whole number in YAML, too
            whole = {kind: int(count) for kind, count in self.examples.items() if count == int(count)}
            object.__setattr__(self, "examples", self.examples | whole)
        object.__setattr__(self, "layout", _taken(self.layout, _FILES["layout"], LayoutText, "advisor.layout"))
        object.__setattr__(
            self, "calibration", _taken(self.calibration, _FILES["calibration"], LabelPrior, "advisor.calibration")
        )

    @property
    def reading(self) -> PromptOptions:
        """How the question is put and the answer read."""
        chosen = self.examples if isinstance(self.examples, dict) else {self.examples: NEAREST_BY_DEFAULT}
        ((kind, count),) = chosen.items()
        examples = cast(ExampleKind, kind)  # the schema knows no other
        layout = cast(Layout | LayoutText, self.layout)  # the schema knows no other name
        calibration = cast(CalibrationKind | LabelPrior, self.calibration)
        return PromptOptions(self.mode, examples, count, self.labels, calibration, self.rationale, layout)

    @property
    def view(self) -> View:
        """How a snapshot is rendered."""
        return View(self.style, self.decimals, self.unmasked)

    @property
    def changed_view(self) -> View | None:
        """Where decisions are made only when the text has changed: how that text is rendered."""
        return self.view if self.decide_when == "changed" else None


def placed(section: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """The section with the files that it names looked for in this folder before the working folder."""
    files = {
        name: str(place_of(section[name], folder))
        for name, suffix in _FILES.items()
        if isinstance(section.get(name), str) and section[name].endswith(suffix)
    }
    return section | files


def _taken(given: Any, suffix: str, kind: type[LayoutText] | type[LabelPrior], where: str) -> Any:
    """What is given, where it is a file or its content read as this kind."""
    if isinstance(given, str) and given.endswith(suffix):
        return kind.from_file(at_home(given))
    return kind.from_document(given, where) if isinstance(given, dict) else given
