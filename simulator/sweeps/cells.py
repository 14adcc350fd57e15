"""The cells of a sweep: every combination of its settings and windows as an experiment of its own, all of them checked
before anything is run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, MarketDataError
from llm_strategy.support.outside_text import hanging
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.strict_yaml import parse_yaml
from simulator.evaluation.trials import SealedTail
from simulator.experiment.configuration import Experiment
from simulator.experiment.documents import plain
from simulator.prices.load import moment
from simulator.prices.table import show_time
from simulator.prices.universe import Universe
from simulator.runs.trials.tail import visible_universe
from simulator.sweeps.document import MOST_CELLS, ONE_DRAW, Sweep
from simulator.sweeps.seal import check_range, check_windows

MOST_TOLD = 10
"""Problems of cells that are told one by one."""


class Window(NamedTuple):
    """A window of time: the date (or time) of its first decision and that of its last bar, ISO, both included."""

    start: str
    end: str

    @property
    def name(self) -> str:
        """As tables and pages call it."""
        return f"{self.start} to {self.end}"


@dataclass(frozen=True, eq=False)
class Cell:
    """One experiment of a sweep: its ``number`` from 1, the ``settings`` that it has in place of the experiment's, and
    its ``window``, where there are windows."""

    number: int
    settings: Mapping[str, Any]
    window: Window | None
    experiment: Experiment

    @cached_property
    def resolved(self) -> str:
        """The whole of its experiment as JSON, which several stages of a sweep ask for and which takes a while."""
        return json.dumps(self.experiment.resolved(), sort_keys=True)

    @property
    def told(self) -> str:
        """Number and settings, as an error names it."""
        told = [f"{key}={json.dumps(value)}" for key, value in self.settings.items()]
        told += [] if self.window is None else [self.window.name]
        return f"cell {self.number} ({', '.join(told):.300})"

    @property
    def title(self) -> str:
        """The same, as it begins a sentence."""
        return f"{self.told[:1].upper()}{self.told[1:]}"


class Visible(NamedTuple):
    """The prices of an experiment up to its sealed tail, and what is sealed."""

    universe: Universe
    sealed: SealedTail | None


class PriceShelf:
    """The prices of experiments, each loaded once: those of equal data, warm-up and seal are the same."""

    def __init__(self) -> None:
        self._loaded: dict[str, Visible] = {}
        self._known: dict[int, tuple[Experiment, Visible]] = {}
        """By the identity of an experiment, which lives as long as it stands here."""

    def visible(self, experiment: Experiment) -> Visible:
        """Those of an experiment; raises as ``visible_universe``."""
        if (known := self._known.get(id(experiment))) is not None:
            return known[1]
        bars = experiment.warm_up.bars
        key = json.dumps([_data_of(experiment), bars, experiment.evaluation.holdout], sort_keys=True)
        if key not in self._loaded:
            self._loaded[key] = Visible(*visible_universe(experiment, minimum_bars=bars + 2))
        self._known[id(experiment)] = experiment, self._loaded[key]
        return self._loaded[key]


def _data_of(experiment: Experiment) -> Any:
    return plain(asdict(experiment.data), "experiment: data")


@dataclass(frozen=True, eq=False)
class Cells:
    """All cells of a sweep in their order, without those that are ``equal`` to an earlier one (number of each, and of
    that one); ``base`` is the experiment as it stands in its file, ``windows`` are in the order of time."""

    base: Experiment
    document: Mapping[str, Any]
    all: Sequence[Cell]
    windows: tuple[Window, ...]
    prices: PriceShelf
    equal: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def cells_of(sweep: Sweep) -> Cells:
    """The cells of a sweep, each experiment checked as if it were run alone, and its prices loaded.

    Raises ``ConfigurationError`` with a line for each different problem, which names the first cell that has it.
    """
    document, folder = _experiment_document(sweep)
    base = Experiment.from_mapping(document, "experiment", folder=folder)
    if base.evaluation.draws > 1:
        raise ConfigurationError(f"evaluation.draws is {base.evaluation.draws} and no part of a sweep: {ONE_DRAW}")
    prices, problems = PriceShelf(), _Problems()
    wanted = [_Wanted(settings, None) for settings in _combinations(sweep)]
    experiments = [_experiment(one, number, document, folder, problems) for number, one in enumerate(wanted, 1)]
    problems.tell()
    if sweep.walk_forward is None and not sweep.windows:
        found = [
            Cell(number, one.settings, None, experiment)
            for number, (one, experiment) in enumerate(zip(wanted, experiments, strict=True), 1)
            if experiment is not None
        ]
        return _checked(base, document, found, (), prices)
    windows = _windows(sweep, [each for each in experiments if each is not None], prices)
    if len(windows) * len(wanted) > MOST_CELLS:
        raise ConfigurationError(f"The sweep has {len(windows) * len(wanted):,} cells: keep it to {MOST_CELLS:,}.")
    found = []
    for number, (one, window) in enumerate(itertools.product(wanted, windows), 1):
        experiment = _experiment(_Wanted(one.settings, window), number, document, folder, problems)
        if experiment is not None:
            found.append(Cell(number, one.settings, window, experiment))
    problems.tell()
    return _checked(base, document, found, windows, prices)


class _Wanted(NamedTuple):
    settings: Mapping[str, Any]
    window: Window | None


class _Problems:
    """What is wrong with cells: each sentence once, with the first cell that it is said of."""

    def __init__(self) -> None:
        self._cells: dict[str, list[str]] = {}
        self._kinds: set[type[BacktraderLLMError]] = set()

    def note(self, cell: str, problem: BacktraderLLMError) -> None:
        """Something is wrong with a cell."""
        self._cells.setdefault(str(problem), []).append(cell)
        self._kinds.add(type(problem))

    def tell(self) -> None:
        """Raise where anything is wrong."""
        if not self._cells:
            return
        lines = []
        for problem, cells in list(self._cells.items())[:MOST_TOLD]:
            more = f" and {len(cells) - 1:,} more" if len(cells) > 1 else ""
            lines.append(f"{cells[0]}{more}: {hanging(problem)}")
        if len(self._cells) > MOST_TOLD:
            lines.append(f"And {len(self._cells) - MOST_TOLD:,} other problems.")
        kind = self._kinds.pop() if len(self._kinds) == 1 else ConfigurationError
        lines[0] = lines[0][0].upper() + lines[0][1:]
        raise (kind if kind in (ConfigurationError, MarketDataError) else ConfigurationError)("\n".join(lines))


def _experiment_document(sweep: Sweep) -> tuple[Mapping[str, Any], Path | None]:
    """The experiment as plain data, and its folder."""
    if not isinstance(sweep.experiment, str):
        return dict(sweep.experiment), sweep.folder
    path = Path(sweep.experiment)
    if sweep.folder is not None and (sweep.folder / path).exists():
        path = sweep.folder / path
    try:
        document = parse_yaml(read_text(path), str(path))
    except FileNotFoundError:
        raise ConfigurationError(
            f"experiment is {sweep.experiment}, and there is no such file beside the sweep or here: correct the path."
        ) from None
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} holds no keys; write a starter with: btllm init")
    return document, path.parent


def _combinations(sweep: Sweep) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*sweep.grid.values()):
        for entry in sweep.list or ({},):
            yield dict(zip(sweep.grid, values, strict=True)) | dict(entry)


def _experiment(
    wanted: _Wanted, number: int, document: Mapping[str, Any], folder: Path | None, problems: _Problems
) -> Experiment | None:
    """The experiment of a cell; None where it has a problem, which is noted."""
    changed = dict(document)
    try:
        for key, value in wanted.settings.items():
            _set(changed, key, value)
        if wanted.window is not None:
            _set(changed, "data.start", wanted.window.start)
            _set(changed, "data.end", wanted.window.end)
            if isinstance(evaluation := changed.get("evaluation"), Mapping):  # a window ends before the seal
                changed["evaluation"] = {name: each for name, each in evaluation.items() if name != "holdout"}
        return Experiment.from_mapping(changed, "experiment", folder=folder)
    except BacktraderLLMError as problem:
        cell = Cell(number, wanted.settings, wanted.window, _NO_EXPERIMENT)
        problems.note(cell.told, problem)
        return None


_NO_EXPERIMENT: Any = None


def _set(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a key with dots in a document, whose inner mappings are copied first, as other cells share them."""
    *path, last = key.split(".")
    place = document
    for number, name in enumerate(path):
        inner = place.get(name)
        if inner is not None and not isinstance(inner, Mapping):
            raise ConfigurationError(
                f"{'.'.join(path[: number + 1])} is {inner!r:.60} in the experiment, so that there is no {key}: write "
                "it as a mapping there, or vary the whole of it."
            )
        place[name] = dict(inner or {})
        place = place[name]
    place[last] = value


