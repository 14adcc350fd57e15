"""From a saved run folder to its facts, its explanation and its page. Nothing here sees a live object of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.client import LLMClient
from llm_strategy.support.write_whole import write_whole
from simulator.evaluation.measures import ArmMeasures, measure, take_measures
from simulator.folder.evidence import file_hashes, write_json
from simulator.folder.integrity import PAGES, changed_evidence, check_evidence, is_sealed, seal
from simulator.folder.manifest import FORMAT_VERSION
from simulator.folder.record import Record, load_record
from simulator.folder.record_check import as_damage
from simulator.folder.workspace import as_run_folder_error
from simulator.reporting.brief.brief import BRIEF, Brief, judge_brief_again
from simulator.reporting.brief.file import read_brief
from simulator.reporting.explanation.explain import FORM, as_json, explain, judge_again
from simulator.reporting.facts.fact import Fact, Facts, read_facts, write_facts
from simulator.reporting.facts.shared import Shared, share, shared_of
from simulator.reporting.inspector.inspector import inspector_data, take_inspector_data
from simulator.reporting.page import build_facts, render
from simulator.runs.parts import Part

FACTS, EXPLANATION = "facts.json", "explanation.json"
PAGE = "report.html"
REPORT_FILES = (FACTS, EXPLANATION, BRIEF, PAGE, "report.md")


class MeasuredArm(NamedTuple):
    """What is measured of one arm of a comparison."""

    facts: dict[str, Fact]
    """All of its own folder."""
    shared: Shared
    """Those that the comparison has, too."""
    decisions: ArmMeasures


def measure_arms(folder: Path, names: Sequence[str]) -> dict[str, MeasuredArm]:
    """Measure these arms of a comparison, whose folders are whole, by name; for ``write_report``."""
    arms = [load_record(folder / name) for name in names]
    facts = {record.arms[0]: build_facts(record) for record in arms}
    return {arm.name: MeasuredArm(found, shared_of(arm), measure(arm)) for arm, found in facts.items()}


def write_report(
    folder: Path,
    client: LLMClient | None,
    on_stage: Callable[[str], None] = lambda stage: None,
    known: Mapping[str, MeasuredArm] = MappingProxyType({}),
) -> Path:
    """Measure a run folder, have the model explain it (the program alone where ``client`` is ``None``), write the page.

    Each arm of a comparison gets its facts too; ``rebuild_report`` makes the page of one of them. ``on_stage`` is told
    what comes next. ``known`` is what was measured before of some of the arms.
    """
    on_stage("measuring")
    record = load_record(folder)
    decisions = sum(len(arm.equity) for arm in record.arms)
    with Part(lambda: inspector_data(record), decisions) as inspected:
        for arm in record.arms:
            if arm.name in known:
                share(arm, known[arm.name].shared)
                take_measures(arm, known[arm.name].decisions)
        facts = build_facts(record)
        on_stage("explanation")
        explanation = explain(facts, client)
        write_whole(folder / EXPLANATION, explanation.as_json())
        on_stage("page")
        _note_explanation(record)
        if inspected.is_beside:
            take_inspector_data(record, inspected.result())
        return _write_page(record, facts, explanation.as_dict(), known=known)


def _note_explanation(record: Record) -> None:
    """Note the hashes of explanation and brief beside those of the evidence: they were not there when the manifest was
    written."""
    written = file_hashes(record.folder, [name for name in (EXPLANATION, BRIEF) if (record.folder / name).exists()])
    alone = record.manifest["kind"] == "run"
    for manifest in (record.manifest, *(arm.manifest for arm in record.arms if alone)):
        manifest["files"] = manifest.get("files", {}) | written
    write_json(record.manifest, record.folder / "manifest.json")


def rebuild_report(folder: str | Path, *, anyway: bool = False) -> Path:
    """Make facts and page again from what is in the folder, without a model; returns the path of ``report.html``.

    Raises ``RunFolderError``, also where anything but a page that is gone was changed since the run, and where the
    explanation says what the model's answers do not; ``anyway`` makes a page that says so above everything else.
    """
    folder = Path(folder)
    cure = "restore what the run wrote, or run the experiment again; 'btllm report --anyway' makes a page that says so."
    if not anyway:
        check_evidence(folder, cure, may_lack=PAGES)
    changed = changed_evidence(folder, may_lack=PAGES) if anyway else ()
    record, facts, told, judged = _judged(folder)
    anew = judged != told and is_told_otherwise(record, facts)
    if judged != told and not anyway and not anew:
        raise RunFolderError(f"{EXPLANATION} in {folder} says what the model's answers on record do not: {cure}")
    if judged != told and not anew:
        changed = tuple(dict.fromkeys((*changed, EXPLANATION)))
    brief = _earlier_brief(record)
    if brief is None and not _is_briefed_so(record):
        if not anyway:
            raise RunFolderError(f"{BRIEF} in {folder} says what the model's answers on record do not: {cure}")
        changed = tuple(dict.fromkeys((*changed, BRIEF)))
    with as_run_folder_error(folder), as_damage(folder):
        if anew and judged is not None:
            write_whole(folder / EXPLANATION, as_json(judged))
        if brief is not None:
            write_whole(folder / BRIEF, brief.as_json())
        if anew or brief is not None:
            _note_explanation(record)
        page = _write_page(record, facts, judged, changed)
        if not changed and is_sealed(folder):
            seal(folder)
    return page


def is_told_otherwise(record: Record, facts: Facts) -> bool:
    """Whether an earlier version wrote the facts or the explanation of a folder: it told less, and otherwise, and what
    it told is told by the facts and in the form of now."""
    if record.manifest["format"] == FORMAT_VERSION:
        return False
    path = record.folder / FACTS
    return not path.exists() or has_earlier_words(record) or read_facts(path) != dict(facts)


def has_earlier_words(record: Record) -> bool:
    """Whether a folder of an earlier format has an explanation or a brief of a form that is judged no more."""
    if record.manifest["format"] == FORMAT_VERSION:
        return False
    path = record.folder / EXPLANATION
    told = _told(path) if path.exists() else None
    return (told is not None and told.get("form") != FORM) or _earlier_brief(record) is not None


def _earlier_brief(record: Record) -> Brief | None:
    """The program's brief in the place of one of an earlier form; None where there is none."""
    brief = read_brief(record.folder)
    if brief is None or not brief.is_of_earlier_form or record.manifest["format"] == FORMAT_VERSION:
        return None
    with as_damage(record.folder):
        return judge_brief_again(brief, brief.close, record.manifest)


