"""Cells as numbers: plain ones, and those of exports with currency signs, thousands and suffixes, never by guess."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from llm_strategy.errors import MarketDataError
from simulator.prices.source_text import or_option
from simulator.prices.sources.times import Place

_MISSING = frozenset({"", "null", "none", "na", "n/a", "nan", "-", "--", "."})
_CURRENCY = re.compile(r"[$€£¥₹]\s*")
_THOUSANDS = {".": re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?"), ",": re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d*)?")}
_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def read_cells(
    name: str, cells: Sequence[object], place: Place, source: str, decimal: str | None
) -> npt.NDArray[np.float64]:
    """Cells as floats; one that says that nothing is known is NaN, which validation refuses by name.

    ``decimal`` is the sign that a person says stands before decimals. Without it a comma between digits is read only
    where a point in the same column shows that it stands for thousands.
    """
    if decimal != ",":
        try:
            return np.array([float(cell) for cell in cells])  # type: ignore[arg-type]
        except (TypeError, ValueError):
            pass  # some cell is no plain number: one by one
    numbers = np.empty(len(cells))
    comma_is_thousands = decimal == "." or (decimal is None and _has_thousands(cells))
    for row, cell in enumerate(cells):
        try:
            numbers[row] = np.nan if cell is None or cell is pd.NA else float(cell)  # type: ignore[arg-type]
            if decimal != "," or not isinstance(cell, str) or "." not in cell:
                continue
        except (TypeError, ValueError):
            pass
        value = _read(cell, decimal, comma_is_thousands) if isinstance(cell, str) else None
        if value is None:
            option, form = "", "1234,5" if decimal == "," else "1234.5"
            if decimal is None and isinstance(cell, str) and re.search(r"\d,\d", cell):
                likely = "point" if name == "volume" and _THOUSANDS["."].fullmatch(cell.strip()) else "comma"
                option = or_option(source, f"decimal={likely}", "say what the comma is (decimal=comma, decimal=point)")
            if name == "volume":
                option += ", or leave volumes out with data.volume: none"
            raise MarketDataError(
                f"{place(row)}: {name} is {str(cell)[:40]!r}, which is not a number: write it as {form}{option}."
            )
        numbers[row] = value
    return numbers


def _read(cell: str, decimal: str | None, comma_is_thousands: bool) -> float | None:
    text = _CURRENCY.sub("", cell.strip(), count=1)
    if text.lower() in _MISSING:
        return float("nan")
    factor = _SUFFIXES.get(text[-1:].upper(), 1.0)
    if factor != 1.0:
        text = text[:-1].rstrip()
    if decimal == ",":
        if _THOUSANDS[","].fullmatch(text):
            text = text.replace(".", "")
        elif "." in text:
            return None
        text = text.replace(",", ".")
    elif comma_is_thousands and _THOUSANDS["."].fullmatch(text):
        text = text.replace(",", "")
    return float(text) * factor if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) else None


def _has_thousands(cells: Sequence[object]) -> bool:
    """Whether some cell has commas that can only stand for thousands: ``1,234.5`` or ``1,234,567``."""
    texts = [_CURRENCY.sub("", cell.strip(), count=1) for cell in cells if isinstance(cell, str) and "," in cell]
    return any(_THOUSANDS["."].fullmatch(text) and ("." in text or text.count(",") > 1) for text in texts)
