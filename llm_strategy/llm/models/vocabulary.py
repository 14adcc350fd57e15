"""What a model file says about its tokens: enough to write a prompt in which no content can pass for a special token,
and to find the tokens with which a choice can begin."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeAlias

from llm_strategy.llm.models.chat_template import Block
from llm_strategy.llm.models.gguf import Metadata
from llm_strategy.llm.models.token_count import byte_letters, spaced, token_counter

Piece: TypeAlias = int | str
"""A token by its number, or text that an engine splits into tokens."""

_UNKNOWN, _CONTROL = 2, 3
_TURN_MARK = re.compile(r"<\|[^|]+\|>|<(?:start|end)_of_turn>|\[/?INST\]")
"""Marks of turns that some files forget to declare as special, and engines treat as such all the same."""


class Vocabulary:
    """The tokens of one model file."""

    def __init__(self, metadata: Metadata) -> None:
        values = metadata.values
        tokens: list[str] = values.get("tokenizer.ggml.tokens", [])
        kinds: list[int] = values.get("tokenizer.ggml.token_type", [0] * len(tokens))
        self._byte_level = values.get("tokenizer.ggml.model") == "gpt2"
        self._numbers = {token: number for number, token in enumerate(tokens)}
        self._special = {
            token: number
            for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
            if len(token) > 1 and (kind in (_UNKNOWN, _CONTROL) or _TURN_MARK.fullmatch(token))
        }
        longest_first = sorted(self._special, key=len, reverse=True)
        self._mark = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        bos = values.get("tokenizer.ggml.bos_token_id")
        # Where a file does not say, engines add the token for one kind of vocabulary and not for the other.
        adds_bos = values.get("tokenizer.ggml.add_bos_token", not self._byte_level)
        self._begin: tuple[Piece, ...] = (bos,) if adds_bos and isinstance(bos, int) else ()
        # A space would come before every text of its own, so that a text must not be cut.
        self._adds_space = bool(values.get("tokenizer.ggml.add_space_prefix", not self._byte_level))
        self._metadata = metadata

    def pieces(self, blocks: Sequence[Block]) -> tuple[Piece, ...]:
        """A prompt: special tokens of the template as numbers, contents as text in which none can be found."""
        found: list[Piece] = []
        text = ""
        for block in blocks:
            for part, is_template in ((block.before, True), (block.content, False), (block.after, True)):
                at = 0
                for mark in self._mark.finditer(part) if is_template else ():
                    found += [*self.plain(text + part[at : mark.start()]), self._special[mark.group()]]
                    text, at = "", mark.end()
                text += part[at:]
        return (*found, *self.plain(text))

    def prompt(self, blocks: Sequence[Block]) -> tuple[Piece, ...]:
        """The pieces of a whole prompt, with the begin token where the model wants one; never twice."""
        pieces = self.pieces(blocks)
        return pieces if pieces[: len(self._begin)] == self._begin else (*self._begin, *pieces)

    def extended(self, prompt: tuple[Piece, ...], text: str) -> tuple[Piece, ...]:
        """A prompt with more text behind it."""
        if self._adds_space and prompt and isinstance(prompt[-1], str):
            return (*prompt[:-1], *self.plain(prompt[-1] + text))
        return (*prompt, *self.plain(text))

    def begins_with(self, prompt: tuple[Piece, ...], part: tuple[Piece, ...]) -> bool:
        """Whether a prompt's tokens are known to begin with those of another one: piece by piece, or up to the end of a
        line within a piece where no token holds a line's end and anything else."""
        if prompt[: len(part)] == part:
            return True
        *before, last = part
        pieces, text = prompt[: len(before)], prompt[len(before)] if len(before) < len(prompt) else ""
        if pieces != tuple(before) or not isinstance(last, str) or not isinstance(text, str):
            return False
        return text.startswith(f"{last}\n") and not last.endswith("\n") and self._ends_lines_apart

    @cached_property
    def _ends_lines_apart(self) -> bool:
        # A byte-level vocabulary cuts texts by a pattern first, which looks beyond the end of a line.
        return not self._byte_level and not any("\n" in token and token.strip("\n") for token in self._numbers)

    def plain(self, text: str) -> tuple[str, ...]:
        """A text cut in the middle of everything that would be read as a special token."""
        parts = []
        while mark := self._mark.search(text):
            parts.append(text[: mark.start() + 1])
            text = text[mark.start() + 1 :]
        return tuple(part for part in (*parts, text) if part)

    def count(self, prompt: Sequence[Piece]) -> int | None:
        """How many tokens an engine makes of a prompt, within 2%; None where the file does not say."""
        count = self._counter
        if count is None:
            return None
        return sum(1 if isinstance(piece, int) else count(piece) for piece in prompt)

    @cached_property
    def _counter(self) -> Callable[[str], int] | None:
        """Made when it is first wanted: only estimates count."""
        return token_counter(self._metadata)

    def beginnings(self, text: str) -> dict[str, int]:
        """Every beginning of a text, itself included, that is one token, with the token's number."""
        spelled = {text[:length]: self._spelling(text[:length]) for length in range(1, len(text) + 1)}
        return {part: self._numbers[token] for part, token in spelled.items() if token in self._numbers}

    def _spelling(self, text: str) -> str:
        return byte_letters(text) if self._byte_level else spaced(text)
