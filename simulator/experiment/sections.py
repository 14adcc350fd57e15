"""The sections ``evaluation`` and ``output`` of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from llm_strategy.errors import ConfigurationError, shown
from llm_strategy.support.read_regular import at_home

MOST_DRAWS = 100


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """How results are measured. ``bars_per_year`` of ``None`` is counted by the calendar.

    ``draws`` is how often in all the llm arm's decisions are drawn: those beyond the first measure the noise floor.
    """

    bars_per_year: Annotated[int, Field(ge=1)] | None = None
    confidence_level: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    draws: Annotated[
        int, Field(ge=1, le=MOST_DRAWS, description="how often in all the decisions of the llm arm are drawn")
    ] = 1
    seed: Annotated[int, Field(ge=0)] = 7

    def __post_init__(self) -> None:
        if not 1 <= self.draws <= MOST_DRAWS or self.draws != int(self.draws):
            raise ConfigurationError(
                f"evaluation.draws is {shown(self.draws)}: give a whole number from 1 to {MOST_DRAWS}."
            )
        object.__setattr__(self, "draws", int(self.draws))  # 2.0 is a whole number in YAML, too


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Where runs go, whether the model is asked to explain them, and which sections of one's own their report has.

    Each of the ``sections`` is ``FILE.py:NAME``, ``package.module:NAME`` or the name of an entry point of the group
    ``backtrader_llm.report_sections``.
    """

    folder: Annotated[str, Field(min_length=1)] = "reports"
    explain: bool = True
    sections: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], Field(json_schema_extra={"uniqueItems": True})
    ] = ()

    @property
    def path(self) -> Path:
        """The folder, with ``~`` put in place."""
        return at_home(self.folder)
