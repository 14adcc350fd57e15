"""Models from the two hubs that publish GGUF files: ``hf:ORG/REPO/FILE.gguf`` and ``gpt4all:NAME``."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from llm_strategy.errors import BackendMissing, ModelNotFound, ModelNotLoaded
from llm_strategy.llm.models.download import Announced, download
from llm_strategy.llm.models.fingerprint import file_sha256
from llm_strategy.llm.services import install_hint
from llm_strategy.support.read_regular import read_text
from llm_strategy.support.secrets import keep_secret
from llm_strategy.support.write_whole import onto_disk, write_whole

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
        return read_text(_note(path)).split()[0]
    except (OSError, IndexError):
        return ""


def pulled(folder: Path) -> list[HubModel]:
    """The files of hubs that lie in the cache folder."""
    return [
        HubModel(hub, path.relative_to(folder / hub).as_posix())
        for hub in _SHAPES
        for path in sorted((folder / hub).rglob("*.gguf") if os.access(folder / hub, os.R_OK | os.X_OK) else ())
    ]


def fetch(model: HubModel, workshop: Path, target: Path, progress: Callable[[str], None]) -> None:
    """Bring the file into ``workshop``, verify it as far as the hub says what it is, and move it to ``target`` with a
    note of its hash. A file of which a part is there already is gone on with.

    Raises ``BackendMissing`` without the package that speaks to the hub, ``ModelNotFound`` where the hub cannot be
    reached or has no such file (what came so far is kept), and ``ModelNotLoaded`` where what came is damaged.
    """
    progress(f"fetching {model.name}")
    announced, headers = _ANNOUNCED[model.hub](model.path)
    # Named by what is announced: a part of another version is not gone on with.
    version = announced.checksum[:16] or hashlib.sha256(announced.url.encode()).hexdigest()[:16]
    file = workshop / f"{version}-{target.name}"
    try:
        download(announced, file, progress, headers)
    except requests.RequestException as problem:
        raise _unreachable(model.name, problem, kept=any(workshop.glob("*.part"))) from None
    progress("verifying")
    with file.open("rb") as content:
        if content.read(4) != b"GGUF":
            raise ModelNotLoaded(f"What came as {model.name} is no GGUF file: check the name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    verified = announced.checksum.lower() if announced.algorithm == "sha256" else ""
    write_whole(_note(target), f"{verified or file_sha256(file)}  {target.name}\n")
    onto_disk(file)
    file.replace(target)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _at_hugging_face(path: str) -> tuple[Announced, dict[str, str]]:
    try:
        from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
    except ImportError:
        raise BackendMissing(f"Models of hf: need huggingface_hub: {install_hint('hub')}") from None
    endpoint = os.environ.get("HF_ENDPOINT")  # the library reads it only once, at its import
    organisation, repository, file = path.split("/", 2)
    name = f"{organisation}/{repository}"
    url = hf_hub_url(name, file, endpoint=endpoint)
    try:
        found = get_hf_file_metadata(url)
    except RepositoryNotFoundError:
        raise ModelNotFound(
            f"hf:{path} is not there: check {name} (a gated or private repository needs HF_TOKEN)."
        ) from None
    except EntryNotFoundError:
        raise ModelNotFound(f"hf:{path} is not there: {name} holds no file {file}.") from None
    except Exception as problem:  # the library lets the errors of its HTTP client through
        raise _unreachable(f"hf:{path}", problem) from None
    hashed = found.etag or ""
    checksum = hashed if re.fullmatch("[0-9a-f]{64}", hashed) else ""
    token = get_token()
    keep_secret(token or "")
    return Announced(url, found.size, checksum), {"Authorization": f"Bearer {token}"} if token else {}


def _at_gpt4all(path: str) -> tuple[Announced, dict[str, str]]:
    try:
        from gpt4all import GPT4All
    except ImportError:
        raise BackendMissing("Models of gpt4all: need gpt4all: pip install gpt4all") from None
    try:
        listed = {entry["filename"]: entry for entry in GPT4All.list_models()}
    except Exception as problem:  # whatever its HTTP client raises
        raise _unreachable(f"gpt4all:{path}", problem) from None
    entry = listed.get(path)
    if entry is None or not entry.get("url"):
        offered = sorted(name for name, other in listed.items() if other.get("url"))
        raise ModelNotFound(f"gpt4all:{path} is not there: gpt4all offers {', '.join(offered[:20])}.")
    size = str(entry.get("filesize", ""))
    return Announced(entry["url"], int(size) if size.isdecimal() else None, entry.get("md5sum") or "", "md5"), {}


def _unreachable(name: str, problem: Exception, *, kept: bool = False) -> ModelNotFound:
    log.debug("%s: %s", name, problem)
    again = ", pull again, which goes on where it was cut off," if kept else ","
    return ModelNotFound(
        f"{name} could not be fetched ({type(problem).__name__}): check the network and the proxy{again} fetch the "
        "file on another machine and set LLM_INSTRUCT_MODEL_PATH to it, or run 'btllm models pull smollm2-135m'."
    )


_ANNOUNCED: dict[str, Callable[[str], tuple[Announced, dict[str, str]]]] = {
    HUGGING_FACE: _at_hugging_face,
    GPT4ALL: _at_gpt4all,
}
"""What a hub says of a file, and the headers with which it gives it."""
