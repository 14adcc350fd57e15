"""Which column of a table is which, by its name: common names in English, less common ones, and those of other
languages, or the one that a person says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from llm_strategy.errors import ConfigurationError, MarketDataError, did_you_mean
from simulator.prices.reading.options import FileOptions
from simulator.prices.source import or_option
from simulator.prices.table import COLUMNS, PRICE_COLUMNS

COMMON = {
    "time": ("time", "date", "datetime", "timestamp", "index", "opentime", ""),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last", "closelast"),
}
"""Names that are understood everywhere, as ``plain`` writes them."""

SPELLINGS = {
    **COMMON,
    "volume": ("volume", "vol", "v"),
    "adjusted close": ("adjclose", "adjustedclose"),
    "splits": ("stocksplits", "stocksplit", "split", "splits", "splitratio", "splitcoefficient", "splitfactor"),
}
"""Column names that are understood, in lower case with everything but letters and a leading number left out."""

FURTHER = {
    name: tuple(names.split())
    for name, names in {
        "time": "unix unixtime unixtimestamp epoch gmttime utctime localtime dateutc utc t windowstart tradedate "
        "tradingdate pricedate dateandtime opentimestamp starttime 日期 时间 交易日期 日時 日付 日期时间 "
        "時間 날짜 일자 datum zeit fecha data дата время",
        "open": "openprice openingprice priceopen openpx 开盘 开盘价 開盤 開盤價 始値 시가 eröffnung eröffn "
        "ouverture ouv apertura abertura открытие откр ценаоткрытия",
        "high": "highprice highestprice pricehigh max maximum 最高 最高价 最高價 高値 고가 hoch tageshoch "
        "plushaut haut máximo massimo máx máxima максимум макс максцена",
        "low": "lowprice lowestprice pricelow min minimum 最低 最低价 最低價 安値 저가 tief tagestief plusbas "
        "bas mínimo minimo mín mínima минимум мин минцена",
        "close": "closeprice closingprice priceclose lastprice settle price 收盘 收盘价 收盤 收盤價 終値 종가 "
        "schluss schlusskurs zuletzt clôture cierre dernier último ultimo chiusura fechamento закрытие "
        "закр ценазакрытия цена",
        "volume": "成交量 成交股数 出来高 거래량 объём объем volumi",
    }.items()
}
"""Names that count where no common one stands."""


def plain(name: str) -> str:
    """A name in lower case with everything but letters and a leading number left out."""
    return re.sub(r"^\d+|[\W\d_]", "", unicodedata.normalize("NFKC", name).lower())


def without_unit(name: str) -> str:
    """``Close (USD)`` and ``Close [USD]``, in brackets of any width, without what stands in brackets at the end."""
    text = unicodedata.normalize("NFKC", name).strip()
    opened = re.search(r"[(\[]", text) if text.endswith((")", "]")) else None
    return text[: opened.start()] if opened else text


def find_columns_of(name: str, header: Sequence[str], common: Sequence[str]) -> list[int]:
    """Where columns for ``name`` stand: those with a common name, else those of less common names and with units."""
    spelt = [plain(cell) for cell in header]
    at = [position for position, spelling in enumerate(spelt) if spelling in common]
    if name in PRICE_COLUMNS and len(exact := [position for position in at if spelt[position] == name]) == 1:
        return exact  # "Last" beside "Close" is the last trade
    if at and any(header[position].strip() for position in at):
        return [position for position in at if header[position].strip()]
    further = FURTHER.get(name, ())
    bare = spelt if name == "volume" else [plain(without_unit(cell)) for cell in header]  # units tell volumes apart
    found = [position for position, spelling in enumerate(bare) if spelling and spelling in (*common, *further)]
    return found or at


def is_price_header(row: Sequence[str]) -> bool:
    """Whether a row names a time and all four prices, as a header does."""
    return len(row) >= 5 and all(find_columns_of(name, row, common) for name, common in COMMON.items())


def find_columns(header: Sequence[str], source: str, options: FileOptions) -> dict[int, str]:
    """Which column of the file is which of ours, by position; several may be for time."""
    found: dict[int, str] = {}
    for name, given in options.names.items():
        at = _position(given, name, header, source)
        if at in found:
            raise ConfigurationError(
                f"{source}: {found[at]} and {name} are both {given!r}: a bar needs a column of each, take a file that "
                "holds open, high, low and close."
            )
        found[at] = name
    for name, spellings in SPELLINGS.items():
        if name in options.names:
            continue
        named = [at for at in find_columns_of(name, header, spellings) if at not in found]
        if len(named) > 1 and name != "time":
            twins = " and ".join(repr(header[position]) for position in named[:5])
            option = or_option(source, f"{name}={header[named[0]]}", "say which") if name in COLUMNS else ""
            raise MarketDataError(f"{source} has {twins} for {name}: keep one such column{option}.")
        found.update(dict.fromkeys(named, name))
    needed = ("time", *PRICE_COLUMNS, *(("adjusted close",) if options.adjusted else ()))
    missing = [name for name in needed if name not in found.values()]
    if missing and options.columns:
        raise ConfigurationError(
            f"{source}: columns names no {' and no '.join(missing)}: name the columns {', '.join(('time', *COLUMNS))} "
            "in the order of the file, with any other word for those that are not needed."
        )
    if missing:
        others = [name for position, name in enumerate(header) if position not in found and name.strip()]
        sayable = [name for name in missing if name in ("time", *COLUMNS)]
        enough = sayable and len(others) >= len(sayable)
        option = or_option(source, f"{sayable[0]}={others[0]}", "say which they are") if enough else ""
        if set(missing) == set(PRICE_COLUMNS) and len(others) > 1:
            option += "; if these are prices of symbols, a bar needs open, high, low and close of one"
        elif sayable and not enough:
            option += "; a bar needs open, high, low and close, each in a column of its own"
        raise MarketDataError(
            f"{source} has no column {' and no column '.join(missing)} in its header ({', '.join(header)[:120]}): "
            f"name the columns {', '.join(('time', *COLUMNS))}{option}."
        )
    return found


def _position(given: str, name: str, header: Sequence[str], source: str) -> int:
    """The position of the column that a person names; a name in other case or with blanks around it is another one."""
    at = [position for position, heading in enumerate(header) if heading.strip() == given]
    if not at:
        raise ConfigurationError(
            f"{source}: {name} is {given!r}, a column that is not there{did_you_mean(given, header)}"
        )
    if len(at) > 1:
        raise MarketDataError(f"{source} has {len(at)} columns {given!r}: rename all but the one for {name}.")
    return at[0]
