"""Models from the two hubs that publish GGUF files: ``hf:ORG/REPO/FILE.gguf`` and ``gpt4all:NAME``."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llm_strategy.errors import BackendMissing, ModelNotFound, ModelNotLoaded
from llm_strategy.llm.fingerprint import file_sha256

log = logging.getLogger(__name__)

HUGGING_FACE, GPT4ALL = "hf", "gpt4all"

_SHAPES = {
    HUGGING_FACE: ("ORG/REPO/FILE.gguf", re.compile(r"[\w.-]+/[\w.-]+/[\w./-]*[\w-]+\.gguf")),
    GPT4ALL: ("NAME, such as Llama-3.2-1B-Instruct-Q4_0.gguf", re.compile(r"[\w.-]*\w(\.gguf)?")),
}


@dataclass(frozen=True)
class HubModel:
    """A file of a hub; ``path`` names it there and, under the hub's folder, in the cache folder."""

    hub: str
    path: str

    @classmethod
    def from_name(cls, name: str) -> HubModel | None:
        """The file that ``HUB:PATH`` names; None where the name is of no hub.

        Raises ``ModelNotFound`` where the path is misspelt.
        """
        hub, colon, path = name.partition(":")
        if not colon or hub not in _SHAPES:
            return None
        shape, expression = _SHAPES[hub]
        if not expression.fullmatch(path) or ".." in path.split("/"):
            raise ModelNotFound(f"{name!r} names no file of {hub}: write {hub}:{shape}.")
        return cls(hub, path if path.endswith(".gguf") else f"{path}.gguf")

    @property
    def name(self) -> str:
        """What ``pull`` is given."""
        return f"{self.hub}:{self.path}"

    def place(self, folder: Path) -> Path:
        """Where the file lies in the cache folder."""
        return folder / self.hub / self.path


def recorded_sha256(path: Path) -> str:
    """The hash that was noted when the file was pulled; empty where there is no note."""
    try:
        return _note(path).read_text(encoding="utf-8").split()[0]
    except (OSError, ValueError, IndexError):
        return ""


def pulled(folder: Path) -> list[HubModel]:
    """The files of hubs that lie in the cache folder."""
    return [
        HubModel(hub, path.relative_to(folder / hub).as_posix())
        for hub in _SHAPES
        for path in sorted((folder / hub).rglob("*.gguf"))
    ]


def fetch(model: HubModel, workshop: Path, target: Path, progress: Callable[[str], None]) -> None:
    """Bring the file into ``workshop``, verify it as far as the hub says what it is, and move it to ``target`` with a
    note of its hash.

    Raises ``BackendMissing`` without the package that speaks to the hub, ``ModelNotFound`` where the hub cannot be
    reached or has no such file, and ``ModelNotLoaded`` where what came is damaged.
    """
    progress(f"fetching {model.name}")
    file, expected = _FETCH[model.hub](model.path, workshop)
    progress("verifying")
    digest = file_sha256(file)
    if expected and digest != expected:
        raise ModelNotLoaded(f"What came as {model.name} is not the file that the hub announced: pull again.")
    with file.open("rb") as content:
        if content.read(4) != b"GGUF":
            raise ModelNotLoaded(f"What came as {model.name} is no GGUF file: check the name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    _note(target).write_text(f"{digest}  {target.name}\n", encoding="utf-8")
    file.replace(target)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _from_hugging_face(path: str, workshop: Path) -> tuple[Path, str]:
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError:
        raise BackendMissing("Models of hf: need huggingface_hub: pip install 'backtrader-llm[hub]'") from None
    if not sys.stderr.isatty():
        disable_progress_bars()
    endpoint = os.environ.get("HF_ENDPOINT")  # the library reads it only once, at its import
    organisation, repository, file = path.split("/", 2)
    name = f"{organisation}/{repository}"
    try:
        announced = get_hf_file_metadata(hf_hub_url(name, file, endpoint=endpoint)).etag or ""
        found = Path(hf_hub_download(name, file, local_dir=workshop, endpoint=endpoint))
    except RepositoryNotFoundError:
        raise ModelNotFound(
            f"hf:{path} is not there: check {name} (a gated or private repository needs HF_TOKEN)."
        ) from None
    except EntryNotFoundError:
        raise ModelNotFound(f"hf:{path} is not there: {name} holds no file {file}.") from None
    except Exception as problem:  # the library lets the errors of its HTTP client through
        raise _unreachable(f"hf:{path}", problem) from None
    return found, announced if re.fullmatch("[0-9a-f]{64}", announced) else ""


def _from_gpt4all(path: str, workshop: Path) -> tuple[Path, str]:
    try:
        from gpt4all import GPT4All
    except ImportError:
        raise BackendMissing("Models of gpt4all: need gpt4all: pip install gpt4all") from None
    try:
        with contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO()):
            listed = {entry["filename"]: entry for entry in GPT4All.list_models()}
            if path not in listed:
                raise ModelNotFound(f"gpt4all:{path} is not there: gpt4all offers {', '.join(sorted(listed)[:20])}.")
            found = GPT4All.retrieve_model(path, model_path=workshop)["path"]
    except ModelNotFound:
        raise
    except Exception as problem:  # whatever its HTTP client raises
        raise _unreachable(f"gpt4all:{path}", problem) from None
    return Path(str(found)), ""  # gpt4all has compared size and MD5 with its list


def _unreachable(name: str, problem: Exception) -> ModelNotFound:
    log.debug("%s: %s", name, problem)
    return ModelNotFound(
        f"{name} could not be fetched ({type(problem).__name__}): check the network and the proxy, fetch the file on "
        "another machine and set LLM_INSTRUCT_MODEL_PATH to it, or run 'btllm models pull smollm2-135m'."
    )


_FETCH: dict[str, Callable[[str, Path], tuple[Path, str]]] = {
    HUGGING_FACE: _from_hugging_face,
    GPT4ALL: _from_gpt4all,
}
