"""Which settings two runs differ by: experiment, model, prices and program, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from simulator.folder.record import without_folders
from simulator.reporting.differences.two_runs import TwoRuns

NOT_SET = "not set"
LONGEST = 160
"""Characters of a value that are shown; what is longer has its end cut away."""
_ASIDE = ("name", "output")
"""Parts of an experiment that change nothing of what a run is."""


class Setting(NamedTuple):
    """A setting that differs: what it is ``of`` (experiment, model, prices, program), its key, and both values."""

    of: str
    key: str
    first: Any
    second: Any

    @property
    def shown(self) -> tuple[str, str]:
        """Both values on one line each."""
        return shown_value(self.first), shown_value(self.second)


def differing_settings(runs: TwoRuns) -> list[Setting]:
    """All that the two runs were told differently, and what they ran with; wall-clock times and folders are none."""
    manifests = [record.manifest for record in runs.records]
    experiments = [
        {key: part for key, part in without_folders(each["experiment"]).items() if key not in _ASIDE}
        for each in manifests
    ]
    found = list(_differing("experiment", "", *experiments))
    named = {setting.key for setting in found}
    advised = [pair for pair in runs.pairs if pair.is_advised]
    for pair in advised:
        before = f"{pair.name}." if len(advised) > 1 else ""
        arms = pair.first.manifest, pair.second.manifest
        for part in ("model", "sampler"):
            found += _differing("model", f"{before}{part}.", *(each.get(part) or {} for each in arms))
        asked = _differing("model", f"{before}options.", *(each.get("options") or {} for each in arms))
        found += [each for each in asked if f"advisor.{each.key.partition('options.')[2]}" not in named]
    found += _differing("prices", "", *({"sha256": each["prices"].get("sha256")} for each in manifests))
    for part in ("versions", "prompts", "schemas", "own_parts"):
        found += _differing("program", f"{part}.", *(each.get(part) or {} for each in manifests))
    return found


def _differing(of: str, before: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Setting]:
    one, other = dict(flat_settings(first)), dict(flat_settings(second))
    for key in dict.fromkeys([*one, *other]):
        if (key in one) != (key in other) or one[key] != other[key]:
            yield Setting(of, f"{before}{key}", one.get(key), other.get(key))


def flat_settings(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of all sections by their whole key, such as ``advisor.mode``; a list is one value, and what is not
    set is as what is left out."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat_settings(value, f"{before}{key}.")
        elif value is not None:
            yield f"{before}{key}", value


def shown_value(value: Any) -> str:
    """A value of a configuration on one line, a long one cut."""
    if value is None:
        return NOT_SET
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
