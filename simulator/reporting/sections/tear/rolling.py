"""The account over time: Sharpe ratio and beta over a moving window, and how much it held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulator.evaluation.cash import cash_returns
from simulator.evaluation.metrics import Floats
from simulator.evaluation.rolling import rolling_beta, rolling_sharpe, window_of
from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Figure, Heading, Paragraph, Table, on_page
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.layers import ARM, FAINT, MARKET, Band, Level, Line
from simulator.reporting.charts.scale import Numbers, Times, milliseconds, numbers_around
from simulator.reporting.facts.benchmark import account_of, beside
from simulator.reporting.facts.fact import Facts, FactTable
from simulator.reporting.facts.run import bars_a_year, cash_rate, day, subject_arm
from simulator.reporting.facts.terms import Unit

_WORDS = {"sharpe": "annual Sharpe ratio", "beta": "beta"}


@dataclass(frozen=True, slots=True)
class _Rolled:
    """Values at the end of each window."""

    window: int
    times: pd.Index
    sharpe: Floats
    market_sharpe: Floats | None
    beta: Floats | None


def _rolled(record: Record) -> _Rolled | None:
    """The account over moving windows; None where it is too short."""
    account, other, year = account_of(record), beside(record), bars_a_year(record)
    window = window_of(len(account) - 1, year)
    if window is None:
        return None
    cash = cash_returns(account.index, rate) if (rate := cash_rate(record)) else 0.0

    def excess(values: Floats) -> Floats:
        return np.asarray(values[1:] / values[:-1] - 1 - cash, np.float64)

    own = excess(account.to_numpy(dtype=np.float64))
    market = None if other is None else excess(other.values)
    return _Rolled(
        window,
        account.index[window:],
        rolling_sharpe(own, window, year),
        None if market is None else rolling_sharpe(market, window, year),
        None if market is None else rolling_beta(own, market, window),
    )


def facts(table: FactTable, record: Record) -> None:
    """Add the window, the ends of both figures with the closes at which they stood, and the highest exposure."""
    arm = subject_arm(record)
    found = _rolled(record)
    if found is not None:
        table.add(arm.name, "rolling.window", found.window, Unit.BARS, "bars of the moving window")
        for name, values in (("sharpe", found.sharpe), ("beta", found.beta)):
            if values is not None and np.isfinite(values).any():
                _add_ends(table, arm.name, name, values, found.times)
        if np.isfinite(found.sharpe).any():
            below = float((found.sharpe[np.isfinite(found.sharpe)] < 0).mean())
            words = f"share of the windows in which the Sharpe ratio of {arm.name} was below zero"
            table.add(arm.name, "rolling.sharpe_below", below, Unit.FRACTION, words)
    if len(account := account_of(record)):
        held = (arm.equity["gross"] / arm.equity["equity"]).to_numpy(dtype=np.float64)
        most = int(held.argmax())
        table.add(arm.name, "exposure_highest", float(held[most]), Unit.FRACTION, f"highest exposure of {arm.name}")
        words = f"close with the highest exposure of {arm.name}"
        table.add(arm.name, "exposure_highest_at", day(account.index[most]), Unit.TEXT, words)


def _add_ends(table: FactTable, arm: str, name: str, values: Floats, times: pd.Index) -> None:
    known = np.flatnonzero(np.isfinite(values))
    places = {"lowest": int(np.nanargmin(values)), "highest": int(np.nanargmax(values)), "last": int(known[-1])}
    for end, place in places.items():
        words = f"{end} {_WORDS[name]} of {arm} over a moving window"
        table.add(arm, f"rolling.{name}_{end}", float(values[place]), Unit.RATIO, words)
        table.add(
            arm, f"rolling.{name}_{end}_at", day(times[place]), Unit.TEXT, f"last bar of the window of the {words}"
        )


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """What moved, in a table and a picture; a sentence where the run is too short for a window."""
    arm = subject_arm(record)
    yield Heading("Over a moving window", "rolling", level=3)
    found = _rolled(record)
    if found is None:
        yield Paragraph("The run is too short for a moving window of half a year.")
    else:
        yield Paragraph(
            f"Each point is measured over the {{{arm.name}.rolling.window}} bars up to it, half a year or what comes "
            "next to it. Windows that overlap move slowly: what looks like a trend is mostly the same bars again.",
        )
        yield Table(
            ["", "Lowest", "At the close of", "Highest", "At the close of", "Last"],
            [
                (words[0].upper() + words[1:], *(f"{{{arm.name}.rolling.{name}_{end}}}" for end in _ENDS))
                for name, words in _WORDS.items()
                if f"{arm.name}.rolling.{name}_last" in facts
            ],
            label=f"Sharpe ratio and beta of {arm.name} over moving windows",
        )
    if f"{arm.name}.exposure_highest" in facts:
        yield Paragraph(
            f"It held something on {{{arm.name}.time_in_market}} of the bars, {{{arm.name}.exposure}} of the account "
            f"in the mean, and at most {{{arm.name}.exposure_highest}} ({{{arm.name}.exposure_highest_at}})."
        )
        yield on_page(Figure(_figure(record, found)))


_ENDS = ("lowest", "lowest_at", "highest", "highest_at", "last")


def _figure(record: Record, found: _Rolled | None) -> Chart:
    """Sharpe ratio, beta and exposure below each other over the same time."""
    arm, other = subject_arm(record), beside(record)
    times = milliseconds(arm.equity.index)
    across = Times(times[0], times[-1])
    panels = []
    if found is not None:
        at = milliseconds(found.times)
        market = [] if found.market_sharpe is None or other is None else [
            Line(other.words, at, found.market_sharpe, MARKET, dash="6 2")
        ]  # fmt: skip
        shown = [found.sharpe, *([] if found.market_sharpe is None else [found.market_sharpe]), np.zeros(1)]
        panels.append(
            Panel(
                [Level(0.0, colour=FAINT), *market, Line(arm.name, at, found.sharpe, ARM[0], 2.0)],
                across, numbers_around(np.concatenate(shown)), height=150, title="Annual Sharpe ratio",
            )
        )  # fmt: skip
        if found.beta is not None:
            panels.append(
                Panel(
                    [Level(0.0, colour=FAINT), Line(arm.name, at, found.beta, ARM[0], 2.0)],
                    across, numbers_around(np.append(found.beta, 0.0)), height=110, title="Beta",
                )
            )  # fmt: skip
    held = 100 * (arm.equity["gross"] / arm.equity["equity"]).to_numpy(dtype=np.float64)
    panels.append(
        Panel(
            [Band("", times, np.zeros(len(held)), held, ARM[0])],
            across, Numbers(0.0, 1.04 * max(float(held.max()), 1.0), "%"), height=110, title="Exposure",
        )
    )  # fmt: skip
    title, told = "What {} held", "The value of all positions as a share of the account."
    if found is not None:
        title = "{} over a moving window, and what it held"
        told = f"From top to bottom: annual Sharpe ratio, beta, and exposure. {told}"
    return Chart("rolling-figure", title.format(arm.name), told, panels)
