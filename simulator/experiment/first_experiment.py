"""The first experiment on a person's own file: the commented starter with what the file seems to be put in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from llm_strategy.support.read_regular import at_home
from simulator.experiment.experiment import Experiment, starter_text
from simulator.experiment.guesses import Kind, guess_kind, guess_symbol, guess_timeframe
from simulator.prices.load import load_prices
from simulator.prices.reading.options import ReadOptions, read_options
from simulator.prices.sessions import parse_timeframe
from simulator.prices.source import find_source
from simulator.prices.sources.files import read_csv_prices, read_parquet_prices
from simulator.prices.validation import show_time

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
    is_text = kind_of_file == "csv"
    read = read_csv_prices if is_text else read_parquet_prices
    said = replace(read_options(options, source, text=is_text), zone=None)  # which is for the days that are found
    times = pd.DatetimeIndex(read(path, source, ReadOptions(parse_timeframe("1m"), said)).table.index)
    timeframe = guess_timeframe(times)
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


def _file_source(given: str) -> tuple[Path, str, dict[str, str]]:
    """Path, kind and options of a file, whose kind its name says where the person does not."""
    if given.startswith(("csv:", "parquet:")):
        found, name, options = find_source(given)
        kind = found.kind
    else:
        _, name, options = find_source(f"csv:{given}")
        kind = "parquet" if name.lower().endswith(".parquet") else "csv"
    return at_home(name), kind, options


def _text(source: str, symbol: str, timeframe: str, kind: Kind, guesses: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", f"{symbol}-{timeframe}".lower()).strip("-")
    text = starter_text()
    head, _, rest = text.partition("\n")
    told = f"# Guessed from the file, correct what is wrong: {guesses}"
    text = f"{head}\n{told}\n{rest}"
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
    found = line.search(text)
    if found is None:
        raise ValueError(f"the starter has no line for {key}")
    told = f"{indent}{key}: {value}"
    if found["gap"]:
        told = f"{told} ".ljust(len(found[0]))
    return text[: found.start()] + told + text[found.end() :]


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z][\w./-]*(:[\w./-]+)?", value) else json.dumps(value, ensure_ascii=False)
