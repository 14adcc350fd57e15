"""``manifest.json``: everything about a run that is not evidence, how it is read, and how a folder gets back the name
that it had before a kill.

Wall-clock times and paths stand in a manifest and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.requests import ModelIdentity
from simulator.experiment import LLM_ARM
from simulator.folder.record_check import check_regular
from simulator.folder.tally import Questions

FORMAT_VERSION = "2.5.0"
"""The format with an explanation of claims, which no earlier version can judge again."""
EARLIER_FORMATS = ("2.4.0", "2.3.0", "2.2.0", "2.1.0")
"""Formats of earlier versions that are read as this one is; what they lack was not measured."""
SWEEP_KIND = "sweep"
"""The ``kind`` of the manifest of a sweep, which is no run (``simulator.folder.sweep``)."""
UNSEALED_FORMAT = "2.0.0"
"""The format before manifests had a seal (``simulator.folder.integrity``); everything else of it is the same."""


_MAY_BE_NULL = ("problem", "model", "sampler", "git")
"""Written where there is none, too; other parts are left out."""


@dataclass(frozen=True)
class Manifest:
    """What a run or a comparison says of itself, in the order of ``manifest.json``.

    ``kind`` is run or comparison, ``status`` complete or failed, with the ``problem`` in one sentence. A run has an
    ``arm``, a comparison ``arms``. ``experiment`` is its configuration, ``model`` and ``sampler`` are who answered,
    ``options`` say how the model of an arm was asked, with nothing left to be ``auto``. ``explainer`` is who explained
    where rules alone traded. Where advisors or arms have names of their own, a run says whose model it asked
    (``advisor``) and how (``settings``, those of ``advisor`` in an experiment), with the word of a ``null`` and the arm
    that it is the null of; a comparison has the model, sampler and usage of each of its ``advisors``, and the settings
    of the first arm that one advises. ``own_parts`` are hashes of the files of a person's own features, ``files`` those
    of the evidence, ``seal`` those of every file (``folder.integrity``). Times: ISO 8601.
    """

    format: str
    kind: str
    name: str
    identity: str
    status: str
    problem: str | None
    arm: str | None
    arms: tuple[str, ...] | None
    experiment: Mapping[str, Any]
    prices: Mapping[str, Any]
    notes: tuple[str, ...] | None
    model: Mapping[str, Any] | None
    sampler: Mapping[str, Any] | None
    options: Mapping[str, Any] | None
    fallbacks: tuple[str, ...] | None
    explainer: Mapping[str, Any] | None
    advisor: str | None
    settings: Mapping[str, Any] | None
    null: str | None
    null_of: str | None
    advisors: Mapping[str, Any] | None
    own_parts: Mapping[str, str] | None
    usage: Questions
    versions: Mapping[str, Any]
    prompts: str | None
    schemas: str | None
    git: Mapping[str, Any] | None
    machine: Mapping[str, Any] | None
    started: str | None
    finished: str | None
    files: Mapping[str, str] | None
    trials: Mapping[str, Any] | None = None
    seal: Mapping[str, Any] | None = None

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """A manifest as ``as_dict`` gave it; parts that this version does not know are left aside."""
        parts: dict[str, Any] = {field.name: document.get(field.name) for field in fields(cls)}
        for name in ("arms", "notes", "fallbacks"):
            parts[name] = None if parts[name] is None else tuple(parts[name])
        counts = {name: count for name, count in document["usage"].items() if name in Questions.__slots__}
        return cls(**parts | {"usage": Questions(**counts)})

    def as_dict(self) -> dict[str, Any]:
        """The document that ``from_mapping`` reads."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)} | {"usage": asdict(self.usage)}
        return {
            name: list(part) if isinstance(part, tuple) else part
            for name, part in parts.items()
            if part is not None or name in _MAY_BE_NULL
        }

    @property
    def advisor_name(self) -> str | None:
        """Whose model decided in an arm; None where none did."""
        return self.advisor or (None if self.model is None else LLM_ARM)

    @property
    def is_comparison(self) -> bool:
        """Whether it is that of a folder with a run folder for each arm."""
        return self.kind == "comparison"

    @property
    def draws(self) -> int:
        """How often the decisions of the arm were drawn, 1 where no model made them."""
        draws: int = 1 if self.model is None else self.experiment["evaluation"].get("draws", 1)
        return draws

    @property
    def model_identity(self) -> ModelIdentity:
        """Who answered, of a manifest with a ``model``."""
        return ModelIdentity.from_dict(self.model or {})


