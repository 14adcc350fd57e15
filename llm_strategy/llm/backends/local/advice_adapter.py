"""Adapters that answer the questions of one layout: which one the settings mean, and what its file says of itself.

Such a file is written by ``btllm train``. It names the layout of its questions and the model that it was trained for.
Whatever else the model is asked, an explanation or a plan, it answers as it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from llm_strategy.errors import ConfigurationError, ModelError
from llm_strategy.llm.models.fingerprint import keep_of_file, kept_of_file, weights_sha256
from llm_strategy.llm.models.gguf import Metadata, read_metadata
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.support.read_regular import at_home

OF_PACKAGE, NO_ADAPTER = "auto", "none"
LAYOUT_KEY, BASE_KEY = "backtrader_llm.layout", "backtrader_llm.base_sha256"
"""Under these keys a file tells its layout and the SHA-256 (hex) of the model file that it was trained for."""
PACKAGED = "smollm2-135m-brief.gguf"


@dataclass(frozen=True, slots=True)
class AdviceAdapter:
    """An adapter's file, its hash (SHA-256, hex), the layout that it is for, and by what it is multiplied."""

    path: Path
    sha256: str
    layout: str
    scale: float = 1.0

    @property
    def name(self) -> str:
        """The name of the adapter in requests and in the model's identity: its layout, its hash and, where it is not 1,
        its scale."""
        return f"{self.layout}@{self.sha256}" + ("" if self.scale == 1 else f"@{self.scale:g}")

    @classmethod
    def of_file(cls, path: Path, scale: float = 1.0) -> AdviceAdapter:
        """The adapter in a file; raises ``ConfigurationError`` where the file is none."""
        layout = _read(path).layout
        if not layout:
            raise ConfigurationError(
                f"LLM_ADAPTER names {path}, which no 'btllm train' wrote: as llama_cpp.lora an adapter of others "
                "changes every answer of the model."
            )
        return cls(path, weights_sha256(path), layout, scale)

    def check(self, architecture: str, base: str) -> None:
        """Raise ``ConfigurationError`` where it was trained for another model than the one of this architecture and
        hash."""
        purpose = _read(self.path)
        if (purpose.architecture, purpose.base) != (architecture, base):
            raise ConfigurationError(
                f"LLM_ADAPTER names {self.path}, an adapter that was trained for another model file: choose that "
                "model, train one for this, or set LLM_ADAPTER to none."
            )


def layout_of(adapter: str) -> str:
    """The layout of an adapter by its ``name``."""
    return adapter.partition("@")[0]


def find_adapter(settings: LlmSettings, base: str) -> AdviceAdapter | None:
    """The adapter that the settings mean for the model file of this hash; None where there is none. Raises
    ``ConfigurationError`` for a file that is none."""
    if settings.adapter == NO_ADAPTER:
        return None
    if settings.adapter == OF_PACKAGE:
        found = packaged_adapter()
        if found is None or _read(found).base != base:
            return None
        return AdviceAdapter.of_file(found, settings.adapter_scale)
    path = at_home(settings.adapter)
    if path.is_dir():
        path /= "adapter.gguf"
    if not path.is_file():
        raise ConfigurationError(
            f"LLM_ADAPTER names {path}, where there is no file: name the adapter.gguf of a 'btllm train run', or set "
            f"it to {OF_PACKAGE} or {NO_ADAPTER}."
        )
    return AdviceAdapter.of_file(path, settings.adapter_scale)


def packaged_adapter() -> Path | None:
    """Where the package's own adapter lies; None in an installation that came without it."""
    path = Path(str(files("llm_strategy.llm.models") / "adapters" / PACKAGED))
    return path if path.is_file() else None


def read_lora(path: Path, setting: str, cure: str) -> Metadata:
    """What a LoRA adapter's file says of itself; raises ``ConfigurationError``, with the setting that names it and a
    cure, where it is damaged or none."""
    try:
        metadata = read_metadata(path)
    except ModelError as problem:
        raise ConfigurationError(f"{setting} cannot be used: {problem}") from None
    if (metadata.text("general.type"), metadata.text("adapter.type")) != ("adapter", "lora"):
        raise ConfigurationError(f"{setting} names {path}, which is no LoRA adapter: {cure}.")
    return metadata


@dataclass(frozen=True, slots=True)
class _Purpose:
    """What an adapter's file says that it is for: a layout, and a model file by its architecture and hash; texts are
    empty where it says nothing."""

    layout: str
    architecture: str
    base: str


def _read(path: Path) -> _Purpose:
    state = path.stat()
    return _purpose(path, state.st_size, state.st_mtime_ns)


@cache
def _purpose(path: Path, size: int, modified: int) -> _Purpose:
    known = kept_of_file(path, "adapters")  # a run from the record opens no file of a model
    texts = [known.get(name) for name in _Purpose.__slots__]
    if all(isinstance(text, str) for text in texts):
        return _Purpose(*map(str, texts))
    metadata = read_lora(path, "LLM_ADAPTER", "name the adapter.gguf of a 'btllm train run'")
    found = _Purpose(metadata.text(LAYOUT_KEY), metadata.text("general.architecture"), metadata.text(BASE_KEY))
    keep_of_file(path, "adapters", asdict(found))
    return found
