"""A person's code as it is when it is first imported, which reads of the files of the prices what is known by then.

What a module keeps from one run to the next (a table read at its import, a cache) would hide from a check what it knows
of the future, so it is imported anew for each history.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from llm_strategy.support.read_regular import place_of, read_bytes
from simulator.prices.sessions import parse_timeframe
from simulator.prices.table import MOST_PRICES
from simulator.prices.universe import Universe

_OURS = tuple(str(Path(__file__).parents[3] / name) for name in ("llm_strategy", "simulator", "prompts", "contracts"))
_DATA = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".feather", ".pkl", ".npy", ".npz", ".xlsx", ".gz")


@contextmanager
def fresh_code(references: Iterable[str]) -> Iterator[None]:
    """Import anew what these references (``FILE.py:name``, ``package.module:name``) lead to, and what lies beside it;
    afterwards everything is as it was."""
    folders, packages = set(), set()
    for reference in references:
        place = reference.rpartition(":")[0]
        if place.endswith(".py"):
            folders.add(str(Path(place).expanduser().resolve().parent))
        elif place:
            packages.add(place.split(".")[0])
    packages -= {"llm_strategy", "simulator"}

    def own(name: str, module: Any) -> bool:
        file = getattr(module, "__file__", None)
        if name == "__main__" or (file and file.startswith(_OURS)):
            return False
        return name.split(".")[0] in packages or bool(file and _folder_of(file) in folders)

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
def _folder_of(file: str) -> str:
    return os.path.dirname(os.path.realpath(file))


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
    def known_at(self, time: pd.Timestamp | None) -> Iterator[None]:
        """Let whoever opens one of these files read its rows up to a time alone (all of them for ``None``)."""
        with tempfile.TemporaryDirectory(prefix="btllm-lookahead-") as folder:
            served: dict[str, str] = {}
            if time is not None:
                for number, (path, (text, times)) in enumerate(self._texts.items()):
                    served[path] = os.path.join(folder, f"{number}-{os.path.basename(path)}")
                    lines = text.splitlines(keepends=True)
                    kept = [line for line, at in zip(lines, times, strict=True) if at is None or at <= time]
                    with open(served[path], "w", encoding="utf-8", newline="") as file:
                        file.writelines(kept)
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
