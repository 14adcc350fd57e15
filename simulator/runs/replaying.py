"""A finished run again, from its own folder alone: no model, no network, no cache, byte for byte."""

from __future__ import annotations

import filecmp
import html
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_strategy.advice.advisor import Advisor, ModelAdvisor
from llm_strategy.advice.rules import BASELINES
from llm_strategy.errors import AnswerNotRecorded, ConfigurationError, ForeignAnswers, MarketDataError, RunFolderError
from llm_strategy.support.outside_text import spelled_out, spelled_out_json
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import ActionType
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.experiment.objects import is_of_program, is_there
from simulator.folder.documents import LEDGER, LedgerRecord, write_ledger
from simulator.folder.evidence import DECISIONS, HARM, draw_name, evidence_files
from simulator.folder.integrity import check_evidence, is_sealed, seal
from simulator.folder.provenance import own_parts
from simulator.folder.record import ArmRecord, Record, load_record
from simulator.folder.record_check import as_damage
from simulator.folder.sent_request import REQUEST, write_request
from simulator.folder.tally import CALIBRATION, Tally, write_calibration
from simulator.folder.workspace import as_run_folder_error
from simulator.prices.universe import Universe, read_universe_csv
from simulator.reporting.own_sections import load_section
from simulator.reporting.render_html import secured
from simulator.reporting.render_markdown import without_bare_links
from simulator.runs.answers import RunAnswers, replay_advisor
from simulator.runs.report import EXPLANATION, FACTS, REPORT_FILES, write_page
from simulator.runs.strategies.trade import own_strategy, rule_of, trade_arm
from simulator.runs.worst_case import write_harm


@dataclass(frozen=True)
class FileCheck:
    """One file of the run: its path in the folder, and whether the replay wrote the same bytes."""

    name: str
    same: bool


def replay(folder: str | Path, to: str | Path | None = None) -> list[FileCheck]:
    """Run every arm of a folder again from its prices and journal, rebuild facts and report, and compare the bytes.

    The replay is kept in ``to`` where one is given. Raises ``RunFolderError`` for a folder that cannot be read or whose
    evidence was changed since the run, and ``ForeignAnswers`` where the questions are no longer the recorded ones. A
    page of an earlier version is compared as this one would have written it.
    """
    source = Path(folder)
    check_evidence(source, "restore it, or run the experiment again.")
    record = load_record(source)
    if to is not None and Path(to).exists():
        raise RunFolderError(f"{to} exists already: name a folder that does not.")
    with (
        as_run_folder_error("The temporary folder of a replay", "set TMPDIR to a folder that has some"),
        tempfile.TemporaryDirectory(prefix="btllm-replay-") as temporary,
    ):
        target = Path(temporary) / "replay"
        try:
            with as_damage(source):
                _replay_record(record, target)
        except RunFolderError as problem:  # what is wrong with the copy is wrong with the folder
            raise type(problem)(str(problem).replace(str(target), str(source))) from problem
        checks = [FileCheck(name, _same(source / name, target / name)) for name in _files(record, target)]
        _check_decisions(record, checks)
        if to is not None:
            if is_sealed(source) and all(check.same for check in checks):
                seal(target)
            with as_run_folder_error(Path(to)):
                shutil.copytree(target, to)
    return checks


