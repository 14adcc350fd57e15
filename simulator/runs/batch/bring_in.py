"""Answers that come back as files, put on record.

They are checked line by line: the question of an answer is found again from the experiment, the answer is read as a
live one is, and what cannot be used is told and stays to be asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from llm_strategy.errors import BackendFailure, ModelChanged, ModelError
from llm_strategy.llm.backend import BatchForm
from llm_strategy.llm.backends.http import brief, longest_body
from llm_strategy.llm.metering.calls import Prices
from llm_strategy.llm.requests import Generation, Request
from llm_strategy.support.read_regular import open_regular, require_file
from simulator.runs.batch.export import Asked, Asking, asking

MARGIN = 100_000
"""Bytes that a line may have around its answer."""


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


def check_files(files: Sequence[Path]) -> None:
    """Raise ``ConfigurationError`` for the first of these files that cannot be read: before questions are looked for,
    which takes a while and may speak with a server."""
    for file in files:
        with _readable(file), open_regular(file):
            pass


def import_answers(asked: Asked, files: Sequence[Path]) -> Imported:
    """Put the answers in these files on record, each under the question that one of these advisors asks; nothing is
    asked.

    The order of lines means nothing, and an answer whose question follows from another answer in these files is taken,
    too. Raises ``ConfigurationError`` for a file that cannot be read, and where nobody takes files.
    """
    check_files(files)
    done, entered = Imported(), set[str]()
    found, _ = asking(asked)
    foreseen = {key for one in found for key in one.questions.all}
    waiting: dict[Path, dict[int, str]] = {file: {} for file in files}  # all lines of these
    while waiting:
        before = done.kept
        waiting = _take_files(waiting, found, done, entered)
        if done.kept == before:
            break
        found = [one.again() for one in found]  # answers lead to further questions
    for file, numbers in waiting.items():
        for number, key in numbers.items():
            done.note(Line(file.name, number, key, Fate.UNKNOWN, "no question of this experiment has this custom_id"))
    done.lines.sort(key=lambda line: (line.file, line.number))
    missing = {key for one in found for key in one.questions.missing}
    done.missing, done.further = len(missing), len(missing - foreseen)
    return done


def _take_files(
    waiting: Mapping[Path, Mapping[int, str]], found: Sequence[Asking], done: Imported, entered: set[str]
) -> dict[Path, dict[int, str]]:
    """Put on record what these lines of files answer (all lines, where none are named); returns those whose question is
    unknown, by their numbers, with what they name."""
    questions = {key: (one, request) for one in found for key, request in one.questions.all.items()}
    longest = longest_body(max((request.max_tokens for _, request in questions.values()), default=1)) + MARGIN
    unknown: dict[Path, dict[int, str]] = {}
    for file, numbers in waiting.items():
        others: dict[int, str] = {}
        for number, line in _lines(file, longest, numbers):
            key, fate, why = _take(line, found[0].form, longest, questions, done, entered)
            if fate is Fate.UNKNOWN:
                others[number] = brief(key)
            else:
                done.note(Line(file.name, number, key, fate, why))
        if others:
            unknown[file] = others
    return unknown


def _take(
    line: bytes,
    form: BatchForm,
    longest: int,
    questions: Mapping[str, tuple[Asking, Request]],
    done: Imported,
    entered: set[str],
) -> tuple[str, Fate, str]:
    """Put the answer in a line on record; returns the key of its question, its fate, and why."""
    if len(line) > longest:
        return "", Fate.MALFORMED, f"more than {longest:,} bytes, which is no answer of the length asked for"
    try:
        document = form.parse(line)
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


def _lines(file: Path, longest: int, numbers: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that hold something, or those of these numbers (from 1); of one with more than ``longest``
    bytes its beginning, which is longer than that."""
    with _readable(file), open_regular(file) as content:
        number = 0
        while line := content.readline(longest + 2):
            number += 1
            rest = line
            while not rest.endswith(b"\n") and len(rest) == longest + 2:
                rest = content.readline(longest + 2)
            if line.strip() and (not numbers or number in numbers):
                yield number, line.rstrip(b"\r\n")


def _readable(file: Path) -> AbstractContextManager[None]:
    return require_file(file, (".jsonl", ".json"))
