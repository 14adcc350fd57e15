"""A model in llama.cpp, inside this process, and its memory of the prompt.

A prompt is read in stages, and behind each the memory is brought into one state: everything up to there read as it
would be the first time, the last token read once more on its own. So the numbers behind a stage depend on the prompt
alone, never on what was asked earlier, and reuse cannot change an answer. With several slots stages are left out: slots
are computed together, and what else is under way changes the rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import AnswerTimeout, BackendFailure, PromptTooLong
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions, load
from llm_strategy.llm.backends.local.native import held_interrupts
from llm_strategy.llm.models.vocabulary import Piece

Prompt: TypeAlias = tuple[Piece, ...]

TOP_K, TOP_P = 40, 0.9
"""Sampling at a temperature above 0."""

_LIFTED = 50.0
"""Added to the logits of allowed tokens: the others are left with nothing, the allowed with their own proportions."""


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """How an answer came: its text, tokens of the prompt and of the answer, and whether the model was cut off."""

    text: str
    tokens_in: int
    tokens_out: int
    finish: Literal["stop", "length"]


class Engine:
    """One model in memory; ``seconds`` is what llama.cpp itself says it has worked for.

    With one slot it takes one call at a time. Raises as ``llama_cpp_loading.load`` does.
    """

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.seconds = 0.0
        self.strict = options.strict
        self._options = options
        self._stages: tuple[Prompt, ...] = ()
        self._settled = False  # whether the memory is in the state behind the last stage, and holds no more
        self._begun = False  # whether the question behind the last stage was begun
        self._adapted = False  # whether the adapter is at work
        self._server = load(path, options)

    def close(self) -> None:
        """Free the memory."""
        del self._server

    def read(self, stages: Sequence[Prompt], deadline: float | None, *, adapted: bool = False) -> None:
        """Read these stages, each of which begins with the one before, unless they are in the memory; what is read with
        the adapter is no memory without it."""
        if adapted is not self._adapted:
            self._adapted, self._stages, self._settled = adapted, (), False
        if self._options.slots > 1 or self.strict:
            return
        known = 0
        while known < min(len(stages), len(self._stages)) and stages[known] == self._stages[known]:
            known += 1
        held, self._stages = self._stages, ()
        for number, stage in enumerate(stages[known:], start=known):
            if number:
                self._glance(stages[number - 1], deadline)
            self._glance(stage, deadline, keep=number > 0)
        self._settled &= known == len(stages) == len(held)
        self._stages, self._begun = tuple(stages), False

    def write(
        self,
        prompt: Prompt,
        on_piece: Callable[[str], bool],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        deadline: float | None = None,
        **bounds: Any,
    ) -> EngineOutput:
        """Write until ``on_piece`` returns False, the model ends, or ``max_tokens`` are written.

        ``bounds`` are llama.cpp's own: ``stop`` texts, a ``grammar`` or a ``json_schema``. ``deadline`` is a time of
        ``time.monotonic``. Raises ``AnswerTimeout`` and ``PromptTooLong``.
        """
        sampler: dict[str, Any] = {"temperature": temperature, "top_k": 1, "samplers": ["top_k"]}
        if temperature:
            sampler = {"temperature": temperature, "top_k": TOP_K, "top_p": TOP_P, "min_p": 0.0}
            sampler["samplers"] = ["top_k", "top_p", "temperature"]
        given = {} if seed is None else {"seed": seed}
        return self._ask(prompt, deadline, on_piece, n_predict=max_tokens, **sampler, **given, **bounds)[0]

    def next_token(
        self, prompt: Prompt, allowed: Sequence[int], deadline: float | None
    ) -> tuple[dict[int, float], int]:
        """The probability of each allowed token to come next, as if there were no others, and tokens of the prompt."""
        written, chunks = self._ask(
            prompt,
            deadline,
            n_predict=1,
            temperature=1.0,
            samplers=["temperature"],
            seed=0,
            logit_bias=[[token, _LIFTED] for token in allowed],
            n_probs=len(allowed),
            post_sampling_probs=True,
        )
        tokens = [
            entry
            for chunk in chunks
            for token in (chunk["choices"][0].get("logprobs") or {}).get("content", ())
            for entry in token["top_probs"]
        ]
        if any(entry["prob"] is None for entry in tokens):  # not a number, from weights that are none
            raise BackendFailure("llama.cpp computes no probabilities with this model: fetch the file again.")
        return {entry["id"]: float(entry["prob"]) for entry in tokens}, written.tokens_in

    def _glance(self, prompt: Prompt, deadline: float | None, *, keep: bool = True) -> None:
        """Read a prompt into the memory; what is there of it already is kept, but for the last token."""
        self._call(prompt, deadline, n_predict=0, samplers=["top_k"], top_k=1, cache_prompt=keep)

    def _ask(
        self, prompt: Prompt, deadline: float | None, *given: Any, n_predict: int, **options: Any
    ) -> tuple[EngineOutput, list[dict[str, Any]]]:
        """One call of a question, from the state behind the last stage or from where the call before it ended."""
        at_stage = bool(self._stages) and prompt == self._stages[-1]  # the call itself reads its last token once more
        if self._stages and not (self._begun or self._settled or at_stage):
            self._glance(self._stages[-1], deadline)
        self._begun, self._settled = True, False
        answer = self._call(prompt, deadline, *given, n_predict=n_predict, **options)
        self._settled = at_stage and n_predict == 1  # the one token is told and not read
        return answer

    def _call(
        self,
        prompt: Prompt,
        deadline: float | None,
        on_piece: Callable[[str], bool] = lambda piece: True,
        **options: Any,
    ) -> tuple[EngineOutput, list[dict[str, Any]]]:
        chunks: list[dict[str, Any]] = []
        texts: list[str] = []
        failures: list[BaseException] = []
        stopped = False

        def on_chunk(chunk: dict[str, Any]) -> bool:
            # llama.cpp stops where this returns True; an exception cannot pass through it and is raised afterwards.
            nonlocal stopped
            try:
                _refuse_error(chunk)
                if deadline is not None and time.monotonic() > deadline:
                    raise AnswerTimeout(
                        "The model gave no whole answer in time: raise LLM_TIMEOUT_S, or ask for fewer tokens."
                    )
                chunks.append(chunk)
                if text := chunk["choices"][0]["text"]:
                    texts.append(text)
                    stopped = not on_piece(text)
            except BaseException as problem:
                failures.append(problem)
            return bool(stopped or failures or interrupted)

        request = {
            "prompt": _spoken(prompt),
            "stream": True,
            "return_progress": True,
            "cache_prompt": not self.strict,
            **options,
        }
        if self._options.adapter is not None:
            request["lora"] = [{"id": 0, "scale": self._options.adapter.scale if self._adapted else 0.0}]
        with held_interrupts() as interrupted:
            self._server.handle_completions(request, on_chunk)
        if failures:
            raise failures[0]
        return self._written("".join(texts), chunks, stopped, int(options["n_predict"])), chunks

    def _written(self, text: str, chunks: list[dict[str, Any]], stopped: bool, most: int) -> EngineOutput:
        told = {key: value for chunk in chunks for key, value in chunk.items()}
        timings: Mapping[str, float] = told.get("timings", {})
        self.seconds += (timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)) / 1000
        usage: Mapping[str, int] = told.get("usage", {})
        out = usage.get("completion_tokens", sum(bool(chunk["choices"][0]["text"]) for chunk in chunks))
        read = usage.get("prompt_tokens", told.get("prompt_progress", {}).get("total", 0))
        finish = next((f for chunk in reversed(chunks) if (f := chunk["choices"][0]["finish_reason"])), None)
        return EngineOutput(text, read, min(out, most), "length" if finish == "length" and not stopped else "stop")


def _spoken(prompt: Prompt) -> list[Piece] | str:
    """As llama.cpp takes it: a list of texts alone would mean several prompts."""
    if any(isinstance(piece, int) for piece in prompt):
        return list(prompt)
    return "".join(map(str, prompt))


def _refuse_error(chunk: Mapping[str, Any]) -> None:
    if "error" not in chunk:
        return
    error = chunk["error"]
    if error.get("type") == "exceed_context_size_error":
        raise PromptTooLong(
            f"The prompt has {error.get('n_prompt_tokens')} tokens and the context {error.get('n_ctx')}: "
            "shorten it, or raise LLM_CONTEXT_TOKENS as far as the model allows."
        )
    raise BackendFailure(f"llama.cpp refuses the request ({error.get('message')}): ask another way.")
