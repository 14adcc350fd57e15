"""Markup whose templates are parsed once: a page fills the same few thousands of times."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from string import Formatter
from typing import Any, Self

import markupsafe
from markupsafe import escape

_Piece = tuple[str, int | None, str]
"""Text, then the place of the argument behind it (None for none) and how it is written."""


class Markup(markupsafe.Markup):
    """As that of markupsafe, with the same outcome: whatever is filled in or joined is escaped, unless it is markup."""

    __slots__ = ()

    def format(self, *args: Any, **kwargs: Any) -> Self:
        """The markup with its places filled."""
        pieces = None if kwargs else _pieces(self)
        if pieces is None:
            return super().format(*args, **kwargs)
        written: list[str] = []
        for text, place, how in pieces:
            written.append(text)
            if place is not None:
                value = args[place]
                written.append(value if type(value) is Markup and not how else _filled_in(value, how))
        return str.__new__(type(self), "".join(written))

    def join(self, iterable: Iterable[Any], /) -> Self:
        """The parts with this markup between them."""
        parts = (part if type(part) is Markup else escape(part) for part in iterable)
        return str.__new__(type(self), str.join(self, parts))


def _filled_in(value: Any, how: str) -> str:
    if not how and (type(value) is str or isinstance(value, markupsafe.Markup)):
        return escape(value)
    return markupsafe.EscapeFormatter(escape).format_field(value, how)


@lru_cache(maxsize=512)
def _pieces(template: str) -> tuple[_Piece, ...] | None:
    """A template in pieces; None where it has more than places that are numbered, or all not."""
    found: list[_Piece] = []
    given = 0
    for text, name, how, conversion in Formatter().parse(template):
        if name is None:
            found.append((text, None, ""))
            continue
        if conversion or "{" in (how or "") or not (name.isdecimal() or not name):
            return None
        found.append((text, int(name) if name else given, how or ""))
        given += not name
    numbered = sum(place is not None for _, place, _ in found) - given
    return None if given and numbered else tuple(found)
