"""Backend ``local_llama``: a GGUF file on this machine, through gpt4all. Any instruct model that it supports will do.

gpt4all has no seed: at a temperature above 0 only the record of an answer gives it again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from llm_strategy.errors import AnswerTimeout, BackendMissing, ConfigurationError, ModelNotLoaded
from llm_strategy.llm.backend import Backend, OnText
from llm_strategy.llm.backends import sections
from llm_strategy.llm.backends.local.gpt4all_answer import FormWriter, begun_json
from llm_strategy.llm.backends.local.gpt4all_engine import BATCH_TOKENS, TOP_K, TOP_P, Engine
from llm_strategy.llm.backends.local.gpt4all_load import Device
from llm_strategy.llm.backends.local.native import MOST_THREADS, processors
from llm_strategy.llm.backends.local.trial import try_model
from llm_strategy.llm.backends.sections import read_section
from llm_strategy.llm.models.chat_template import Block, ChatTemplate
from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.models.head import read_head
from llm_strategy.llm.models.store import KNOWN_MODELS, resolve, weights_sha256
from llm_strategy.llm.models.vocabulary import Vocabulary
from llm_strategy.llm.requests import Generation, ModelIdentity, Request
from llm_strategy.llm.settings import LlmSettings

ARCHITECTURES = frozenset({
    "baichuan", "bloom", "chatglm", "codeshell", "command-r", "deepseek2", "falcon", "gemma", "gemma2", "gpt2",
    "gptneox", "internlm2", "jais", "llama", "mpt", "olmo", "openelm", "orion", "phi2", "phi3", "qwen", "qwen2",
    "qwen2moe", "refact", "stablelm", "starcoder", "starcoder2", "xverse",
})  # fmt: skip
"""What gpt4all 2.8.2 took and did not call unsupported, each tried with a file of metadata alone."""


class Gpt4AllBackend(Backend):
    """A local model. The file is looked at when the client is made, and loaded when it is first asked.

    ``context_tokens`` bounds prompt and answer together; the model's own context bounds it further. Threads may share a
    client: they are answered one after the other. ``strict`` fixes the number of threads, which is then a part of the
    identity, reads every question anew, and refuses a graphics card and a temperature above 0
    (``ConfigurationError``). Another ``device`` than the processor is a part of the identity, too.
    """

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int = 4096,
        threads: int | None = None,
        strict: bool = False,
        device: Device = "cpu",
    ) -> None:
        try:
            engine_version = version("gpt4all")
        except PackageNotFoundError:
            raise BackendMissing("The backend local_llama needs gpt4all: pip install gpt4all") from None
        if strict and device != "cpu":
            raise ConfigurationError(
                f"strict computes on the processor, and local_llama.device is {device}: set it to cpu, or leave strict "
                "out."
            )
        self.path = path
        self._device = device
        head = read_head(path)
        if head.architecture and head.architecture not in ARCHITECTURES:
            raise ModelNotLoaded(
                f"gpt4all {engine_version} is too old for {path}, whose architecture is {head.architecture}: "
                "set LLM_BACKEND=llama_cpp, or choose another model."
            )
        if not head.chat_template:
            raise ModelNotLoaded(f"{path} has no chat template: choose an instruct or chat model.")
        self.context_tokens = min(context_tokens, head.context_length or context_tokens)
        self.strict = strict
        self._threads = threads or min(processors(), MOST_THREADS) if strict else threads
        digest = weights_sha256(path)
        packaged = next((model.name for model in KNOWN_MODELS.values() if model.sha256 == digest), "")
        self.identity = ModelIdentity(
            backend="local_llama",
            name=packaged or head.name or path.stem,
            engine="gpt4all",
            engine_version=engine_version,
            weights_sha256=digest,
            chat_template_sha256=hashlib.sha256(head.chat_template.encode()).hexdigest(),
            settings=(
                ("batch_tokens", BATCH_TOKENS),
                ("context_tokens", self.context_tokens),
                *((("device", device),) if device != "cpu" else ()),
                *((("strict", True), ("threads", self._threads or 1)) if strict else ()),
                ("top_k", TOP_K),
                ("top_p", TOP_P),
            ),
            supports_forms=True,
        )
        self._head = head
        self._template = ChatTemplate(head.chat_template, head.bos, head.eos)
        self._engine: Engine | None = None
        self._adds_bos = False
        self._lock = threading.Lock()

    def answer(self, request: Request, on_text: OnText | None = None) -> Generation:
        """Answer the request; see ``Backend.answer``."""
        if self.strict and request.temperature:
            raise ConfigurationError(
                f"strict is set and the temperature is {request.temperature:g}, but gpt4all has no seed: set "
                "LLM_TEMPERATURE to 0, or choose LLM_BACKEND=llama_cpp."
            )
        begin = time.monotonic()
        if not self._lock.acquire(timeout=-1 if request.timeout_s is None else request.timeout_s):
            raise AnswerTimeout("The model was busy with another answer for all of LLM_TIMEOUT_S: raise it.")
        try:
            engine = self._loaded()
            # Loading takes as long as it takes, and happens once: the time for the answer begins after it.
            begin = time.monotonic()
            deadline = None if request.timeout_s is None else begin + request.timeout_s
            answering = FormWriter(engine, self._prompt(request), request, on_text or (lambda text: True), deadline)
            text, values = answering.fill_form() if request.form else answering.write_freely()
        finally:
            self._lock.release()
        return Generation(
            text=text,
            tokens_in=answering.written[0].tokens_in if answering.written else 0,
            tokens_out=sum(part.tokens_out for part in answering.written),
            latency_ms=(time.monotonic() - begin) * 1000,
            finish="length" if answering.cut_off else "stop",
            values=values,
        )

    def count_tokens(self, request: Request) -> int | None:
        """Counted with the file's vocabulary, without loading the model."""
        begun = request.form[0] if request.form else begun_json(request) if request.json_mode else ""
        prompt = self._vocabulary.prompt(self._template.render(request.messages))
        return self._vocabulary.count(self._vocabulary.extended(prompt, begun if isinstance(begun, str) else ""))

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        """Read when a prompt is counted: the model itself reads its own."""
        return Vocabulary(read_metadata(self.path))

    def close(self) -> None:
        """Free the model's memory; the next request loads it again."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    def _loaded(self) -> Engine:
        if self._engine is None:
            self._engine = Engine(
                self.path,
                context_tokens=self.context_tokens,
                threads=self._threads,
                strict=self.strict,
                device=self._device,
            )
            self._adds_bos = self._engine.first_token == self._head.bos_token
        return self._engine

    def _prompt(self, request: Request) -> tuple[Block, ...]:
        first, *rest = self._template.render(request.messages)
        if self._adds_bos:
            first = Block(first.before.removeprefix(self._head.bos), first.content, first.after)
        return (first, *rest)


def connect(settings: LlmSettings) -> Gpt4AllBackend:
    """The client for the model file that the settings mean; ``local_llama`` in ``configs/llm.yaml`` has the device."""
    device = read_section(settings, "local_llama", sections.LocalLlama).device
    path = resolve(settings)
    options: dict[str, Any] = {
        "context_tokens": settings.context_tokens,
        "threads": settings.threads,
        "strict": settings.strict,
        "device": device,
    }
    try_model("local_llama", path, options)
    return Gpt4AllBackend(path, **options)
