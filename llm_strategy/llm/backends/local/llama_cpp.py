"""Backend ``llama_cpp``: a GGUF file on this machine, through llama.cpp (package xllamacpp).

It holds a model to a JSON schema, fills forms slot by slot, and gives choices probabilities.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from llm_strategy.errors import AnswerTimeout, BackendMissing, BackendRefused, ConfigurationError
from llm_strategy.llm.backend import Backend, OnText
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.local.advice_adapter import NO_ADAPTER, OF_PACKAGE, find_adapter
from llm_strategy.llm.backends.local.llama_cpp_engine import TOP_K, TOP_P, Engine, EngineOutput, Prompt
from llm_strategy.llm.backends.local.llama_cpp_load import (
    BATCH_TOKENS,
    INSTALL,
    EngineOptions,
    check_adapter,
    plain_options,
)
from llm_strategy.llm.backends.local.slots import SlotValue, score
from llm_strategy.llm.backends.local.trial import try_model
from llm_strategy.llm.backends.sections import read_section
from llm_strategy.llm.models.chat_template import ChatTemplate
from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.models.head import read_head
from llm_strategy.llm.models.store import KNOWN_MODELS, resolve, weights_sha256
from llm_strategy.llm.models.vocabulary import Vocabulary
from llm_strategy.llm.requests import Generation, ModelIdentity, Request, Slot, escape
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings
from llm_strategy.llm.structured.probabilities import write_probabilities
from llm_strategy.support.read_regular import at_home

STAGES = 3
"""Places at which a prompt is parted. Part of the identity, as how a prompt is cut decides how numbers are rounded."""
PLAIN_TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}"
"""For a model that was trained on text alone and brings no chat template: the contents, line after line."""

ONE_LOADING = threading.Lock()
"""Loading takes Ctrl-C and the error stream from the whole process and gives them back: one model at a time."""


class LlamaCppBackend(Backend):
    """A local model. The file is looked at when the client is made, and loaded when it is first asked.

    With one slot threads that share a client are answered one after the other, and greedy answers are reproducible;
    with more they are answered together, which is faster and rounds differently from run to run.
    With ``options.strict`` the number of threads is a part of the identity, and a sampler without a seed is given one.
    Raises ``ConfigurationError`` where that cannot be promised.
    """

    def __init__(self, path: Path, options: EngineOptions) -> None:
        try:
            engine_version = version("xllamacpp")
        except PackageNotFoundError:
            raise BackendMissing(INSTALL) from None
        if options.strict and (options.slots > 1 or options.gpu_layers):
            raise ConfigurationError(
                f"strict computes one answer at a time on the processor, and llama_cpp has slots {options.slots} and "
                f"gpu_layers {options.gpu_layers}: set them to 1 and 0, or leave strict out."
            )
        self.path = path
        self.strict = options.strict
        head = read_head(path)
        template = head.chat_template or PLAIN_TEMPLATE
        if options.lora is not None:
            check_adapter(options.lora, head.architecture)
        self.options = replace(options, context_tokens=min(options.context_tokens, head.context_length or 1 << 20))
        self.concurrency = options.slots
        digest = weights_sha256(path)
        packaged = next((model.name for model in KNOWN_MODELS.values() if model.sha256 == digest), "")
        settings: dict[str, str | int | float] = {
            "batch_tokens": BATCH_TOKENS,
            "context_tokens": self.options.context_tokens,
            "gpu_layers": options.gpu_layers,
            "slots": options.slots,
            "stages": STAGES,
            "top_k": TOP_K,
            "top_p": TOP_P,
        }
        if options.strict:
            settings |= {"strict": True, "threads": options.threads_used}
        if options.lora is not None:
            settings["lora_sha256"] = weights_sha256(options.lora)
        if options.adapter is not None:
            options.adapter.check(head.architecture, digest)
        self.identity = ModelIdentity(
            backend="llama_cpp",
            name=packaged or head.name or path.stem,
            engine="xllamacpp",
            engine_version=engine_version,
            weights_sha256=digest,
            chat_template_sha256=hashlib.sha256(template.encode()).hexdigest(),
            settings=tuple(sorted(settings.items())),
            supports_forms=True,
            supports_choices=True,
            adapter=options.adapter.name if options.adapter is not None else "",
        )
        self._template = ChatTemplate(template, head.bos, head.eos)
        self._engine: Engine | None = None
        self._loading = ONE_LOADING
        self._free = threading.BoundedSemaphore(options.slots)

    def answer(self, request: Request, on_text: OnText | None = None) -> Generation:
        """Answer the request; see ``Backend.answer``."""
        if request.adapter and request.adapter != self.identity.adapter:
            raise BackendRefused(
                f"The question is for the adapter {request.adapter:.40}, and the model has "
                f"{self.identity.adapter or 'none':.40}: set LLM_ADAPTER as it was, or replay the run."
            )
        if not self._free.acquire(timeout=request.timeout_s):
            raise AnswerTimeout("The model was busy with other answers for all of LLM_TIMEOUT_S: raise it.")
        try:
            engine, vocabulary = self._loaded(), self._vocabulary
            # Loading takes as long as it takes, and happens once: the time for the answer begins after it.
            begin, worked = time.monotonic(), engine.seconds
            deadline = None if request.timeout_s is None else begin + request.timeout_s
            stages = self._stages(request)
            engine.read(stages, deadline, adapted=bool(request.adapter))
            answering = _FormWriter(engine, vocabulary, stages[-1], request, on_text or (lambda _: True), deadline)
            text, values = answering.answer()
        finally:
            self._free.release()
        return Generation(
            text=text,
            tokens_in=answering.tokens_in,
            tokens_out=answering.tokens_out,
            latency_ms=(time.monotonic() - begin) * 1000,
            finish="length" if answering.cut_off else "stop",
            values=values,
            engine_ms=(engine.seconds - worked) * 1000 if self.concurrency == 1 else 0.0,
        )

    def count_tokens(self, request: Request) -> int | None:
        """Counted with the file's vocabulary, without loading the model."""
        begun = request.form[0] if request.form and isinstance(request.form[0], str) else ""
        behind = request.chosen if request.choices else request.opening + begun
        return self._vocabulary.count(self._vocabulary.extended(self._stages(request)[-1], behind))

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        """Read when the first prompt is written or counted."""
        return Vocabulary(read_metadata(self.path))

    def close(self) -> None:
        """Free the model's memory; the next request loads it again."""
        with self._loading:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    def _loaded(self) -> Engine:
        with self._loading:
            if self._engine is None:
                self._engine = Engine(self.path, self.options)
            return self._engine

    def _stages(self, request: Request) -> tuple[Prompt, ...]:
        """The system message, all before the last message, and the whole conversation up to the first choice: places
        from which the memory is used again."""
        pieces = self._template.render(request.messages)
        whole = self._vocabulary.prompt(pieces)
        if request.choices:
            whole = self._vocabulary.extended(whole, request.opening)
        begins = sorted({1, len(pieces) - 1} - {0, len(pieces)})
        stages = (self._vocabulary.prompt(pieces[:count]) for count in begins)
        return (*(stage for stage in stages if whole[: len(stage)] == stage), whole)