def _windows(sweep: Sweep, experiments: Sequence[Experiment], prices: PriceShelf) -> tuple[Window, ...]:
    """The windows of a sweep, which begin where the cell that looks back furthest can decide."""
    slowest: dict[str, Experiment] = {}
    for experiment in experiments:
        data = json.dumps(_data_of(experiment), sort_keys=True)
        if data not in slowest or experiment.warm_up.bars > slowest[data].warm_up.bars:
            slowest[data] = experiment
    if sweep.windows:
        windows = tuple(Window(each["start"], each["end"]) for each in sweep.windows)
        for experiment in slowest.values():
            check_windows(windows, experiment, prices)
        return windows
    found: dict[Window, None] = {}
    for experiment in slowest.values():
        found |= dict.fromkeys(_walk(sweep, experiment, prices.visible(experiment).universe))
    return tuple(sorted(found))


def _walk(sweep: Sweep, experiment: Experiment, universe: Universe) -> Iterator[Window]:
    walk = sweep.walk_forward
    if walk is None:
        return
    first = experiment.warm_up.bars - 1
    closes = [universe.decisions(symbol).table.index[first:].to_numpy() for symbol in universe.symbols]
    times = pd.DatetimeIndex(np.unique(np.concatenate(closes)))
    if walk.first is not None:
        times = times[times >= pd.Timestamp(moment(walk.first, "walk_forward.first"))]
    if len(times) < walk.bars:
        raise ConfigurationError(
            f"walk_forward.bars is {walk.bars}, and the prices have {len(times):,} decisions "
            f"{'from there on' if walk.first else 'after the warm-up'}: write fewer, or take a longer range."
        )
    for begin in range(0, len(times) - walk.bars + 1, walk.step or walk.bars):
        yield Window(show_time(times[begin]), show_time(times[begin + walk.bars - 1]))