def _replay_record(record: Record, target: Path) -> None:
    experiment = _experiment(record)
    universe = _universe(record, experiment)
    comparison = record.about.is_comparison
    advised: dict[str, list[ActionType]] = {}
    for arm in sorted(record.arms, key=lambda arm: arm.about.model is None):
        folder = target / arm.name if comparison else target
        planned = experiment.arm(arm.name)
        made = _simulated(universe, planned, _advisor(arm, planned, experiment, advised), experiment, folder)
        write_calibration(made.scored, folder)
        if (arm.folder / REQUEST).exists():  # earlier versions wrote none
            write_request(made, folder)
        write_ledger(made.documents, folder, LedgerRecord.read(arm.decisions.path.parent))
        if planned.config is not None:
            advised = advised or made.advised  # of the first that a model advised
        for draw in arm.draws:
            again = _asked_again(arm, planned, draw.entries, experiment, draw.number)
            _simulated(universe, planned, again, experiment, folder / draw_name(draw.number))
        _write_manifest(arm.manifest, folder)
    if comparison:
        write_harm(universe, experiment, target)
    universe.write_csv(target / "prices.csv")
    _write_manifest(record.manifest, target)
    explanation = record.folder / EXPLANATION
    if explanation.exists():
        shutil.copyfile(explanation, target / explanation.name)
    write_page(target)


def _check_decisions(record: Record, checks: Sequence[FileCheck]) -> None:
    """Raise ``RunFolderError`` where a journal that was not written again holds what is no decision."""
    differ = {record.folder / check.name for check in checks if not check.same}
    for journal in (made for arm in record.arms for made in (arm.decisions, *(draw.decisions for draw in arm.draws))):
        if journal.path in differ:
            for _ in journal:
                pass


def _experiment(record: Record) -> Experiment:
    """The experiment of a folder; what it names of a person's own is compared with what it was before it is run."""
    path, configuration = record.folder / "manifest.json", record.manifest["experiment"]
    rules = configuration.get("baselines")
    arms = configuration.get("arms")
    parts = [*_entries(rules, "rule"), *_entries(arms, "strategy")]
    for reference in parts:
        if is_of_program(reference) and not is_there(reference):
            raise RunFolderError(
                f"{reference} was given to the run in {record.folder} as an object of a program that cannot be "
                "imported, and it is not here: run the experiment again there, or name a part that stands in a file."
            )
    for rule in rules.values() if isinstance(rules, dict) else ():
        reference = rule.get("rule") if isinstance(rule, dict) else None
        if is_of_program(reference) or reference in (None, *BASELINES):
            continue
        if not rule.get("sha256"):  # which code it was must be certain
            raise RunFolderError(f"{path} names a rule without the hash of its file: restore it, or run it again.")
    then = record.manifest.get("own_parts", {})
    now = own_parts(*_shown_parts(configuration), data=False).get("own_parts", {})
    for name in now:
        if now[name] and now[name] != then.get(name):  # one that is not there is told below
            raise RunFolderError(
                f"The file of {name} has changed since the run in {record.folder}: bring it back as it was, or run the "
                "experiment again."
            )
    try:
        experiment = Experiment.from_mapping(configuration, str(path))
        for section in experiment.output.sections:
            load_section(section)
        for arm in experiment.plan:
            if arm.kind == "strategy":
                own_strategy(arm).find()
    except ConfigurationError as problem:
        raise RunFolderError(
            f"{path} holds an experiment that cannot be run ({problem}): restore it, or run the experiment again."
        ) from None
    return experiment


def _entries(section: Any, key: str) -> list[Any]:
    """What the entries of a section say under this key."""
    entries = section.values() if isinstance(section, dict) else ()
    return [entry[key] for entry in entries if isinstance(entry, dict) and key in entry]


