"""How the model of a run was asked, in words: what besides its weights decided what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import MODES, complete_options
from llm_strategy.advice.options import LabelPrior, PromptOptions
from llm_strategy.errors import ConfigurationError
from simulator.folder.record import Record

_EXAMPLES = {
    "fixed": "behind the fixed examples of the package",
    "balanced": "behind past states with every label alike",
    "nearest": "behind the past states nearest to each",
}
_LABELS = {"rule": "labelled by the causal rule", "followed": "labelled by what had followed them"}
ONE_OF_MANY = (
    "The same weights in another engine, mode or wording are another advisor: where few of its decisions differ, "
    "trades and figures can differ much, and nothing here says by how much until an experiment runs both."
)


def asking(record: Record) -> tuple[str, ...]:
    """Sentences about mode, examples and rationale, and what they leave open; none where that is not on record."""
    model = record.manifest["model"]
    options = None if model is None else _options(record.manifest["experiment"]["advisor"], model)
    if options is None:
        return ()
    shown = _EXAMPLES[options.examples]
    if options.examples != "fixed":
        shown += f", {_LABELS[options.labels]}"
    wrote = {"never": "the program", "always": "the model", "changes": "the model where label or action changed"}
    return f"{MODES[options.mode].manner}, {shown}; rationales are by {wrote[options.rationale]}.", ONE_OF_MANY


def _options(advisor: Mapping[str, Any], model: Mapping[str, Any]) -> PromptOptions | None:
    """The settings of a manifest as they came out for its model."""
    examples = advisor.get("examples", "auto")
    ((kind, count),) = examples.items() if isinstance(examples, dict) else ((examples, 1),)
    prior = advisor.get("calibration", "auto")
    calibration = LabelPrior.from_document(prior, "advisor.calibration") if isinstance(prior, dict) else prior
    able = Abilities(
        forms=model.get("supports_forms", False),
        choices=model.get("supports_choices", False),
        backend=model.get("backend", ""),
        embedded=bool(model.get("weights_sha256")),
    )
    try:
        options = PromptOptions(
            mode=advisor.get("mode", "auto"),
            examples=kind,
            count=count,
            labels=advisor.get("labels", "rule"),
            calibration=calibration,
            rationale=advisor.get("rationale", "auto"),
        )
        return complete_options(options, able)
    except ConfigurationError:  # written when such settings were let through
        return None
