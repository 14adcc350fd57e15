"""A model of llama.cpp from its file into this process, and what is said where that cannot be."""

from __future__ import annotations

import ctypes
import secrets
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_strategy.errors import BackendMissing, ConfigurationError, ModelNotLoaded
from llm_strategy.llm.backends.local.advice_adapter import AdviceAdapter, read_lora
from llm_strategy.llm.backends.local.native import MOST_THREADS, captured_stderr, processors
from llm_strategy.llm.services import install_hint

BATCH_TOKENS = 256
"""Prompt tokens evaluated at once; a time limit is looked at between two batches."""

INSTALL = f"The backend llama_cpp needs xllamacpp: {install_hint('llama-cpp')}"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a model is loaded. ``gpu_layers`` of 0 is the processor alone; ``slots`` are answers under way at once.

    ``strict`` keeps nothing of a prompt: each call reads its own from the beginning. ``lora`` changes every answer,
    ``adapter`` those to requests that name it; one model takes one of the two.
    """

    context_tokens: int
    threads: int | None = None
    slots: int = 1
    gpu_layers: int = 0
    lora: Path | None = None
    strict: bool = False
    adapter: AdviceAdapter | None = None

    @property
    def threads_used(self) -> int:
        """The configured number, or that of the processors up to ``MOST_THREADS``."""
        return self.threads or min(processors(), MOST_THREADS)


def plain_options(options: EngineOptions) -> dict[str, Any]:
    """The options as plain data for another process; ``engine_options`` reads them. Those that are not set are left out
    where they came later, so that what is known of a file stays known."""
    plain = asdict(options) | {"lora": str(options.lora) if options.lora else None}
    adapter = plain.pop("adapter")
    return plain if adapter is None else plain | {"adapter": adapter | {"path": str(adapter["path"])}}


def engine_options(plain: dict[str, Any]) -> EngineOptions:
    """The options that ``plain_options`` wrote."""
    lora, adapter = plain.get("lora"), plain.get("adapter")
    return EngineOptions(
        **plain
        | {
            "lora": Path(lora) if lora else None,
            "adapter": AdviceAdapter(**adapter | {"path": Path(adapter["path"])}) if adapter else None,
        }
    )


def load(path: Path, options: EngineOptions) -> Any:
    """llama.cpp's server inside this process, with the model and its adapter in memory.

    Raises ``BackendMissing`` without xllamacpp, ``ModelNotLoaded`` where it refuses a file, and ``ConfigurationError``
    for a graphics card that is not there.
    """
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
    elif options.adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(options.adapter.path), options.adapter.scale)]
        params.lora_init_without_apply = True
    # Loading takes Ctrl-C away from Python; it is given back.
    handlers = {number: _handler(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with captured_stderr("llama.cpp"):
            return xllamacpp.Server(params)
    except (RuntimeError, ValueError):
        if (lora := options.lora or (options.adapter and options.adapter.path)) is not None:
            setting = "llama_cpp.lora" if options.lora else "LLM_ADAPTER"
            raise ModelNotLoaded(
                f"llama.cpp cannot load {path} with the adapter {lora}: choose an adapter that was made for this "
                f"model, or leave {setting} out."
            ) from None
        raise ModelNotLoaded(
            f"llama.cpp cannot load {path}: fetch the file again, or choose a model that it supports."
        ) from None
    finally:
        for number, handler in handlers.items():
            ctypes.pythonapi.PyOS_setsig(number, ctypes.c_void_p(handler))


def check_adapter(adapter: Path, architecture: str) -> None:
    """Look at an adapter's file as far as that goes without the engine, which gives no reasons.

    Raises ``ConfigurationError`` where it is damaged, no LoRA adapter, or one for another architecture.
    """
    metadata = read_lora(adapter, "llama_cpp.lora", "give one that was converted to GGUF")
    if metadata.text("general.architecture") != architecture:
        raise ConfigurationError(
            f"llama_cpp.lora names {adapter}, an adapter for the architecture "
            f"{metadata.text('general.architecture')}, and the model's is {architecture}: choose an adapter that was "
            "made for this model."
        )


def _handler(number: int) -> int | None:
    get = ctypes.pythonapi.PyOS_getsig
    get.restype = ctypes.c_void_p
    handler: int | None = get(number)
    return handler


def _has_graphics_card(xllamacpp: Any) -> bool:
    kinds = xllamacpp.ggml_backend_dev_type
    processors_and_their_libraries = (kinds.GGML_BACKEND_DEVICE_TYPE_CPU, kinds.GGML_BACKEND_DEVICE_TYPE_ACCEL)
    with captured_stderr("llama.cpp"):
        return any(device["type"] not in processors_and_their_libraries for device in xllamacpp.get_device_info())
