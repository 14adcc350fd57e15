"""How the model of a run was asked, in words: what besides its weights decided what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_strategy.advice.calibration import LabelPrior
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError
from simulator.folder.record import Record

_MODES = {
    "json": "It wrote the whole JSON of an advice",
    "slots": "It wrote label and action into the program's JSON",
    "choices": "Its labels and actions were scored, not written",
}
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
    reading = None if model is None else _reading(record.manifest["experiment"]["advisor"], model)
    if reading is None:
        return ()
    shown = _EXAMPLES[reading.examples]
    if reading.examples != "fixed":
        shown += f", {_LABELS[reading.labels]}"
    wrote = {"never": "the program", "always": "the model", "changes": "the model where label or action changed"}
    return f"{_MODES[reading.mode]}, {shown}; rationales are by {wrote[reading.rationale]}.", ONE_OF_MANY


def _reading(advisor: Mapping[str, Any], model: Mapping[str, Any]) -> PromptOptions | None:
    """The settings of a manifest as they came out for its model."""
    examples = advisor.get("examples", "auto")
    ((kind, count),) = examples.items() if isinstance(examples, dict) else ((examples, 1),)
    prior = advisor.get("calibration", "auto")
    calibration = LabelPrior.from_document(prior, "advisor.calibration") if isinstance(prior, dict) else prior
    try:
        return PromptOptions(
            mode=advisor.get("mode", "auto"),
            examples=kind,
            count=count,
            labels=advisor.get("labels", "rule"),
            calibration=calibration,
            rationale=advisor.get("rationale", "auto"),
        ).resolved(
            forms=model.get("supports_forms", False),
            choices=model.get("supports_choices", False),
            backend=model.get("backend", ""),
            embedded=bool(model.get("weights_sha256")),
        )
    except ConfigurationError:  # written when such settings were let through
        return None
