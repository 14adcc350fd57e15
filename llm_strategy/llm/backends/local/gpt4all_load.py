"""A model of gpt4all from its file onto the processor or a graphics card, and what is said where that cannot be."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import IO, Any, Literal

from llm_strategy.errors import BackendMissing, ConfigurationError, ModelNotLoaded
from llm_strategy.llm.backends.local.native import captured_stderr

Device = Literal["cpu", "cuda", "kompute", "metal"]
"""What computes: the processor, an NVIDIA card, any card through Vulkan, or that of Apple silicon."""

_CURES = {
    "cuda": "install the NVIDIA driver and pip install 'gpt4all[cuda]'",
    "kompute": "install a Vulkan driver for the card",
}


def load(path: Path, context_tokens: int, device: Device) -> tuple[Any, Any]:
    """gpt4all's inner interface, and the model that it has loaded; what it prints goes to the log.

    Raises ``BackendMissing`` without gpt4all, ``ModelNotLoaded`` where it refuses the file, and ``ConfigurationError``
    where the device is not there or cannot hold the model: it is never put on the processor in place of it.
    """
    with captured_stderr("gpt4all") as noise:
        return _load(path, context_tokens, device, noise)


def _load(path: Path, context_tokens: int, device: Device, noise: IO[bytes]) -> tuple[Any, Any]:
    try:
        import gpt4all
        from gpt4all import _pyllmodel as api
    except ImportError:
        raise BackendMissing("The backend local_llama needs gpt4all: pip install gpt4all") from None
    except OSError as problem:
        raise BackendMissing(f"gpt4all does not run on this machine ({problem}): choose another LLM_BACKEND.") from None
    if path.suffix != ".gguf":
        raise ModelNotLoaded(f"{path} does not end in .gguf, which gpt4all asks for: rename it.")
    cards = _graphics_cards(api, device)
    try:
        model = gpt4all.GPT4All(
            path.name,
            model_path=path.parent,
            allow_download=False,
            device="gpu" if device == "metal" else device,
            n_ctx=context_tokens,
        ).model
    except (RuntimeError, ValueError) as problem:
        if cards:
            raise _unused(device, path, ", ".join(cards)) from None
        raise ModelNotLoaded(f"gpt4all refuses {path} ({problem}): choose a model that it supports.") from None
    if not api.llmodel.llmodel_isModelLoaded(model.model):
        model.close()
        with_device = "" if device == "cpu" else f" with local_llama.device {device}"
        raise ModelNotLoaded(
            f"gpt4all cannot load {path}{with_device} ({_reason(noise)}): "
            "fetch the file again, or choose a model that it supports."
        )
    if model.backend != device:
        used = model.backend
        model.close()
        raise _unused(device, path, f"it computed on {used}")
    return api, model


def _graphics_cards(api: Any, device: Device) -> list[str]:
    """The cards of that kind; ``ConfigurationError`` where there is none, unless the processor is wanted."""
    if device == "cpu":
        return []
    if device == "metal":
        if (platform.system(), platform.machine()) != ("Darwin", "arm64"):
            raise ConfigurationError(
                "local_llama.device is metal, which is on Apple silicon alone, and this machine is "
                f"{platform.system()} on {platform.machine()}: set it to cpu, or to cuda or kompute for a card here."
            )
        return ["Metal"]
    try:
        found = api.LLModel.list_gpus()
    except ValueError:  # gpt4all's way to say that there are none
        found = []
    if cards := [name for name in found if name.startswith(f"{device}:")]:
        return cards
    raise ConfigurationError(
        f"local_llama.device is {device}, and gpt4all finds no graphics card for it here "
        f"(found: {', '.join(found) or 'none'}): {_CURES[device]}, or set the device to cpu."
    )


def _unused(device: Device, path: Path, seen: str) -> ConfigurationError:
    return ConfigurationError(
        f"local_llama.device is {device}, and gpt4all cannot put {path} there ({seen}): choose a smaller model, "
        "lower LLM_CONTEXT_TOKENS, or set the device to cpu."
    )


def _reason(noise: IO[bytes]) -> str:
    noise.seek(0)
    lines = noise.read().decode(errors="replace").splitlines()
    told = [line.rpartition("error loading model: ")[2] for line in lines if "error loading model: " in line]
    return (told or lines or ["it gives no reason"])[-1]
