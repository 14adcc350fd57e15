"""A watch again, offline: its recorded bars through the ordinary simulation, with its recorded answers.

``shadow`` compares what comes of that with what was committed; ``forward_report`` makes of it a run folder with its
page.
"""

from __future__ import annotations

import filecmp
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.protocol import Advisor
from llm_strategy.errors import AnswerNotRecorded, ConfigurationError, MarketDataError, RunFolderError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import ModelIdentity
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.trading.journal import Journal
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.evidence import EVIDENCE, write_tables
from simulator.prices.universe import Universe
from simulator.runs.answers import RunAnswers, recorded_answers, replay_advisor
from simulator.runs.compare import execute
from simulator.runs.simulation import simulate
from simulator.runs.strategies.trade import rule_of
from simulator.watch.folder import ACCOUNTS, FORWARD, RecordedLine, WatchFolder
from simulator.watch.proof import Proof, prove

FEWEST_CLOSES = 3
"""Closes that a page can be made of."""


@dataclass(frozen=True)
class ShadowCheck:
    """One thing of one arm that was compared: its name (``llm: decisions``), how much of it, and where it differs first
    (empty where it is the same)."""

    name: str
    count: int
    difference: str

    @property
    def same(self) -> bool:
        """Whether it is the same."""
        return not self.difference


def shadow(path: Path) -> list[ShadowCheck]:
    """Decide, trade and value the recorded bars again as a run does, all at once, and compare with what the watch
    committed close by close: each decision and each account byte for byte, and where the watch was ended, its orders
    and trades. Raises ``RunFolderError`` where the record is not whole."""
    folder, _ = _whole(path)
    lines = _lines(folder)
    universe = _universe(folder)
    found: list[ShadowCheck] = []
    with tempfile.TemporaryDirectory(prefix="btllm-shadow-") as temporary:
        for name in folder.about["arms"]:
            own = [line for line in lines if line.arm == name]
            found += _shadow_arm(folder, universe, name, own, Path(temporary) / name)
    return found


def forward_report(path: Path) -> Path:
    """Make a run folder of the recorded bars and decisions, all arms of the experiment on them, under ``forward`` in
    the folder of the watch; returns its page. The verdict is on these bars alone. Raises ``RunFolderError`` where the
    record is not whole, or holds too few closes."""
    folder, proof = _whole(path)
    if proof.closes < FEWEST_CLOSES or not proof.decisions:
        raise RunFolderError(
            f"{path} holds {proof.closes:,} closes and {proof.decisions:,} decisions: a page needs at least "
            f"{FEWEST_CLOSES} closes with a decision, so go on watching."
        )
    target = path / FORWARD
    shutil.rmtree(target, ignore_errors=True)
    experiment = replace(
        folder.experiment,
        evaluation=replace(folder.experiment.evaluation, draws=1, holdout=None),
        output=replace(folder.experiment.output, folder=str(target), explain=False),
        hypotheses=None,
    )
    by_arm: dict[str, list[RecordedLine]] = {}
    for line in _lines(folder):
        by_arm.setdefault(line.arm, []).append(line)
    clients: dict[str, LLMClient] = {}
    for arm in experiment.plan:
        if arm.config is not None and arm.advisor not in clients:
            clients[arm.advisor] = _client(folder, arm.name, by_arm.get(arm.name, []))
    told = _told(proof, experiment)
    universe = _universe(folder)
    first, *others = universe.markets
    universe = replace(
        universe,
        markets=(replace(first, notes=(*first.notes, told)), *others),
        committed=_committed(proof),
    )
    result = execute(
        experiment,
        experiment.compared,
        clients or None,
        universe=universe,
        advisor_of_arm=lambda arm: _advisor_again(folder, experiment, arm, by_arm.get(arm.name, [])),
    )
    return result.report


def _committed(proof: Proof) -> dict[str, object]:
    told = proof.as_dict()
    kept = ("live", "decisions", "late", "missed", "lines", "hash", "seconds_before_next_bar", "after_next_trade")
    return {name: told[name] for name in kept}


