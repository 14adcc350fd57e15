"""What a source of context is: something that a model is shown beside the line of features, known at the close.

A source belongs to one advisor and sees the closes of all its symbols. It is told every close in order, and answers
what is shown at one of them as a pure function of what came before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from llm_strategy.market.feature import Feature
from llm_strategy.shown import Shown
from llm_strategy.types import Snapshot


class ContextSource(ABC):
    """One thing that a model may be shown at a close; made with its options as keywords, without opening a file.

    Options are annotated (``Annotated[int, Field(ge=1)]``), and their defaults are what stands in a configuration. One
    that is called ``path`` (a text or a list of them) is a file, looked for beside the experiment first. Closes of
    several symbols may come symbol by symbol or in the order of time, so ``show`` uses of other symbols only what had
    closed strictly before the close in question.
    """

    name: ClassVar[str] = ""
    """The name by which ``context`` of an advisor chooses it."""
    nulls: ClassVar[tuple[str, ...]] = ()
    """Values of the option ``null`` with which the source shows what cannot help, the usual one first; ``none``, with
    which it shows nothing, every source has by itself."""
    from_prices: ClassVar[bool] = True
    """Whether it is a function of prices alone, so that a replay makes it again; else a replay reads from the journal
    what was shown."""
    shows_images: ClassVar[bool] = False
    """Whether what it shows has an image, so that only a model that sees can be asked; such a source is a function of
    prices, so that a replay draws its images again."""
    unmasked: tuple[str, ...] = ()
    """What the advisor shows in spite of the mask (``symbol``, ``date``, ``price``); set before the first close."""

    features: tuple[Feature, ...] = ()
    """The features of the market's line, set before the first close."""

    @property
    def lookback(self) -> int:
        """Bars that a snapshot's ``window`` must hold for it, the one that has just closed included; 0 where it reads
        none."""
        return 0

    def open(self) -> None:  # noqa: B027 - most sources need nothing beside prices
        """Read what it needs beside prices, before the first question; not called where a replay reads the journal."""

    def take(self, snapshot: Snapshot) -> None:  # noqa: B027 - most sources keep nothing of the past
        """Take a close into the past, decided on or not; it is not yet there where ``show`` is asked about it."""

    def forget(self, symbol: str) -> None:  # noqa: B027
        """Begin the past of a symbol anew: bars that cannot be true lie between it and what follows."""

    @abstractmethod
    def show(self, snapshot: Snapshot) -> Shown:
        """What the model is shown at this close; an empty text where there is nothing to show."""


class SilentSource(ContextSource):
    """A source that stays chosen and shows nothing, as at a close where it found nothing: the null ``none`` of a
    source, with the ``lookback`` of that source so that decisions begin at the same bar."""

    def __init__(self, name: str, lookback: int) -> None:
        self._name, self._lookback = name, lookback

    @property
    def lookback(self) -> int:
        """That of the source in whose place it stands."""
        return self._lookback

    def show(self, snapshot: Snapshot) -> Shown:
        """Nothing."""
        return Shown(self._name, "")
