"""Whether a run folder still holds what the run wrote: each file against the seal in its manifest, and the identity
against what it is made of.

A *seal* is the last thing that a run writes into ``manifest.json``: a hash of every file of the folder, and one over
these and all else in the manifest. That of a comparison covers the manifests of its arms, and each of these the files
of its arm. It is no signature: who computes all of them anew has a folder that only a replay may tell from an honest
one. Files whose names begin with a dot belong to the system and are not covered.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any, NamedTuple

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.requests import digest
from simulator.folder.evidence import write_json
from simulator.folder.manifest import UNSEALED_FORMAT, read_manifest
from simulator.folder.provenance import identity_from
from simulator.folder.record_check import as_damage, check_manifest, files_of

MANIFEST, PRICES, EXPLANATION = "manifest.json", "prices.csv", "explanation.json"
PAGES = frozenset({"facts.json", "report.html", "report.md"})
"""Files that ``btllm report`` makes again from the others."""
FEW = 20
"""So many files are named in a sentence."""


class _Part(NamedTuple):
    """A folder with a manifest of its own, by the path from the folder that is looked at; ``names`` are the files that
    matter to it, all where they are None."""

    prefix: str
    folder: Path
    manifest: dict[str, Any]
    names: Set[str] | None = None


def seal(folder: Path) -> None:
    """Write the seal of a finished folder, those of its arms first. Sealed again after its page was made again, an arm
    of a comparison is known to the seal of the comparison, too."""
    manifest = read_manifest(folder)
    for arm in _arms(manifest):
        seal(folder / arm)
    _write(folder, manifest, {name: _hash(folder, name) for name in _names(folder, manifest)})
    if (whole := _comparison_of(folder, manifest)) and "seal" in whole.manifest:
        name = f"{manifest['arm']}/{MANIFEST}"
        _write(whole.folder, whole.manifest, whole.manifest["seal"]["files"] | {name: _hash(whole.folder, name)})


def is_sealed(folder: Path) -> bool:
    """Whether a folder should have a seal, because it was written since there are; raises as ``read_manifest``."""
    manifest = read_manifest(folder)
    return "seal" in manifest or manifest["format"] != UNSEALED_FORMAT


def changed_evidence(folder: Path, may_lack: Set[str] = frozenset()) -> tuple[str, ...]:
    """Files, by path in the folder, that are not as the run wrote them, missing, or none of its files; those of the
    names that it ``may_lack`` may be missing.

    Of a folder without a seal those are judged that its manifests have a hash of. Raises ``RunFolderError`` where
    ``folder`` is no run folder.
    """
    changed, added = _differences(folder, may_lack)
    return (*changed, *added)


def check_evidence(folder: Path, cure: str, may_lack: Set[str] = frozenset()) -> None:
    """Raise ``RunFolderError`` naming the files of ``changed_evidence``; ``cure`` ends the sentence."""
    if "seal" not in read_manifest(folder) and is_sealed(folder):
        raise RunFolderError(
            f"{folder / MANIFEST} has no seal: the run was cut off before it was whole, or was changed since: {cure}"
        )
    changed, added = _differences(folder, may_lack)
    told = []
    if changed:
        were = "were" if len(changed) > 1 else "was"
        told.append(f"{', '.join(changed)} in {folder} {were} changed after the run: {cure}")
    if added:
        are, them = ("are", "them") if len(added) > 1 else ("is", "it")
        told.append(f"{', '.join(added)} in {folder} {are} none of its files: remove {them}.")
    if told:
        raise RunFolderError(" ".join(told))


def _differences(folder: Path, may_lack: Set[str]) -> tuple[list[str], list[str]]:
    """The files that were changed or are missing, and those that no run wrote."""
    changed: list[str] = []
    added: list[str] = []
    with as_damage(folder):
        for part in list(_parts(folder)):  # all manifests are read before any file is
            differing, unknown = _compared(part)
            changed += sorted(os.path.normpath(part.prefix + name) for name in differing)
            added += sorted(part.prefix + name if name.isprintable() else ascii(name)[1:-1] for name in unknown)
    gone = {name for name in changed if Path(name).name in may_lack and not os.path.lexists(folder / name)}
    return _few([name for name in dict.fromkeys(changed) if name not in gone]), _few(added)


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= FEW else [*names[:FEW], f"{len(names) - FEW} more"]


def _parts(folder: Path) -> Iterator[_Part]:
    manifest = _checked(folder)
    yield _Part("", folder, manifest)
    for arm in _arms(manifest):
        yield _Part(f"{arm}/", folder / arm, _checked(folder / arm, arm))
    if whole := _comparison_of(folder, manifest):
        yield whole


def _checked(folder: Path, arm: str | None = None) -> dict[str, Any]:
    manifest = read_manifest(folder, arm)
    check_manifest(manifest, folder / MANIFEST)
    return manifest


def _comparison_of(folder: Path, manifest: dict[str, Any]) -> _Part | None:
    """The comparison that an arm stands in, as far as the arm relies on it; None for any other folder."""
    above = folder.absolute().parent
    if manifest["kind"] == "comparison" or (folder / PRICES).exists() or not (above / MANIFEST).exists():
        return None
    arm = manifest["arm"]
    return _Part("../", above, read_manifest(above), {PRICES, f"{arm}/{MANIFEST}"})


def _compared(part: _Part) -> tuple[set[str], set[str]]:
    manifest = part.manifest
    there = _names(part.folder, manifest)
    files, sealed = manifest.get("files") or {}, manifest.get("seal")
    if not isinstance(files, dict):
        raise RunFolderError(f"{part.folder / MANIFEST} lists no files: restore it, or run the experiment again.")
    hash_of: Callable[[Path, str], str] = _sha256
    known, added, whole = files, set[str](), True
    if isinstance(sealed, dict) and isinstance(sealed.get("files"), dict):
        known, hash_of, added = sealed["files"], _hash, there - sealed["files"].keys()
        try:
            whole = sealed == _seal_of(manifest, known)
        except ValueError:  # a number that JSON does not know
            whole = False
    elif sealed is not None or manifest["format"] != UNSEALED_FORMAT:
        whole = False
    relied_on = known.keys() if part.names is None else known.keys() & part.names
    changed = {name for name in relied_on if name not in there or hash_of(part.folder, name) != known[name]}
    if not whole or not _is_itself(part):
        changed.add(MANIFEST)
    return changed, added if part.names is None else set()


def _is_itself(part: _Part) -> bool:
    """Whether a manifest's identity comes of what it says, and stands in the folder's name where that is one of a run.
    An arm has that of its comparison."""
    folder, manifest = part.folder, part.manifest
    identity, own = manifest.get("identity"), folder / PRICES
    if not own.exists() and (whole := _comparison_of(folder, manifest)):
        return bool(identity == whole.manifest.get("identity"))
    arms = manifest["arms"] if manifest["kind"] == "comparison" else [manifest["arm"]]
    name = "-".join([manifest["name"], *arms[: manifest["kind"] != "comparison"]])
    said = re.fullmatch(rf"{re.escape(name)}-([0-9a-f]{{8}})(\.failed)?", folder.absolute().name)
    if said and said[1] != str(identity)[:8]:
        return False
    return identity == identity_from(manifest, arms) or _is_explained_by_another(part)


def _is_explained_by_another(part: _Part) -> bool:
    """Whether rules alone traded and a model explained them, which manifests without a seal do not name."""
    explanation = part.folder / EXPLANATION
    return (
        part.manifest["model"] is None
        and part.manifest["format"] == UNSEALED_FORMAT
        and explanation.is_file()
        and b'"requests": {}' not in explanation.read_bytes()
    )


def _arms(manifest: dict[str, Any]) -> list[str]:
    return manifest["arms"] if manifest["kind"] == "comparison" else []


def _names(folder: Path, manifest: dict[str, Any]) -> set[str]:
    """The files that the seal of a folder covers."""
    arms = _arms(manifest)
    return {*files_of(folder, arms), *(f"{arm}/{MANIFEST}" for arm in arms)} - {MANIFEST}


def _write(folder: Path, manifest: dict[str, Any], files: dict[str, str]) -> None:
    whole = manifest | {"seal": _seal_of(manifest, files)}
    if whole != manifest:
        write_json(whole, folder / MANIFEST)


def _seal_of(manifest: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    said = {name: value for name, value in manifest.items() if name != "seal"}
    return {"files": dict(sorted(files.items())), "sha256": digest([said, files])}


def _hash(folder: Path, name: str) -> str:
    """Of name and content, so that it is none of the hashes under ``files``: where these were written anew to fit a
    changed file, the seal still names that file."""
    return _sha256(folder, name, os.fsencode(name) + b"\0")


def _sha256(folder: Path, name: str, before: bytes = b"") -> str:
    try:
        with (folder / name).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.sha256(before)).hexdigest()
    except OSError as problem:
        raise RunFolderError(f"{folder / name} cannot be read ({problem}); run the experiment again.") from None
