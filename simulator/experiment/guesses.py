"""What a file of prices seems to be: time frame, symbol and kind of market, for the first experiment on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pandas as pd

Kind = Literal["equities", "crypto", "fx"]

CURRENCIES = frozenset(
    (
        "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "NZD", "CAD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "TRY", "ZAR",
        "MXN", "CNH", "CNY", "HKD", "SGD", "INR", "BRL", "KRW", "THB", "XAU", "XAG",
    )
)  # fmt: skip
COINS = frozenset(
    (
        "BTC", "XBT", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "BNB", "DOT", "AVAX", "LINK", "TRX", "SHIB", "MATIC",
        "BCH", "XLM", "ATOM", "UNI", "XMR", "ETC",
    )
)  # fmt: skip
STABLE = ("USDT", "USDC", "BUSD", "TUSD", "FDUSD", "DAI")
WEEKEND_SHARE = 0.15
"""Of all bars, from which a market is open on weekends; two days of seven are 0.29."""

_NO_SYMBOL = re.compile(
    r"(m|h|d|w|mn)\d*|\d+(s|m|h|d|w|mo|sec|min|hour|day|week|month)?s?|daily|hourly|weekly|monthly|minutes?|"
    r"binance|bitstamp|bitfinex|kraken|coinbase|gemini|yahoo|stooq|oanda|mt[45]|tradingview|alphavantage|"
    r"data|prices?|ohlcv?|hist(ory|orical)?|quotes?|candles?|bars?|export|max|us|\(?\d+\)?",
    re.IGNORECASE,
)
"""Parts of a file's name that say how long its bars are, when or from where it came."""


def guess_timeframe(times: pd.DatetimeIndex) -> str:
    """The commonest distance between neighbouring bars, as ``5m``, ``1h``, ``1d``, ``1w`` or ``1mo``."""
    steps = pd.Series(times.sort_values()).diff().dropna()
    steps = steps[steps > timedelta(0)]
    if steps.empty:
        return "1d"
    step = int(steps.mode().iloc[0].total_seconds())
    days = step / 86_400
    if days > 27:
        return f"{max(1, round(days / 30.4))}mo"
    for seconds, unit in ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")):
        if step % seconds == 0:
            return f"{step // seconds}{unit}"
    return f"{max(1, step)}s"


def guess_symbol(path: Path) -> str:
    """The part of the file's name that is neither a time frame nor a date nor where it came from; ``-`` and ``.`` stay,
    as in BTC-USD and BRK.B."""
    parts = [part for part in re.split(r"[_,\s]+", path.stem) if part]
    named = [part for part in parts if not _NO_SYMBOL.fullmatch(part) and not re.fullmatch(r"[\d.\-]+", part)]
    if not named:
        return path.stem
    symbol = re.sub(r"(?i)-(\d+[smhdw]|\d{4}(-\d+)*)(?=-|$)", "", named[0])
    symbol = re.sub(r"(?i)\.us$", "", symbol)
    return symbol.upper() if re.fullmatch(r"[a-z.\-]{1,8}", symbol) else symbol


def guess_kind(symbol: str, times: pd.DatetimeIndex) -> tuple[Kind, str]:
    """The kind of market, and the words that say why."""
    plain = re.sub(r"[^A-Z]", "", symbol.upper())
    if len(plain) == 6 and plain[:3] in CURRENCIES and plain[3:] in CURRENCIES:
        return "fx", f"{symbol} names two currencies"
    if plain.endswith(STABLE) or any(plain in (coin, *_pairs(coin)) for coin in COINS):
        return "crypto", f"{symbol} names a coin"
    weekend = float((times.day_of_week >= 5).mean()) if len(times) else 0.0
    if weekend >= WEEKEND_SHARE:
        return "crypto", "there are bars on weekends"
    return "equities", "there are no bars on weekends" if weekend == 0 else "there are few bars on weekends"


def _pairs(coin: str) -> Sequence[str]:
    return [coin + money for money in (*CURRENCIES, *STABLE, *COINS)]
