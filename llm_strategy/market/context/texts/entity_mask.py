"""What is put in the place of names, dates and amounts of money in a text, where the mask hides them from a model.

Masked are the symbol and its ``names``, those of other symbols, calendar dates and years, and amounts of money and
levels of points. What nobody has named (people, products, rivals, events) stays, and a model may know a period by it:
a masked text is harder to recognise, and not anonymous.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

OWN, OTHER, DATE, YEAR, AMOUNT = "this asset", "another asset", "(date)", "(year)", "(amount)"

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:1[89]|20)\d\d"
_DATES = re.compile(
    rf"\b{_YEAR}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:[T ]\d{{1,2}}:\d\d(?::\d\d)?(?:Z|\b))?"
    rf"|\b\d{{1,2}}[/.]\d{{1,2}}[/.](?:{_YEAR}|\d\d)\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR}\b)?"
    rf"|\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s+{_YEAR}\b)?"
    rf"|\b{_MONTH},?\s+{_YEAR}\b",
    re.IGNORECASE,
)
_YEARS = re.compile(rf"(?<![\d.,])(?:\b|(?<=FY)){_YEAR}(?:s\b|\b)(?![.,]\d)|(?<!\w)'\d\d\b|\bFY ?\d\d\b")
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_SIZE = r"(?:\s?(?:trillion|billion|million|thousand|bn|mn|[mbk])\b)?"
_CODE = r"(?:usd|eur|gbp|jpy|chf|cny|cad|aud|us\$|c\$|a\$)"
_AMOUNTS = re.compile(
    rf"(?:[$\u20ac\u00a3\u00a5\u20b9]|\b{_CODE})\s?{_NUMBER}{_SIZE}"
    rf"|\b{_NUMBER}{_SIZE}[\s-]?(?:dollars?|cents?|euros?|pounds?|yen|francs?|{_CODE}\b|points?)\b",
    re.IGNORECASE,
)


def mask_text(text: str, symbol: str, names: Mapping[str, tuple[str, ...]], unmasked: Iterable[str]) -> str:
    """A visible line with its names, dates and amounts masked, but for what is ``unmasked``: of ``symbol`` as "this
    asset", of all other symbols of ``names`` as "another asset"."""
    shown = frozenset(unmasked)
    if "symbol" not in shown:
        text = _mask_names(text, symbol, tuple((key, *called) for key, called in sorted(names.items())))
    if "date" not in shown:
        text = _YEARS.sub(YEAR, _DATES.sub(DATE, text))
    return text if "price" in shown else _AMOUNTS.sub(AMOUNT, text)


def _mask_names(text: str, symbol: str, called: tuple[tuple[str, ...], ...]) -> str:
    own = next((each for each in called if each[0] == symbol), (symbol,))
    others = tuple(name for each in called if each[0] != symbol for name in _all_names(each))
    for names, word in ((_all_names(own), OWN), (others, OTHER)):
        if names:
            text = _pattern(names).sub(word, text)
    return text


def _all_names(called: tuple[str, ...]) -> tuple[str, ...]:
    """The symbol as a ticker, marked as such, and its names."""
    return (f"={called[0]}", *called[1:])


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Names whatever their case, the longest first; tickers (``=``) as they are written, and those of one letter, which
    are words too, behind a dollar sign, a bracket or an exchange's colon alone."""
    parts = []
    for name in sorted(set(names), key=lambda each: (-len(each), each)):
        word = re.escape(name.removeprefix("="))
        if not name.startswith("="):
            parts.append(rf"(?<!\w)(?i:{word})(?:'s?)?(?!\w)" if name else "")
        elif len(name) > 2:
            parts.append(rf"\$?(?<!\w){word}(?!\w)")
        elif len(name) == 2:
            parts.append(rf"(?:\$|(?<=\()|(?<=NYSE: )|(?<=NYSE:)|(?<=NASDAQ: )|(?<=NASDAQ:)){word}(?!\w)")
    return re.compile("|".join(filter(None, parts)))
