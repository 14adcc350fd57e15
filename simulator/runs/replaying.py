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

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.protocol import Advisor
from llm_strategy.advice.rules import MatchedRandom
from llm_strategy.errors import AnswerNotRecorded, ForeignAnswers, RunFolderError
from llm_strategy.support.outside_text import spelled_out, spelled_out_json
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import ActionType
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.documents import LEDGER, LedgerRecord, write_ledger
from simulator.folder.evidence import (
    ATTRIBUTION,
    DECISIONS,
    OF_COMPARISONS,
    PLACEBOS,
    ROBUSTNESS,
    draw_name,
    evidence_files,
)
from simulator.folder.hypotheses import HYPOTHESES
from simulator.folder.integrity import check_evidence, is_sealed, seal
from simulator.folder.manifest import FORMAT_VERSION
from simulator.folder.question_texts import QUESTIONS
from simulator.folder.record import ArmRecord, Decisions, Record, load_record
from simulator.folder.record_check import as_damage
from simulator.folder.sent_request import REQUEST, request_files, write_request
from simulator.folder.tally import CALIBRATION, Tally, names_window, write_calibration
from simulator.folder.workspace import as_run_folder_error
from simulator.prices.universe import Universe
from simulator.reporting.brief.file import read_brief
from simulator.reporting.inspector.numbering import unpacked
from simulator.reporting.page_frame import secured
from simulator.reporting.render_markdown import without_bare_links
from simulator.runs.answers import RunAnswers, replay_advisor
from simulator.runs.attribution import write_attribution
from simulator.runs.briefs.last import write_last_brief_again
from simulator.runs.checklists.worth import measured_arm, write_worth
from simulator.runs.hypotheses.replaying import replay_hypotheses
from simulator.runs.placebos.write import write_placebos
from simulator.runs.recorded import experiment_of, universe_of
from simulator.runs.report import EXPLANATION, FACTS, REPORT_FILES, has_earlier_words, write_page
from simulator.runs.robustness import write_robustness
from simulator.runs.strategies.trade import rule_of, trade_arm
from simulator.runs.trials.write import replay_trials
from simulator.runs.worst_case import write_harm


@dataclass(frozen=True)
class FileCheck:
    """One file of the run: its path in the folder, and whether the replay wrote the same bytes."""

    name: str
    same: bool


