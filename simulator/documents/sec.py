"""Filings with the SEC: the full text of a submission as EDGAR keeps it, from the moment when anybody could read it.

The header's ``ACCEPTANCE-DATETIME`` is Eastern time. What EDGAR accepts after 17:30 is dated the next business day and
is spread when its service opens there at 6:00, so where the date of filing is later than the acceptance that moment
counts (EDGAR Filer Manual, volume II; Regulation S-T, rule 13).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from llm_strategy.errors import ConfigurationError, MarketDataError, exception_line, shown
from simulator.documents.plain_text import words_of_page

_EASTERN = ZoneInfo("America/New_York")
_OPENS = time(6, 0)
_HEADER = 100_000
_ACCEPTED = re.compile(r"<ACCEPTANCE-DATETIME>\s*(\S*)")
_FIELD = r"^[ \t]*{}:[ \t]*(\S.*?)[ \t\r]*$"
_TEXT = re.compile(r"<TEXT>(.*?)(?:</TEXT>|\Z)", re.DOTALL | re.IGNORECASE)
_TYPE = re.compile(r"<TYPE>\s*(\S+)")


def read_submission(path: Path | str, content: bytes, longest: int, symbols: tuple[str, ...] = ()) -> dict[str, Any]:
    """The row of one submission: its first document as text, ``SEC`` and its form as source, its accession number as
    id; raises ``MarketDataError`` for a file that is none."""
    text = content.decode("utf-8", "replace")
    head = text[:_HEADER]
    accepted = _ACCEPTED.search(head)
    if accepted is None:
        raise MarketDataError(
            f"{path} has no <ACCEPTANCE-DATETIME>: save the complete submission text file of the filing, which ends in "
            ".txt."
        )
    available = _moment(path, accepted[1], _field(head, "FILED AS OF DATE"))
    number = _field(head, "ACCESSION NUMBER")
    form = _field(head, "CONFORMED SUBMISSION TYPE") or (found[1] if (found := _TYPE.search(head)) else "filing")
    company = _field(head, "COMPANY CONFORMED NAME")
    body = _TEXT.search(text)
    words = words_of_page(body[1] if body else "", longest)
    if not words:
        raise MarketDataError(f"{path} has no document with text: save the complete submission text file.")
    row = {
        "available_at": available.isoformat(),
        "text": words,
        "id": number[:80],
        "title": f"{form} of {company}"[:500] if company else form,
        "source": f"SEC {form}",
        "symbols": list(symbols),
    }
    return {name: value for name, value in row.items() if value}


def fetch_submissions(symbol: str, form: str, since: str, identity: str) -> Iterator[tuple[str, bytes]]:
    """The submissions of a company since a day, each with its number, through ``edgartools``; ``identity`` is the name
    and address that the SEC asks every program for. Raises ``ConfigurationError``."""
    try:
        import edgar
    except ImportError:
        raise ConfigurationError(
            "Filings are fetched by edgartools, which is not installed: run pip install 'backtrader-llm[sec]', or name "
            "submission files (.txt) that you have."
        ) from None
    try:
        edgar.set_identity(identity)
        for filing in edgar.Company(symbol).get_filings(form=form, filing_date=f"{since}:"):
            yield filing.accession_number, filing.full_text_submission().encode()
    except Exception as problem:
        raise ConfigurationError(
            f"The filings of {symbol!r:.60} cannot be fetched ({exception_line(problem)}): check the symbol and the "
            "network."
        ) from None


def _field(head: str, name: str) -> str:
    found = re.search(_FIELD.format(re.escape(name)), head, re.MULTILINE)
    return found[1] if found else ""


def _moment(path: Path | str, accepted: str, filed: str) -> datetime:
    try:
        moment = datetime.strptime(accepted, "%Y%m%d%H%M%S").replace(tzinfo=_EASTERN, fold=1)
    except ValueError:
        raise MarketDataError(
            f"{path}: <ACCEPTANCE-DATETIME> is {shown(accepted)!r}, and not 14 digits: save the file anew."
        ) from None
    try:
        day = datetime.strptime(filed, "%Y%m%d").date() if filed else moment.date()  # noqa: DTZ007 - a date alone
    except ValueError:
        raise MarketDataError(
            f"{path}: FILED AS OF DATE is {shown(filed)!r}, and no date: save the file anew."
        ) from None
    return datetime.combine(day, _OPENS, _EASTERN) if day > moment.date() else moment