@dataclass
class _FormWriter:
    """One answer in the making, behind a prompt that the engine has read."""

    engine: Engine
    vocabulary: Vocabulary
    prompt: Prompt
    request: Request
    on_text: OnText
    deadline: float | None
    tokens_in: int = 0
    tokens_out: int = 0
    cut_off: bool = False
    written: str = field(default="")

    def answer(self) -> tuple[str, dict[str, str]]:
        """The text and, with a form, the values."""
        if self.request.choices:
            return self.score_choices(), {}
        return self.fill_form() if self.request.form else (self.write_freely(), {})

    def write_freely(self) -> str:
        """The model's text; in JSON mode an object, of the asked schema where there is one."""
        bounds: dict[str, Any] = {}
        if self.request.json_mode and self.request.json_schema:
            bounds = {"json_schema": json.loads(self.request.json_schema)}
        elif self.request.json_mode:
            bounds = {"grammar": json_object(self.request.max_tokens)}
        done = self._write(self.on_text, self.request.max_tokens, **bounds)
        self.cut_off = done.finish == "length"
        return done.text

    def fill_form(self) -> tuple[str, dict[str, str]]:
        """The program's text and the values; each value is read back with the text that follows it, so that nothing
        depends on how far beyond the value the model wrote."""
        values: dict[str, str] = {}
        for part in self.request.form:
            if isinstance(part, Slot):
                values[part.name] = self._value(part)
            addition = escape(values[part.name]) if isinstance(part, Slot) else part
            self.written += addition
            if not self.on_text(addition):
                break
        return self.written, values

    def score_choices(self) -> str:
        """The probabilities as JSON."""
        prompt = self.vocabulary.extended(self.prompt, self.request.chosen)

        def next_token(tokens: tuple[int, ...], allowed: tuple[int, ...]) -> dict[int, float]:
            self.tokens_out += 1
            found, self.tokens_in = self.engine.next_token((*prompt, *tokens), allowed, self.deadline)
            return found

        text = write_probabilities(score(self.request.choices, self.vocabulary.beginnings, next_token))
        self.on_text(text)
        return text

    def _value(self, slot: Slot) -> str:
        reading = SlotValue(slot)
        bounds: dict[str, Any] = {"stop": [slot.stop]}
        if slot.choices:
            bounds["grammar"] = "root ::= " + " | ".join(json.dumps(choice) for choice in slot.choices)
        elif begun := _CHARACTERS.match(slot.pattern):
            bounds["grammar"] = f"root ::= {begun.group()} .*"
        done = self._write(reading.take, slot.max_tokens, **bounds)
        self.cut_off |= done.finish == "length" and not slot.pattern
        return reading.value

    def _write(self, on_piece: OnText, max_tokens: int, **bounds: Any) -> EngineOutput:
        done = self.engine.write(
            self.vocabulary.extended(self.prompt, self.request.opening + self.written),
            on_piece,
            max_tokens=max_tokens,
            temperature=self.request.temperature,
            seed=self.request.fixed_seed if self.engine.strict else self.request.sampling_seed,
            deadline=self.deadline,
            **bounds,
        )
        self.tokens_in = self.tokens_in or done.tokens_in
        self.tokens_out += done.tokens_out
        return done


