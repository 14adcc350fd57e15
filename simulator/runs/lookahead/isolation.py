"""A person's code as it is when it is first imported, which reads of the files of the prices what is known by then.

What a module keeps from one run to the next (a table read at its import, a cache) would hide from a check what it knows
of the future, so it is imported anew for each history.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.support.read_regular import place_of, read_bytes
from simulator.experiment.objects import PROGRAM
from simulator.prices.sessions import parse_timeframe
from simulator.prices.table import MOST_PRICES
from simulator.prices.universe import Universe

_OURS = tuple(str(Path(__file__).parents[3] / name) for name in ("llm_strategy", "simulator", "prompts", "contracts"))
_PYTHON = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib"))
_DATA = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".feather", ".pkl", ".npy", ".npz", ".xlsx", ".gz")


@contextmanager
def fresh_code(references: Iterable[str]) -> Iterator[None]:
    """Import a person's code anew: the packages of these references, and every module that is neither installed nor
    ours; afterwards all is as it was."""
    places = (reference.rpartition(":")[0] for reference in references)
    packages = {place.split(".")[0] for place in places if place and not place.endswith(".py")}
    packages -= {"llm_strategy", "simulator", PROGRAM}  # objects of this process cannot be imported anew

    def own(name: str, module: Any) -> bool:
        file = getattr(module, "__file__", None)
        return name.split(".")[0] in packages or bool(name != "__main__" and file and _is_a_persons(file))

    kept = {name: module for name, module in list(sys.modules.items()) if own(name, module)}
    for name in kept:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name, module in list(sys.modules.items()) if own(name, module)]:
            del sys.modules[name]
        sys.modules.update(kept)


@lru_cache(maxsize=16384)
def _is_a_persons(file: str) -> bool:
    """Whether the file of a module is neither of Python, nor installed, nor of this program."""
    path = Path(file)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and not file.startswith((*_OURS, *_PYTHON))


class PriceFiles:
    """The files that prices were read from, as text; and what other files were read meanwhile (``others``)."""

    def __init__(self, universe: Universe, folder: Path | None) -> None:
        self.others: set[str] = set()
        self._texts: dict[str, tuple[str, list[Any]]] = {}
        daily = not parse_timeframe(universe.timeframe).intraday
        for prices in universe.markets:
            kind, _, rest = prices.source.partition(":")
            if kind != "csv":
                continue
            path = os.path.realpath(place_of(rest.partition("?")[0], folder))
            with suppress(OSError, UnicodeDecodeError):
                text = read_bytes(Path(path), MOST_PRICES).decode("utf-8-sig")
                if times := _times_of(text.splitlines(keepends=True), daily=daily):
                    self._texts[path] = text, times

    @contextmanager
    def known_at(self, time: pd.Timestamp | None, *, mirrored: bool = False) -> Iterator[None]:
        """Let whoever opens one of these files read its rows up to a time alone (all of them for ``None``); with
        ``mirrored`` those after it too, with every number turned upside down."""
        with tempfile.TemporaryDirectory(prefix="btllm-lookahead-") as folder:
            served: dict[str, str] = {}
            for number, (path, (text, times)) in enumerate(self._texts.items() if time is not None else ()):
                lines, known = text.splitlines(keepends=True), [at is None or at <= time for at in times]
                if mirrored:
                    lines = _mirrored(lines, known)
                else:
                    lines = [line for line, is_known in zip(lines, known, strict=True) if is_known]
                served[path] = os.path.join(folder, f"{number}-{os.path.basename(path)}")
                with open(served[path], "w", encoding="utf-8", newline="") as file:
                    file.writelines(lines)
            with self._serving(served):
                yield

    @contextmanager
    def _serving(self, served: Mapping[str, str]) -> Iterator[None]:
        real = builtins.open

        def opened(file: Any, mode: str = "r", *rest: Any, **how: Any) -> Any:
            if isinstance(file, (str, os.PathLike)) and not set(mode) & set("wax+"):
                path = os.path.realpath(os.fspath(file))
                if path in served:
                    return real(served[path], mode, *rest, **how)
                name = str(path)
                if name not in self._texts and name.endswith(_DATA) and not name.startswith(_OURS):
                    self.others.add(name)
            return real(file, mode, *rest, **how)

        places: tuple[Any, ...] = (builtins, io)
        for place in places:
            place.open = opened
        try:
            yield
        finally:
            for place in places:
                place.open = real


def _times_of(lines: list[str], *, daily: bool) -> list[Any] | None:
    """The time in each line of a table of text, ``None`` for lines without one (a header); nothing where most have
    none."""
    for column in range(3):
        cells = [line.replace(";", ",").replace("\t", ",").split(",") for line in lines]
        texts = [cell[column].strip().strip('"') if len(cell) > column else "" for cell in cells]
        dated = [text if "-" in text or "/" in text or len(text) == 8 else None for text in texts]
        found = pd.to_datetime(pd.Series(dated, dtype=object), errors="coerce", format="mixed", utc=True)
        if found.notna().sum() > len(lines) / 2:
            naive = [None if pd.isna(time) else time.tz_localize(None) for time in found]
            return [time.normalize() if daily and time is not None else time for time in naive]
    return None


def _mirrored(lines: list[str], known: list[bool]) -> list[str]:
    """Rows of numbers, of which those that are not known rise where they fell: mirrored at the last that is known of
    their column."""
    last: dict[int, float] = {}
    turned = []
    for line, is_known in zip(lines, known, strict=True):
        sign = next((sign for sign in ";\t," if sign in line), ",")
        cells = line.rstrip("\r\n").split(sign)
        for column, cell in enumerate(cells):
            with suppress(ValueError):
                value = float(cell)
                if is_known:
                    last[column] = value
                elif value > 0 and last.get(column, 0.0) > 0:
                    cells[column] = repr(last[column] ** 2 / value)
        turned.append(line if is_known else sign.join(cells) + "\n")
    return turned
