"""Names of columns: the common ones in English, less common ones, and those of other languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from simulator.prices.table import PRICE_COLUMNS

COMMON = {
    "time": ("time", "date", "datetime", "timestamp", "index", "opentime", ""),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last", "closelast"),
}
"""Names that are understood everywhere, as ``plain`` writes them."""

FURTHER: dict[str, tuple[str, ...]] = {
    "time": (
        *("unix", "unixtime", "unixtimestamp", "epoch", "gmttime", "utctime", "localtime", "dateutc", "utc", "t"),
        *("windowstart", "tradedate", "tradingdate", "pricedate", "dateandtime", "opentimestamp", "starttime"),
        *("日期", "时间", "交易日期", "日時", "日付", "日期时间", "時間", "날짜", "일자", "datum", "zeit", "fecha"),
        *("data", "дата", "время"),
    ),
    "open": (
        *("openprice", "openingprice", "priceopen", "openpx"),
        *("开盘", "开盘价", "開盤", "開盤價", "始値", "시가", "eröffnung", "eröffn", "ouverture", "ouv", "apertura"),
        *("abertura", "открытие", "откр", "ценаоткрытия"),
    ),
    "high": (
        *("highprice", "highestprice", "pricehigh", "max", "maximum"),
        *(
            "最高",
            "最高价",
            "最高價",
            "高値",
            "고가",
            "hoch",
            "tageshoch",
            "plushaut",
            "haut",
            "máximo",
            "massimo",
            "máx",
        ),
        *("máxima", "максимум", "макс", "максцена"),
    ),
    "low": (
        *("lowprice", "lowestprice", "pricelow", "min", "minimum"),
        *("最低", "最低价", "最低價", "安値", "저가", "tief", "tagestief", "plusbas", "bas", "mínimo", "minimo", "mín"),
        *("mínima", "минимум", "мин", "минцена"),
    ),
    "close": (
        *("closeprice", "closingprice", "priceclose", "lastprice", "settle", "price"),
        *("收盘", "收盘价", "收盤", "收盤價", "終値", "종가", "schluss", "schlusskurs", "zuletzt", "clôture", "cierre"),
        *("dernier", "último", "ultimo", "chiusura", "fechamento", "закрытие", "закр", "ценазакрытия", "цена"),
    ),
    "volume": ("成交量", "成交股数", "出来高", "거래량", "объём", "объем", "volumi"),
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


def columns_named(name: str, header: Sequence[str], common: Sequence[str]) -> list[int]:
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
    return len(row) >= 5 and all(columns_named(name, row, common) for name, common in COMMON.items())