def connect(settings: LlmSettings) -> LlamaCppBackend:
    """The client for the model file that the settings mean; ``llama_cpp`` in ``configs/llm.yaml`` has more options."""
    given = read_section(settings, "llama_cpp", sections.LlamaCpp)
    lora = at_home(given.lora) if given.lora else None
    if lora is not None and not lora.is_file():
        raise ConfigurationError(f"{SETTINGS_FILE}: llama_cpp.lora names {lora}, where there is no file: correct it.")
    if lora is not None and settings.adapter not in (NO_ADAPTER, OF_PACKAGE):
        raise ConfigurationError(
            f"{SETTINGS_FILE}: llama_cpp.lora and adapter (LLM_ADAPTER) are both set, and a model takes one of them: "
            "leave one out."
        )
    path = resolve(settings)
    adapter = None if lora is not None else find_adapter(settings, weights_sha256(path))
    options = EngineOptions(
        settings.context_tokens, settings.threads, given.slots, given.gpu_layers, lora, settings.strict, adapter
    )
    try_model("llama_cpp", path, plain_options(options))
    return LlamaCppBackend(path, options)


_CHARACTERS = re.compile(r"\[[\w-]+\]")
"""What a pattern begins with that a grammar can say: a model is held to its first character, so that a value is never
empty, and from there it ends the value itself, as it would without a grammar."""
_MEMBERS, _ITEMS = 8, 4
_SHORTEST, _LONGEST = 8, 120


@cache
def json_object(max_tokens: int) -> str:
    """An object of at most eight members; objects in it have no more than four, lists as many items, and neither holds
    further objects. The fewer tokens there are, the shorter is a text; an answer can still be longer than that."""
    characters = max(_SHORTEST, min(_LONGEST, max_tokens // 8))
    return rf"""
root ::= "{{" gap (member (gap "," gap member){{0,{_MEMBERS - 1}}})? gap "}}"
member ::= text ":" gap (scalar | object | list)
object ::= "{{" gap (pair (gap "," gap pair){{0,{_ITEMS - 1}}})? gap "}}"
pair ::= text ":" gap (scalar | list)
list ::= "[" gap (scalar (gap "," gap scalar){{0,{_ITEMS - 1}}})? gap "]"
scalar ::= text | number | "true" | "false" | "null"
text ::= "\"" character{{0,{characters}}} "\""
character ::= [^"\\\x00-\x1f\x7f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{{4}})
number ::= "-"? ("0" | [1-9] [0-9]{{0,11}}) ("." [0-9]{{1,8}})?
gap ::= "" | " " | "\n" [ ]{{0,8}}
"""
