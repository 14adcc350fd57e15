"""The few values of a model file's head that say who answers, remembered so that a run whose answers are all on record
opens no model file: the vocabulary in a head takes longer to read than such a run takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from llm_strategy.llm.models.fingerprint import keep_of_file, kept_of_file
from llm_strategy.llm.models.gguf import Metadata, read_metadata

_FORM = 1
"""Raised when a note comes to hold other values."""


@dataclass(frozen=True)
class Head:
    """What a model file is called, how its prompts are written, and for how many tokens it was trained; texts are empty
    and numbers None where the file says nothing."""

    architecture: str
    name: str
    chat_template: str
    bos: str
    eos: str
    bos_token: int | None
    context_length: int | None

    @classmethod
    def of(cls, metadata: Metadata) -> Self:
        """That of a file whose metadata was read."""
        architecture, bos = metadata.text("general.architecture"), metadata.values.get("tokenizer.ggml.bos_token_id")
        length = metadata.values.get(f"{architecture}.context_length")
        return cls(
            architecture,
            metadata.text("general.name"),
            metadata.text("tokenizer.chat_template"),
            metadata.special_token("bos"),
            metadata.special_token("eos"),
            bos if isinstance(bos, int) else None,
            length if isinstance(length, int) else None,
        )


def read_head(path: Path) -> Head:
    """The head of a model file, remembered in the cache folder for as long as its size and time stay the same.

    Raises what ``read_metadata`` does where it is not known yet.
    """
    known = kept_of_file(path, "heads")
    values: dict[str, Any] = {field.name: known.get(field.name) for field in fields(Head)}
    if known.get("form") == _FORM and all(_is_value(name, value) for name, value in values.items()):
        return Head(**values)
    head = Head.of(read_metadata(path))
    keep_of_file(path, "heads", {"form": _FORM, **asdict(head)})
    return head


def _is_value(name: str, value: Any) -> bool:
    return value is None or type(value) is int if name in _NUMBERS else isinstance(value, str)


_NUMBERS = ("bos_token", "context_length")
