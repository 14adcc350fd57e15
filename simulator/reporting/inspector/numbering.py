"""Values that stand once, and their numbers in their place; and data as a page carries them."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

_Value = TypeVar("_Value", bound=Hashable)
_LARGEST = 2**28
"""Bytes of a document that is opened."""


class Numbers(Generic[_Value]):
    """Gives equal values one number, from 0 on in the order of their first coming."""

    def __init__(self) -> None:
        self._numbers: dict[_Value, int] = {}

    def __call__(self, value: _Value) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[_Value]:
        """All values, each at its number."""
        return list(self._numbers)


def packed(document: Any) -> str:
    """A JSON document, compressed and in base64: no character of it means anything to HTML. The same document gives the
    same text wherever zlib compresses alike."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 9, mtime=0)).decode()


def unpacked(text: str) -> Any:
    """The document behind ``packed``; raises ``ValueError`` for what is none, or larger than any page holds."""
    try:
        opened = zlib.decompressobj(31)  # gzip
        content = opened.decompress(base64.b64decode(text, validate=True), _LARGEST)
    except zlib.error as problem:
        raise ValueError(f"it is not compressed as a page's documents are: {problem}") from None
    if not opened.eof:
        raise ValueError("it is cut off, or too large")
    return json.loads(content)


def steps(values: list[int]) -> list[int]:
    """The first value and what each other one adds to the one before: small numbers, which compress well."""
    return [value - before for before, value in zip([0, *values], values, strict=False)]
