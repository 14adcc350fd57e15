"""The metadata of a GGUF model file, read without an engine (format versions 2 and 3, little-endian).

Source of the format: the GGUF specification in the ggml project (docs/gguf.md).
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_strategy.errors import ModelNotFound, ModelNotLoaded
from llm_strategy.support.read_regular import open_regular

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Type number of a value to its ``struct`` code."""
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip
"""Type number of a tensor to the weights and bytes of a block; of other types only the beginning is checked."""
MOST_KEYS, MOST_ITEMS, MOST_TENSORS, MOST_AXES = 100_000, 4_000_000, 1_000_000, 8
"""Bounds of a head: keys, items of all its lists together, tensors, axes of a tensor. The largest vocabularies have
some 300,000 tokens and 500,000 merges; a file beyond these bounds was made to use up memory."""
HOLES_FROM = 100_000_000
"""Bytes of a file from which it may not be mostly holes, which a download that begins with the whole length leaves."""
LONGEST_TEXT = 16_000_000
"""Bytes of one text of a head."""


@dataclass(frozen=True)
class Metadata:
    """Values by key, and where in the file each text value begins (bytes from the start)."""

    values: dict[str, Any]
    text_offsets: dict[str, int]

    def text(self, key: str) -> str:
        """The text of this key; empty where the file has none."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""

    def special_token(self, name: str) -> str:
        """The spelling of a special token such as ``bos`` or ``eos``; empty where the file names none."""
        number = self.values.get(f"tokenizer.ggml.{name}_token_id")
        tokens = self.values.get("tokenizer.ggml.tokens", [])
        return tokens[number] if isinstance(number, int) and 0 <= number < len(tokens) else ""


def read_metadata(path: Path) -> Metadata:
    """Read the metadata of a model file, and see that its tensors are all there.

    Raises ``ModelNotFound`` where there is no file and ``ModelNotLoaded`` where it is no GGUF file or is cut short.
    """
    check_file(path)
    try:
        with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            reader = _Reader(content)
            metadata = reader.metadata()
            _check_values(metadata.values)
            missing = reader.tensors_end(metadata.values.get("general.alignment", 32)) - len(content)
    except (struct.error, IndexError, OverflowError):
        raise ModelNotLoaded(f"{path} ends within its metadata: the file is cut short, fetch it again.") from None
    except (OSError, ValueError) as problem:
        raise ModelNotLoaded(f"{path} is no readable GGUF model ({problem}): give a file in GGUF format.") from None
    if missing > 0:
        raise ModelNotLoaded(f"{path} is cut short by at least {missing} bytes: fetch the file again.")
    return metadata


def check_file(path: Path) -> None:
    """See that a file may be a model before anything reads all of it: to hash a terabyte of nothing takes an hour.

    Raises as ``read_metadata`` does.
    """
    try:
        with open_regular(path) as file:
            begin, state = file.read(len(_MAGIC)), os.fstat(file.fileno())
    except FileNotFoundError:
        raise ModelNotFound(f"There is no model file {path}: check the path.") from None
    except OSError as problem:
        raise ModelNotLoaded(f"{path} cannot be read ({problem}).") from None
    if begin != _MAGIC:
        raise ModelNotLoaded(
            f"{path} is no readable GGUF model (it does not begin with GGUF): give a file in GGUF format."
        )
    written = getattr(state, "st_blocks", 0) * 512  # some file systems do not say
    if 0 < written < state.st_size / 10 and state.st_size > HOLES_FROM:
        raise ModelNotLoaded(f"{path} was written to a tenth at most: its download was cut off, fetch the file again.")


def _check_values(values: dict[str, Any]) -> None:
    """Raise ``ValueError`` where a value that is used is not of the kind and length that the format asks for."""
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment % 8:
        raise ValueError(f"its general.alignment is {alignment!r}, and a multiple of 8 is asked for")
    for key, value in values.items():
        if key.endswith(".context_length") and (not isinstance(value, int) or value <= 0):
            raise ValueError(f"its {key} is {value!r}, and a number of tokens is asked for")
    tokens = values.get("tokenizer.ggml.tokens", [])
    for key, kind in (("tokens", str), ("merges", str), ("token_type", int), ("scores", float)):
        items = values.get(f"tokenizer.ggml.{key}", [])
        if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
            raise ValueError(f"its tokenizer.ggml.{key} is no list of {kind.__name__}")
        if key in ("token_type", "scores") and items and len(items) != len(tokens):
            raise ValueError(f"it has {len(tokens)} tokens and {len(items)} in tokenizer.ggml.{key}")


def _bounded(count: int, most: int, what: str) -> int:
    if count > most:
        raise ValueError(f"it announces {count} {what}, and no model has more than {most}")
    return count


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0
        self._items = 0

    def metadata(self) -> Metadata:
        self._at = 4
        version = self._scalar("I")
        if version not in (2, 3):
            raise ValueError(f"its format version is {version}, and 2 and 3 are known")
        self._tensors = _bounded(self._scalar("Q"), MOST_TENSORS, "tensors")
        values: dict[str, Any] = {}
        text_offsets: dict[str, int] = {}
        for _ in range(_bounded(self._scalar("Q"), MOST_KEYS, "keys")):
            key, kind = self._string(), self._scalar("I")
            if kind == _STRING:
                text_offsets[key] = self._at + 8
            values[key] = self._value(kind)
        return Metadata(values, text_offsets)

    def tensors_end(self, alignment: int) -> int:
        """Where the last tensor ends, in bytes from the start; read after the metadata."""
        ends = [0]
        for _ in range(self._tensors):
            self._string()
            sizes = self._unpack(f"{_bounded(self._scalar('I'), MOST_AXES, 'axes of a tensor')}Q")
            kind, offset = self._scalar("I"), self._scalar("Q")
            weights, size = _BLOCKS.get(kind, (1, 0))
            ends.append(offset + math.prod(sizes) // weights * size)
        return -(-self._at // alignment) * alignment + max(ends) if self._tensors else 0

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            item, count = self._scalar("I"), self._scalar("Q")
            self._items = _bounded(self._items + count, MOST_ITEMS, "items of lists")
            if item == _ARRAY:
                raise ValueError("it has a list of lists")
            if item in _SCALARS:
                return list(self._unpack(f"{count}{_SCALARS[item]}"))
            return [self._value(item) for _ in range(count)]
        if kind not in _SCALARS:
            raise ValueError(f"it has a value of the unknown type {kind}")
        return self._scalar(_SCALARS[kind])

    def _string(self) -> str:
        length = self._scalar("Q")
        begin, self._at = self._at, self._at + length
        if self._at > len(self._content):
            raise IndexError(self._at)
        _bounded(length, LONGEST_TEXT, "bytes of one text")
        return self._content[begin : self._at].decode(errors="replace")

    def _scalar(self, code: str) -> Any:
        return self._unpack(code)[0]

    def _unpack(self, code: str) -> tuple[Any, ...]:
        fields = struct.unpack_from(f"<{code}", self._content, self._at)
        self._at += struct.calcsize(f"<{code}")
        return fields
