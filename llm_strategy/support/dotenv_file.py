"""What a file ``.env`` sets. A slip in it is told by its line: no value is in an error's words, as it may be a key."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.read_regular import read_text

MOST_BYTES = 100_000
"""Of such a file, which is read many times."""


def read_dotenv(path: Path, ours: Collection[str]) -> dict[str, str | None]:
    """Names and values as they are written there, nothing where there is no file; ``ours`` are the names (in capitals)
    whose values must be whole. What else stands there may belong to other programs. Raises ``ConfigurationError``."""
    try:
        lines = parse_stream(io.StringIO(read_text(path, MOST_BYTES)))
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem}.") from None
    said: dict[str, str | None] = {}
    for each in lines:
        if each.error:
            raise ConfigurationError(
                f"{path}, line {_line(each)} is not NAME=value: an equals sign or a quotation mark is missing "
                "there, or one too many."
            )
        if each.key is None:
            continue
        name, colon, _ = each.key.partition(":")  # as in YAML
        wrong = "has a colon in place of an equals sign" if colon else _slip(each.value)
        if name.upper() in ours and wrong:
            raise ConfigurationError(f"{path}, line {_line(each)}: {name} {wrong}: write {name}=value.")
        said[each.key] = each.value
    return said


def _slip(value: str | None) -> str:
    """What is wrong with how a value is written, if anything."""
    if value is None:
        return "has no value"
    if "\n" in value or "\r" in value:
        return "goes over several lines, so that a quotation mark is missing"
    if value[-1:] in ("'", '"') and value.count(value[-1]) % 2:
        return "ends in a quotation mark that it does not begin with"
    return ""


def _line(binding: Binding) -> int:
    """The line on which it begins; the parser counts from the empty ones before."""
    written = binding.original.string
    return binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
