"""Keys and passwords never reach a file or a message: what is known to be secret, and what looks like it, is struck
out."""

from __future__ import annotations

import os
import re
import threading

STRUCK = "[secret]"
_SHORTEST = 8
"""A shorter value is no secret, and would strike out ordinary words."""
_NAMES = re.compile(r"(KEY|KEY_ID|SECRET|TOKEN|PASSWORD)$", re.IGNORECASE)
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
    """Whether a setting of this name holds a secret: it ends in key, secret, token or password."""
    return bool(_NAMES.search(name))


def redact(text: str) -> str:
    """The text without secrets: values of the environment whose names say so, those told to ``keep_secret``, and what
    looks like a key or an authorization header."""
    values = {value for name, value in os.environ.items() if is_secret_name(name) and len(value) >= _SHORTEST}
    with _lock:
        values |= _known
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, STRUCK)
    return _LOOKS.sub(STRUCK, text)
