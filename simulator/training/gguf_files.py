"""Adapters and merged models as GGUF files that llama.cpp loads.

Source of the format: the GGUF specification in the ggml project (docs/gguf.md), and its conversion of LoRA adapters: a
matrix ``NAME.lora_a`` of shape (rank, inputs) and ``NAME.lora_b`` of shape (outputs, rank) for each ``NAME`` of the
model. Rows of queries and keys stand there in another order than in transformers: halves of a head interleaved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from llm_strategy.errors import BackendMissing, ConfigurationError
from simulator.training.lora import ARCHITECTURE, INSTALL, Matrix, Trained

NAMES = {"q_proj": "attn_q", "v_proj": "attn_v", "up_proj": "ffn_up", "down_proj": "ffn_down"}
"""Matrices by their names in transformers and in GGUF."""


def write_adapter(path: Path, trained: Trained, alpha: float, heads: int, notes: Mapping[str, str]) -> Path:
    """Write an adapter in half precision; ``heads`` is the number of attention heads, ``notes`` are texts by the key
    under which they stand in the file. Raises ``ConfigurationError`` where it cannot be written."""
    gguf = _gguf()
    writer = gguf.GGUFWriter(None, ARCHITECTURE)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for key, text in notes.items():
        writer.add_string(key, text)
    for name, first, second in _named(trained, heads):
        writer.add_tensor(f"{name}.weight.lora_a", first.astype(np.float16))
        writer.add_tensor(f"{name}.weight.lora_b", second.astype(np.float16))
    return _write(writer, path)


def write_merged(path: Path, base: Path, trained: Trained, alpha: float, heads: int) -> Path:
    """Write a model with the adapter in its own matrices, which become half precision; everything else is as in the
    ``base``. Raises ``ConfigurationError`` where it cannot be written."""
    gguf = _gguf()
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(None, ARCHITECTURE)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind, *inner = field.types
        writer.add_key_value(field.name, field.contents(), kind, inner[-1] if inner else None)
    rank = next(len(first) for first, _ in trained.matrices.values())
    added = {f"{name}.weight": alpha / rank * (second @ first) for name, first, second in _named(trained, heads)}
    for tensor in reader.tensors:
        if tensor.name in added:
            whole = gguf.quants.dequantize(tensor.data, tensor.tensor_type) + added[tensor.name]
            writer.add_tensor(tensor.name, whole.astype(np.float16))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    return _write(writer, path)


def interleaved(matrix: Matrix, heads: int) -> Matrix:
    """Rows of queries or keys as llama.cpp has them: of each head a row of the first half, then one of the second."""
    rows, columns = matrix.shape
    halves = matrix.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def _named(trained: Trained, heads: int) -> Iterator[tuple[str, Matrix, Matrix]]:
    for (block, matrix), (first, second) in sorted(trained.matrices.items()):
        rows = interleaved(second, heads) if matrix == "q_proj" else second
        yield f"blk.{block}.{NAMES[matrix]}", first, rows


def _write(writer: Any, path: Path) -> Path:
    unfinished = path.with_name(f".{path.name}.part")
    try:
        writer.write_header_to_file(unfinished)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        unfinished.replace(path)
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be written ({problem.strerror}): choose another --out.") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _gguf() -> Any:
    try:
        import gguf
    except ImportError:
        raise BackendMissing(INSTALL) from None
    return gguf
