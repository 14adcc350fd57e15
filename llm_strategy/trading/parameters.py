"""Whether the parameters of an ``AdvisedStrategy`` are what they must be: nothing that is set is ignored."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.client import LLMClient
from llm_strategy.market.context.context import Context
from llm_strategy.market.features import Lookbacks
from llm_strategy.market.view import View
from llm_strategy.risk import Limits
from llm_strategy.trading.bar_check import check_choice
from llm_strategy.trading.journal import Journal
from llm_strategy.trading.orders import OrderRules

_KINDS = {
    "limits": (Limits, "Limits(...)"),
    "orders": (OrderRules, "OrderRules(...)"),
    "lookbacks": (Lookbacks, "Lookbacks(...)"),
    "decide_when_changed": (View, "a View(...)"),
    "start": (datetime.date, "a datetime.date or datetime, as in datetime.date(2020, 1, 31)"),
    "decide_on": (Mapping, 'a dictionary, as in {"SPY": "SPY weekly"}'),
    "symbols": (Mapping, "a dictionary of names by feed name"),
    "groups": (Mapping, "a dictionary of groups by symbol"),
    "measured": (Mapping, "a dictionary of what measure_market gives, by symbol"),
    "journal": (Journal, "a Journal(...)"),
    "progress": (bool, "True or False"),
}
"""What a parameter must be, unless it is None, and how that reads in a sentence."""
_LEAST = {"decide_every": 1, "warm_up": 0}
"""Parameters in bars, and the fewest of them."""


def check_parameters(given: Any) -> None:
    """Raise ``ConfigurationError`` for a parameter of a wrong kind; ``given`` are backtrader's ``params``."""
    _check_advisor(given.advisor)
    if given.decide_when_changed is not None and isinstance(
        context := getattr(given.advisor, "context", None), Context
    ):
        context.refuse_changed("decide_when_changed is set", "leave it out (decide_every asks less often)")
    check_choice(given.bad_bars)
    if given.measured is not None and given.bad_bars == "abstain":
        raise ConfigurationError(
            'bad_bars is "abstain", and what was measured beforehand is of bars that are all possible: leave one out.'
        )
    check_kinds({name: getattr(given, name) for name in (*_KINDS, *_LEAST)})
    year = given.bars_per_year
    if year is not None and (not isinstance(year, Real) or not 0 < float(year) < math.inf):
        raise ConfigurationError(f"bars_per_year is {year!r}: give a number above zero, or leave it out.")
    if isinstance(given.tick_volume, str):
        raise ConfigurationError(f"tick_volume is {given.tick_volume!r}: give a list of symbols.")
    if given.trade is not None and not given.trade:
        raise ConfigurationError('trade is empty: name feeds, "all", or leave it out for the first one.')


def check_kinds(given: Mapping[str, Any]) -> None:
    """Raise ``ConfigurationError`` for a value of a wrong kind among some of the parameters, by name."""
    for name, value in given.items():
        if name in _KINDS and value is not None:
            kind, wanted = _KINDS[name]
            if not isinstance(value, kind):
                raise ConfigurationError(f"{name} is {value!r:.60}: give {wanted}.")
        if name in _LEAST and (isinstance(value, bool) or not isinstance(value, Integral) or int(value) < _LEAST[name]):
            raise ConfigurationError(
                f"{name} is {value!r}: it must be a whole number of bars from {_LEAST[name]} upwards."
            )


def check_names(given: Any, feeds: Iterable[str], traded: Iterable[str], symbols: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` for a parameter that names what is not there: names of all feeds, of the ``traded``
    ones, and their ``symbols``."""
    known = {
        "symbols": ("feed", list(feeds)),
        "decide_on": ("traded feed", list(traded)),
        "groups": ("traded symbol", list(symbols)),
        "tick_volume": ("traded symbol", list(symbols)),
    }
    for parameter, (what, names) in known.items():
        for name in getattr(given, parameter) or ():
            if name not in names:
                raise ConfigurationError(f"{parameter} names {name!r}, which is no {what}{did_you_mean(name, names)}")


def _check_advisor(advisor: Any) -> None:
    if advisor is None:
        raise ConfigurationError("AdvisedStrategy needs an advisor: addstrategy(AdvisedStrategy, advisor=...).")
    if isinstance(advisor, LLMClient):
        raise ConfigurationError("The advisor is a client: give advisor=ModelAdvisor(client).")
    if isinstance(advisor, type):
        raise ConfigurationError(f"The advisor is the class {advisor.__name__}: give advisor={advisor.__name__}(...).")
    if not callable(getattr(advisor, "attach", None)):  # what it attaches decides
        raise ConfigurationError(
            f"The advisor is {advisor!r:.60}: give a ModelAdvisor, a rule of llm_strategy.BASELINES, or an object with "
            "attach and decide."
        )
