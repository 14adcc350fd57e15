"""What a model is shown beside the market's line: the text and the picture of one source of context. Nothing of ours is
imported here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Image:
    """A PNG that a model is shown; a journal keeps its hash (sha256, hex) alone, so one read there has no bytes."""

    sha256: str
    png: bytes | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, png: bytes) -> Image:
        """The image of these bytes."""
        return cls(hashlib.sha256(png).hexdigest(), png)

    @property
    def data_uri(self) -> str:
        """The PNG as an address that holds it (RFC 2397); raises ``ValueError`` where only its hash is known."""
        return f"data:image/png;base64,{base64.b64encode(self.content).decode()}"

    @property
    def content(self) -> bytes:
        """The PNG; raises ``ValueError`` where only its hash is known."""
        if self.png is None:
            raise ValueError(f"of the image {self.sha256} only the hash is known")
        return self.png


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model was shown by one source of context beside the market's line: its text, and the ids of what may be
    cited."""

    source: str
    text: str
    ids: tuple[str, ...] = ()
    image: Image | None = None
    """What was shown with the text."""


def shown_text(context: Iterable[Shown]) -> str:
    """What was shown beside the market's line, a paragraph for each source; empty where nothing was."""
    return "\n\n".join(f"{shown.source}: {shown.text}" for shown in context)
