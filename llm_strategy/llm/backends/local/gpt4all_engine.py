"""A loaded gpt4all model and its memory of the prompt.

The call underneath gpt4all's ``generate`` is used directly, because only there can the context be kept from shifting,
the reading of the prompt be interrupted, and a prefix be reused.

A prompt is a sequence of blocks, and each block is evaluated by a call of its own. So the numbers in the model's memory
after a block depend on that block and those before it alone, never on what was asked earlier: reuse cannot change an
answer.
"""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llm_strategy.errors import AnswerTimeout, BackendFailure, PromptTooLong
from llm_strategy.llm.backends.local.gpt4all_load import Device, load
from llm_strategy.llm.backends.local.native import Threads, held_interrupts, processors
from llm_strategy.llm.models.chat_template import Block

BATCH_TOKENS = 128
"""Prompt tokens evaluated at once; gpt4all's default of 8 is several times slower."""
TOP_K, TOP_P = 40, 0.9
"""Sampling at a temperature above 0."""

_RESERVE = 4
"""Tokens at the end of the context that gpt4all keeps free."""


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """How an answer came: tokens of the whole prompt, tokens written, and whether the model was cut off."""

    tokens_in: int
    tokens_out: int
    finish: Literal["stop", "length"]


class Engine:
    """One model in memory. Not thread-safe: one answer at a time.

    ``threads`` of None means as many as are fastest here at the time, as ``native.Threads`` finds them.
    With ``strict`` every prompt is read from the beginning. Raises as ``gpt4all_loading.load`` does.
    """

    def __init__(
        self, path: Path, *, context_tokens: int, threads: int | None, strict: bool = False, device: Device = "cpu"
    ) -> None:
        self.context_tokens = context_tokens
        self._strict = strict
        self._api, self._model = load(path, context_tokens, device)
        self._context = self._api.LLModelPromptContext(
            n_batch=BATCH_TOKENS, repeat_penalty=1.0, repeat_last_n=0, min_p=0.0, context_erase=0.75
        )
        self._remembered: list[tuple[Block, int]] = []  # a block, and how many tokens there are up to its end
        self.first_token = self._first_token()
        """What the engine makes of the beginning of a prompt; the begin token where it adds one itself."""
        self._threads = Threads(processors(), self._model.set_thread_count) if threads is None else None
        if self._threads is not None:
            self._threads.choose(self._trial)
        elif threads is not None:
            self._model.set_thread_count(threads)

    def close(self) -> None:
        """Free the memory."""
        self._model.close()

    def write(
        self,
        blocks: Sequence[Block],
        on_piece: Callable[[str], bool],
        *,
        max_tokens: int,
        temperature: float,
        deadline: float | None,
    ) -> EngineOutput:
        """Read the blocks, then write until ``on_piece`` returns False, the model ends, or ``max_tokens`` are written.

        ``deadline`` is a time of ``time.monotonic``. Raises ``AnswerTimeout`` and ``PromptTooLong``.
        """
        *head, last = blocks
        if self._threads is not None:
            self._threads.choose(self._trial)
        if self._strict:
            self._forget(0)
        known = 0
        while known < min(len(head), len(self._remembered)) and self._remembered[known][0] == head[known]:
            known += 1
        self._forget(known)
        for block in head[known:]:
            self._read(block, deadline)
        context = self._context
        context.n_predict, context.temp = max_tokens, temperature
        context.top_k, context.top_p = (TOP_K, TOP_P) if temperature else (1, 1.0)
        written, stopped, resumed = 0, False, 0.0
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def respond(token: int, piece: bytes) -> bool:
            nonlocal written, stopped, resumed
            written += 1
            if written > 1 and self._threads is not None:
                self._threads.mind(time.perf_counter() - resumed)
            _check(deadline)
            text = decoder.decode(piece)
            stopped = bool(text) and not on_piece(text)
            resumed = time.perf_counter()
            return not (stopped or full())

        def full() -> bool:
            return self._end() + written >= self.context_tokens - _RESERVE

        self._read(last, deadline, respond)
        cut_off = not stopped and (written >= max_tokens or full())
        return EngineOutput(self._end(), written, "length" if cut_off else "stop")

    def _first_token(self) -> int:
        tokens: list[int] = []

        def keep(token: int) -> bool:
            tokens.append(token)
            return False

        self._call(Block("", "a"), keep, None)
        return tokens[0]

    def _trial(self) -> float:
        begin, done, seconds = time.perf_counter(), 0, 0.0
        while done < 4 and seconds < 0.2:  # where even one reading is slow, one says enough
            self._forget(0)
            self._call(Block("", "a"), lambda token: True, None)
            done, seconds = done + 1, time.perf_counter() - begin
        return seconds / done

    def _end(self) -> int:
        return self._remembered[-1][1] if self._remembered else 0

    def _forget(self, keep: int) -> None:
        del self._remembered[keep:]
        self._context.n_past = self._end()

    def _read(self, block: Block, deadline: float | None, respond: Callable[[int, bytes], bool] | None = None) -> None:
        begin, read = self._end(), 0

        def progress(token: int) -> bool:
            nonlocal read
            read += 1
            _check(deadline)
            return True

        def answering(token: int, piece: bytes) -> bool:
            if token < 0:
                return False  # gpt4all gives its own error for an answer
            if self._end() == begin:
                self._remembered.append((block, begin + read))
            return respond is not None and respond(token, piece)

        self._call(block, progress, answering if respond else None)
        if not read and (block.before or block.content or block.after):
            raise PromptTooLong(
                f"The prompt needs more than the {self.context_tokens} tokens of context: "
                "shorten it, or raise LLM_CONTEXT_TOKENS as far as the model allows."
            )
        if self._end() == begin:
            self._remembered.append((block, begin + read))

    def _call(
        self, block: Block, on_prompt: Callable[[int], bool], on_answer: Callable[[int, bytes], bool] | None
    ) -> None:
        if "\0" in block.content or re.search("%[12]", block.before + block.after):
            raise BackendFailure(
                "gpt4all cannot read a NUL character in a message, or %1 or %2 in a chat template: remove it."
            )
        failures: list[BaseException] = []

        def guarded(callback: Callable[..., bool]) -> Callable[..., bool]:
            # An exception cannot pass through the engine: it is kept, the engine told to stop, and raised afterwards.
            def call(*given: Any) -> bool:
                try:
                    return not interrupted and callback(*given)
                except BaseException as problem:
                    failures.append(problem)
                    return False

            return call

        with held_interrupts() as interrupted:
            self._api.llmodel.llmodel_prompt(
                self._model.model,
                block.content.encode(),
                f"{block.before}%1{block.after}%2".encode(),
                self._api.PromptCallback(guarded(on_prompt)),
                self._api.ResponseCallback(guarded(on_answer or (lambda token, piece: False))),
                False,  # no shifting of the context: it would drop the beginning of the prompt silently
                self._context,
                False,  # the content is read without special tokens
                None if on_answer else b"",  # an empty given answer: only read
            )
        if failures:
            raise failures[0]


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise AnswerTimeout("The model gave no whole answer in time: raise LLM_TIMEOUT_S, or ask for fewer tokens.")
