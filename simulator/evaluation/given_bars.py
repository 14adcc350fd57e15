"""From which bars the calibration and the examples' labels of a finished arm were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from llm_strategy.advice.options import LabelPrior
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.errors import ConfigurationError, RunFolderError
from simulator.folder.later_bars import Origin, origin_of_calibration, origin_of_labels
from simulator.folder.manifest import advisor_settings
from simulator.folder.prompt_options import resolved_options
from simulator.folder.record import ArmRecord
from simulator.folder.record_check import as_damage


def calibration_origin(arm: ArmRecord) -> Origin | None:
    """From which bars the calibration of a file was computed; None where the advisor has none, or did not read it."""
    prior = advisor_settings(arm.manifest).get("calibration")
    if not isinstance(prior, Mapping) or (resolved_options(arm.manifest) or {}).get("mode") != "choices":
        return None
    with as_damage(arm.folder), _readable(arm):
        return origin_of_calibration(LabelPrior.from_document(prior, "advisor.calibration"), _first_decisions(arm))


def labels_origin(arm: ArmRecord) -> Origin | None:
    """Of which bars a person's labels of examples are; None where the advisor has none, or they were exchanged among
    the states, so that they say nothing."""
    labels = advisor_settings(arm.manifest).get("labels")
    if not isinstance(labels, Mapping) or arm.manifest["model"] is None or labels.get("shuffled"):
        return None
    with as_damage(arm.folder), _readable(arm):
        return origin_of_labels(OwnLabels.from_document(labels, "advisor.labels"), _first_decisions(arm))


@contextmanager
def _readable(arm: ArmRecord) -> Iterator[None]:
    """Tell of settings that no run had as of a damaged folder."""
    try:
        yield
    except ConfigurationError as problem:
        raise RunFolderError(
            f"{arm.folder} holds settings that no run has ({str(problem).rstrip('.')}): restore it, or run the "
            "experiment again."
        ) from None


def _first_decisions(arm: ArmRecord) -> dict[str, str]:
    return {symbol: market["first_decision"] for symbol, market in arm.manifest["prices"]["symbols"].items()}
