"""A draft of a checklist as a person reads it: YAML that says who drafted it, from which closes, and what each line
means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.risk.checklist import Checklist
from llm_strategy.support.outside_text import spelled_out
from llm_strategy.support.write_whole import write_whole

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Line:
    """One item or limit of a draft: its content as plain data, and what it means in one sentence."""

    content: Any
    means: str


@dataclass(frozen=True)
class Draft:
    """A checklist that a model drafted, of which nothing is in force until a person names it in ``risk.checklist``.

    ``checklist`` is what its text is read as. ``asked`` questions were put to the ``model``, and ``failed`` of them it
    answered twice with none of the choices, or not at all; what they were about is left out.
    """

    model: str
    closes: int
    first: str
    last: str
    why: str
    """Which part of the experiment's prices these closes are."""
    items: Mapping[str, Line]
    limits: Mapping[str, Line]
    asked: int
    failed: int
    checklist: Checklist

    @property
    def text(self) -> str:
        """The YAML, in which everything that is no item or limit is a comment."""
        return "\n".join(self._lines()) + "\n"

    def write(self, path: str | Path, *, force: bool = False) -> Path:
        """Write it to a file; raises ``ConfigurationError`` where one is there already (unless by ``force``), and
        ``RunFolderError`` where none can be written."""
        target = Path(path)
        require_place(target, force=force)
        try:
            write_whole(target, self.text)
        except OSError as problem:
            raise RunFolderError(f"{target} cannot be written ({problem.strerror}): name another file.") from None
        return target

    def _lines(self) -> Iterator[str]:
        counted = f"asked {self.asked} questions"
        if self.failed:
            counted += f", of which {self.failed} got no answer that could be taken: their lines are left out"
        yield from _comment(
            f"A checklist drafted by the model {self.model}, {counted}.",
            f"It was drafted from {self.closes} closes, {_date(self.first)} to {_date(self.last)}: {self.why}.",
            "Thresholds are quantiles of these closes, and symbols, dates and prices were not shown to the model. A "
            "result on these same closes says nothing about the checklist: test it on later ones.",
            "It is a draft: nothing here is in force until you have read it, changed what is wrong, and named this "
            "file in the experiment:",
        )
        yield "#   risk:"
        yield "#     checklist: FILE"
        if self.items:
            yield "items:"
        for name, line in self.items.items():
            yield from _comment(line.means, indent="  ")
            yield f"  {name}: {_flow(line.content)}"
        if self.limits:
            yield "limits:"
        for name, line in self.limits.items():
            yield from _comment(line.means, indent="  ")
            yield f"  {name}: {_flow(line.content)}"


def require_place(path: Path, *, force: bool) -> None:
    """Raise ``ConfigurationError`` where a file is there already or its folder is none, before anybody is asked, and
    ``RunFolderError`` for what can be no file."""
    try:
        is_folder, has_folder, is_there = path.is_dir(), path.parent.is_dir(), path.exists()
    except OSError as problem:  # such as a name that is too long
        raise RunFolderError(f"{path!s:.200} cannot be written ({problem.strerror}): name another file.") from None
    if is_folder:
        raise ConfigurationError(f"{path} is a folder: name a file in it, such as {path / 'checklist.yaml'}.")
    if not has_folder:
        raise ConfigurationError(f"There is no folder {path.parent}: make it, or name another file.")
    if is_there and not force:
        raise ConfigurationError(f"{path} exists already: name another file, or write over it with --force.")


def _date(time: str) -> str:
    """A time, without its clock where that says nothing."""
    return time.removesuffix("T00:00:00")


def _flow(content: Any) -> str:
    """Plain data on one line of YAML."""
    text: str = yaml.safe_dump(content, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.strip().removesuffix("\n...")


def _comment(*sentences: str, indent: str = "") -> Iterator[str]:
    """Sentences as comments, each on lines of its own; no sign in them can end one."""
    for sentence in sentences:
        line = ""
        for word in " ".join(spelled_out(sentence).split()).split(" "):
            if line and len(line) + len(word) + 1 > _WIDTH:
                yield f"{indent}# {line}"
                line = ""
            line = f"{line} {word}" if line else word
        yield f"{indent}# {line}"
