"""Questions handed in as files, and their answers put on record: for batch services and ``vllm run-batch``.

What comes back is checked line by line: its request is found again from the experiment, its answer is read as a live one
is, and what cannot be used is told and stays to be asked.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from llm_strategy.errors import BackendFailure, ConfigurationError, ModelChanged, ModelError, RunFolderError
from llm_strategy.llm.backend import BatchForm
from llm_strategy.llm.backends.http import brief, longest_body
from llm_strategy.llm.backends.openai.replies import read_object
from llm_strategy.llm.metering.calls import Prices
from llm_strategy.llm.requests import Generation, Request
from llm_strategy.support.read_regular import open_regular, require_file
from llm_strategy.support.secrets import KEY_PLACES, redact
from llm_strategy.support.write_whole import whole_file
from simulator.experiment.configuration import Experiment
from simulator.runs.advisors.session import AdvisorSession, Clients, sessions_of
from simulator.runs.questions import OpenQuestions, open_questions
from simulator.runs.trials.tail import visible_universe

MOST_LINES = 50_000
MOST_BYTES = 200_000_000
"""What batch services take in one file."""
_MARGIN = 100_000
"""Bytes that a line of answers may have around its answer."""


@dataclass(frozen=True)
class Asking:
    """One advisor whose questions can be handed in as files: its questions, and the form of their lines."""

    session: AdvisorSession
    form: BatchForm
    questions: OpenQuestions


def asking(experiments: Iterable[Experiment], client: Clients = None) -> tuple[list[Asking], list[str]]:
    """The advisors of these experiments that ask a server with a batch form, each with its questions, and a sentence for
    each of the others. Raises ``ConfigurationError`` where there is none of the former."""
    found: list[Asking] = []
    others: list[str] = []
    for experiment in experiments:
        chosen = tuple(map(experiment.arm, experiment.compared))
        universe, _ = visible_universe(experiment, minimum_bars=experiment.warm_up.bars + 2)
        for session in sessions_of(experiment, chosen, client):
            form = session.model.batch_form()
            if session.config.answers == "refresh":
                raise ConfigurationError(
                    "advisor.answers is refresh, which asks for every answer anew, and a file brings each once: set it "
                    "to live or replay."
                )
            if form is None:
                who = f"Advisor {session.name}: the" if session.named else "The"
                others.append(
                    f"{who} backend {session.model.identity.backend} takes no files of questions: btllm compare asks it "
                    "itself; those that speak like OpenAI take files."
                )
                continue
            found.append(Asking(session, form, open_questions(experiment, universe, session)))
    if not found:
        none = "No arm asks a model, so that there are no questions: name an advisor in arms."
        raise ConfigurationError(others[0] if others else none)
    return found, list(dict.fromkeys(others))


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


def export_questions(
    experiments: Iterable[Experiment], to: Path, client: Clients = None
) -> tuple[list[Exported], list[str]]:
    """Write every distinct question of the experiments that has no answer on record, the files of each model apart;
    returns what was written, and a sentence on each advisor that takes no files.

    A file has at most ``MOST_LINES`` lines and ``MOST_BYTES`` bytes; of several the names are numbered, and those of
    several models hold the model. Raises ``ConfigurationError`` for a question that holds a key, and where nobody takes
    files, and ``RunFolderError`` where a file cannot be written.
    """
    found, others = asking(experiments, client)
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


class Fate(StrEnum):
    """What became of a line of answers."""

    ANSWERED = "answered"
    """Put on record."""
    CUT_OFF = "cut off"
    """Put on record, as a live answer that ran into its bound would be."""
    ON_RECORD = "on record already"
    """The same answer was there."""
    TWICE = "answered twice"
    """These files hold the same answer before."""
    DIFFERS = "answered otherwise before"
    """The first answer holds."""
    UNKNOWN = "unknown question"
    MALFORMED = "malformed line"
    FAILED = "failed"
    OTHER_MODEL = "another model"


QUIET = (Fate.ANSWERED, Fate.ON_RECORD)
"""What is counted alone."""
KEPT = (Fate.ANSWERED, Fate.CUT_OFF)


class Line(NamedTuple):
    """A line of answers that a person is told of, and why."""

    file: str
    number: int
    question: str
    fate: Fate
    why: str = ""


@dataclass
class Imported:
    """What came back: how many lines came to which fate (``counts``), the ``lines`` that a person is told of, tokens of
    the answers that were kept and what they cost live, as far as prices are configured, and how many questions are
    still ``missing``: of these ``further`` ones follow from answers that came (a plan, an answer that broke the
    contract)."""

    counts: Counter[Fate] = field(default_factory=Counter)
    lines: list[Line] = field(default_factory=list)
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    missing: int = 0
    further: int = 0

    @property
    def kept(self) -> int:
        """Answers that were put on record."""
        return sum(self.counts[fate] for fate in KEPT)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "counts": {fate.value: self.counts[fate] for fate in Fate},
            "lines": [line._asdict() for line in self.lines],
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost": self.cost,
            "missing": self.missing,
            "further": self.further,
        }

    def note(self, line: Line) -> None:
        """Count a line, and keep it where it is told."""
        self.counts[line.fate] += 1
        if line.fate not in QUIET:
            self.lines.append(line)

    def charge(self, answer: Generation, prices: Prices) -> None:
        """Count what an answer took."""
        self.tokens_in += answer.tokens_in
        self.tokens_out += answer.tokens_out
        cost = prices.cost(answer.tokens_in, answer.tokens_out)
        self.cost = self.cost if cost is None else (self.cost or 0.0) + cost


def import_answers(experiments: Sequence[Experiment], files: Sequence[Path], client: Clients = None) -> Imported:
    """Put the answers in these files on record, each under the question that the experiments ask; nothing is asked.

    The order of lines means nothing, and an answer whose question follows from another answer in these files is taken,
    too. Raises ``ConfigurationError`` for a file that cannot be read, and where nobody takes files.
    """
    for file in files:
        with _readable(file), open_regular(file):
            pass  # before the questions are looked for, which takes a while
    done, entered = Imported(), set[str]()
    found, _ = asking(experiments, client)
    foreseen = {key for one in found for key in one.questions.all}
    waiting: dict[Path, set[int] | None] = dict.fromkeys(files)
    while waiting:
        before = done.kept
        waiting = _take_files(waiting, found, done, entered)
        if done.kept == before:
            break
        found, _ = asking(experiments, client)  # answers lead to further questions
    for file, numbers in waiting.items():
        for number, line in _lines(file, MOST_BYTES, numbers):
            key = str(read_object(line)["custom_id"])
            done.note(Line(file.name, number, brief(key), Fate.UNKNOWN, "no question of this experiment has this id"))
    done.lines.sort(key=lambda line: (line.file, line.number))
    missing = {key for one in found for key in one.questions.missing}
    done.missing, done.further = len(missing), len(missing - foreseen)
    return done


def _take_files(
    waiting: Mapping[Path, set[int] | None], found: Sequence[Asking], done: Imported, entered: set[str]
) -> dict[Path, set[int] | None]:
    """Put on record what these lines answer (None: all lines of a file); returns those whose question is unknown."""
    questions = {key: (one, request) for one in found for key, request in one.questions.all.items()}
    longest = longest_body(max((request.max_tokens for _, request in questions.values()), default=1)) + _MARGIN
    unknown: dict[Path, set[int] | None] = {}
    for file, numbers in waiting.items():
        others = set()
        for number, line in _lines(file, longest, numbers):
            key, fate, why = _take(line, longest, questions, done, entered)
            if fate is Fate.UNKNOWN:
                others.add(number)
            else:
                done.note(Line(file.name, number, key, fate, why))
        if others:
            unknown[file] = others
    return unknown


def _take(
    line: bytes,
    longest: int,
    questions: Mapping[str, tuple[Asking, Request]],
    done: Imported,
    entered: set[str],
) -> tuple[str, Fate, str]:
    """Put the answer in a line on record; returns the key of its question, its fate, and why."""
    if len(line) > longest:
        return "", Fate.MALFORMED, f"more than {longest:,} bytes, which is no answer of the length asked for"
    try:
        document = read_object(line)
    except BackendFailure as problem:
        return "", Fate.MALFORMED, brief(str(problem).rpartition(": ")[0].removeprefix("sent "))
    key = document.get("custom_id")
    if not isinstance(key, str):
        return "", Fate.MALFORMED, "it names no question (custom_id)"
    if key not in questions:
        return key, Fate.UNKNOWN, ""
    one, request = questions[key]
    model = one.session.model
    try:
        answer = one.form.read(document, request)
    except ModelError as problem:
        return key, Fate.OTHER_MODEL if isinstance(problem, ModelChanged) else Fate.FAILED, str(problem)
    if (earlier := model.recorded(request)) is not None:
        if earlier.text != answer.text:
            return key, Fate.DIFFERS, "the answer on record holds"
        return key, Fate.TWICE if key in entered else Fate.ON_RECORD, ""
    model.enter(request, answer)
    entered.add(key)
    done.charge(answer, one.session.prices)
    if answer.finish == "length":
        return key, Fate.CUT_OFF, "it ran into its bound and is kept as it is: raise LLM_MAX_TOKENS for others"
    return key, Fate.ANSWERED, ""


def _lines(file: Path, longest: int, numbers: Collection[int] | None) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that hold something, or those of these numbers (from 1); of one with more than ``longest``
    bytes its beginning, which is longer than that."""
    with _readable(file), open_regular(file) as content:
        number = 0
        while line := content.readline(longest + 2):
            number += 1
            rest = line
            while not rest.endswith(b"\n") and len(rest) == longest + 2:
                rest = content.readline(longest + 2)
            if line.strip() and (numbers is None or number in numbers):
                yield number, line.rstrip(b"\r\n")


def _readable(file: Path) -> AbstractContextManager[None]:
    return require_file(file, (".jsonl", ".json"))
