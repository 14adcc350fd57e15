"""The questions of an experiment as files, for batch services and ``vllm run-batch``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from llm_strategy.errors import AnswerTimeout, BackendFailure, BackendRefused, ConfigurationError, RunFolderError
from llm_strategy.llm.backend import BatchForm
from llm_strategy.llm.requests import ModelIdentity, Request
from llm_strategy.llm.settings import SETTINGS_FILE
from llm_strategy.support.read_regular import open_regular, require_file
from llm_strategy.support.secrets import KEY_PLACES, redact
from llm_strategy.support.write_whole import whole_file
from simulator.experiment.configuration import Experiment
from simulator.runs.advisors.session import AdvisorSession, Clients, sessions_of
from simulator.runs.questions import OpenQuestions, QuestionSet, open_questions
from simulator.runs.trials.tail import visible_universe

MOST_LINES = 50_000
MOST_BYTES = 200_000_000
"""What batch services take in one file."""


Asked: TypeAlias = Sequence[tuple[AdvisorSession, Sequence[QuestionSet]]]
"""Advisors, each with the decisions that it is asked for."""


@dataclass(frozen=True)
class Asking:
    """An advisor whose questions can be handed in as files: its decisions, the form of its lines, and its questions."""

    session: AdvisorSession
    sets: Sequence[QuestionSet]
    form: BatchForm
    questions: OpenQuestions

    def again(self) -> Asking:
        """The same, its questions looked for anew: answers that came may have led to others."""
        return replace(self, questions=open_questions(self.session.model, self.sets))


def asked_by(experiment: Experiment, client: Clients = None) -> Asked:
    """The advisors of an experiment, each with the decisions of its arms; prices are loaded, and nothing is asked."""
    chosen = tuple(map(experiment.arm, experiment.compared))
    universe, _ = visible_universe(experiment, minimum_bars=experiment.warm_up.bars + 2)
    with _pinned_as_cure():
        sessions = sessions_of(experiment, chosen, client)
    return [
        (session, [QuestionSet(experiment, universe, arm.config) for arm in session.arms if arm.config is not None])
        for session in sessions
    ]


def asking(asked: Asked) -> tuple[list[Asking], list[str]]:
    """Those of these advisors that ask a server with a batch form, each with its questions, and a sentence for each of
    the others. Raises ``ConfigurationError`` where there is none of the former."""
    found: list[Asking] = []
    others: list[str] = []
    for session, sets in asked:
        form = session.model.batch_form()
        if form is None:
            who = f"Advisor {session.name}: the" if session.named else "The"
            others.append(
                f"{who} backend {session.model.identity.backend} takes no files of questions: let btllm compare ask "
                "it, or choose one that speaks like OpenAI."
            )
            continue
        if session.config.answers == "refresh":
            raise ConfigurationError(
                "advisor.answers is refresh, which asks for every answer anew, and a file brings each once: set it to "
                "live or replay."
            )
        found.append(Asking(session, sets, form, open_questions(session.model, sets)))
    if not found:
        none = "No arm asks a model, so that there are no questions: name an advisor in arms."
        raise ConfigurationError(others[0] if others else none)
    return found, list(dict.fromkeys(others))


def batch_form(experiment: Experiment, advisor: str = "") -> BatchForm:
    """The form of the one model of an experiment that takes files of questions, or of that of this advisor; raises
    ``ConfigurationError`` where there is none, or more than one."""
    forms: dict[ModelIdentity, tuple[str, BatchForm]] = {}
    for session in sessions_of(experiment, tuple(map(experiment.arm, experiment.compared)), None):
        form = session.model.batch_form()
        if form is not None and advisor in ("", session.name):
            forms.setdefault(session.model.identity, (session.name, form))
    if len(forms) != 1:
        names = ", ".join(name for name, _ in forms.values())
        told = f"Several advisors take files of questions ({names}): name one of them"
        none = (
            f"No advisor{f' {advisor}' if advisor else ''} takes files of questions: name one that speaks like OpenAI"
        )
        raise ConfigurationError(f"{told if names else none}, with --advisor.")
    return next(form for _, form in forms.values())


def submit_file(form: BatchForm, file: Path) -> str:
    """Hand a file of questions to a batch service; returns the name of its batch. Raises ``ConfigurationError`` for a
    file that cannot be read, and ``ModelError``."""
    with require_file(file, (".jsonl",)), open_regular(file, MOST_BYTES):
        pass
    return form.submit(file)


@contextmanager
def _pinned_as_cure() -> Iterator[None]:
    """Say of a server that does not answer what must be known of it where it answers files alone."""
    try:
        yield
    except (BackendFailure, AnswerTimeout) as problem:
        if isinstance(problem, BackendRefused):
            raise
        raise problem.reworded(
            f"{str(problem).rstrip('.')}; where it answers files alone, set openai.answer_format and "
            f"openai.reported_model in {SETTINGS_FILE}, which an answer would have told."
        ) from None


@dataclass(frozen=True)
class Exported:
    """What of one model's questions was written: their files, each with its number of lines. ``on_record`` are those
    that have an answer, ``unusable`` counts ``decisions`` whose answers on record never met the contract."""

    model: str
    decisions: int
    on_record: int
    unusable: int
    files: Mapping[Path, int]

    @property
    def written(self) -> int:
        """Questions in all files."""
        return sum(self.files.values())

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "model": self.model,
            "decisions": self.decisions,
            "distinct": self.on_record + self.written,
            "on_record": self.on_record,
            "never_met_the_contract": self.unusable,
            "written": self.written,
            "files": {str(path): lines for path, lines in self.files.items()},
        }


def export_questions(asked: Asked, to: Path) -> tuple[list[Exported], list[str]]:
    """Write every distinct question of these advisors that has no answer on record, the files of each model apart;
    returns what was written, and a sentence on each advisor that takes no files.

    A file has at most ``MOST_LINES`` lines and ``MOST_BYTES`` bytes; of several the names are numbered, and those of
    several models hold the model. Raises ``ConfigurationError`` for a question that holds a key, and where nobody takes
    files, and ``RunFolderError`` where a file cannot be written.
    """
    found, others = asking(asked)
    by_model: dict[str, list[Asking]] = {}
    for one in found:
        by_model.setdefault(one.session.model.identity.name, []).append(one)
    told = []
    for name, ones in by_model.items():
        place = to if len(by_model) == 1 else to.with_name(f"{to.stem}-{_as_file_name(name)}{to.suffix}")
        missing = {key: (one.form, request) for one in ones for key, request in one.questions.missing.items()}
        known = {key for one in ones for key in one.questions.known}
        told.append(
            Exported(
                name,
                decisions=sum(one.questions.decisions for one in ones),
                on_record=len(known),
                unusable=sum(one.questions.unusable for one in ones),
                files=_write_files(place, missing),
            )
        )
    return told, others


def _write_files(place: Path, missing: Mapping[str, tuple[BatchForm, Request]]) -> dict[Path, int]:
    """Write these questions by their keys, and return the files with the number of their lines."""

    def line(key: str) -> bytes:
        form, request = missing[key]
        text = json.dumps(form.line(key, request), ensure_ascii=False)
        if redact(text) != text:
            raise ConfigurationError(f"Question {key[:12]} holds a key, which would stand in the file: {KEY_PLACES}.")
        return text.encode("utf-8", "surrogatepass") + b"\n"

    groups: list[list[str]] = []
    size = 0
    for key in missing:  # written in a second pass: a million questions need not be in memory
        length = len(line(key))
        if not groups or len(groups[-1]) == MOST_LINES or size + length > MOST_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(key)
        size += length
    files: dict[Path, int] = {}
    for number, keys in enumerate(groups, 1):
        path = place if len(groups) == 1 else place.with_name(f"{place.stem}-{number}{place.suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path, "wb") as file:
                file.writelines(map(line, keys))
        except OSError as problem:
            raise RunFolderError(f"{path} cannot be written ({problem.strerror}): name another file.") from None
        files[path] = len(keys)
    return files


def _as_file_name(model: str) -> str:
    return re.sub(r"[^\w.-]+", "-", model).strip("-.")[:60] or "model"
