"""What a sweep varies: ``sweep.yaml``, a mapping, or a ``Sweep`` written in Python."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema

from llm_strategy.errors import ConfigurationError, shown
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.schemas import require
from llm_strategy.support.strict_yaml import parse_yaml
from simulator.experiment.configuration import SECTIONS
from simulator.experiment.documents import KEYS_OF_SWEEPS, plain, whole
from simulator.experiment.schema import section_schema
from simulator.prices.load import moment

MOST_CELLS = 100_000
"""Of one sweep, windows counted."""
ONE_DRAW = (
    "it draws each answer once. To see how far answers differ, set advisor.options.temperature and vary "
    "advisor.options.seed."
)
"""Why an experiment of several draws is refused, and what can be done."""
_OF_NO_CELL = ("watch", "alerts", "hypotheses")
"""Sections that no cell trades by."""
_MEASURES = tuple(
    f"evaluation.{name}" for name in ("seed", "confidence_level", "bootstrap_samples", "placebos", "worthwhile")
)
"""What only the page of a single run is measured by."""
_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$"
_KEY = "^[A-Za-z_][A-Za-z0-9_-]*([.][A-Za-z0-9_-]+)*$"
_KEY_WORDS = "a key of the experiment with dots, such as risk.max_position_size"
_EXPERIMENT = {
    "type": ["string", "object"],
    "minLength": 1,
    "description": "the file of an experiment, or the experiment itself",
}
_ARM = {
    "type": ["string", "array", "null"],
    "minLength": 1,
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "uniqueItems": True,
    "description": "the name of an arm, or a list of names",
}
_GRID = {
    "type": "object",
    "propertyNames": {"pattern": _KEY, "description": _KEY_WORDS},
    "additionalProperties": {"type": "array", "minItems": 1},
    "description": "keys of the experiment, each with the list of its values",
}
_LIST = {
    "type": "array",
    "items": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": _KEY, "description": _KEY_WORDS},
    },
    "description": "settings that belong together: keys of the experiment, each with its value",
}
_WINDOWS = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["start", "end"],
        "properties": {"start": {"type": "string"}, "end": {"type": "string"}},
    },
    "description": "windows of time, each with start and end",
}


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Windows of so many decision ``bars``, each a ``step`` behind the one before, as many as the prices have.

    ``first`` is the date of the first decision of the first window; the earliest one that every cell can make if
    absent. Without a ``step`` the windows stand side by side.
    """

    bars: Annotated[int, Field(ge=2)]
    step: Annotated[int, Field(ge=1)] | None = None
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Which experiment is run over which settings. Raises ``ConfigurationError`` naming the key that is wrong.

    A *cell* is one experiment with one value of each key of ``grid``, the settings of one entry of ``list``, and one
    window.
    """

    name: Annotated[
        str,
        Field(pattern=_NAME, description="letters, digits, dots, hyphens and underscores, at most 60 of them"),
    ] = "sweep"
    experiment: Annotated[str | Mapping[str, Any], WithJsonSchema(_EXPERIMENT)] = "experiment.yaml"
    """Its file, which is looked for beside that of the sweep first, or the experiment itself."""
    arm: Annotated[str | tuple[str, ...] | None, WithJsonSchema(_ARM)] = None
    """Which arms trade in every cell; the primary one if absent."""
    grid: Annotated[Mapping[str, tuple[Any, ...]], WithJsonSchema(_GRID)] = field(default_factory=dict)
    """Keys of the experiment (``risk.max_position_size``), each with the list of its values; every combination is
    run."""
    list: Annotated[tuple[Mapping[str, Any], ...], WithJsonSchema(_LIST)] = ()
    """Settings that go together, in place of a grid or times it."""
    walk_forward: WalkForward | None = None
    windows: Annotated[tuple[Mapping[str, str], ...], WithJsonSchema(_WINDOWS)] = ()
    """Windows by their dates, in place of ``walk_forward``: ``start`` of the first decision and ``end`` of the last
    bar, both included."""
    folder: Path | None = field(default=None, compare=False, repr=False)
    """The folder of the sweep's file, where its experiment is looked for first."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(_NAME, self.name):
            raise ConfigurationError(
                f"name is {shown(self.name)}: write letters, digits, dots, hyphens and underscores, at most 60 of them."
            )
        if self.walk_forward is not None and self.windows:
            raise ConfigurationError("walk_forward and windows are given: keep one of them.")
        if not (self.grid or self.list or self.walk_forward or self.windows):
            raise ConfigurationError("The sweep varies nothing: write a grid, a list or windows.")
        self._check_keys()
        for key, values in self.grid.items():
            texts = [json.dumps(value, sort_keys=True) for value in values]
            if twice := next((text for text in texts if texts.count(text) > 1), None):
                raise ConfigurationError(f"grid.{key} holds {twice:.60} twice: write it once.")
        for number, window in enumerate(self.windows, 1):
            start, end = (moment(window[name], name) for name in ("start", "end"))
            if start > end:
                raise ConfigurationError(f"windows, number {number}: start {window['start']} lies after its end.")
        cells = math.prod(map(len, self.grid.values())) * max(1, len(self.list)) * max(1, len(self.windows))
        if cells > MOST_CELLS:
            raise ConfigurationError(f"The sweep has {cells:,} cells: keep it to {MOST_CELLS:,}.")
        self._check_measures()

    def _check_keys(self) -> None:
        in_list = dict.fromkeys(key for entry in self.list for key in entry)
        windows = self.walk_forward is not None or bool(self.windows)
        for key in (*self.grid, *in_list):
            if key == "name" or key.partition(".")[0] == "output":
                raise ConfigurationError(f"{key} changes no result: leave it out of the sweep.")
            if key == "evaluation.draws":
                raise ConfigurationError(f"evaluation.draws is no key of a sweep: {ONE_DRAW}")
            if windows and (time := next(filter(None, map(_time_in, self._values(key), repeat(key))), None)):
                raise ConfigurationError(f"{time} and windows are given: keep one of them.")
        if both := next((key for key in in_list if key in self.grid), None):
            raise ConfigurationError(f"{both} stands in grid and in list: keep one of them.")
        keys = [*self.grid, *in_list]
        for key in keys:
            if inner := next((other for other in keys if other.startswith(f"{key}.")), None):
                raise ConfigurationError(f"{key} holds {inner}, and both are varied: keep one of them.")
        if "costs" in keys:  # what the costs of a cell came to is a column of that name
            raise ConfigurationError(
                "costs is varied as a whole: write its keys, such as costs.slippage_bps, under grid, and those that go "
                "together under list."
            )

    def _check_measures(self) -> None:
        """Refuse what only measures a run, which would make many configurations of one, and what opens a seal."""
        for key in self.keys:
            if key in ("evaluation", "evaluation.holdout"):
                raise ConfigurationError(
                    f"{key} is no key of a sweep: what evaluation.holdout seals is the same for all cells. Set it in "
                    "the experiment."
                )
            if key.partition(".")[0] in _OF_NO_CELL or key in _MEASURES:
                instead = ", or vary advisor.options.seed" if key == "evaluation.seed" else ""
                raise ConfigurationError(f"{key} changes no result of a sweep: leave it out{instead}.")

    def _values(self, key: str) -> tuple[Any, ...]:
        """All values of a key that is varied."""
        return (*self.grid.get(key, ()), *(entry[key] for entry in self.list if key in entry))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that trade in every cell; empty for the primary one."""
        if self.arm is None:
            return ()
        return (self.arm,) if isinstance(self.arm, str) else tuple(self.arm)

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that are varied, those of the grid first."""
        return tuple(dict.fromkeys([*self.grid, *(key for entry in self.list for key in entry)]))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str = "sweep", *, folder: Path | None = None) -> Self:
        """A sweep from plain data, checked against ``contracts/sweep.schema.json``."""
        document = {key: value for key, value in mapping.items() if value is not None}
        experiment = document.get("experiment")
        document = plain({key: value for key, value in document.items() if key != "experiment"}, where)
        if experiment is not None:
            document["experiment"] = dict(experiment) if isinstance(experiment, Mapping) else experiment
        require("sweep", document, where)
        if "grid" in document:
            document["grid"] = {key: tuple(values) for key, values in document["grid"].items()}
        if "walk_forward" in document:
            steps = {key: value for key, value in document["walk_forward"].items() if value is not None}
            document["walk_forward"] = WalkForward(**whole(WalkForward, steps))
        for name in ("arm", "list", "windows"):
            if isinstance(document.get(name), list):
                document[name] = tuple(document[name])
        return cls(**document, folder=folder)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """A sweep from a YAML file."""
        try:
            text = read_text(path)
        except FileNotFoundError:
            raise ConfigurationError(
                f"There is no file {path}: write one with experiment, grid, list or windows (docs/how-to/sweep.md)."
            ) from None
        except OSError as problem:
            raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
        return cls.from_text(text, str(path), folder=path.parent)

    @classmethod
    def from_text(cls, text: str, where: str = "sweep.yaml", *, folder: Path | None = None) -> Self:
        """A sweep from the text of a YAML file, which lies in this ``folder``."""
        document = parse_yaml(text, where)
        if not isinstance(document, dict):
            raise ConfigurationError(f"{where} holds no keys: write experiment, grid, list or windows.")
        if KEYS_OF_SWEEPS.isdisjoint(document) and not SECTIONS.keys().isdisjoint(document):
            raise ConfigurationError(
                f"{where} is an experiment and no sweep: write a file that names it under experiment, with a grid "
                "(docs/how-to/sweep.md)."
            )
        return cls.from_mapping(document, where, folder=folder)

    def as_dict(self) -> dict[str, Any]:
        """The sweep as plain data, without its experiment."""
        walk = self.walk_forward
        return {
            "name": self.name,
            "arm": list(self.arms),
            "grid": {key: list(values) for key, values in self.grid.items()},
            "list": [dict(entry) for entry in self.list],
            "walk_forward": None if walk is None else {"bars": walk.bars, "step": walk.step, "first": walk.first},
            "windows": [dict(window) for window in self.windows],
        }


def _time_in(value: object, key: str) -> str | None:
    """The first bar or the last, where a value of a key sets it."""
    for name in ("start", "end"):
        if key == f"data.{name}" or (key == "data" and isinstance(value, Mapping) and value.get(name) is not None):
            return f"data.{name}"
    return None


def is_sweep(path: Path) -> bool:
    """Whether a file is a sweep and no experiment, by its keys; what cannot be read is none, and told elsewhere."""
    try:
        document = parse_yaml(read_text(path), str(path))
    except (OSError, ValueError, ConfigurationError):
        return False
    return isinstance(document, dict) and not KEYS_OF_SWEEPS.isdisjoint(document)


def sweep_schema() -> dict[str, Any]:
    """The whole of ``contracts/sweep.schema.json``."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:backtrader-llm:sweep:1.0.0",
        "title": "Sweep",
        "description": "sweep.yaml: one experiment over a grid or list of its settings, and over windows of time.",
    }
    return head | section_schema(Sweep)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(sweep_schema(), indent=2, ensure_ascii=False) + "\n")
