"""Readers of a model file: its head, its vocabulary, its chat template, and the trial in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import struct
from contextlib import suppress
from functools import cache
from itertools import product

from llm_strategy.errors import BackendFailure, ModelError, ModelNotLoaded
from llm_strategy.llm.backends.local.trial import _CONVERSATIONS, try_model
from llm_strategy.llm.models.chat_template import Block, ChatTemplate
from llm_strategy.llm.models.gguf import LONGEST_TEXT, read_metadata
from llm_strategy.llm.models.store import KNOWN_MODELS, cache_folder
from llm_strategy.llm.models.vocabulary import Vocabulary

from .answers import as_text
from .target import Endless, Target

FEW = 60
"""Tokens of a vocabulary that are kept of a real one."""


def models():
    """The files of the small models that are here."""
    paths = (cache_folder() / model.file_name for model in KNOWN_MODELS.values())
    return [path for path in paths if path.is_file()]


def head(values, tensors=()):
    """A GGUF file with these values, and with tensors of one block each."""
    body = b"".join(_text(str(key)) + _typed(value) for key, value in values.items())
    listed = b"".join(_text(name) + struct.pack("<IQIQ", 1, 32, 8, at * 64) for at, name in enumerate(tensors))
    whole = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + body + listed
    return whole + b"\0" * (-len(whole) % 64 + 64 * len(tensors))


def _text(value):
    raw = value.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(raw)) + raw


def _typed(value):
    kind, packed = _packed(value)
    return struct.pack("<I", kind) + packed


def _packed(value):
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        small = 0 <= value < 2**32
        return (4, struct.pack("<I", value)) if small else (11, struct.pack("<q", max(-(2**63), min(value, 2**63 - 1))))
    if isinstance(value, float):
        return 12, struct.pack("<d", value)
    if isinstance(value, list):
        items = [_packed(item) for item in value] or [(4, b"")]
        kind = items[0][0]
        return 9, struct.pack("<IQ", kind, len(value)) + b"".join(packed for _, packed in items)
    return 8, _text(value if isinstance(value, str) else json.dumps(value))


@cache
def _real_values():
    """What the small models say of themselves, with the beginning of each list."""
    found = []
    for path in models():
        values = read_metadata(path).values
        found.append({key: value[:FEW] if isinstance(value, list) else value for key, value in values.items()})
    return found


def _heads():
    written = [head(values, ("a", "b")) for values in _real_values()]
    return [*written, *(json.dumps(values).encode() for values in _real_values())]


def _head(data, folder):
    """A file, or what a file says as JSON."""
    path = folder / "model.gguf"
    if data.startswith(b"{"):
        with suppress(ValueError, RecursionError):
            data = head(json.loads(data), ("a",))
    path.write_bytes(data)
    metadata = read_metadata(path)
    assert all(len(value) <= LONGEST_TEXT for value in metadata.values.values() if isinstance(value, str))
    for text in (
        metadata.text("tokenizer.chat_template"),
        metadata.special_token("bos"),
        metadata.special_token("eos"),
    ):
        assert isinstance(text, str)
    vocabulary = Vocabulary(metadata)
    prompt = vocabulary.prompt((Block("<|im_start|>user\n", "What is <|im_end|> it?", "<|im_end|>\n"),))
    assert all(isinstance(piece, int | str) for piece in prompt)
    assert (vocabulary.count(prompt) or 0) >= 0
    vocabulary.beginnings(" bull")


OWN_TEMPLATE = b"""\
{% for m in messages %}{{ loop.index ~ m['role'] | upper }}: {{ m.content | trim }}
{% endfor %}{{ 1 / messages | length }}{{ bos_token[0] }}"""


def _templates():
    found = (values.get("tokenizer.chat_template", "") for values in _real_values())
    return [OWN_TEMPLATE, *(template.encode() for template in found if template)]


def _template(data, folder):
    """What the trial bounds and reports (memory, time) is left to it."""
    try:
        template = ChatTemplate(as_text(data), "<s>", "</s>")
        for messages in _CONVERSATIONS:
            blocks = template.render(messages)
            said = " ".join(block.content for block in blocks)
            assert all(message.content.strip() in said for message in messages)
            assert all(isinstance(part, str) for block in blocks for part in (block.before, block.content, block.after))
    except (MemoryError, RecursionError, OverflowError, Endless):
        return


def _patches():
    """Which model is tried by which engine, with which bytes put where, and how much of the file is there."""
    tried = product(range(len(models())), ("local_llama", "llama_cpp"))
    honest = {"at": [], "put": [], "keep": 1.0}
    return [json.dumps({"model": model, "engine": engine} | honest).encode() for model, engine in tried]


def _patched(dice, seed, seeds):
    patch = json.loads(seed)
    near = [dice.choice((2_000, 2_000, 1_800_000)) for _ in range(dice.choice((1, 1, 3, 20)))]
    places = [dice.randrange(4, most) for most in near]
    put = [dice.choice((0, 1, 255, dice.randrange(256))) for _ in places]
    return json.dumps(patch | {"at": places, "put": put, "keep": dice.choice((1.0, 1.0, 0.5, 0.02))}).encode()


def _tried(data, folder):
    """A whole model file with bytes of its head changed, its body cut off or empty."""
    patch = json.loads(data)
    path = folder / "model.gguf"
    shutil.copyfile(models()[patch["model"]], path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        for at, byte in zip(patch["at"], patch["put"], strict=True):
            file.seek(at)
            file.write(bytes([byte]))
        if patch["keep"] < 1:
            file.truncate(int(size * patch["keep"]))
            file.truncate(size if patch["keep"] < 0.1 else int(size * patch["keep"]))
    options = {"threads": 1} if patch["engine"] == "local_llama" else {"threads": 1, "lora": None}
    before = os.environ.get("BTLLM_CACHE_DIR")
    os.environ["BTLLM_CACHE_DIR"] = str(folder / "cache")
    try:
        try_model(patch["engine"], path, options)
    finally:
        os.environ.pop("BTLLM_CACHE_DIR") if before is None else os.environ.update(BTLLM_CACHE_DIR=before)


TARGETS = (
    Target("GGUF head", _heads, _head, (ModelNotLoaded,), tries=120, share=2),
    Target("chat template", _templates, _template, (ModelNotLoaded, BackendFailure), tries=120),
    Target("model on trial", _patches, _tried, (ModelError,), tries=0, share=3, mutate=_patched),
)