def _checked(
    base: Experiment,
    document: Mapping[str, Any],
    found: Sequence[Cell],
    windows: tuple[Window, ...],
    prices: PriceShelf,
) -> Cells:
    """The cells with their prices loaded, and without equal ones."""
    problems = _Problems()
    kept: dict[str, Cell] = {}
    equal: dict[int, int] = {}
    for cell in found:
        if (same := kept.setdefault(cell.resolved, cell)) is not cell:
            equal[cell.number] = same.number
            continue
        try:
            if cell.experiment.evaluation.draws > 1:
                raise ConfigurationError(f"evaluation.draws is no part of a sweep: {ONE_DRAW}")
            prices.visible(cell.experiment)
            check_range(cell.experiment, base, prices)
        except BacktraderLLMError as problem:
            problems.note(cell.told, problem)
    problems.tell()
    notes = []
    if equal:
        number, first = next(iter(equal.items()))
        notes.append(f"{len(equal):,} of the cells are equal to another (cell {number} to cell {first}) and left out.")
    if not windows and len({cell.experiment.warm_up.bars for cell in kept.values()}) > 1:
        notes.append(
            "The cells look back on different numbers of bars, so that they begin to trade at different ones: "
            "walk_forward or windows let all begin together."
        )
    return Cells(base, document, list(kept.values()), windows, prices, equal, tuple(notes))


def without_frames(experiment: Experiment) -> Experiment:
    """The experiment without the DataFrames that it was given as prices, for other processes, which have the prices."""
    data, plain = experiment.data, copy(experiment.data)
    sources = data.sources
    if isinstance(sources, Mapping):
        sources = {symbol: str.__str__(source) for symbol, source in sources.items()}
    elif sources is not None:
        sources = tuple(str.__str__(source) for source in sources)
    # No setting changes, so that there is nothing to check again.
    object.__setattr__(plain, "sources", sources)
    object.__setattr__(plain, "source", str.__str__(data.source))
    other = copy(experiment)
    object.__setattr__(other, "data", plain)
    return other
