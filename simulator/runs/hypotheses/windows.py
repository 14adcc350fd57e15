"""The windows of a run's closes: what is proposed from, what is tested on, and the last one, which is traded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from llm_strategy.errors import ConfigurationError
from simulator.experiment.configuration import Experiment
from simulator.experiment.hypotheses import HypothesesConfig
from simulator.prices.universe import Universe


@dataclass(frozen=True, slots=True)
class Window:
    """Closes from the ``first`` to the ``last``, both included (ISO 8601, UTC), and how many times there are."""

    first: str
    last: str
    closes: int

    def __contains__(self, time: object) -> bool:
        return isinstance(time, str) and self.first <= time <= self.last

    def as_document(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"first": self.first, "last": self.last, "closes": self.closes}


@dataclass(frozen=True, slots=True)
class Windows:
    """The three windows, one behind the other; there is no ``last`` one where the others take all closes."""

    propose: Window
    test: Window
    last: Window | None

    def as_document(self) -> dict[str, Any]:
        """The same as plain data."""
        last = {} if self.last is None else {"last": self.last.as_document()}
        return {"propose": self.propose.as_document(), "test": self.test.as_document(), **last}


def windows_of(universe: Universe, experiment: Experiment, config: HypothesesConfig) -> Windows:
    """Cut the closes of a run, those of all symbols by their times from the first decision on; raises
    ``ConfigurationError`` for a window without a close."""
    warm_up = experiment.warm_up.bars
    indexes = [universe.decisions(symbol).table.index[warm_up - 1 :] for symbol in universe.symbols]
    times = pd.DatetimeIndex(np.unique(np.concatenate([index.to_numpy() for index in indexes])))
    proposed = round(config.windows["propose"] * len(times))
    tested = round((config.windows["propose"] + config.windows["test"]) * len(times))

    def window(name: str, begin: int, end: int) -> Window:
        if begin >= end:
            raise ConfigurationError(
                f"hypotheses.windows.{name} is {config.windows[name]:g}, and of {len(times):,} closes that is none: "
                "raise it, or give the run more bars."
            )
        return Window(times[begin].isoformat(), times[end - 1].isoformat(), end - begin)

    first, second = window("propose", 0, proposed), window("test", proposed, tested)
    return Windows(first, second, window("last", tested, len(times)) if tested < len(times) else None)
