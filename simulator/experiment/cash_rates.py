"""Where ``costs.cash_rate`` finds dated rates: in a CSV file, or in the sample inside the dependency ``arch``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm_strategy.costs.cash_rates import CashRates
from llm_strategy.errors import ConfigurationError, shown
from llm_strategy.support.arch_data import load_arch_data
from llm_strategy.support.read_regular import read_text

SAMPLE = "sample:rf"
UNITS = {"fraction": 1.0, "percent": 100.0}
_OWN_UNIT = {"rate": "fraction", "percent": "percent"}
"""Headings that say in which unit a column is; any other needs the option."""
_DATES = ("date", "day", "time", "observation_date")
_MISSING = ("", ".", "NA", "nan", "NaN")
"""What stands for a day without a rate: a holiday in a series of the Federal Reserve Bank of St. Louis."""
_FORMS = "a fraction a year such as 0.03, a CSV file (rates.csv with the columns date and rate), or sample:rf"


def with_cash_rates(costs: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """The section ``costs`` of an experiment with the rates in it that its ``cash_rate`` names, so that a run needs
    the file no more."""
    named = costs.get("cash_rate")
    return {**costs, "cash_rate": asdict(read_cash_rates(named, folder))} if isinstance(named, str) else {**costs}


def read_cash_rates(text: str, folder: Path | None = None) -> CashRates:
    """The rates of ``sample:rf`` or of a CSV file, ``csv:FILE?unit=percent``; a relative path is looked for in the
    ``folder`` first. Raises ``ConfigurationError``."""
    if text == SAMPLE:
        return _sample()
    name, _, options = text.removeprefix("csv:").partition("?")
    if not name.endswith(".csv"):
        raise ConfigurationError(f"costs.cash_rate is {shown(text)}: give {_FORMS}.")
    option, _, unit = options.partition("=")
    if options and (option != "unit" or unit not in UNITS):
        raise ConfigurationError(
            f"costs.cash_rate is {shown(text)}: behind the question mark stands unit=percent or unit=fraction alone."
        )
    path = Path(name).expanduser()
    if folder is not None and not path.is_absolute() and (folder / path).exists():
        path = folder / path
    try:
        content = read_text(path)
    except FileNotFoundError:
        raise ConfigurationError(f"costs.cash_rate: there is no file {path}; give {_FORMS}.") from None
    except OSError as problem:
        raise ConfigurationError(f"costs.cash_rate: {path} cannot be read: {problem}.") from None
    return CashRates(dict(_rows(content, path.name, unit)), path.name)


def _sample() -> CashRates:
    """The one-month Treasury bill rate of Kenneth French's data, July 1926 to October 2018, by the month: known when
    the month begins, because a bill's rate is that of its purchase."""
    bills = load_arch_data("frenchdata")["RF"]
    months = [str(stamp.value) for stamp in bills.index]  # its index holds 192607 as nanoseconds
    rates = {
        f"{month[:4]}-{month[4:]}-01": round(12 * percent / 100, 6)
        for month, percent in zip(months, bills.tolist(), strict=True)
    }
    return CashRates(rates, SAMPLE)


def _rows(content: str, name: str, unit: str) -> Iterator[tuple[str, float]]:
    try:
        head, *lines = [line for line in csv.reader(io.StringIO(content), strict=True) if any(line)]
    except (csv.Error, ValueError):
        raise ConfigurationError(
            f"costs.cash_rate: {name} is no table: write a line date,rate and one for each rate."
        ) from None
    names = [cell.strip().lstrip("\ufeff") for cell in head]
    if len(names) != 2 or names[0].lower() not in _DATES:
        raise ConfigurationError(
            f"costs.cash_rate: {name} has the columns {shown(', '.join(names))}: it needs two, date and rate."
        )
    unit = unit or _OWN_UNIT.get(names[1].lower(), "")
    if not unit:
        raise ConfigurationError(
            f"costs.cash_rate: {name} does not say what its column {shown(names[1])} counts: write csv:{name}"
            "?unit=percent or ?unit=fraction."
        )
    seen: set[str] = set()
    for number, line in enumerate(lines, 2):
        if len(line) != 2:
            raise ConfigurationError(f"costs.cash_rate: {name}, line {number} has {len(line)} cells, and needs two.")
        day, text = line[0].strip(), line[1].strip()
        if text in _MISSING:
            continue
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConfigurationError(f"costs.cash_rate: {name}, line {number}: {shown(text)} is no rate.")
        if day in seen:
            raise ConfigurationError(f"costs.cash_rate: {name}, line {number}: {shown(day)} stands twice: keep one.")
        seen.add(day)
        yield day, value / UNITS[unit]