def advisor_settings(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the advisor of an arm, or of the first arm of a comparison that a model advises, as in the
    section ``advisor`` of an experiment."""
    settings: dict[str, Any] = manifest.get("settings") or manifest["experiment"]["advisor"]
    return settings


def has_failed(folder: Path) -> bool:
    """Whether the arm of a run folder broke off; raises as ``read_manifest``."""
    return bool(read_manifest(folder)["status"] == "failed")


def read_manifest(folder: Path, arm: str | None = None) -> dict[str, Any]:
    """The manifest of a run or comparison, or of this ``arm`` of one; raises as ``load_record``."""
    path = folder / "manifest.json"
    for place in (path,) if arm is None else (folder, path):
        check_regular(place)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if put_back(folder):
            return read_manifest(folder)
        whole = (each for each in folder.glob("*/manifest.json") if each.parent.suffix != ".partial")
        within = sorted(whole, key=lambda each: each.stat().st_mtime)
        hint = f", such as {within[-1].parent}" if within else " (btllm runs lists them)"
        raise RunFolderError(
            f"{folder} is not a finished run folder: it has no manifest.json; name a folder that btllm wrote{hint}."
        ) from None
    except NotADirectoryError:
        hint = f", such as {folder.parent}" if (folder.parent / "manifest.json").exists() else ""
        raise RunFolderError(f"{folder} is no folder: name one that btllm wrote{hint}.") from None
    except (OSError, ValueError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}); run the experiment again.") from None
    if isinstance(manifest, dict) and manifest.get("kind") == SWEEP_KIND:
        raise RunFolderError(f"{folder} is a sweep and no run: open its report.html, or run one of its cells alone.")
    if not isinstance(manifest, dict) or not {"format", "kind", "experiment"} <= manifest.keys():
        raise RunFolderError(f"{path} is not the manifest of a run: restore it, or run the experiment again.")
    named = manifest.get("arms") if manifest["kind"] == "comparison" else [manifest.get("arm")]
    if not isinstance(named, list) or not named or not all(map(_is_name, named)):
        raise RunFolderError(f"{path} names no arms but {named!r}: restore it, or run the experiment again.")
    if arm is not None and manifest.get("arm") != arm:
        raise RunFolderError(
            f"{path} is that of the arm {manifest.get('arm')!r}: restore it, or run the experiment again."
        )
    version = manifest["format"]
    if version not in (FORMAT_VERSION, *EARLIER_FORMATS, UNSEALED_FORMAT):
        raise RunFolderError(
            f"{path} is of run format {version}, this is {FORMAT_VERSION}: install the version of "
            "backtrader-llm named in its manifest, or run the experiment again."
        )
    return manifest


def _is_name(arm: object) -> bool:
    """Whether an arm's name is one: it is also that of its folder, and must not lead out of the run's."""
    return isinstance(arm, str) and re.fullmatch(r"\w[\w-]*", arm) is not None


REPLACED = ".replaced"
"""The end of the name that an earlier run has until the one in its place is whole."""


def lock_of(folder: Path) -> FileLock:
    """The lock of who writes a run folder; it does not wait."""
    return FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)


def put_back(folder: Path) -> bool:
    """Give a run its name again that was killed while it took the place of an earlier one; whether there was one."""
    folder = Path(os.path.abspath(folder))
    if not folder.name or not os.path.lexists(folder.with_name(folder.name + REPLACED)):
        return False
    try:
        with lock_of(folder):
            return put_back_alone(folder)
    except (OSError, Timeout):  # a folder that only may be read, or one that is being written
        return False


def put_back_alone(folder: Path) -> bool:
    """As ``put_back``, by who holds the lock."""
    replaced = folder.with_name(folder.name + REPLACED)
    if os.path.lexists(folder) or not os.path.lexists(replaced):
        return False
    replaced.rename(folder)
    return True
