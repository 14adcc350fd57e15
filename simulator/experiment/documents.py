"""Plain data of an experiment: what YAML, JSON and Python write differently, in one form."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.strict_yaml import parse_yaml
from simulator.experiment.schema import whole_numbers
from simulator.prices.sources.frames import FrameSource

LARGEST_NUMBER = 10**15
"""Of any setting, in either direction: beyond it sums of money and counts of bars lose their last digits."""
KEYS_OF_SWEEPS = frozenset({"experiment", "grid", "list", "walk_forward", "windows"})
"""Keys of sweep.yaml that no experiment has."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def read_document(text: str, where: str, sections: Iterable[str]) -> dict[str, Any]:
    """The keys of the text of an experiment; raises ``ConfigurationError``, which begins with ``where``, for what holds
    none, and for a sweep: a text with keys of sweeps and none of the ``sections``."""
    document = parse_yaml(text, where)
    if document is None:
        raise ConfigurationError(f"{where} is empty; write a starter with: btllm init")
    if not isinstance(document, dict):
        raise ConfigurationError(f"{where} holds no keys; write a starter with: btllm init")
    if not KEYS_OF_SWEEPS.isdisjoint(document) and document.keys().isdisjoint(sections):
        raise ConfigurationError(
            f"{where} is a sweep and no experiment: run it with btllm sweep, or name the file of its experiment here."
        )
    return document


def plain(value: Any, place: str) -> Any:
    """Mappings, lists and dates of YAML as JSON types, DataFrames as sources; an error begins with the ``place``."""
    if isinstance(value, Mapping):
        value = {"null" if key is None else key: entry for key, entry in value.items()}  # the bare word in YAML
        for key in value:
            if not isinstance(key, str):
                raise ConfigurationError(
                    f"The key {key!r} is no text (YAML reads ON, NO and 0700 as something else): put it in quotes."
                )
        return {key: plain(entry, f"{place}: {key:.60}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry, place) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{place}: {value} is no setting: every number must be finite.")
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        number = f"{value:.6g}" if isinstance(value, float) else f"A whole number of {value.bit_length()} bits"
        raise ConfigurationError(
            f"{place}: {number} is no setting: every number lies within {LARGEST_NUMBER:.0e} of zero."
        )
    if isinstance(value, str) and _NO_TEXT.search(value):
        raise ConfigurationError(
            f"{place}: {value!r:.60} is no setting: no text holds a NUL character, or half of a sign (as a name of a "
            "file does that is not UTF-8): correct it, or rename the file."
        )
    if isinstance(value, datetime.date):
        return value.isoformat()
    return FrameSource(value) if isinstance(value, pd.DataFrame) else value


def without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    """A whole configuration without what is not set, as a person would write it; an arm that stands for itself has no
    settings, and stays."""
    return {
        key: {name: entry for name, entry in value.items() if entry is not None}
        if isinstance(value, dict) and key != "arms"
        else value
        for key, value in document.items()
    }


def whole(kind: type, section: dict[str, Any]) -> dict[str, Any]:
    """The section with whole numbers where only those are meant: 2.0 is one in YAML, too."""
    counts = whole_numbers(kind)
    return {key: int(value) if key in counts and isinstance(value, float) else value for key, value in section.items()}


def with_tuples(section: dict[str, Any]) -> dict[str, Any]:
    """The section with its lists as tuples, which nobody changes."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
