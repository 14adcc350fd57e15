"""Readers of training: rows of chat JSONL, what stands beside them, the record of an adapter and its file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import gguf
import numpy as np

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.local.advice_adapter import LAYOUT_KEY, AdviceAdapter
from llm_strategy.llm.requests import Message
from simulator.training.adapter import AdapterFolder
from simulator.training.rows import TrainingRow, about_file, read_about, read_rows

from .target import Target

ROWS = [
    TrainingRow(
        (Message("system", "Market regime"), Message("user", "above rising low none high normal")), answer, weight
    )
    for answer, weight in ((" bull enter_long", 12), (" sideways hold", 3))
]
ABOUT = {
    "layout": "brief",
    "label": "regime",
    "before": "2010-01-01",
    "runs": [{"name": "a", "identity": "b"}],
    "synthetic": ["synthetic:calm?seed=1"],
    "decisions": 12,
    "prompts": 1,
    "labels": {"bull": 12},
    "dropped": {},
    "sha256": hashlib.sha256(ROWS[0].as_line().encode()).hexdigest(),
}


def _small_adapter():
    """An adapter of one small matrix."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "adapter.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_string(LAYOUT_KEY, "brief")
        writer.add_tensor("blk.0.attn_q.weight.lora_a", np.ones((2, 8), dtype=np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def _rows(data, folder):
    path = folder / "data.jsonl"
    path.write_bytes(data)
    for row in read_rows(path):
        assert row.weight >= 1
        assert row.answer.strip()
        again = folder / "again.jsonl"
        again.write_text(row.as_line(), encoding="utf-8", errors="surrogatepass")


def _about(data, folder):
    path = folder / "data.jsonl"
    path.write_text(ROWS[0].as_line(), encoding="utf-8")
    about_file(path).write_bytes(data)
    assert isinstance(read_about(path), dict)


def _folder(data, folder):
    (folder / "adapter.gguf").write_bytes(b"GGUF")
    (folder / "training.json").write_bytes(data)
    assert AdapterFolder.read(folder).record["about"] is not None


def _adapter(data, folder):
    path = folder / "adapter.gguf"
    path.write_bytes(data)
    assert AdviceAdapter.of_file(path).layout


TARGETS = (
    Target("training rows", lambda: ["".join(row.as_line() for row in ROWS).encode()], _rows, (ConfigurationError,)),
    Target("about training rows", lambda: [json.dumps(ABOUT).encode()], _about, (ConfigurationError,), tries=80),
    Target(
        "record of an adapter",
        lambda: [json.dumps({"about": ABOUT}).encode()],
        _folder,
        (ConfigurationError,),
        tries=80,
    ),
    Target("adapter", lambda: [_small_adapter()], _adapter, (ConfigurationError,), tries=30),
)
