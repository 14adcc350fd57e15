"""From a saved run folder to its facts, its explanation and its page. Nothing here sees a live object of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_strategy.errors import RunFolderError
from llm_strategy.llm.client import LLMClient
from simulator.record import Record, load_record
from simulator.reporting.explain import explain
from simulator.reporting.fact import Facts
from simulator.reporting.fact_file import write_facts
from simulator.reporting.facts import build_facts
from simulator.reporting.page import render
from simulator.workspace import as_run_folder_error

FACTS, EXPLANATION = "facts.json", "explanation.json"
REPORT_FILES = (FACTS, EXPLANATION, "report.html", "report.md")


def write_report(folder: Path, client: LLMClient | None) -> Path:
    """Measure a run folder, have the model explain it (the program alone where ``client`` is ``None``), write the page.

    Each arm of a comparison gets its facts too; ``rebuild_report`` makes the page of one of them.
    """
    record = load_record(folder)
    facts = build_facts(record)
    explanation = explain(facts, client)
    (folder / EXPLANATION).write_text(explanation.as_json(), encoding="utf-8", newline="\n")
    return _write_page(record, facts, explanation.as_dict())


def rebuild_report(folder: str | Path) -> Path:
    """Make facts and page again from what is in the folder, without a model; returns the path of ``report.html``.

    Raises ``RunFolderError``.
    """
    record = load_record(Path(folder))
    path = record.folder / EXPLANATION
    try:
        explanation = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, ValueError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): delete it to get a report without it.") from None
    with as_run_folder_error(record.folder):
        return _write_page(record, build_facts(record), explanation)


def _write_page(record: Record, facts: Facts, explanation: dict[str, Any] | None) -> Path:
    folder = record.folder
    if record.manifest["kind"] == "comparison":
        for arm in record.arms:
            alone = Record(folder / arm.name, arm.manifest, record.prices, (arm,))
            write_facts(build_facts(alone), alone.folder / FACTS)
    page = render(record, facts, explanation)
    write_facts(facts, folder / FACTS)
    (folder / "report.md").write_text(page.markdown, encoding="utf-8", newline="\n")
    path = folder / "report.html"
    path.write_text(page.html, encoding="utf-8", newline="\n")
    return path
