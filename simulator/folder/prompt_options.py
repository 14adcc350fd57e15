"""How the model of a finished run was asked, from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import complete_options, mode_for
from llm_strategy.advice.options import NEAREST_BY_DEFAULT, LabelPrior, PromptOptions
from llm_strategy.errors import ConfigurationError
from simulator.folder.manifest import advisor_settings


def resolved_options(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a model was asked: as its manifest says, or, where an earlier version wrote that, as its settings came out
    for the model then."""
    told, advisor, model = manifest.get("options"), advisor_settings(manifest), manifest["model"]
    if told is not None or model is None:
        return None if told is None else dict(told)
    able = Abilities(
        forms=model.get("supports_forms", False),
        choices=model.get("supports_choices", False),
        backend=model.get("backend", ""),
        embedded=bool(model.get("weights_sha256")),
    )
    prior = advisor.get("calibration", "auto")
    calibration = LabelPrior.from_document(prior, "advisor.calibration") if isinstance(prior, dict) else prior
    try:
        mode = mode_for(advisor.get("mode", "auto"), able)
        examples = advisor.get("examples", "auto")
        if examples == "auto":  # which did not mean none then
            scored_or_own = mode.scores or (able.embedded and mode.needs == "forms")
            examples = {"nearest": NEAREST_BY_DEFAULT} if scored_or_own else "fixed"
        ((kind, count),) = examples.items() if isinstance(examples, dict) else ((examples, 1),)
        options = PromptOptions(
            mode=mode.name,
            examples=kind,
            count=count,
            labels=advisor.get("labels", "rule"),
            calibration=calibration,
            rationale=advisor.get("rationale", "auto"),
        )
        return complete_options(options, able).as_dict()
    except ConfigurationError:  # written when such settings were let through
        return None
