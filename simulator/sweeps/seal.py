"""A sealed tail stays sealed in a sweep, whatever range of the same prices its cells and windows take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from llm_strategy.errors import ConfigurationError
from simulator.experiment.configuration import Experiment
from simulator.prices.load import moment
from simulator.prices.table import show_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.sweeps.cells import PriceShelf, Window


def check_windows(windows: Sequence[Window], experiment: Experiment, prices: PriceShelf) -> None:
    """Raise ``ConfigurationError`` for a window that reaches into what an experiment seals."""
    sealed = None if experiment.evaluation.holdout is None else prices.visible(experiment).sealed
    if sealed is None:
        return
    for window in windows:
        if moment(window.end, "end") >= pd.Timestamp(sealed.first):
            raise ConfigurationError(
                f"The window {window.name} reaches into the bars from {show_time(pd.Timestamp(sealed.first))} on that "
                "evaluation.holdout seals: end it before."
            )


def check_range(experiment: Experiment, base: Experiment, prices: PriceShelf) -> None:
    """Raise ``ConfigurationError`` for a cell that takes another range of the prices of the sweep's experiment, and
    with it bars that this seals: the last fifth of fewer bars begins later."""
    if base.evaluation.holdout is None or experiment.evaluation.holdout is None or experiment.data == base.data:
        return
    if replace(experiment.data, start=None, end=None) != replace(base.data, start=None, end=None):
        return
    sealed, universe = prices.visible(base).sealed, prices.visible(experiment).universe
    last = max(each.table.index[-1] for each in universe.markets)
    if sealed is not None and last >= pd.Timestamp(sealed.first):
        raise ConfigurationError(
            f"Its range would show bars from {show_time(pd.Timestamp(sealed.first))} on, which evaluation.holdout of "
            "the experiment seals: write that date as evaluation.holdout there, so that all ranges end before it."
        )