def replay(folder: str | Path, to: str | Path | None = None, *, placebos: bool = False) -> list[FileCheck]:
    """Run every arm of a folder again from its prices and journal, rebuild facts and report, and compare the bytes.

    The replay is kept in ``to`` where one is given. Accounts at other moments are taken over as they are recorded, if
    ``placebos`` does not want them traded again. Raises ``RunFolderError`` for a folder that cannot be read or whose
    evidence was changed since the run, and ``ForeignAnswers`` where the questions are no longer the recorded ones.
    Facts and pages of an earlier format are not compared: this version tells more, and otherwise.
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
                _replay_record(record, target, placebos=placebos)
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


def _replay_record(record: Record, target: Path, *, placebos: bool) -> None:
    experiment = experiment_of(record)
    universe = universe_of(record, experiment)
    comparison = record.about.is_comparison
    advised: dict[str, list[ActionType]] = {}
    for arm in sorted(record.arms, key=lambda arm: arm.about.model is None):
        folder = target / arm.name if comparison else target
        planned = experiment.arm(arm.name)
        made = _simulated(universe, planned, _advisor(arm, planned, experiment, advised), experiment, folder)
        write_calibration(made, folder, universe.sha256 if names_window(arm.folder) else None)
        if (arm.folder / REQUEST).exists():  # earlier versions wrote none
            write_request(made, folder)
        if (arm.folder / QUESTIONS).exists():
            made.texts.write(folder)
        write_ledger(made.documents, folder, LedgerRecord.read(arm.decisions.path.parent))
        if planned.config is not None:
            advised = advised or made.advised  # of the first that a model advised
        for draw in arm.draws:
            again = _asked_again(arm, planned, draw.entries, experiment, draw.number)
            _simulated(universe, planned, again, experiment, folder / draw_name(draw.number))
        _write_manifest(arm.manifest, folder)
    arms = [experiment.arm(arm.name) for arm in record.arms]
    replay_trials(universe, experiment, arms, lambda arm: target / arm.name if comparison else target, record, target)
    if comparison:
        write_harm(universe, experiment, target)
        if (record.folder / PLACEBOS).exists():
            if placebos:
                write_placebos(universe, experiment, arms, lambda arm: target / arm.name, target)
            else:
                shutil.copyfile(record.folder / PLACEBOS, target / PLACEBOS)
        if (record.folder / ATTRIBUTION).exists():  # earlier versions wrote none
            write_attribution(universe, experiment, target)
        measured = measured_arm(experiment)
        if measured is not None and (target / measured.name / DECISIONS).exists():
            write_worth(universe, experiment, Decisions(target / measured.name / DECISIONS), target)
        if (record.folder / ROBUSTNESS).exists():  # earlier versions wrote none
            write_robustness(universe, experiment, target)
    if experiment.hypotheses is not None:
        replay_hypotheses(universe, experiment, record.folder, target)
    universe.write_csv(target / "prices.csv")
    _write_manifest(record.manifest, target)
    explanation = record.folder / EXPLANATION
    if explanation.exists():
        shutil.copyfile(explanation, target / explanation.name)
    if (before := read_brief(record.folder)) is not None:
        write_last_brief_again(universe, experiment, record, target, before)
    write_page(target)


def _check_decisions(record: Record, checks: Sequence[FileCheck]) -> None:
    """Raise ``RunFolderError`` where a journal that was not written again holds what is no decision."""
    differ = {record.folder / check.name for check in checks if not check.same}
    for journal in (made for arm in record.arms for made in (arm.decisions, *(draw.decisions for draw in arm.draws))):
        if journal.path in differ:
            for _ in journal:
                pass


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
    if arm.kind == "random":  # earlier versions had an account of it
        if not advised:
            raise RunFolderError("The random arm keeps the holding times of llm: replay the folder that holds both.")
        return MatchedRandom(advised, experiment.evaluation.seed)
    return rule_of(arm, experiment)


def _asked_again(
    record: ArmRecord, arm: Arm, entries: Iterable[Entry], experiment: Experiment, draw: int = 0
) -> ModelAdvisor:
    about = record.about
    return replay_advisor(about.model_identity, about.sampler or {}, entries, experiment, draw, arm.config)


def _finish(advisor: Any) -> None:
    client = getattr(advisor, "client", None)
    if isinstance(client, RunAnswers):
        client.finish()


def _write_manifest(manifest: dict[str, Any], folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _files(record: Record, target: Path) -> list[str]:
    """Every file of the run or of its replay but the manifests and audit logs, which hold wall-clock times, and facts
    and pages of an earlier version, which told less and otherwise."""
    comparison = record.about.is_comparison
    names: list[str] = []
    earlier = record.manifest["format"] != FORMAT_VERSION and (
        has_earlier_words(record) or not _same(record.folder / FACTS, target / FACTS)
    )
    pages = () if earlier else REPORT_FILES
    for arm in record.arms:
        evidence = evidence_files(draw.number for draw in arm.draws)
        more = (CALIBRATION, *request_files(arm.folder), QUESTIONS, LEDGER, *pages[:1])
        names += [f"{arm.name}/{name}" for name in (*evidence, *more)] if comparison else evidence
    names += [CALIBRATION, *request_files(record.folder), QUESTIONS, LEDGER, "prices.csv", *OF_COMPARISONS, HYPOTHESES]
    names += pages
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
    """A text without the white space and the spellings in which pages of earlier versions differ from those of now, and
    with the packed documents of its inspector opened: another zlib packs the same ones otherwise."""
    text = _PACKED.sub(_opened, text)
    words = " ".join(text.replace('<th scope="col">Confidence<', '<th scope="col" class="number">Confidence<').split())
    return html.unescape(re.sub(r" ?(<[^<>]+>) ?", r"\1", words))


_PACKED = re.compile(r'(?<= data-name=")[\w-]+">([^<>]*)(?=</script>)')


def _opened(found: re.Match[str]) -> str:
    try:
        return json.dumps(unpacked(found[1]), separators=(",", ":"))
    except (ValueError, RecursionError):  # a forged one stays what it is
        return found[0]


_WRITTEN_NOW: dict[str, Callable[[str], str]] = {
    ".html": lambda page: secured(spelled_out(page)),
    ".md": lambda text: without_bare_links(spelled_out(text)),
    ".json": spelled_out_json,
}
"""By suffix: earlier versions wrote what nobody sees as it was, and pages without a policy."""
