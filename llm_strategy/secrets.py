"""Keys and passwords never reach a file or a message: what is known to be secret, and what looks like it, is struck
out."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

STRUCK = "[secret]"
_SHORTEST = 8
"""A shorter value is no secret, and would strike out ordinary words."""
_NAMES = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?(?![A-Z])", re.IGNORECASE)
_LOOKS = re.compile(
    r"(?i:(authorization|x-api-key|x-amz-security-token)(['\"]?\s*[:=]\s*['\"]?)((bearer|basic|aws4-hmac-sha256)\s+)?[^'\"\r\n]+)"
    r"|(?i:\bbearer\s+[\w.~+/=-]{8,})|\bsk-[\w-]{16,}|\b(AKIA|ASIA)[A-Z0-9]{12,}|\bhf_[A-Za-z0-9]{16,}"
)
_known: set[str] = set()
_lock = threading.Lock()


def keep_secret(value: str) -> None:
    """Strike this value out from now on, wherever ``redact`` is used."""
    if len(value) >= _SHORTEST:
        with _lock:
            _known.add(value)


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret: a word in it is, or ends in, key, secret, token, password,
    passphrase or credential. A keyboard and a tokenizer are none."""
    return bool(_NAMES.search(name))


def keep_all_secret(settings: object, *, named: bool = False) -> None:
    """Strike out from now on every text in nested mappings and lists that stands under a name of a secret, or every
    text where its place is already ``named`` so."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            keep_all_secret(value, named=named or is_secret_name(str(name)))
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            keep_all_secret(value, named=named)
    elif isinstance(settings, str) and named:
        keep_secret(settings)


def redact(text: str) -> str:
    """The text without secrets: values of the environment whose names say so, those told to ``keep_secret``, and what
    looks like a key or an authorization header."""
    return _without(_values(), text)


def redacted(value: Any) -> Any:
    """JSON types with every text in them, names apart, without secrets: what is then written is valid JSON still."""
    values = _values()

    def struck_out(one: Any) -> Any:
        if isinstance(one, str):
            return _without(values, one)
        if isinstance(one, Mapping):
            return {name: struck_out(inner) for name, inner in one.items()}
        return [struck_out(inner) for inner in one] if isinstance(one, (list, tuple)) else one

    return struck_out(value)


def _values() -> list[str]:
    """All known secrets in every spelling, the longest first."""
    values = {value for name, value in os.environ.items() if is_secret_name(name) and len(value) >= _SHORTEST}
    with _lock:
        values |= _known
    return sorted({spelling for value in values for spelling in _spellings(value)}, key=len, reverse=True)


@cache
def _spellings(value: str) -> frozenset[str]:
    """A secret as it is, and as it stands in JSON, an address, a page, a header, or where case is lost."""
    escaped = {json.dumps(value, ensure_ascii=ascii_alone)[1:-1] for ascii_alone in (False, True)}
    encoded = value.encode(errors="replace")
    return frozenset(
        {
            *(value, value.upper(), value.lower()),
            *escaped,
            *(one.replace("/", "\\/") for one in escaped),
            quote(encoded, safe=""),
            quote(encoded),
            html.escape(value),
            base64.b64encode(encoded).decode(),
        }
    )


def _without(values: Sequence[str], text: str) -> str:
    for value in values:
        text = text.replace(value, STRUCK)
    return _LOOKS.sub(STRUCK, text)
