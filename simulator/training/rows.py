"""Training data as files: chat JSONL, a line for each prompt and answer, and a JSON file beside it that says what they
are made of and what was left out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.requests import Message
from llm_strategy.support.read_regular import open_regular, read_text
from llm_strategy.support.strict_json import parse_json
from llm_strategy.support.write_whole import write_whole

MOST_ROWS = 1_000_000
LONGEST_LINE = 100_000
"""Characters of a line; a prompt of a market's line has some hundred."""
HEAVIEST = 10**9
_ABOUT: dict[str, type] = {
    "layout": str, "label": str, "sha256": str, "runs": list, "synthetic": list, "decisions": int, "prompts": int,
    "labels": dict, "dropped": dict,
}  # fmt: skip
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A conversation up to the model's turn, what the model is to answer, and how many decisions came to just this
    (``weight``)."""

    messages: tuple[Message, ...]
    answer: str
    weight: int = 1

    def as_line(self) -> str:
        """The row as a line of chat JSONL."""
        turns = [*self.messages, Message("assistant", self.answer)]
        document = {"messages": [{"role": turn.role, "content": turn.content} for turn in turns], "weight": self.weight}
        return json.dumps(document, ensure_ascii=False) + "\n"


def about_file(data: Path) -> Path:
    """Where it stands what the rows of a file are made of."""
    return data.with_suffix(".about.json")


def write_rows(path: Path, counts: Mapping[tuple[tuple[Message, ...], str], int], about: dict[str, Any]) -> Path:
    """Write rows in the order of their texts, and beside them what they are made of with the hash of the file; raises
    ``ConfigurationError`` where it cannot be written."""
    rows = [TrainingRow(messages, answer, weight) for (messages, answer), weight in counts.items()]
    text = "".join(sorted(row.as_line() for row in rows))
    about = about | {"rows": len(rows), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        write_whole(about_file(path), json.dumps(about, indent=1) + "\n")
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be written ({problem.strerror}): choose another --out.") from None
    return path


def read_rows(path: Path) -> list[TrainingRow]:
    """The rows of a file of chat JSONL; lines without ``weight`` count once. Raises ``ConfigurationError``, which names
    the line, for a row that is none."""
    return list(_rows(path))


def read_about(path: Path) -> dict[str, Any]:
    """What stands beside a file of rows; empty where nothing does, as with a file of others. Raises
    ``ConfigurationError`` where the rows are not those that it is about."""
    try:
        about = checked_about(parse_json(read_text(about_file(path))))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as problem:
        raise ConfigurationError(f"{about_file(path)} cannot be read ({problem}): export the data again.") from None
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if about.get("sha256") != digest:
        raise ConfigurationError(
            f"{path} is not the file that {about_file(path).name} is about: export the data again, or remove the "
            "latter."
        )
    return about


def checked_about(about: Any) -> dict[str, Any]:
    """What an export said of its rows, where it has all that is read of it; raises ``ValueError``."""
    if not isinstance(about, dict):
        raise ValueError("it is no object")
    for name, kind in _ABOUT.items():
        if not isinstance(about.get(name), kind):
            raise ValueError(f"its {name} is not what an export writes")
    if not all(isinstance(run, dict) and {"name", "identity"} <= run.keys() for run in about["runs"]):
        raise ValueError("its runs are not what an export writes")
    counts = [*about["labels"].values(), *about["dropped"].values()]
    if not all(isinstance(count, int) for count in counts) or not all(
        isinstance(one, str) for one in about["synthetic"]
    ):
        raise ValueError("its counts or sources are not what an export writes")
    if about["runs"]:
        try:
            datetime.fromisoformat(str(about.get("before")))
        except ValueError:
            raise ValueError("its before is no day") from None
    return about


def by_prompt(rows: Iterable[TrainingRow]) -> dict[tuple[Message, ...], Counter[str]]:
    """The answers to each prompt with their weights, in the order of the rows."""
    found: dict[tuple[Message, ...], Counter[str]] = {}
    for row in rows:
        found.setdefault(row.messages, Counter())[row.answer] += row.weight
    return found


def _rows(path: Path) -> Iterator[TrainingRow]:
    try:
        with open_regular(path) as file:
            number = 0
            while line := file.readline(LONGEST_LINE * 4):
                number += 1
                if number > MOST_ROWS:
                    raise ConfigurationError(f"{path} has more than {MOST_ROWS:,} lines: export fewer bars.")
                try:
                    yield _row(line.decode())
                except (ValueError, RecursionError) as problem:
                    raise ConfigurationError(
                        f"{path}, line {number}: {problem}: write "
                        '{"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}.'
                    ) from None
    except OSError as problem:
        raise ConfigurationError(
            f"{path} cannot be read ({problem.strerror or problem}): name a file that 'btllm train export' wrote."
        ) from None
    if not number:
        raise ConfigurationError(f"{path} is empty: export some rows first.")


def _row(line: str) -> TrainingRow:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"it has more than {LONGEST_LINE:,} characters")
    document = parse_json(line)
    turns = document.get("messages") if isinstance(document, dict) else None
    if not isinstance(turns, list) or len(turns) < 2:
        raise ValueError("messages is no list of at least two turns")
    if unknown := next((key for key in document if key not in ("messages", "weight")), None):
        raise ValueError(f"{unknown!r:.40} is an unknown key")
    messages = []
    for turn in turns:
        if not isinstance(turn, dict) or turn.keys() != {"role", "content"}:
            raise ValueError("a turn has other keys than role and content")
        if turn["role"] not in _ROLES or not isinstance(turn["content"], str):
            raise ValueError("a turn has a role that is none, or no text")
        messages.append(Message(turn["role"], turn["content"]))
    if messages[-1].role != "assistant" or not messages[-1].content.strip():
        raise ValueError("the last turn is no answer of the assistant")
    weight = document.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= HEAVIEST:
        raise ValueError("weight is no whole number from 1")
    return TrainingRow(tuple(messages[:-1]), messages[-1].content, weight)
