"""Functions of TA-Lib as features, where it is installed: ``talib:RSI(timeperiod=14)``, or ``talib_feature`` in a file
of one's own, which gives them words."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llm_strategy.errors import ConfigurationError, did_you_mean, exception_line
from llm_strategy.market.feature import COLUMNS, MOST_BARS, Bars, Feature

_SPELLING = re.compile(r"talib:(?P<function>\w+)(?:\((?P<settings>[^()]*)\))?")
_SETTLED = 10
"""A value that depends on all bars before it, such as Wilder's means, hardly changes from so many times its lookback
on; it is computed anew over these bars at each close, so that it is a function of them alone."""
_RECURSIVE = ("MACD", "MACDEXT", "MACDFIX", "STOCHRSI", "APO", "PPO", "TRIX", "DEMA", "TEMA", "T3", "SAR", "SAREXT")
"""Functions of that kind that TA-Lib does not mark."""


def talib_feature(
    function: str,
    *,
    output: str | None = None,
    buckets: Sequence[tuple[float, str]] = (),
    unit: str = "",
    decimals: int | None = None,
    name: str = "",
    lookback: int | None = None,
    **settings: float,
) -> Feature:
    """A function of TA-Lib by its name, such as ``talib_feature("RSI", timeperiod=14, buckets=...)``.

    ``output`` is which of several it is (``macdsignal``; the first if absent), ``settings`` are those of TA-Lib, and
    ``lookback`` the bars that it is computed over, what it needs if absent. Raises ``ConfigurationError`` where TA-Lib
    is not installed, or knows no such function, output or setting.
    """
    told = f"The feature talib:{function}"
    try:
        abstract: Any = importlib.import_module("talib.abstract")
        known: Mapping[str, Sequence[str]] = importlib.import_module("talib").get_function_groups()
    except ImportError:
        raise ConfigurationError(f"{told} needs TA-Lib, which is not installed: pip install ta-lib") from None
    names = [each for group in known.values() for each in group]
    if function not in names:
        raise ConfigurationError(f"There is no function {function!r} in TA-Lib{did_you_mean(function, names)}")
    made = abstract.Function(function)
    if unknown := next((setting for setting in settings if setting not in made.parameters), None):
        cure = did_you_mean(unknown, made.parameters) or ": it has none."
        raise ConfigurationError(f"{told} has no setting {unknown!r}{cure}")
    if output is not None and output not in made.output_names:
        raise ConfigurationError(f"{told} has no output {output!r}{did_you_mean(output, made.output_names)}")
    which = made.output_names.index(output) if output else 0
    wanted = _columns(made.input_names)
    if wanted - set(COLUMNS):
        raise ConfigurationError(f"{told} takes {', '.join(sorted(wanted))}, and bars have {', '.join(COLUMNS)}.")
    try:
        made.parameters = dict(settings)
        bars = lookback or _bars(made, function)
        _value(abstract, function, settings, which, {column: np.linspace(1.0, 2.0, bars) for column in COLUMNS})
    except Exception as problem:
        raise ConfigurationError(f"{told} refuses its settings ({exception_line(problem)}): correct them.") from None
    if bars > MOST_BARS:
        raise ConfigurationError(f"{told} looks back on {bars} bars, and at most {MOST_BARS} can be: give a lookback.")

    def measure(window: Bars) -> float:
        columns = {column: np.array(getattr(window, column), dtype=float) for column in COLUMNS}
        return _value(abstract, function, settings, which, columns)

    called = name or " ".join([function.lower(), *([output] if output else []), *map(_short, settings.values())])
    return Feature(called, bars, measure, tuple(buckets), unit, decimals)


def read_talib(text: str) -> Feature:
    """The feature that ``talib:NAME`` or ``talib:NAME(setting=number, output=name)`` means; raises
    ``ConfigurationError``."""
    found = _SPELLING.fullmatch(text)
    settings: dict[str, Any] = {}
    try:
        if found is None:
            raise ValueError
        for part in filter(str.strip, (found["settings"] or "").split(",")):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or key in settings:
                raise ValueError
            settings[key] = value if key == "output" else float(value) if "." in value else int(value)
    except ValueError:
        raise ConfigurationError(
            f"The feature {text!r} cannot be read: write talib:NAME, or with settings talib:RSI(timeperiod=14)."
        ) from None
    return talib_feature(found["function"], **settings)


def _value(abstract: Any, function: str, settings: Mapping[str, Any], which: int, columns: Mapping[str, Any]) -> float:
    """The last value; a function that is made anew keeps nothing of another window."""
    found = abstract.Function(function, **settings)(columns)
    values = found[which] if isinstance(found, list | tuple) else found
    return float(values[-1])


def _bars(made: Any, function: str) -> int:
    recursive = function in _RECURSIVE or any("unstable" in flag for flag in made.function_flags or ())
    return 1 + int(made.lookback) * (_SETTLED if recursive else 1)


def _columns(inputs: Mapping[str, Any]) -> set[str]:
    return {name for value in inputs.values() for name in ([value] if isinstance(value, str) else value)}


def _short(value: float) -> str:
    return f"{value:g}".replace(".", "-")
