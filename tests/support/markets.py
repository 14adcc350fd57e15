"""Price tables for tests: small, seeded, with the shapes that break things."""

import numpy as np
import pandas as pd

from simulator.prices.load import Prices
from simulator.prices.universe import Universe


def random_prices(bars=400, seed=1, daily=0.01, gap=0.0, drift=0.0003, start=100.0):
    """A random walk; ``gap`` is the standard deviation of the jump from a close to the next open."""
    source = np.random.default_rng(seed)
    moves = source.normal(drift, daily, bars)
    jumps = source.normal(0, gap, bars) if gap else np.zeros(bars)
    opens, closes, price = [], [], start
    for move, jump in zip(moves, jumps, strict=True):
        opens.append(price * np.exp(jump))
        closes.append(opens[-1] * np.exp(move))
        price = closes[-1]
    return from_bars(opens, closes, source.uniform(0, daily / 2, (2, bars)), source.uniform(1e5, 2e5, bars))


def from_bars(opens, closes, wicks=None, volume=None, first="2001-01-01"):
    """Bars from opens and closes (currency), with wicks as fractions above and below the body."""
    opens, closes = np.asarray(opens, float), np.asarray(closes, float)
    up, down = np.zeros((2, len(opens))) if wicks is None else wicks
    table = pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, closes) * (1 + up),
            "low": np.minimum(opens, closes) * (1 - down),
            "close": closes,
            "volume": np.full(len(opens), 1e5) if volume is None else volume,
        },
        index=pd.DatetimeIndex(pd.date_range(first, periods=len(opens), freq="D").as_unit("us"), name="time"),
    )
    return Prices("test", "ABC", "1d", table)


def with_table(prices, table):
    """The same prices with another table."""
    return Prices(prices.source, prices.symbol, prices.timeframe, table)


def several_symbols(count=4, bars=200, seed=1):
    """Daily bars of symbols that begin 15 days after each other and lack some days; the second ends early."""
    markets = []
    for number in range(count):
        table = random_prices(bars, seed + number).table.iloc[15 * number : bars // 2 if number == 1 else None]
        kept = np.random.default_rng(seed + number).random(len(table)) > 0.1
        markets.append(Prices("test", f"S{number:02d}", "1d", table[kept]))
    return Universe(tuple(markets))


def clocked_prices(times, timeframe, symbol="ABC", seed=1):
    """Random bars at these UTC times; opens, closes and volumes differ from bar to bar."""
    table = random_prices(len(times), seed, daily=0.002).table
    table.index = pd.DatetimeIndex(times, name="time").as_unit("us")
    return Prices("test", symbol, timeframe, table)


def minutes(first_day, last_day, session, zone, every="1min", days="B"):
    """UTC times without zone of the bars in a session ("09:30-16:00", start included) of each day in a zone."""
    start, end = session.split("-")
    moments = [
        moment
        for day in pd.date_range(first_day, last_day, freq=days)
        for moment in pd.date_range(f"{day.date()} {start}", f"{day.date()} {end}", freq=every, inclusive="left")
    ]
    return pd.DatetimeIndex(moments).tz_localize(zone).tz_convert("UTC").tz_localize(None)
