"""What the prompts of an arm gave away of its market: symbol, date or price level, and how many of its bars the text
that was shown singles out.

Judged by the prompts themselves, not by what was configured. A text that was shown at one close alone names that close
to whoever remembers these prices, masked or not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from llm_strategy.types import Decision
from simulator.evaluation.knowledge import shown_identity
from simulator.folder.record import ArmRecord


@dataclass(frozen=True, slots=True)
class Mask:
    """What stood in the prompts of an arm."""

    prompts: int
    """Decisions for which a market was shown."""
    shown: tuple[str, ...]
    """What stood in most of them that names the period (``shown_identity``)."""
    singled_out: int
    """Closes whose text was shown at no other close of the run."""

    @property
    def recognisable(self) -> float | None:
        """The share of closes that the shown text singles out; None where nothing was shown."""
        return self.singled_out / self.prompts if self.prompts else None


def mask_of(arm: ArmRecord) -> Mask:
    """What the prompts of an arm gave away, from its journal the first time."""
    if arm not in _FOUND:
        _FOUND[arm] = _measured(arm)
    return _FOUND[arm]


_FOUND: WeakKeyDictionary[ArmRecord, Mask] = WeakKeyDictionary()


def single_texts(texts: Iterable[str]) -> tuple[int, int]:
    """How many of these texts stand there once alone, and how many there are; of each no more than a hash is kept."""
    times = Counter(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    return sum(count == 1 for count in times.values()), times.total()


def _measured(arm: ArmRecord) -> Mask:
    single, prompts = single_texts(filter(str.strip, (_shown(entry.decision) for entry in arm.entries)))
    return Mask(prompts, shown_identity(arm), single)


def _shown(decision: Decision) -> str:
    """All that was shown of the market at a decision."""
    images = ("" if part.image is None else part.image.sha256 for part in decision.context)
    context = (f"{part.text}{image}" for part, image in zip(decision.context, images, strict=True))
    return "\n\n".join((decision.prompt, *context))
