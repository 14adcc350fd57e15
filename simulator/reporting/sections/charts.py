"""Charts over time: equity and drawdown of all arms, and prices with one arm's regimes and trades."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pandas as pd

from simulator.evaluation.drawdowns import underwater
from simulator.evaluation.knowledge import stated_cutoff
from simulator.evaluation.measures import kill_switch, measure, most_traded
from simulator.evaluation.placebo_record import Band, read_placebos
from simulator.evaluation.regimes import SymbolDecisions
from simulator.folder.documents import LedgerRecord
from simulator.folder.record import ArmRecord, Record
from simulator.reporting.blocks import Block, Figure, Heading, on_page
from simulator.reporting.charts import layers
from simulator.reporting.charts.chart import Chart, Panel
from simulator.reporting.charts.labels import label_colours
from simulator.reporting.charts.layers import (
    ALARM,
    ARM,
    HUES,
    INK,
    MARKET,
    Layer,
    Line,
    Marks,
    Shades,
    Upright,
    dash_of,
)
from simulator.reporting.charts.scale import Rows, Times, milliseconds, numbers_around
from simulator.reporting.facts.fact import Facts
from simulator.reporting.facts.run import main_arms, market_arms, strategy_arms, subject_arm, ungated_arms

PANELS = 4
"""Symbols of which each gets a panel; of more only one is drawn."""


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """The charts, on the page alone."""
    if charts := draw(record):
        yield on_page(Heading("Over time", "charts"), *map(Figure, charts))


def draw(record: Record) -> tuple[Chart, ...]:
    """The figures that the record has data for: none without two bars of an account."""
    subject = subject_arm(record)
    arms = [arm for arm in _in_order(record) if len(arm.equity) > 1]
    if not arms:
        return ()
    lines = f"Lines: {', '.join(arm.name for arm in arms)}. The figures are in the table of arms."
    if stated_cutoff(subject) is not None:
        lines += f" Left of the upright line the model of {subject.name} may have read about the bars."
    band = _band(record, subject)
    shaded = f"; shaded: most accounts with the holding times of {subject.name} at other moments" if band else ""
    charts = [
        Chart(
            "equity",
            f"Account value, as a multiple of its value at the first decision{shaded}",
            lines,
            [_accounts(record, arms, _growth, band=band)],
        ),
        Chart(
            "drawdown", "Loss from the highest account value so far", lines, [_accounts(record, arms, _drawdown, "%")]
        ),
    ]
    if subject in arms:
        charts.append(_prices(record, subject))
    return tuple(charts)


def draw_accounts(record: Record, name: str, title: str, arms: Sequence[ArmRecord], where: str) -> Chart:
    """A figure of these accounts alone, the first one strongest; ``where`` says where their figures stand."""
    lines = f"Lines: {', '.join(arm.name for arm in arms)}. {where}"
    return Chart(name, title, lines, [_accounts(record, arms, _growth)])


def _in_order(record: Record) -> list[ArmRecord]:
    """The arms as they are drawn: the one that the page is about, the market, and the others in their order."""
    subject, markets = subject_arm(record), market_arms(record)
    return sorted(main_arms(record), key=lambda arm: 0 if arm is subject else 1 if arm.name in markets else 2)


def _prices(record: Record, subject: ArmRecord) -> Chart:
    """Every symbol where there are a few of them, else the one that the arm traded most."""
    several, many = len(record.prices) > 1, len(record.prices) > PANELS
    labelled = subject.name not in (*strategy_arms(record), *ungated_arms(record))
    shown = most_traded(subject, record.prices, 1 if many else PANELS)
    events = list(_kill_switch(record, subject))
    texts = _text_times(subject)
    which = "Price of the most traded symbol" if many else "Prices" if several else "Price"
    return Chart(
        "price",
        f"{which}, the regimes seen by {subject.name}, and its trades"
        if labelled
        else f"{which}, and the trades of {subject.name}",
        (f"Shades: {', '.join(subject.regimes)}. " if labelled else "")
        + "Triangles are entries, crosses are exits, red where a stop ended the trade; below the price stands what was "
        "held. The trades are listed below.",
        [
            panel
            for symbol in shown
            for panel in _price(record.prices[symbol], subject, symbol, events, texts, named=several, labelled=labelled)
        ],
    )


def _growth(arm: ArmRecord) -> pd.Series:
    growth: pd.Series = arm.equity["equity"] / arm.equity["equity"].iloc[0]
    return growth


def _drawdown(arm: ArmRecord) -> pd.Series:
    values = arm.equity["equity"]
    return pd.Series(underwater(values.to_numpy(dtype=np.float64)), values.index)


def _band(record: Record, subject: ArmRecord) -> Band | None:
    """Where the accounts with the holding times of an arm at other moments lie; None where there are none."""
    found = read_placebos(record.folder).get(subject.name)
    return None if found is None else found.timing.band


def _accounts(
    record: Record,
    arms: Sequence[ArmRecord],
    values_of: Callable[[ArmRecord], pd.Series],
    unit: str = "x",
    band: Band | None = None,
) -> Panel:
    """A line for each arm, the first one in front, and an upright one where the stated knowledge of its model ends."""
    markets, size = market_arms(record), 100 if unit == "%" else 1
    lines = []
    for number, arm in enumerate(arms):
        values = values_of(arm)
        grey = bool(number) and arm.name in markets
        lines.append(
            Line(
                arm.name,
                milliseconds(values.index),
                values.to_numpy() * size,
                MARKET if grey else ARM[number % HUES],
                1.4 if number else 2.4,
                "" if grey else dash_of(number),
            )
        )
    shown: list[Layer] = [*reversed(lines)]
    everything = [line.y for line in lines]
    if band is not None:
        low, high = np.array(band.low), np.array(band.high)
        times = milliseconds(pd.to_datetime(pd.Index(band.time), format="ISO8601"))
        shown.insert(0, layers.Band("other moments", times, low, high))
        everything += [low, high]
    period = Times(min(float(line.x[0]) for line in lines), max(float(line.x[-1]) for line in lines))
    if (cutoff := stated_cutoff(arms[0])) is not None:
        day = float(milliseconds([cutoff])[0])
        word = "may be remembered" if day > (period.low + period.high) / 2 else "not known to the model"
        shown.append(Upright(day, word=word))
    scale = numbers_around(np.concatenate(everything), unit, ratios=unit == "x")
    return Panel(shown, period, scale, 320 if unit == "x" else 220, names_at_end=True)


def _price(
    prices: pd.DataFrame,
    arm: ArmRecord,
    symbol: str,
    events: Sequence[Layer],
    texts: np.ndarray,
    *,
    named: bool,
    labelled: bool,
) -> tuple[Panel, Panel]:
    """The closes of one symbol over the bars of the account, with the arm's regimes and trades, and what concerns all
    symbols: ``events``, and the times of ``texts`` that were shown; and a strip of what it held."""
    shown = prices.loc[arm.equity.index[0] : arm.equity.index[-1], "close"]
    made = measure(arm).decisions.get(symbol, SymbolDecisions())
    colours = label_colours(arm.regimes)
    trades = arm.trades[arm.trades["symbol"] == symbol]
    size = 9.0 if len(trades) <= 60 else 7.0 if len(trades) <= 250 else 5.0
    stopped = trades["exit_reason"] == "stop"
    left = ~stopped & (trades["exit_reason"] != "open")
    spans = _regime_spans(made.times, made.labels, list(colours)) if labelled else {}
    drawn: list[Layer] = [Shades(label, each, colours[label]) for label, each in spans.items()]
    drawn.append(Line("close", milliseconds(shown.index), shown.to_numpy(float), INK, 1.1))
    for label, shape, hue, rows, time, price in (
        ("long entry", "up", 2, trades[trades["side"] == "long"], "entered", "entry_price"),
        ("short entry", "down", 1, trades[trades["side"] == "short"], "entered", "entry_price"),
        ("exit", "cross", 3, trades[left], "exited", "exit_price"),
        ("exit by a stop", "cross", ALARM, trades[stopped], "exited", "exit_price"),
    ):
        if len(rows):
            at, colour = milliseconds(pd.Index(rows[time])), hue if isinstance(hue, str) else ARM[hue]
            drawn.append(Marks(label, at, rows[price].to_numpy(float), shape, colour, size))
    ends = milliseconds(arm.equity.index[[0, -1]])
    period = Times(float(ends[0]), float(ends[1]))
    scale = numbers_around(shown.to_numpy(float), ratios=True)
    texts = texts[(texts >= period.low) & (texts <= period.high)]
    if len(texts):
        drawn.append(Marks("text shown", texts, np.full(len(texts), scale.low), "dot", ARM[4], 6.0))
    drawn += events
    return Panel(drawn, period, scale, 280, title=symbol if named else ""), _held(trades, period)


def _held(trades: pd.DataFrame, period: Times) -> Panel:
    """A strip of the spans in which a symbol was held long or short."""
    held: list[Layer] = []
    for name, side, hue in (("held long", "long", 2), ("held short", "short", 1)):
        rows = trades[trades["side"] == side]
        if len(rows):
            spans = zip(*(milliseconds(pd.Index(rows[time])).tolist() for time in ("entered", "exited")), strict=True)
            held.append(Shades(name, list(spans), ARM[hue]))
    return Panel(held, period, Rows(1), 14, dated=False)


def _kill_switch(record: Record, arm: ArmRecord) -> Iterator[Layer]:
    """An upright line where the kill switch fired first."""
    risk = record.manifest["experiment"]["risk"]
    if arm.name in ungated_arms(record):
        return
    fired = kill_switch(arm.equity, risk["max_drawdown"], risk["rearm_after_bars"]).fired
    if fired is not None:
        yield Upright(float(milliseconds([fired])[0]), word="kill switch", colour=ALARM)


def _text_times(arm: ArmRecord) -> np.ndarray:
    """From when on each text that the model was shown could be shown, in milliseconds since 1970."""
    ledger = LedgerRecord.read(arm.folder)
    return milliseconds([text["available_at"] for text in ledger.texts]) if ledger else np.array([])


def _regime_spans(
    closes: list[str], labels: Sequence[str | None], names: Sequence[str]
) -> dict[str, list[tuple[float, float]]]:
    """From the close of the first decision of a run of equal labels to the close of the decision after its last."""
    times = milliseconds(closes).tolist()
    spans: dict[str, list[tuple[float, float]]] = {label: [] for label in names}
    for label, run in groupby(enumerate(labels), key=itemgetter(1)):
        numbers = [number for number, _ in run]
        if label is not None:
            spans[label].append((times[numbers[0]], times[min(numbers[-1] + 1, len(times) - 1)]))
    return {label: found for label, found in spans.items() if found}
