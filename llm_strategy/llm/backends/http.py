"""What servers of any kind send around an answer: words of their own, when to come back, and how much may come."""

from __future__ import annotations

import datetime
import email.utils
import math
import re
from collections.abc import Mapping
from typing import Any

from llm_strategy.errors import BackendFailure
from llm_strategy.support.secrets import redact

LONGEST_MESSAGE = 200
"""Characters of a server's own words that a message repeats."""
MOST_READ = 10_000
"""Characters of them that are looked at, blanks and secrets included."""
MOST_TOKENS = 10**12
"""A larger count is none."""
SMALLEST_LIMIT = 1_000_000
BYTES_PER_TOKEN = 2_000
"""A body may have so many bytes in all, or for each token that was asked for: a streamed token comes in a long line."""


_WORDS_UNDER = (
    "message", "msg", "detail", "error", "errors", "error_description", "description", "title", "reason", "faultstring",
)  # fmt: skip
"""Where servers write what is wrong, the likeliest place first."""
_DEEPEST_WORDS = 4
_LOADING = re.compile(r"\bloading\b|\bwarming up\b|\bis starting\b|\bstarting up\b")
_ABOUT_IMAGES = re.compile(r"\bimages?\b|image_url|\bvision\b|multi-?modal|mmproj")
_NOT_SEEN = re.compile(
    r"not support|n't support|unsupported|not compiled|not (?:a )?multi-?modal|only supported by|that support"
    r"|expected [`'\"]?text|input should be 'text'|at most 0 |may need to provide|missing data required"
    r"|text[- ]only|not enabled"
)
_TEXT_ALONE = re.compile(r"(?:must be|should be|expected) an? (?:valid )?string|can only concatenate str")
"""Of servers that know no content in parts."""
_LOADED_BADLY = re.compile(r"\b(?:error|fail\w*|unable|could not|cannot)\b")


def words_of(body: object, depth: int = _DEEPEST_WORDS) -> str:
    """What the body of a refusal says in words, whatever its shape: an error object, a list of them, ``detail`` with or
    without places, plain text, or a page; empty where there are none."""
    if isinstance(body, str):
        return _of_page(body) if body.lstrip()[:1] == "<" else body.strip()
    if isinstance(body, list) and depth:
        return "; ".join(filter(None, (words_of(entry, depth - 1) for entry in body[:3])))
    if isinstance(body, dict) and depth:
        places = [*(body.get(name) for name in _WORDS_UNDER), *filter(_holds_more, body.values())]
        said = next((said for place in places if (said := words_of(place, depth - 1))), "")
        where = body.get("loc")
        return f"{'.'.join(map(str, where))}: {said}" if said and isinstance(where, list) else said
    return ""


def _holds_more(value: object) -> bool:
    return isinstance(value, list | dict) and bool(value)


def count_of(usage: Mapping[str, Any], name: str) -> int:
    """Tokens, which some servers write as text or with a fraction; 0 where that is no count."""
    value = usage.get(name)
    try:
        count = int(value) if isinstance(value, int | float | str) else 0
    except (ValueError, OverflowError):
        return 0
    return count if 0 <= count <= MOST_TOKENS else 0


def is_loading(said: str) -> bool:
    """Whether a server says that its model is still on the way."""
    words = said.lower()
    return bool(_LOADING.search(words)) and not _LOADED_BADLY.search(words)


def sees_no_images(said: str) -> bool:
    """Whether a refusal of a question with an image says that this model, or this server of it, takes none; not whether
    this very image is wrong."""
    words = said.lower()
    return bool(_ABOUT_IMAGES.search(words) and _NOT_SEEN.search(words)) or bool(_TEXT_ALONE.search(words))


def _of_page(page: str) -> str:
    lower = page.lower()
    begin = lower.find("<title>")
    end = lower.find("</title>", begin)
    title = page[begin + len("<title>") : end].strip() if 0 <= begin < end else ""
    return f"an HTML page: {title}" if title else "an HTML page"


def brief(words: object) -> str:
    """A server's words on one line, without secrets and control characters, cut short."""
    shown = redact(str(words)[:MOST_READ])  # before the cut, which could leave half a secret
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in shown).split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 3] + "..."


def retry_after(headers: Mapping[str, str], now: datetime.datetime) -> float | None:
    """Seconds that a server asks to be left alone, from seconds, milliseconds or a date (compared with ``now``);
    ``None`` where it does not ask. ``headers`` have names in small letters, or care for no case."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if not math.isnan(seconds):
            return max(0.0, seconds)
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - now).total_seconds())


def longest_body(tokens: int) -> int:
    """Bytes that an answer of at most so many tokens may take."""
    return max(SMALLEST_LIMIT, BYTES_PER_TOKEN * tokens)


def refuse_beyond(longest: int, size: int, cure: str) -> None:
    """Raise ``BackendFailure``, with this cure, for a body of more than ``longest`` bytes."""
    if size > longest:
        raise BackendFailure(f"sent more than {longest} bytes, which is no answer of the length asked for: {cure}")