def _is_briefed_so(record: Record) -> bool:
    """Whether the brief of a folder, where there is one, says what its figures and the model's answers come to."""
    brief = read_brief(record.folder)
    with as_damage(record.folder):
        return brief is None or judge_brief_again(brief, brief.close, record.manifest).as_json() == brief.as_json()


def write_page(folder: Path) -> Path:
    """Make facts, explanation and page of a replay, whose ``explanation.json`` is that of the run: it is judged again
    from the model's answers."""
    record, facts, _, judged = _judged(folder)
    if judged is not None:
        (folder / EXPLANATION).write_text(as_json(judged), encoding="utf-8", newline="\n")
    return _write_page(record, facts, judged)


def _judged(folder: Path) -> tuple[Record, Facts, dict[str, Any] | None, dict[str, Any] | None]:
    """What a folder holds, its facts, its explanation as it stands there, and as the model's answers come to again."""
    record = load_record(folder)
    path = record.folder / EXPLANATION
    told = _told(path) if path.exists() else None
    with as_damage(record.folder):
        facts = build_facts(record)
        return record, facts, told, None if told is None else judge_again(told, facts, record.manifest)


def _told(path: Path) -> dict[str, Any]:
    """The content of an ``explanation.json``."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): restore it, or run the experiment again.") from None
    if not isinstance(found, dict):
        raise RunFolderError(f"{path} holds no explanation: restore it, or run the experiment again.")
    return found


def _write_page(
    record: Record,
    facts: Facts,
    explanation: dict[str, Any] | None,
    changed: Sequence[str] = (),
    known: Mapping[str, MeasuredArm] = MappingProxyType({}),
) -> Path:
    folder = record.folder
    if record.manifest["kind"] == "comparison":
        for arm in record.arms:
            alone = Record(folder / arm.name, arm.manifest, record.prices, (arm,))
            own = known[arm.name].facts if arm.name in known else build_facts(alone)
            write_facts(own, alone.folder / FACTS)
    page = render(record, facts, explanation, changed)
    write_facts(facts, folder / FACTS)
    write_whole(folder / "report.md", page.markdown)
    path = folder / PAGE
    write_whole(path, page.html)
    return path