def _told(proof: Proof, experiment: Experiment) -> str:
    """The note about a page of a watch."""
    least = f", at least {min(proof.leads):.1f} s before" if proof.leads else ""
    how = (
        "so no objection about memory touches them"
        if proof.live
        else "but the bars were played from a file, which proves nothing of the future"
    )
    return (
        f"This is a window of its own: all {proof.decisions:,} decisions of {experiment.name} on it were committed "
        f"before the next bar was known{least}, {how} (chain of {proof.head.lines:,} lines, {proof.head.hash[:16]})."
    )


def _whole(path: Path) -> tuple[WatchFolder, Proof]:
    proof = prove(path)
    if proof.faults:
        raise RunFolderError(f"{proof.faults[0].text}: restore {path} from a copy; 'btllm watch verify' names all.")
    return WatchFolder(path), proof


def _lines(folder: WatchFolder) -> list[RecordedLine]:
    return [folder.line_of(line) for line in folder.decisions.read()]


def _universe(folder: WatchFolder) -> Universe:
    return folder.universe(folder.close_of(line) for line in folder.bars.read())


def _entries(lines: list[RecordedLine]) -> Iterator[Entry]:
    return (line.entry for line in lines if line.line)


def _client(folder: WatchFolder, arm: str, lines: list[RecordedLine]) -> RunAnswers:
    """What stands for the model of an arm: nothing is asked of it that is not recorded."""
    about = folder.about["arms"].get(arm)
    if about is None or about["model"] is None:
        raise RunFolderError(f"{folder.path} has no answers of the arm {arm}: restore watch.json from a copy.")
    return RunAnswers(
        ModelIdentity.from_dict(about["model"]),
        about["sampler"],
        recorded_answers(_entries(lines)),
        strict_order=False,
        place=str(folder.decisions.path),
    )


def _advisor_again(folder: WatchFolder, experiment: Experiment, arm: Arm, lines: list[RecordedLine]) -> ModelAdvisor:
    about = folder.about["arms"][arm.name]
    identity = ModelIdentity.from_dict(about["model"])
    return replay_advisor(identity, about["sampler"], _entries(lines), experiment, 0, arm.config)


def _shadow_arm(
    folder: WatchFolder, universe: Universe, name: str, lines: list[RecordedLine], target: Path
) -> Iterator[ShadowCheck]:
    experiment = folder.experiment
    arm = experiment.arm(name)
    advisor: Advisor | None
    advisor = rule_of(arm, experiment) if arm.config is None else _advisor_again(folder, experiment, arm, lines)
    if advisor is None:
        raise ConfigurationError(f"nobody decides in the arm {name}")
    sink = _Lines()
    journal = Journal(sink, keep=lambda entry: None)  # type: ignore[arg-type] # it writes and flushes alone
    problem = ""
    try:
        simulate(universe, advisor, experiment, journal, arm.config)
    except MarketDataError:
        if journal.decisions:
            raise
    except AnswerNotRecorded as found:
        problem = str(found)
    committed = [line.line for line in lines if line.line]
    yield ShadowCheck(f"{name}: decisions", len(committed), problem or _difference(committed, sink.lines))
    accounts = [line.account for line in lines if line.account]
    rows = [tuple(row) for row in journal.equity]
    yield ShadowCheck(f"{name}: accounts", len(accounts), _difference(accounts, rows))
    ended = folder.path / ACCOUNTS / name
    if ended.is_dir():
        target.mkdir(parents=True)
        write_tables(journal, target)
        for file in EVIDENCE[1:]:
            same = (ended / file).is_file() and filecmp.cmp(ended / file, target / file, shallow=False)
            count = (target / file).read_bytes().count(b"\n") - 1
            yield ShadowCheck(f"{name}: {file}", count, "" if same else f"{file} is another")


class _Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> int:
        self.lines.append(line.rstrip("\n"))
        return len(line)

    def flush(self) -> None:
        """Nothing waits."""


def _difference(committed: list, again: list) -> str:  # type: ignore[type-arg]
    for number, (one, other) in enumerate(zip(committed, again, strict=False), 1):
        if one != other:
            return f"number {number:,} is another"
    if len(committed) != len(again):
        return f"{len(committed):,} were committed, {len(again):,} come of the bars"
    return ""
