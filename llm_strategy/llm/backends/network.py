"""What the environment says of the way to a server: proxies, authorities of certificates, and keys that fit a header.

Each check raises ``ConfigurationError`` before anything is asked; no message repeats a key or a proxy's password.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.logs import warn_once
from llm_strategy.support.read_regular import MOST_TEXT, read_bytes

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""Name under which OpenSSL looks for an authority in a folder."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of the environment: the variable that names it, and its address without user and password."""

    variable: str
    address: str


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own, which no proxy stands in front of."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def proxy_for(url: str) -> Proxy | None:
    """The proxy that a question to this address goes through, if any."""
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    given = urllib.request.getproxies()
    kind = next((kind for kind in (parts.scheme, "all") if given.get(kind)), None)
    return None if kind is None else Proxy(_variable(kind), _shown(given[kind]))


def check_proxies(urls: Sequence[str], *, socks: bool = True) -> None:
    """Raise where a proxy of the environment cannot be used; where all addresses are this machine's own it is only
    told, as nothing goes through it. ``socks`` is whether the caller's library knows such proxies."""
    given = urllib.request.getproxies()
    for kind in ("http", "https", "all"):
        problem = _problem_of_proxy(given[kind], socks) if given.get(kind) else ""
        if not problem:
            continue
        told = f"{_variable(kind)} is {_shown(given[kind])}, {problem}"
        if not all(map(is_loopback, urls)):
            raise ConfigurationError(f"{told}, or unset it.")
        warn_once(__name__, f"{told}, or unset it; the server on this machine is asked without it.")


def check_certificates() -> None:
    """Raise where ``SSL_CERT_FILE`` or, without it, ``SSL_CERT_DIR`` names no authorities."""
    if os.environ.get("SSL_CERT_FILE"):
        check_certificate_file("SSL_CERT_FILE")
        return
    folders = os.environ.get("SSL_CERT_DIR")
    if folders and not any(map(_holds_authorities, folders.split(os.pathsep))):
        raise ConfigurationError(
            f"SSL_CERT_DIR is {folders!r}, which holds no certificates by the names that OpenSSL looks for: run "
            "'openssl rehash' on the folder, or unset it."
        )


def check_certificate_file(variable: str) -> None:
    """Raise where this variable is set and names no file of certificates."""
    file = os.environ.get(variable)
    if not file:
        return
    try:
        _read_authorities(file, read_bytes(Path(file), MOST_TEXT))
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        reason = "holds no certificates" if isinstance(problem, ssl.SSLError) else "is no file that can be read"
        raise ConfigurationError(
            f"{variable} is {file!r}, which {reason}: name a file of certificates (PEM), or unset it."
        ) from None


@lru_cache(maxsize=4)
def _read_authorities(file: str, content: bytes) -> None:
    """Raise ``ssl.SSLError`` where a file of this content holds no certificates; while it stays the same it is read
    once."""
    ssl.create_default_context(cafile=file)


def check_header(value: str, variable: str) -> None:
    """Raise where a value of this variable cannot stand in the header of a request; the value itself is never told."""
    if value != value.strip() and value.strip():
        wrong = "begins or ends with a blank or a line end (a file saved on Windows leaves a carriage return)"
    elif not value.isascii():
        wrong = "holds a character that is not ASCII"
    elif re.search(r"[\x00-\x20\x7f]", value):
        wrong = "holds a blank, a line end or another control character"
    else:
        return
    raise ConfigurationError(f"{variable} {wrong}, which no key does: copy it again, without anything around it.")


def _variable(kind: str) -> str:
    """The variable behind a proxy, as urllib reads them: in small letters first."""
    for name in (f"{kind}_proxy", f"{kind}_proxy".upper()):
        if os.environ.get(name):
            return name
    return f"the {kind} proxy of the system's settings"


def _problem_of_proxy(value: str, socks: bool) -> str:
    """What is wrong with a proxy and the cure, or nothing."""
    correct = "write one such as http://127.0.0.1:3128"
    try:
        parts = urlsplit(_with_scheme(value))
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"which is no address of a proxy: {correct}"
    schemes = _PROXY_SCHEMES if socks else _PROXY_SCHEMES[:2]
    if parts.scheme not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        return f"and {parts.scheme}:// is no kind of proxy that can be used: write one of {known} before its address"
    if not host or re.search(r"[\x00-\x20\x7f]", value):
        return f"which is no address of a proxy: {correct}"
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        return "which needs a package that is not installed: pip install 'httpx2[socks]'"
    return ""


def _with_scheme(value: str) -> str:
    return value if "://" in value else f"http://{value}"


def _shown(value: str) -> str:
    """A proxy without the user and password that it may hold."""
    scheme, _, rest = _with_scheme(value).partition("://")
    return repr(f"{scheme}://{rest.rpartition('@')[2]}")


def _holds_authorities(folder: str) -> bool:
    try:
        return any(_HASHED.fullmatch(name) for name in os.listdir(folder or "."))
    except OSError:
        return False
