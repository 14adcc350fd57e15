"""What a check for look-ahead comes to: one line a part, and honest words on what it cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from llm_strategy.support.outside_text import hanging

Outcome = Literal["passes", "looks ahead", "not deterministic", "fails"]


@dataclass(frozen=True, slots=True)
class PartCheck:
    """One part of an experiment, checked.

    ``part`` is what it is and its name (``strategy donchian``). The others tell of the first decision that changes:
    its ``time`` (ISO 8601) and ``symbol``, what was decided ``before`` (on the whole history) and ``after``, on the
    ``history`` that was changed after ``cut_at``. ``decisions`` are those of the whole history that were compared.
    """

    part: str
    outcome: Outcome
    decisions: int = 0
    cuts: int = 0
    time: str = ""
    symbol: str = ""
    before: str = ""
    after: str = ""
    cut_at: str = ""
    history: str = ""

    def as_text(self) -> str:
        """The same in a line, or two where something was found."""
        if self.outcome == "passes":
            said = (
                f"none of {self.decisions:,} decisions changes on {self.cuts} cut and {self.cuts} rewritten histories"
            )
            return f"{self.part}: passes, {said}."
        if self.outcome == "not deterministic":
            return (
                f"{self.part}: not deterministic, two runs on the same history differ first at {self.time} "
                f"({self.symbol}): seed what is random in it.\nbefore  {self.before}\nafter   {self.after}"
            )
        if self.outcome == "fails":
            return f"{self.part}: fails, so that nothing was compared: {self.after}"
        return (
            f"{self.part}: looks ahead, its decision at {self.time} ({self.symbol}) changes with the prices after "
            f"{self.cut_at} ({self.history}).\nbefore  {self.before}\nafter   {self.after}"
        )


@dataclass(frozen=True, slots=True)
class LookaheadResult:
    """All parts of an experiment, and the data files that parts read by themselves (``files``)."""

    parts: tuple[PartCheck, ...]
    files: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every part passes."""
        return all(part.outcome == "passes" for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"passed": self.passed, "parts": [asdict(part) for part in self.parts], "files": list(self.files)}

    def as_text(self) -> str:
        """A line a part, and what the check cannot see."""
        return "\n".join(map(hanging, self._lines()))

    __str__ = as_text

    def _lines(self) -> Iterator[str]:
        if not self.parts:
            yield "The experiment has no part of your own: --all checks the built-in ones."
            return
        yield from (part.as_text() for part in self.parts)
        yield ""
        yield (
            "What passes has shown no look-ahead on these histories. The check cannot see one that changed no decision "
            "at the bars where it was tried (--cuts tries more), nor what was known only later about the prices "
            "themselves (a choice of symbols that survived, settings that were fitted on these years)."
        )
        if self.files:
            yield (
                f"Not cut, as they are no file of the prices: {', '.join(self.files)}. What they say of the future "
                "stays unseen."
            )
