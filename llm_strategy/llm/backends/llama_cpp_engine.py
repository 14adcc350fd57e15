"""A model in llama.cpp, inside this process, and its memory of the prompt.

A prompt is read in stages, and behind each the memory is brought into one state: everything up to there read as it
would be the first time, the last token read once more on its own. So the numbers behind a stage depend on the prompt
alone, never on what was asked earlier, and reuse cannot change an answer. With several slots stages are left out: slots
are computed together, and what else is under way changes the rounding.
"""

from __future__ import annotations

import ctypes
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendMissing,
    ConfigurationError,
    ModelNotLoaded,
    PromptTooLong,
)
from llm_strategy.llm.backends.native import MOST_THREADS, captured_stderr, held_interrupts, processors
from llm_strategy.llm.vocabulary import Piece

Prompt: TypeAlias = tuple[Piece, ...]

BATCH_TOKENS = 256
"""Prompt tokens evaluated at once; a time limit is looked at between two batches."""
TOP_K, TOP_P = 40, 0.9
"""Sampling at a temperature above 0."""

INSTALL = "The backend llama_cpp needs xllamacpp: pip install 'backtrader-llm[llama-cpp]'"

_LIFTED = 50.0
"""Added to the logits of allowed tokens: the others are left with nothing, the allowed with their own proportions."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a model is loaded. ``gpu_layers`` of 0 is the processor alone; ``slots`` are answers under way at once.

    ``strict`` keeps nothing of a prompt: each call reads its own from the beginning.
    """

    context_tokens: int
    threads: int | None = None
    slots: int = 1
    gpu_layers: int = 0
    lora: Path | None = None
    strict: bool = False

    @property
    def threads_used(self) -> int:
        """The configured number, or that of the processors up to ``MOST_THREADS``."""
        return self.threads or min(processors(), MOST_THREADS)


@dataclass(frozen=True, slots=True)
class Written:
    """How an answer came: its text, tokens of the prompt and of the answer, and whether the model was cut off."""

    text: str
    tokens_in: int
    tokens_out: int
    finish: Literal["stop", "length"]


class Engine:
    """One model in memory; ``seconds`` is what llama.cpp itself says it has worked for.

    With one slot it takes one call at a time. Raises ``BackendMissing``, ``ModelNotLoaded`` and, for a graphics card
    that is not there, ``ConfigurationError``.
    """

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.seconds = 0.0
        self.strict = options.strict
        self._options = options
        self._stages: tuple[Prompt, ...] = ()
        self._settled = False  # whether the memory is in the state behind the last stage, and holds no more
        self._begun = False  # whether the question behind the last stage was begun
        self._server = _load(path, options)

    def close(self) -> None:
        """Free the memory."""
        del self._server

    def read(self, stages: Sequence[Prompt], deadline: float | None) -> None:
        """Read these stages, each of which begins with the one before, unless they are in the memory."""
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
    ) -> Written:
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
        return {entry["id"]: float(entry["prob"]) for entry in tokens}, written.tokens_in

    def _glance(self, prompt: Prompt, deadline: float | None, *, keep: bool = True) -> None:
        """Read a prompt into the memory; what is there of it already is kept, but for the last token."""
        self._call(prompt, deadline, n_predict=0, samplers=["top_k"], top_k=1, cache_prompt=keep)

    def _ask(
        self, prompt: Prompt, deadline: float | None, *given: Any, n_predict: int, **options: Any
    ) -> tuple[Written, list[dict[str, Any]]]:
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
    ) -> tuple[Written, list[dict[str, Any]]]:
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
        with held_interrupts() as interrupted:
            self._server.handle_completions(request, on_chunk)
        if failures:
            raise failures[0]
        return self._written("".join(texts), chunks, stopped, int(options["n_predict"])), chunks

    def _written(self, text: str, chunks: list[dict[str, Any]], stopped: bool, most: int) -> Written:
        told = {key: value for chunk in chunks for key, value in chunk.items()}
        timings: Mapping[str, float] = told.get("timings", {})
        self.seconds += (timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)) / 1000
        usage: Mapping[str, int] = told.get("usage", {})
        out = usage.get("completion_tokens", sum(bool(chunk["choices"][0]["text"]) for chunk in chunks))
        read = usage.get("prompt_tokens", told.get("prompt_progress", {}).get("total", 0))
        finish = next((f for chunk in reversed(chunks) if (f := chunk["choices"][0]["finish_reason"])), None)
        return Written(text, read, min(out, most), "length" if finish == "length" and not stopped else "stop")


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


def _load(path: Path, options: EngineOptions) -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise BackendMissing(INSTALL) from None
    if options.gpu_layers and not _has_graphics_card(xllamacpp):
        raise ConfigurationError(
            f"llama_cpp.gpu_layers is {options.gpu_layers}, and this xllamacpp sees no graphics card here: "
            "set it to 0, or install the wheel for yours (CUDA, ROCm, Vulkan or Metal)."
        )
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = options.context_tokens * options.slots
    params.n_parallel = options.slots
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads_used
    params.n_gpu_layers = options.gpu_layers
    params.cache_ram_mib = 0
    params.swa_full = True  # else a model with sliding windows reads every prompt anew
    params.fit_params = params.warmup = params.ctx_shift = False
    params.endpoint_slots = params.ui = False
    params.api_keys = [secrets.token_hex()]  # it opens a port on this machine that nobody is meant to use
    params.verbosity = -1
    if options.lora is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(options.lora), 1.0)]
    # Loading takes Ctrl-C away from Python; it is given back.
    handlers = {number: _handler(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with captured_stderr("llama.cpp"):
            return xllamacpp.Server(params)
    except (RuntimeError, ValueError):
        with_lora = f" with the adapter {options.lora}" if options.lora else ""
        raise ModelNotLoaded(
            f"llama.cpp cannot load {path}{with_lora}: fetch the file again, or choose a model that it supports."
        ) from None
    finally:
        for number, handler in handlers.items():
            ctypes.pythonapi.PyOS_setsig(number, ctypes.c_void_p(handler))


def _handler(number: int) -> int | None:
    get = ctypes.pythonapi.PyOS_getsig
    get.restype = ctypes.c_void_p
    handler: int | None = get(number)
    return handler


def _has_graphics_card(xllamacpp: Any) -> bool:
    kinds = xllamacpp.ggml_backend_dev_type
    with captured_stderr("llama.cpp"):
        return any(device["type"] != kinds.GGML_BACKEND_DEVICE_TYPE_CPU for device in xllamacpp.get_device_info())
