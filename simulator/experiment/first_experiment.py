"""The first experiment on a person's own file of prices: time frame, symbol and kind of market are guessed from the
file, and put into the commented starter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pandas as pd

from llm_strategy.errors import MarketDataError
from llm_strategy.support.read_regular import at_home
from simulator.experiment.configuration import Experiment
from simulator.experiment.starters import starter_text
from simulator.prices.load import load_prices
from simulator.prices.reading.options import ReadOptions, read_options
from simulator.prices.sessions import parse_timeframe
from simulator.prices.source import find_source
from simulator.prices.sources.files import read_csv_prices, read_parquet_prices
from simulator.prices.table import show_time

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


COSTS: dict[Kind, str] = {
    "equities": "costs of US shares",
    "crypto": "costs of a crypto exchange, sizes in parts of a coin",
    "fx": "costs of currencies: a spread of one basis point",
}


@dataclass(frozen=True, slots=True)
class FirstExperiment:
    """The text of an ``experiment.yaml``, and a sentence that says what was guessed."""

    text: str
    guesses: str


def first_experiment(file: str | Path, folder: Path) -> FirstExperiment:
    """An experiment on a CSV (or parquet) file, to be written into ``folder``.

    ``file`` is a path, or a source with its options as a refusal writes it: ``csv:my.csv?separator=tab``.
    Raises ``MarketDataError`` in the same words as a run would: the file is read and judged whole.
    """
    path, kind_of_file, options = _file_source(str(file))
    written = path if folder.absolute() == Path.cwd() else path.absolute()
    query = "&".join(f"{key}={value}" for key, value in options.items())
    source = f"{kind_of_file}:{written}" + (f"?{query}" if query else "")
    timeframe = guess_timeframe(_times(path, kind_of_file, options, source))
    symbol = options.get("symbol") or guess_symbol(path)
    needed = Experiment.starter().warm_up.bars + 2
    prices = load_prices(source, symbol=symbol, timeframe=timeframe, minimum_bars=needed)
    index = pd.DatetimeIndex(prices.table.index)
    kind, why = guess_kind(symbol, index)
    guesses = (
        f"{len(index):,} bars of {symbol}, {timeframe}, from {show_time(index[0])} to {show_time(index[-1])}; "
        f"{COSTS[kind]}, because {why}."
    )
    return FirstExperiment(_text(source, symbol, timeframe, kind, guesses), guesses)


def _times(path: Path, kind: str, options: Mapping[str, str], source: str) -> pd.DatetimeIndex:
    """The times of a file whose time frame is not known: as of minutes, or else as days, whose local zones are read."""
    read = read_csv_prices if kind == "csv" else read_parquet_prices
    read_as = replace(read_options(options, source, text=kind == "csv"), zone=None)  # which is for days that are found

    def times_of(bars: str) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(read(path, source, ReadOptions(parse_timeframe(bars), read_as)).table.index)

    try:
        return times_of("1m")
    except MarketDataError as problem:
        with suppress(MarketDataError):
            days = times_of("1d")
            if days.is_unique:  # else these are no days
                return days
        raise problem from None


def _file_source(source: str) -> tuple[Path, str, dict[str, str]]:
    """Path, kind and options of a file, whose kind its name says where the person does not."""
    if source.startswith(("csv:", "parquet:")):
        reading, name, options = find_source(source)
        kind = reading.kind
    else:
        _, name, options = find_source(f"csv:{source}")
        kind = "parquet" if name.lower().endswith(".parquet") else "csv"
    return at_home(name), kind, options


def _text(source: str, symbol: str, timeframe: str, kind: Kind, guesses: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", f"{symbol}-{timeframe}".lower()).strip("-")
    text = starter_text()
    head, _, rest = text.partition("\n")
    note = f"# Guessed from the file, correct what is wrong: {guesses}"
    text = f"{head}\n{note}\n{rest}"
    text = text.replace("# What stands here is the demo. Fractions", "# Fractions")
    text = _set(text, "name", name if name[:1].isalpha() else f"run-{name}", indent="")
    text = _set(text, "source", _quoted(source))
    text = _set(text, "timeframe", timeframe)
    text = _set(text, "symbol", _quoted(symbol))
    if kind == "fx":
        text = _set(text, "commission_bps", "0.2")
        text = _set(text, "slippage_bps", "0.2")
        text = _set(text, "spread_bps", "1")
        return _set(text, "volume", "ticks")  # volumes of currencies are those of one broker
    text = re.sub(r"(?m)^  commission_bps:", "  # commission_bps:", text, count=1)
    text = _set(text, "preset", "crypto" if kind == "crypto" else "us_equities")
    return _set(text, "lot_step", "0.0001") if kind == "crypto" else text


def _set(text: str, key: str, value: str, indent: str = "  ") -> str:
    """The text with a key's line, commented out or not, set to a value; the comment behind it stays where it was."""
    line = re.compile(rf"(?m)^{indent}(?:# )?{key}: \S+(?P<gap> *)")
    old = line.search(text)
    if old is None:
        raise ValueError(f"the starter has no line for {key}")
    changed = f"{indent}{key}: {value}"
    if old["gap"]:
        changed = f"{changed} ".ljust(len(old[0]))
    return text[: old.start()] + changed + text[old.end() :]


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z][\w./-]*(:[\w./-]+)?", value) else json.dumps(value, ensure_ascii=False)
