"""From a saved run folder to its facts, its explanation and its page. Nothing here sees a live object of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.client import LLMClient
from llm_strategy.write_whole import write_whole
from simulator.evidence import file_hashes, write_json
from simulator.integrity import changed_evidence, check_evidence
from simulator.record import Record, load_record
from simulator.record_check import as_damage
from simulator.reporting.explain import explain
from simulator.reporting.fact import Facts
from simulator.reporting.fact_file import write_facts
from simulator.reporting.facts import build_facts
from simulator.reporting.page import render
from simulator.workspace import as_run_folder_error

FACTS, EXPLANATION = "facts.json", "explanation.json"
REPORT_FILES = (FACTS, EXPLANATION, "report.html", "report.md")


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
    _seal(record)
    return _write_page(record, facts, explanation.as_dict())


def _seal(record: Record) -> None:
    """Note the hash of the explanation beside those of the evidence: it was not there when the manifest was written."""
    written = file_hashes(record.folder, (EXPLANATION,))
    alone = record.manifest["kind"] == "run"
    for manifest in (record.manifest, *(arm.manifest for arm in record.arms if alone)):
        manifest["files"] = manifest.get("files", {}) | written
    write_json(record.manifest, record.folder / "manifest.json")


def rebuild_report(folder: str | Path, *, anyway: bool = False) -> Path:
    """Make facts and page again from what is in the folder, without a model; returns the path of ``report.html``.

    Raises ``RunFolderError``, also where evidence was changed since the run; ``anyway`` makes a page that says so
    above everything else.
    """
    folder = Path(folder)
    if not anyway:
        check_evidence(
            folder,
            "restore what the run wrote, or run the experiment again; 'btllm report --anyway' makes a page that says "
            "so.",
        )
    return write_page(folder, changed_evidence(folder))


def write_page(folder: Path, changed: Sequence[str] = ()) -> Path:
    """As ``rebuild_report``, of evidence as it is; the page names the files that were ``changed`` since the run."""
    record = load_record(folder)
    path = record.folder / EXPLANATION
    try:
        explanation = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, ValueError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): delete it to get a report without it.") from None
    with as_run_folder_error(record.folder), as_damage(record.folder):
        return _write_page(record, build_facts(record), explanation, changed)


def _write_page(record: Record, facts: Facts, explanation: dict[str, Any] | None, changed: Sequence[str] = ()) -> Path:
    folder = record.folder
    if record.manifest["kind"] == "comparison":
        for arm in record.arms:
            alone = Record(folder / arm.name, arm.manifest, record.prices, (arm,))
            write_facts(build_facts(alone), alone.folder / FACTS)
    page = render(record, facts, explanation, changed)
    write_facts(facts, folder / FACTS)
    write_whole(folder / "report.md", page.markdown)
    path = folder / "report.html"
    write_whole(path, page.html)
    return path
