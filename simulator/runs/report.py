"""From a saved run folder to its facts, its explanation and its page. Nothing here sees a live object of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.client import LLMClient
from llm_strategy.support.write_whole import write_whole
from simulator.folder.evidence import file_hashes, write_json
from simulator.folder.integrity import PAGES, changed_evidence, check_evidence, is_sealed, seal
from simulator.folder.record import Record, load_record
from simulator.folder.record_check import as_damage
from simulator.folder.workspace import as_run_folder_error
from simulator.reporting.explanation.explain import as_json, explain, judge_again
from simulator.reporting.facts.fact import Facts, write_facts
from simulator.reporting.page import build_facts, render

FACTS, EXPLANATION = "facts.json", "explanation.json"
PAGE = "report.html"
REPORT_FILES = (FACTS, EXPLANATION, PAGE, "report.md")


def write_report(folder: Path, client: LLMClient | None, on_stage: Callable[[str], None] = lambda stage: None) -> Path:
    """Measure a run folder, have the model explain it (the program alone where ``client`` is ``None``), write the page.

    Each arm of a comparison gets its facts too; ``rebuild_report`` makes the page of one of them. ``on_stage`` is told
    what comes next.
    """
    on_stage("measuring")
    record = load_record(folder)
    facts = build_facts(record)
    on_stage("explanation")
    explanation = explain(facts, client)
    write_whole(folder / EXPLANATION, explanation.as_json())
    on_stage("page")
    _note_explanation(record)
    return _write_page(record, facts, explanation.as_dict())


def _note_explanation(record: Record) -> None:
    """Note the hash of the explanation beside those of the evidence: it was not there when the manifest was written."""
    written = file_hashes(record.folder, (EXPLANATION,))
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
    if judged != told and not anyway:
        raise RunFolderError(f"{EXPLANATION} in {folder} says what the model's answers on record do not: {cure}")
    if judged != told:
        changed = tuple(dict.fromkeys((*changed, EXPLANATION)))
    with as_run_folder_error(folder), as_damage(folder):
        page = _write_page(record, facts, judged, changed)
        if not changed and is_sealed(folder):
            seal(folder)
    return page


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
    try:
        told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, ValueError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): restore it, or run the experiment again.") from None
    with as_damage(record.folder):
        facts = build_facts(record)
        return record, facts, told, None if told is None else judge_again(told, facts, record.manifest)


def _write_page(record: Record, facts: Facts, explanation: dict[str, Any] | None, changed: Sequence[str] = ()) -> Path:
    folder = record.folder
    if record.manifest["kind"] == "comparison":
        for arm in record.arms:
            alone = Record(folder / arm.name, arm.manifest, record.prices, (arm,))
            write_facts(build_facts(alone), alone.folder / FACTS)
    page = render(record, facts, explanation, changed)
    write_facts(facts, folder / FACTS)
    write_whole(folder / "report.md", page.markdown)
    path = folder / PAGE
    write_whole(path, page.html)
    return path
