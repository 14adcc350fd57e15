"""Whether a run folder still holds what the run wrote: its files against the hashes in its manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_strategy.errors import RunFolderError
from simulator.evidence import sha256_of
from simulator.record import read_manifest

PRICES = "prices.csv"


def changed_evidence(folder: Path) -> tuple[str, ...]:
    """Files, by path in the folder, that are missing or have another sha256 than the manifests say.

    What a manifest has no hash of (folders of earlier versions have none of their prices) is not judged. Raises
    ``RunFolderError`` where ``folder`` is no run folder.
    """
    return tuple(name for name, path, digest in _sealed(folder) if not path.is_file() or _sha256(path) != digest)


def check_evidence(folder: Path, cure: str) -> None:
    """Raise ``RunFolderError`` naming the files that were changed; ``cure`` ends the sentence."""
    if changed := changed_evidence(folder):
        were = "were" if len(changed) > 1 else "was"
        raise RunFolderError(f"{', '.join(changed)} in {folder} {were} changed after the run: {cure}")


def _sealed(folder: Path) -> Iterator[tuple[str, Path, object]]:
    """Name, path and hash of every file that the manifests of a folder know."""
    manifest = read_manifest(folder)
    yield from _own(manifest, folder, "")
    if manifest["kind"] == "comparison":
        for arm in manifest["arms"]:
            yield from _own(read_manifest(folder / arm), folder / arm, f"{arm}/")
    elif not (folder / PRICES).exists() and (folder.parent / "manifest.json").exists():
        whole = read_manifest(folder.parent)  # an arm of a comparison: the prices lie beside it
        yield from (part for part in _own(whole, folder.parent, "../") if part[0] == f"../{PRICES}")


def _own(manifest: dict[str, Any], folder: Path, prefix: str) -> Iterator[tuple[str, Path, object]]:
    files = manifest.get("files") or {}
    if not isinstance(files, dict):
        raise RunFolderError(f"{folder / 'manifest.json'} lists no files: restore it, or run the experiment again.")
    for name, digest in sorted(files.items()):
        yield f"{prefix}{name}", folder / name, digest


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}); run the experiment again.") from None
