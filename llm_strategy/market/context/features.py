"""The line of features as a source of context: where it stands among the others, and which features it shows; and its
legend, which says what they are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.context.source import ContextSource
from llm_strategy.shown import Shown
from llm_strategy.types import Snapshot

FEATURES = "features"
"""The source that stands for the market's line."""
MARKER = Shown(FEATURES, "")
"""Where the market's line stands among what is shown; the line itself is made by a ``View``."""


class Features(ContextSource):
    """The market's line of features; ``names`` are those that it shows, in their order, as ``advisor.features``."""

    name = FEATURES

    def __init__(self, names: Annotated[tuple[str, ...], Field(min_length=1)] | None = None) -> None:
        self.names = names

    def show(self, snapshot: Snapshot) -> Shown:
        """The place of the line."""
        return MARKER


class Legend(ContextSource):
    """What the features of the market's line are, a line each, as far as they have a ``description``."""

    name = "legend"

    def open(self) -> None:
        """Raise ``ConfigurationError`` where no feature says what it is."""
        if not any(feature.description for feature in self.features):
            raise ConfigurationError(
                "context has legend, and no feature of the market's line has a description: give your own one, or "
                "leave legend out."
            )

    def show(self, snapshot: Snapshot) -> Shown:
        """The same at each close."""
        lines = [f"{feature.label}: {feature.description}" for feature in self.features if feature.description]
        return Shown(self.name, "\n".join(lines))
