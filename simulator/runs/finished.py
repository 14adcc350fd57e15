"""Which finished runs stand under a folder: what each is of, who advised, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from llm_strategy.errors import RunFolderError
from simulator.folder.manifest import REPLACED, read_manifest
from simulator.folder.record_check import DAMAGE, check_manifest
from simulator.reporting.facts.fact import Facts, read_facts

DEEPEST = 4
"""Folders in one another that are looked through: below a folder of reports stand those of a study, and its runs."""
NO_REPORT = "no report"
"""In place of a verdict, where a folder has no ``facts.json``."""
_EXPORTS = ("mlruns",)
"""Folders that exports leave beside runs, as do those that end in ``.parquet``."""
MANIFEST, FACTS = "manifest.json", "facts.json"


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run or a comparison as a list tells it."""

    folder: Path
    name: str
    """That of the experiment."""
    kind: str
    """``run`` (of one arm) or ``comparison``."""
    symbols: tuple[str, ...]
    timeframe: str
    first: str
    """Close of the first decision (ISO)."""
    last: str
    """Close of the last bar (ISO)."""
    advisors: tuple[str, ...]
    """Models that advised, each as ``arm: model``, or the model alone where there is one; empty where rules traded."""
    verdict: str
    """That of the primary arm; ``no model`` where rules traded, ``failed`` where the run broke off."""
    verdicts: dict[str, str]
    """The same by advised arm, where there are several."""
    sharpe: float | None
    """Annual Sharpe ratio of the primary arm; ``None`` where there is none."""
    finished: str
    """When (ISO, UTC)."""

    def as_dict(self) -> dict[str, Any]:
        """The same for a program."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"folder": str(self.folder)}


class Unlisted(NamedTuple):
    """A folder that holds no run which can be read, and why, in a sentence."""

    folder: Path
    why: str


class FoundRuns(NamedTuple):
    """What stands under a folder: ``runs``, the one that finished last first, and ``others``, by their paths."""

    runs: list[FinishedRun]
    others: list[Unlisted]


def find_runs(folder: str | Path = "reports", *, name: str = "", symbol: str = "", verdict: str = "") -> FoundRuns:
    """List the finished runs under a folder, or the folder itself where it is one.

    Only those are listed whose experiment has ``name`` in its name, that trade ``symbol``, and whose verdict (or one of
    several) has ``verdict`` in it, all without regard to case. Arms of a comparison are no runs of their own. What can
    not be read is told beside and ends nothing. Raises ``RunFolderError`` where there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise RunFolderError(f"There is no folder {place}: name one under which btllm wrote runs.")
    runs: list[FinishedRun] = []
    others: list[Unlisted] = []
    for each in _candidates(place, DEEPEST):
        try:
            runs.append(read_run(each))
        except RunFolderError as problem:
            others.append(Unlisted(each, _reason(str(problem), each)))
    others += [Unlisted(each, why) for each, why in _strangers(place)]
    wanted = [run for run in runs if _matches(run, name, symbol, verdict)]
    return FoundRuns(sorted(wanted, key=lambda run: (run.finished, str(run.folder)), reverse=True), sorted(others))


def read_run(folder: Path) -> FinishedRun:
    """A finished folder as a list tells it, from its manifest and facts alone; raises ``RunFolderError``."""
    manifest = read_manifest(folder)
    check_manifest(manifest, folder / MANIFEST)
    facts = read_facts(folder / FACTS) if (folder / FACTS).exists() else {}
    try:
        return _listed(folder, manifest, facts)
    except DAMAGE as problem:
        raise RunFolderError(f"{folder} holds what no run writes ({type(problem).__name__}: {problem}).") from None


