"""What can be drawn on a panel: lines, bands, bars, marks, shades and single levels, each with its name and colour.

Colours are as a style sheet writes them: ``var(--arm-0)`` or ``#aabbcc``. Numbers on the time axis are milliseconds
since 1970 (``scale.milliseconds``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

HUES = 8
"""Colours of arms that the style sheet knows."""
ARM = tuple(f"var(--arm-{number})" for number in range(HUES))
INK, FAINT, GROUND, MARKET = "var(--ink)", "var(--rule)", "var(--ground)", "var(--market)"
ALARM = "var(--alarm)"
DASHES = ("", "6 2", "1.5 2", "9 2 2 2")
"""Solid and dashed in turn; where colours begin again, dotted and dashed with dots, so that no two lines look alike."""


def dash_of(number: int) -> str:
    """The dash of a line by its number: those of the first lines of each colour are the plain ones."""
    return DASHES[number % 2 + 2 * (number // HUES % 2)]


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points; with ``dots`` each point is marked."""

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str = INK
    width: float = 1.2
    dash: str = ""
    dots: bool = False
    named_at_end: bool = True


@dataclass(frozen=True, slots=True)
class Band:
    """The room between two lines."""

    name: str
    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    colour: str = ARM[0]


@dataclass(frozen=True, slots=True)
class Bars:
    """Columns from ``low`` to ``high``, each over ``left`` to ``right``; lying ones have them the other way round."""

    name: str
    left: np.ndarray
    right: np.ndarray
    low: np.ndarray
    high: np.ndarray
    colours: Sequence[str] = (FAINT,)


@dataclass(frozen=True, slots=True)
class Marks:
    """Single points: ``up`` and ``down`` triangles, ``cross`` or ``dot``; ``size`` is their width in pixels,
    and ``titles`` are what is told of each where the pointer rests."""

    name: str
    x: np.ndarray
    y: np.ndarray
    shape: str
    colour: str
    size: float = 9.0
    titles: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Shades:
    """Spans of the horizontal axis, shaded over the whole height."""

    name: str
    spans: Sequence[tuple[float, float]]
    colour: str


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line at a value, named in the legend where it has a name."""

    value: float
    name: str = ""
    colour: str = INK
    dash: str = ""


@dataclass(frozen=True, slots=True)
class Upright:
    """A vertical line at a value, with a ``word`` at its foot and a name in the legend where it has one."""

    value: float
    name: str = ""
    word: str = ""
    colour: str = INK
    width: float = 1.0
    dash: str = "3 2"


@dataclass(frozen=True, slots=True)
class Words:
    """A text at a point, ``anchor`` (start, middle, end) and ``above`` saying on which side of it."""

    x: float
    y: float
    text: str
    colour: str = INK
    anchor: str = "start"
    offset: tuple[float, float] = (0.0, 0.0)


Layer: TypeAlias = Line | Band | Bars | Marks | Shades | Level | Upright | Words
