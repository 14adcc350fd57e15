"""One large file over HTTP, in as many attempts as it takes: each goes on where the one before was cut off.

What came so far lies in ``NAME.part`` beside the target, also after the program has ended; it is gone on with where a
hash will tell whether the whole is one file. The range of a request is that of RFC 9110, section 14.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from llm_strategy.errors import ModelNotLoaded
from llm_strategy.llm.models.fingerprint import file_hash

log = logging.getLogger(__name__)

_BLOCK = 1 << 16
_ATTEMPTS = 3
"""Attempts in a row that brought next to nothing."""
ENOUGH_BYTES, ENOUGH_SHARE = 1_000_000, 0.01
"""An attempt has brought something from so many bytes, or from such a share of the announced size."""
PAUSE_S = 0.5
"""Before the second attempt; twice as long before each further one that follows a failure."""
LARGEST = 1_000_000_000_000
"""Bytes that are taken from a server that announces no size."""
_TOLD_EVERY = 250_000_000
"""Bytes."""
_TIMEOUT_S = (15, 60)
"""Seconds until a connection stands, and between two pieces."""
_SLOWEST, _MEASURED_S = 1_000, 60.0
"""Bytes a second, over so many seconds, below which an attempt has come to nothing."""
_REDIRECTS = 5


class Announced(NamedTuple):
    """What a hub says of a file: where it is, its size in bytes and its hash (hex), as far as it says so."""

    url: str
    size: int | None = None
    checksum: str = ""
    algorithm: Literal["sha256", "md5"] = "sha256"


def download(
    file: Announced, target: Path, progress: Callable[[str], None], headers: Mapping[str, str] | None = None
) -> None:
    """Bring the file to ``target`` and verify size and hash.

    Raises ``requests.RequestException`` where the server cannot be reached or does not have it (what came is kept), and
    ``ModelNotLoaded`` where what came is not what was announced (it is thrown away).
    """
    part = target.with_name(f"{target.name}.part")
    failures = 0
    while True:
        if not file.checksum:
            part.unlink(missing_ok=True)
        begin = part.stat().st_size if part.exists() else 0
        if begin and not failures:
            progress(f"going on at {begin / 1e6:.0f} MB")
        try:
            if _whole(file, begin) or _fetch(file, part, begin, headers or {}, progress):
                break
            raise requests.ConnectionError("the connection ended before the file did")
        except (requests.ConnectionError, requests.Timeout) as problem:
            end = part.stat().st_size if part.exists() else 0
            enough = end - begin >= min(ENOUGH_BYTES, ENOUGH_SHARE * (file.size or LARGEST))
            failures = 0 if enough else failures + 1
            log.info("%s was cut off at byte %d: %s", file.url, end, problem)
            if failures == _ATTEMPTS:
                raise
            if failures:
                time.sleep(PAUSE_S * 2 ** (failures - 1))
    if (file.size is not None and part.stat().st_size != file.size) or (
        file.checksum and file_hash(part, file.algorithm) != file.checksum.lower()
    ):
        part.unlink()
        raise ModelNotLoaded(f"What came as {target.name} is not the file that the hub announced: pull again.")
    part.replace(target)


def _whole(file: Announced, begin: int) -> bool:
    return file.size is not None and 0 < file.size <= begin


def _fetch(
    file: Announced, part: Path, begin: int, headers: Mapping[str, str], progress: Callable[[str], None]
) -> bool:
    """Append what is missing, or begin anew where the server knows no ranges; whether all that was promised came."""
    asked = {**headers, "Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
    with _answered(file.url, asked) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if not begin:
                raise requests.RequestException("the server has no byte of the file")
            part.unlink(missing_ok=True)  # it holds more than there is
            return _fetch(file, part, 0, headers, progress)
        response.raise_for_status()
        goes_on = response.status_code == requests.codes.partial_content
        if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
            raise requests.RequestException("the server sent another part of the file than it was asked for")
        length = response.headers.get("Content-Length", "")
        promised = int(length) if length.isdecimal() and len(length) < 20 else None
        begin = begin if goes_on else 0
        written, told = 0, begin
        most = file.size or (begin + promised if promised else LARGEST)
        if (file.size or promised) and most - begin > shutil.disk_usage(part.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        since, counted = time.monotonic(), 0
        with part.open("ab" if goes_on else "wb") as out:
            response.raw.enforce_content_length = False  # what came before the end is kept, and counted below
            while block := _read(response):
                written += len(block)
                if begin + written > most:
                    break
                out.write(block)
                if (passed := time.monotonic() - since) > _MEASURED_S:
                    if written - counted < _SLOWEST * passed:
                        raise requests.Timeout("hardly anything comes")
                    since, counted = time.monotonic(), written
                if begin + written - told >= _TOLD_EVERY:
                    told = begin + written
                    progress(f"{told / 1e6:,.0f} MB" + (f" of {file.size / 1e6:,.0f}" if file.size else ""))
    if begin + written > most:
        part.unlink()
        raise ModelNotLoaded(f"The server sends more than the {most} bytes that it announced: pull again.")
    return promised is None or written == promised


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: those are followed below, since by itself the library reads the body of a redirect whole."""


def _answered(url: str, headers: Mapping[str, str]) -> requests.Response:
    """What stands at an address, a few redirects followed: none that leaves encryption, and to another host without
    the key."""
    sent = dict(headers)
    for _ in range(_REDIRECTS):
        with _Session() as session:
            response = session.get(url, headers=sent, stream=True, timeout=_TIMEOUT_S)
        if not response.is_redirect:
            return response
        response.close()
        try:
            target = urljoin(url, response.headers["Location"])
            old, new = urlsplit(url), urlsplit(target)
        except ValueError:
            raise requests.exceptions.InvalidURL("a redirect to what is no address") from None
        if new.scheme not in (old.scheme, "https"):
            raise ModelNotLoaded(
                f"{old.hostname} sends the pull on to {new.scheme}://{new.hostname}, which is not encrypted: fetch the "
                "file on another machine and set LLM_INSTRUCT_MODEL_PATH to it."
            )
        if (new.scheme, new.netloc) != (old.scheme, old.netloc):
            sent.pop("Authorization", None)
        url = target
    raise requests.TooManyRedirects(f"more than {_REDIRECTS} redirects")


def _read(response: requests.Response) -> bytes:
    try:
        return bytes(response.raw.read1(_BLOCK))  # what is there, so that a slow server shows
    except urllib3.exceptions.HTTPError as problem:
        raise requests.ConnectionError(problem) from None