def _listed(folder: Path, manifest: dict[str, Any], facts: Facts) -> FinishedRun:
    markets = dict(manifest["prices"]["symbols"])
    whole = facts["run.verdict"].text if "run.verdict" in facts else NO_REPORT
    advisors = _advisors(folder, manifest)
    advised = {arm: facts[f"{arm}.verdict"].text for arm in advisors if f"{arm}.verdict" in facts}
    primary = facts["run.subject"].text if "run.subject" in facts else next(iter(advisors), _first_arm(manifest))
    sharpe = facts[f"{primary}.sharpe"].value if f"{primary}.sharpe" in facts else None
    several = len(advisors) > 1
    return FinishedRun(
        folder=folder,
        name=str(manifest["name"]),
        kind=str(manifest["kind"]),
        symbols=tuple(map(str, markets)),
        timeframe=str(manifest["prices"]["timeframe"]),
        first=min(str(market.get("first_decision", market["first"])) for market in markets.values()),
        last=max(str(market["last"]) for market in markets.values()),
        advisors=tuple(f"{arm}: {model}" if several else model for arm, model in advisors.items()),
        verdict="failed" if manifest["status"] == "failed" else whole,
        verdicts=advised if len(advised) > 1 else {},
        sharpe=None if sharpe is None or isinstance(sharpe, str) else float(sharpe),
        finished=str(manifest.get("finished") or ""),
    )


def _advisors(folder: Path, manifest: dict[str, Any]) -> dict[str, str]:
    """The model of each arm that one advised, the primary one first."""
    if manifest["kind"] != "comparison":
        return {} if manifest["model"] is None else {str(manifest["arm"]): str(manifest["model"].get("name", ""))}
    primary = manifest["experiment"]["evaluation"].get("primary")
    found = {}
    for arm in sorted(manifest["arms"], key=lambda arm: arm != primary):
        if model := read_manifest(folder / arm, arm).get("model"):
            found[arm] = str(model.get("name", ""))
    return found


def _first_arm(manifest: dict[str, Any]) -> str:
    return str(manifest["arms"][0] if manifest["kind"] == "comparison" else manifest["arm"])


def _candidates(folder: Path, depth: int) -> Iterator[Path]:
    """The folders with a manifest, outermost ones alone."""
    if (folder / MANIFEST).exists() or (folder / MANIFEST).is_symlink():
        yield folder
    elif depth:
        for each in _folders(folder):
            if not _is_unfinished(each):
                yield from _candidates(each, depth - 1)


def _strangers(folder: Path) -> Iterator[tuple[Path, str]]:
    """The folders right below one of reports in which no run stands, and what they seem to be."""
    if (folder / MANIFEST).exists():
        return
    for each in _folders(folder):
        if each.name.endswith(".partial"):
            yield each, "is not finished: the command that began it goes on with it."
        elif each.name.endswith(REPLACED):
            yield each, "was about to be replaced when its run was cut off: run the experiment again."
        elif (each / "memory.json").exists():
            yield each, "is a memory audit and no run: open its report.html."
        elif (each / "watch.json").exists():
            yield each, f"is a watch and no run: see btllm watch status {each}; btllm report {each} makes its page."
        elif each.name not in _EXPORTS and each.suffix != ".parquet" and not next(_candidates(each, DEEPEST - 1), None):
            yield each, "holds no run: it has no manifest.json."


def _is_unfinished(folder: Path) -> bool:
    return folder.name.endswith((".partial", REPLACED))


def _folders(folder: Path) -> list[Path]:
    """Folders in a folder by their names; a link leads elsewhere, and a name that begins with a dot is the system's."""
    try:
        with os.scandir(folder) as found:
            names = [each.name for each in found if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _reason(problem: str, folder: Path) -> str:
    """What is wrong, without the path that stands before it."""
    return problem.removeprefix(f"{folder}/").removeprefix(f"{folder} ")


def _matches(run: FinishedRun, name: str, symbol: str, verdict: str) -> bool:
    said = [run.verdict, *run.verdicts.values()]
    return (
        name.casefold() in run.name.casefold()
        and (not symbol or symbol.casefold() in [each.casefold() for each in run.symbols])
        and any(verdict.casefold() in each.casefold() for each in said)
    )