def _shown_parts(configuration: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """The features and sources that the advisors of an experiment are shown, as its document names them."""
    sections = [{"": configuration.get("advisor")}, configuration.get("advisors"), configuration.get("arms")]
    named = [one for section in sections if isinstance(section, dict) for one in section.values()]
    told = [one for one in named if isinstance(one, dict)]
    features = dict.fromkeys(name for one in told for name in one.get("features", ()))
    return list(features), [entry for one in told for entry in one.get("context", ())]


def _simulated(universe: Universe, arm: Arm, advisor: Advisor | None, experiment: Experiment, folder: Path) -> Tally:
    folder.mkdir(parents=True)
    made = Tally(advisor)
    try:
        trade_arm(universe, arm, advisor, experiment, made.take, folder)
        _finish(advisor)
    except AnswerNotRecorded as problem:
        raise ForeignAnswers(f"{folder / DECISIONS}: {problem}") from None
    return made


def _advisor(
    record: ArmRecord, arm: Arm, experiment: Experiment, advised: dict[str, list[ActionType]]
) -> Advisor | None:
    if arm.config is not None:
        return _asked_again(record, arm, record.entries, experiment)
    if arm.kind == "random" and not advised:
        raise RunFolderError("The random arm keeps the holding times of llm: replay the folder that holds both.")
    return rule_of(arm, experiment, advised)


def _asked_again(
    record: ArmRecord, arm: Arm, entries: Iterable[Entry], experiment: Experiment, draw: int = 0
) -> ModelAdvisor:
    about = record.about
    return replay_advisor(about.model_identity, about.sampler or {}, entries, experiment, draw, arm.config)


def _finish(advisor: Any) -> None:
    client = getattr(advisor, "client", None)
    if isinstance(client, RunAnswers):
        client.finish()


def _universe(record: Record, experiment: Experiment) -> Universe:
    used = record.about.prices
    folder = record.folder if (record.folder / "prices.csv").exists() else record.folder.parent
    try:
        sources = {symbol: market["source"] for symbol, market in used["symbols"].items()}
        volumes = {symbol: market.get("volume", "shares") for symbol, market in used["symbols"].items()}
        universe = read_universe_csv(folder / "prices.csv", experiment.data, sources, volumes)
    except MarketDataError as problem:
        raise RunFolderError(f"The prices of {record.folder} cannot be read: {problem}") from None
    if universe.sha256 != used["sha256"]:
        raise RunFolderError(
            f"{folder / 'prices.csv'} was changed after the run: restore it, or run the experiment again."
        )
    return universe


def _write_manifest(manifest: dict[str, Any], folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _files(record: Record, target: Path) -> list[str]:
    """Every file of the run or of its replay but the manifests and audit logs, which hold wall-clock times."""
    comparison = record.about.is_comparison
    names: list[str] = []
    for arm in record.arms:
        evidence = evidence_files(draw.number for draw in arm.draws)
        more = (CALIBRATION, REQUEST, LEDGER, FACTS)
        names += [f"{arm.name}/{name}" for name in (*evidence, *more)] if comparison else evidence
    names += [CALIBRATION, REQUEST, LEDGER, "prices.csv", HARM, *REPORT_FILES]
    there = [record.folder, target]
    if not comparison and not (record.folder / "prices.csv").exists():
        there.remove(target)  # an arm's prices and page are those of its comparison
    return [name for name in names if any((folder / name).exists() for folder in there)]


def _same(one: Path, other: Path) -> bool:
    """Whether both hold the same bytes, a file of an earlier version as this one would have written it."""
    if not one.exists() or not other.exists():
        return False
    if filecmp.cmp(one, other, shallow=False):
        return True
    now = _WRITTEN_NOW.get(one.suffix)
    if now is None:
        return False
    earlier, again = one.read_text(encoding="utf-8", errors="replace"), other.read_text(encoding="utf-8")
    fold = str if one.suffix == ".json" else _folded
    return any(fold(text) == fold(again) for text in (earlier, now(earlier)))


def _folded(text: str) -> str:
    """A text without the white space and the spellings in which pages of earlier versions differ from those of now."""
    words = " ".join(text.replace('<th scope="col">Confidence<', '<th scope="col" class="number">Confidence<').split())
    return html.unescape(re.sub(r" ?(<[^<>]+>) ?", r"\1", words))


_WRITTEN_NOW: dict[str, Callable[[str], str]] = {
    ".html": lambda page: secured(spelled_out(page)),
    ".md": lambda text: without_bare_links(spelled_out(text)),
    ".json": spelled_out_json,
}
"""By suffix: earlier versions wrote what nobody sees as it was, and pages without a policy."""
