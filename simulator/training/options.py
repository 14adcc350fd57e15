"""What an adapter is and how long it is trained, apart from the rows that it is trained on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from llm_strategy.errors import ConfigurationError

TARGETS = ("q_proj", "v_proj", "up_proj", "down_proj")
"""The matrices of a block that get a low-rank addition, by their names in transformers."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TrainingOptions:
    """Low-rank adaptation (LoRA: Hu et al. 2021) of a model's last blocks; ``ConfigurationError`` from
    ``training_options``."""

    steps: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Steps of the optimiser (AdamW)."""
    batch: Annotated[int, Field(ge=1, le=1024)] = 16
    """Prompts a step, drawn by the root of their weights, so that rare states are seen, too."""
    rank: Annotated[int, Field(ge=1, le=256)] = 8
    """Rank of each addition."""
    alpha: Annotated[float, Field(gt=0, le=1024)] = 16.0
    """The addition is multiplied by alpha / rank."""
    blocks: Annotated[int, Field(ge=1, le=1024)] = 8
    """How many of the last blocks are adapted. What the blocks before them make of a prompt is computed once, which is
    what makes training affordable on a processor."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-3
    """At its highest, after a tenth of the steps; it falls to 0 along a cosine."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 7
    """Of the first weights, the order of the prompts, and the permutation of the twin's labels."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Processor threads; unset means as torch chooses. Another number rounds differently."""

    def as_dict(self) -> dict[str, Any]:
        """The options as plain data."""
        return asdict(self)


def training_options(**given: Any) -> TrainingOptions:
    """The options of these settings, those that are None left as they are by default; raises ``ConfigurationError``."""
    try:
        return TrainingOptions(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as problem:
        first = problem.errors()[0]
        raise ConfigurationError(f"{first['loc'][-1]} is {first['input']!r:.40}: {first['msg']}.") from None
