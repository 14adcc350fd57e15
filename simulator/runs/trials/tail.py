"""The sealed tail of an experiment: its last bars, which nothing runs on or shows until they are opened.

Whatever loads an experiment's prices does so here. Bars behind the seal are looked at for their times alone: prices are
then loaded as if the experiment ended before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from llm_strategy.errors import ConfigurationError, MarketDataError
from simulator.evaluation.placebo import FEWEST_CLOSES
from simulator.evaluation.trials import SealedTail
from simulator.experiment.configuration import Experiment
from simulator.prices.config import DataConfig
from simulator.prices.load import moment
from simulator.prices.table import show_time
from simulator.prices.universe import Universe, check_bars, load_universe

FEWEST = 3
"""Decision bars of a tail, and before it: with fewer no symbol has a decision, the bar that it is filled in, and one
behind that."""
_LONGEST_NAME = 60
_BEHIND = "-holdout"


class Cut(NamedTuple):
    """Where an experiment is sealed: behind the bar ``last``, so that the ``tail`` begins at the next one; ``traded``
    are the symbols, and ``sources`` those of their prices, that have decisions there, and the
    others have ``ended``."""

    last: pd.Timestamp
    tail: SealedTail
    traded: tuple[str, ...]
    sources: tuple[str, ...]
    ended: tuple[str, ...]


def visible_universe(
    experiment: Experiment, data: DataConfig | None = None, *, minimum_bars: int = 1, at: str | None = None
) -> tuple[Universe, SealedTail | None]:
    """Load the prices of an experiment, or of this ``data``, up to its sealed tail, and what is sealed.

    Raises as ``load_universe``, and ``ConfigurationError`` where ``at`` (ISO; a date takes the whole day) lies in the
    tail, or where ``evaluation.holdout`` leaves no decisions before or behind the seal.
    """
    chosen = data or experiment.data
    cut = cut_of(experiment)
    if cut is None:
        return _load(experiment, chosen, minimum_bars), None
    first = pd.Timestamp(cut.tail.first)
    if at is not None and moment(at, "at") >= first:
        raise ConfigurationError(
            f"{at} lies in the bars from {show_time(first)} on that evaluation.holdout seals: ask for an earlier "
            "close, or open them with btllm open-holdout."
        )
    if chosen.end is None or moment(chosen.end, "end") > cut.last:
        chosen = replace(chosen, end=cut.last.isoformat())
    try:
        return _load(experiment, chosen, minimum_bars), cut.tail
    except MarketDataError as problem:
        raise type(problem)(f"Before {show_time(first)}, from where on evaluation.holdout seals, {problem}") from None


def visible_part(universe: Universe, experiment: Experiment) -> tuple[Universe, SealedTail | None]:
    """The same of bars that are there already."""
    cut = _cut(universe, experiment)
    if cut is None:
        return universe, None
    seen = tuple(prices.window(end=cut.last.isoformat()) for prices in universe.markets)
    visible = replace(universe, markets=seen)
    check_bars(visible, experiment.warm_up.bars + 2, experiment.warm_up)
    return visible, cut.tail


def told_of(sealed: SealedTail | None) -> list[str]:
    """What a person must know of a seal before a run; nothing where there is none."""
    if sealed is None:
        return []
    told = (
        f"The bars from {show_time(pd.Timestamp(sealed.first))} on ({sealed.bars:,} decisions) are sealed by "
        "evaluation.holdout: nothing of them is run or shown"
    )
    few = f", and of fewer than {FEWEST_CLOSES} nothing can be said once they are opened"
    return [f"{told}{few if sealed.bars < FEWEST_CLOSES else ''}."]


def tail_experiment(experiment: Experiment) -> tuple[Experiment, tuple[str, ...]]:
    """The same experiment on its sealed tail alone, which the bars before it only warm up, and the symbols that it
    leaves out because they ended before. Raises ``ConfigurationError`` where nothing is sealed."""
    return _on_tail(experiment, cut_of(experiment))


def tail_part(universe: Universe, experiment: Experiment) -> tuple[Universe, Experiment, tuple[str, ...]]:
    """The same of bars that are there already, each one decided on: those of the tail and of its warm-up, too."""
    cut = _cut(universe, experiment)
    tail, ended = _on_tail(experiment, cut)
    markets = []
    for prices in universe.markets:
        times = prices.table.index
        if prices.symbol not in ended:
            first = max(0, int(times.searchsorted(pd.Timestamp(str(tail.data.start)))) - experiment.warm_up.bars + 1)
            markets.append(prices.window(start=times[first].isoformat()))
    groups = {symbol: group for symbol, group in universe.groups.items() if symbol not in ended}
    return replace(universe, markets=tuple(markets), groups=groups), tail, ended


def _on_tail(experiment: Experiment, cut: Cut | None) -> tuple[Experiment, tuple[str, ...]]:
    if cut is None:
        raise ConfigurationError(
            "evaluation.holdout is not set, so that no bars are sealed: set it to a fraction of the decisions, such as "
            "0.2, or to the date of the first sealed bar, before anything is tried on them."
        )
    data, sources = experiment.data, experiment.data.sources
    if isinstance(sources, Mapping):
        kept: Any = {symbol: source for symbol, source in sources.items() if symbol in cut.traded}
    else:
        kept = None if sources is None else tuple(source for source in sources if source in cut.sources)
    groups = {name: [each for each in symbols if each in cut.traded] for name, symbols in data.groups.items()}
    changed: dict[str, Any] = {
        "groups": {name: symbols for name, symbols in groups.items() if symbols},
        "start": cut.tail.first,
    }
    if kept is not None:
        changed |= {"sources": kept, "source": ""}
    tail = replace(
        experiment,
        name=f"{experiment.name[: _LONGEST_NAME - len(_BEHIND)]}{_BEHIND}",
        data=replace(data, **changed),
        evaluation=replace(experiment.evaluation, holdout=None),
    )
    return tail, cut.ended


def cut_of(experiment: Experiment) -> Cut | None:
    """Where an experiment is sealed, by all of its prices; None where it is not."""
    if experiment.evaluation.holdout is None:
        return None
    return _cut(_load(experiment, experiment.data, experiment.warm_up.bars + 2), experiment)


def _load(experiment: Experiment, data: DataConfig, minimum_bars: int) -> Universe:
    return load_universe(data, minimum_bars=minimum_bars, warm_up=experiment.warm_up, folder=experiment.folder)


def _cut(universe: Universe, experiment: Experiment) -> Cut | None:
    holdout = experiment.evaluation.holdout
    if holdout is None:
        return None
    first = experiment.warm_up.bars - 1
    decided = [universe.decisions(symbol).table.index[first:] for symbol in universe.symbols]
    times = pd.DatetimeIndex(np.unique(np.concatenate([index.to_numpy() for index in decided])))
    if isinstance(holdout, str):
        before = int(times.searchsorted(pd.Timestamp(moment(holdout, "evaluation.holdout"))))
    else:
        before = len(times) - round(holdout * len(times))
    last = times[max(0, before - 1)]
    going_on = [prices for prices, each in zip(universe.markets, decided, strict=True) if (each > last).sum() >= FEWEST]
    if before < FEWEST or not going_on:
        lacking = "before it" if before < FEWEST else "behind the seal"
        raise ConfigurationError(
            f"evaluation.holdout is {holdout}, and of the {len(times):,} decisions from {show_time(times[0])} to "
            f"{show_time(times[-1])} that leaves fewer than {FEWEST} {lacking}: choose another fraction or date, or "
            "more bars."
        )
    index = [pd.DatetimeIndex(prices.table.index) for prices in universe.markets]
    following = min(each[each > last][0] for each in index if each[-1] > last)
    tail = SealedTail(following.isoformat(), len(times) - before)
    traded = tuple(prices.symbol for prices in going_on)
    ended = tuple(symbol for symbol in universe.symbols if symbol not in traded)
    return Cut(last, tail, traded, tuple(prices.source for prices in going_on), ended)
