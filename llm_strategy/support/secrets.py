"""Keys and passwords never reach a file or a message: what is known to be secret, and what looks like it, is struck
out."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from llm_strategy.support.secret_search import SHORTEST, SecretSearch, search_for

STRUCK = "[secret]"
KEY_PLACES = "write it into the environment, .env or configs/llm.yaml, as LLM_API_KEY or api_key"
_LONGEST_WORD = 12
_MOST_HELD = 5_000
"""Letters that wait for what follows them, at most."""
_LOOKED_BACK_AT = 40
"""Letters already handed on in which a secret may have begun."""
_NAMES = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?(?![A-Z])", re.IGNORECASE)
_LOOKS = re.compile(
    r"(?i:(authorization|x-api-key|x-amz-security-token)(['\"]?\s*[:=]\s*['\"]?)((bearer|basic|aws4-hmac-sha256)\s+)?[^'\"\r\n]+)"
    r"|(?i:\bbearer\s+[\w.~+/=-]{8,})|\bsk-[\w-]{16,}|\b(AKIA|ASIA)[A-Z0-9]{12,}|\bhf_[A-Za-z0-9]{16,}"
)
_LOOK_MARKS = "authorization", "x-api-key", "x-amz-security-token", "bearer", "sk-", "akia", "asia", "hf_"
"""One of them stands in all that ``_LOOKS`` finds: to look for them takes a tenth of the time."""
_PASSWORD = re.compile(r"://[^/\s:@]{0,200}:([^/\s@]{1,2000})@")
_PARAMETER = re.compile(r"[?&]([\w.-]{1,100})=([^&\s#]{1,2000})")
_known: set[str] = set()
_lock = threading.Lock()


def keep_secret(value: str) -> None:
    """Strike this value out from now on, wherever ``redact`` is used."""
    if _is_secret(value):
        with _lock:
            _known.add(value)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret: a word in it is, or ends in, key, secret, token, password,
    passphrase or credential. A keyboard and a tokenizer are none."""
    return bool(_NAMES.search(name))


def keep_all_secret(settings: object, *, named: bool = False) -> None:
    """Strike out from now on every text in nested mappings and lists that stands under a name of a secret, or every
    text where its place is already ``named`` so; of an address the passwords and keys that it holds."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            keep_all_secret(value, named=named or is_secret_name(str(name)))
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            keep_all_secret(value, named=named)
    elif isinstance(settings, str):
        for value in [*([settings] if named else []), *secrets_in_address(settings)]:
            keep_secret(value)


def redact(text: str, *, known_alone: bool = False) -> str:
    """The text without secrets: values of the environment whose names say so, passwords in addresses, those told to
    ``keep_secret``, and, unless ``known_alone``, what looks like a key or an authorization header."""
    struck = _search().strike(text, STRUCK)
    return struck if known_alone else _without_looks(struck)


def redacted(value: Any) -> Any:
    """JSON types with every text in them, names apart, without secrets: what is then written is valid JSON still."""
    search = _search()  # to look through the environment takes longer than to strike most texts

    def struck_out(one: Any) -> Any:
        if isinstance(one, str):
            return _without_looks(search.strike(one, STRUCK))
        if isinstance(one, Mapping):
            return {name: struck_out(inner) for name, inner in one.items()}
        return [struck_out(inner) for inner in one] if isinstance(one, (list, tuple)) else one

    return struck_out(value)


class Redactor:
    """Hands on the pieces of a text as they come, without known secrets, one that the pieces cut through among them."""

    def __init__(self, hand_on: Callable[[str], bool]) -> None:
        self._hand_on = hand_on
        self._search = _search()
        self._gone = self._held = ""

    def take(self, piece: str) -> bool:
        """Hand on what cannot be the beginning of a secret; whether more is wanted."""
        text = self._gone + self._held + piece
        looked_at = max(0, len(text) - _MOST_HELD)
        safe = looked_at + self._search.open_from(text[looked_at:])
        return self._hand_over(text, max(safe, len(self._gone)))

    def end(self) -> None:
        """Hand on what is left."""
        text = self._gone + self._held
        self._hand_over(text, len(text))

    def _hand_over(self, text: str, safe: int) -> bool:
        ready = self._search.strike(text[:safe], STRUCK, len(self._gone))
        self._gone, self._held = text[max(0, safe - _LOOKED_BACK_AT) : safe], text[safe:]
        return not ready or self._hand_on(ready)


def _search() -> SecretSearch:
    """The search for all known secrets."""
    values: set[str] = set()
    for name, value in os.environ.items():
        if is_secret_name(name) and _is_secret(value):
            values.add(value)
        if "://" in value:
            values.update(secrets_in_address(value))
    with _lock:
        values |= _known
    return search_for(frozenset(values))


def _without_looks(text: str) -> str:
    """The text without what looks like a key or an authorization header."""
    if text.isascii():  # other letters may be a case of these
        lowered = text.lower()
        if not any(mark in lowered for mark in _LOOK_MARKS):
            return text
    return _LOOKS.sub(STRUCK, text)


def secrets_in_address(address: str) -> list[str]:
    """Passwords and keys that an address holds, as they are and as they are written there."""
    held = [found[1] for found in _PASSWORD.finditer(address)]
    held += [found[2] for found in _PARAMETER.finditer(address) if is_secret_name(found[1])]
    return [one for raw in held for one in {raw, unquote(raw)} if _is_secret(one)]


def _is_secret(value: str) -> bool:
    """Whether a value is none that stands in ordinary text: not short, no one word or number (``sideways``,
    ``12345678``), and no placeholder of one or two letters (``xxxxxxxx``, ``--------``)."""
    is_word = value.isdecimal() or (value.isalpha() and value.islower())
    return len(value) >= SHORTEST and len(set(value)) > 2 and not (is_word and len(value) < _LONGEST_WORD)
