"""Files of several symbols, side by side in columns or below each other in rows: one is picked by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from simulator.prices.reading.columns import plain
from simulator.prices.source import is_file, with_option
from simulator.prices.table import PRICE_COLUMNS

SYMBOL_NAMES = ("symbol", "symbols", "ticker", "tickers", "tic", "sym", "instrument", "pair", "证券代码", "股票代码")
"""Columns that tell symbols apart, as ``plain`` writes their names."""
LOOSE_SYMBOL_NAMES = ("name", "code", "asset", "stock", "security", "company", "contract", "market", "isin", "coin")
"""Columns that may: they do where times stand more than once."""
LONGEST_NAME = 200
"""Characters of a column's name in which a label is looked for, which takes the square of them."""
_FIELD = r"(?P<field>adj(?:usted)?[ ._]?close|adjusted|open|high|low|close|volume)"
_LABEL_BEHIND = re.compile(rf"{_FIELD}[\W_]+(?P<label>.+?)", re.IGNORECASE)
_LABEL_BEFORE = re.compile(rf"(?P<label>.+?)[\W_]+{_FIELD}", re.IGNORECASE)


def pick_columns(header: Sequence[str], source: str, symbol: str | None) -> list[str] | None:
    """The header with ``Close AAPL`` as ``close``, for one label or the one that is asked for; ``None`` without any.

    Labels are whatever stands beside open, high, low and close alike: a symbol, a currency, bid or ask. Columns of
    other labels lose their names. ``MarketDataError`` lists the labels where there are several and none is asked for.
    """
    fields = [_field_and_label(name) for name in header]
    having: dict[str, set[str]] = {}
    for field, label in filter(None, fields):
        having.setdefault(label, set()).add(field)
    labels = [label for label, found in having.items() if found.issuperset(PRICE_COLUMNS)]
    if not labels:
        return None
    if symbol is not None:
        chosen = next((label for label in labels if plain_label(label) == plain_label(symbol)), None)
        if chosen is None:
            raise ConfigurationError(f"{source} has no columns of {symbol!r}{did_you_mean(symbol, labels)}")
    elif len(labels) == 1:
        chosen = labels[0]
    else:
        raise MarketDataError(f"{source} has columns of several symbols ({_few(labels)}): {_pick(source, labels)}.")
    return [
        name if match is None else match[0] if match[1] == chosen else "ignored"
        for name, match in zip(header, fields, strict=True)
    ]


def yfinance_header(rows: Sequence[Sequence[str]], source: str, symbol: str | None) -> tuple[int, list[str]] | None:
    """How many lines the header has that yfinance writes over prices and tickers, and its names in one line.

    ``None`` for any other file. ``MarketDataError`` where no ticker is asked for.
    """
    if len(rows) < 3 or len(rows[0]) != len(rows[1]) or len(rows[0]) < 5:
        return None
    top, second = ([cell.strip() for cell in row] for row in rows[:2])
    corner = {top[0].lower(), second[0].lower()}
    if not corner <= {"price", "ticker", "attributes", "symbols", ""}:
        return None
    names = {"open", "high", "low", "close"}
    if names <= {cell.lower() for cell in top[1:]}:
        prices, tickers = top, second
    elif names <= {cell.lower() for cell in second[1:]}:
        prices, tickers = second, top
    else:
        return None
    if any(re.fullmatch(r"[-+]?\d+\.\d+", cell) for cell in tickers):
        return None
    third = [cell.strip() for cell in rows[2]]
    height = 3 if not any(third[1:]) else 2
    held = list(dict.fromkeys(tickers[1:]))
    if symbol is None:
        words = with_option(source, f"symbol={held[0]}")
        raise MarketDataError(
            f"{source} has the header of several lines that yfinance writes, for {_few(held)}: download with "
            f"multi_level_index=False and save it again, or name a ticker as in {words}."
        )
    joined = (f"{price} {ticker}" for price, ticker in zip(prices[1:], tickers[1:], strict=True))
    return height, [(third[0] if height == 3 else "") or "Date", *joined]


def rows_of_symbol(
    header: Sequence[str], columns: Sequence[Sequence[object]], times: Sequence[object], source: str, symbol: str | None
) -> list[int] | None:
    """The rows of the symbol that is asked for, ``None`` where all rows are of one symbol.

    ``MarketDataError`` names the symbols where there are several and none is asked for.
    """
    spelt = [plain(name) for name in header]
    sure = [at for at, name in enumerate(spelt) if name in SYMBOL_NAMES]
    loose = [at for at, name in enumerate(spelt) if name in LOOSE_SYMBOL_NAMES]
    for at in (*sure, *loose):
        cells = [str(cell).strip() for cell in columns[at]]
        held = list(dict.fromkeys(cells))
        if symbol is not None and symbol in held:
            return [row for row, cell in enumerate(cells) if cell == symbol]
        alone = len(set(times)) == len(cells)
        if symbol is None and len(held) > 1 and (at in sure or not alone):
            other = ", or remove the column if they are one market under several names" if alone else ""
            raise MarketDataError(
                f"{source} holds several symbols in its column {header[at]!r} ({_few(held)}): "
                f"{_pick(source, held)}{other}."
            )
        if symbol is not None and (at in sure or not alone):
            raise ConfigurationError(f"{source} holds no symbol {symbol!r}{did_you_mean(symbol, held)}")
    if symbol is not None:
        raise ConfigurationError(
            f"{source}: symbol is {symbol!r} and the file has no column of symbols: leave it out, or name the prices "
            "with data.symbol."
        )
    return None


def plain_label(label: str) -> str:
    """Letters and digits of a label, in lower case."""
    return re.sub(r"[\W_]", "", label).lower()


def _field_and_label(name: str) -> tuple[str, str] | None:
    """``Close (AAPL)``, ``AAPL.Close`` and ``('Close', 'AAPL')`` as ``close`` and ``AAPL``."""
    if len(name) > LONGEST_NAME or plain(name) in ("adjclose", "adjustedclose"):
        return None
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.strip(" ()'\"[]<>"))
    for pattern in (_LABEL_BEHIND, _LABEL_BEFORE):
        if match := pattern.fullmatch(text):
            field = "adj close" if match["field"].lower().startswith("adj") else match["field"].lower()
            return field, re.sub(r"^[\W_]+|[\W_]+$", "", match["label"])
    return None


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _pick(source: str, symbols: Sequence[str]) -> str:
    if not is_file(source):
        return "give each symbol a DataFrame of its own, as in sources: {'" + symbols[0] + "': frame}"
    first = with_option(source, f"symbol={symbols[0]}")
    return f"name one as in {first}, or each under data.sources as in {{{symbols[0]}: '{first}'}}"
