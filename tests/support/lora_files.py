"""LoRA adapters in GGUF format for the tests: small, seeded, with the shapes of a real model."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gguf
import numpy as np

RANK = 4


def write_adapter(
    path: Path,
    model: Path,
    *,
    strength: float,
    architecture: str = "llama",
    blocks: int = 4,
    narrow: bool = False,
    **notes: str,
) -> Path:
    """An adapter for the attention of a model's first blocks.

    ``strength`` is the standard deviation of its values; 0 makes an adapter that changes nothing. llama.cpp wants the
    first matrix from the inputs to the rank and the second from there to the outputs, both as numpy writes them in
    (outputs, inputs). ``narrow`` leaves out an input, as an adapter for a smaller model would. ``notes`` are
    texts by their keys, with two underscores for a dot.
    """
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(RANK))
    for key, text in notes.items():
        writer.add_string(key.replace("__", "."), text)
    shapes = _shapes(model)
    for block in range(blocks):
        for part in ("attn_q", "attn_v"):
            name = f"blk.{block}.{part}.weight"
            inputs, outputs = shapes[name]
            for suffix, shape in (("lora_a", (RANK, inputs - narrow)), ("lora_b", (outputs, RANK))):
                writer.add_tensor(f"{name}.{suffix}", (strength * random.standard_normal(shape)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@cache
def _shapes(model: Path) -> dict[str, list[int]]:
    """The shape of each tensor of a model; the reader goes through its whole vocabulary, which takes seconds."""
    return {tensor.name: [int(size) for size in tensor.shape] for tensor in gguf.GGUFReader(model).tensors}
