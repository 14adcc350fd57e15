"""Everything that was said at a decision, and what became of it, as values that compare: equal outcomes are one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llm_strategy.support.outside_text import spelled_out
from llm_strategy.trading.decision_lines import exchanges_of
from simulator.folder.question_texts import SentMessage
from simulator.reporting.inspector.numbering import Numbers

Row = Mapping[str, Any]


class Question(NamedTuple):
    """One question to a model: what for, the hash of the request, the answer word for word (None for none), and what
    happened on the way, as ``kind: detail``."""

    purpose: str
    request: str
    answer: str | None
    events: tuple[str, ...]


class Outcome(NamedTuple):
    """What was shown, asked, answered and allowed at a decision. ``shown`` are the market's line and what else was
    shown, each as source, text and the hash of an image; ``confidences`` those of label and action as the advice states
    them."""

    shown: tuple[tuple[str, str, str], ...]
    questions: tuple[Question, ...]
    rationale: str
    confidences: tuple[float | None, float | None]
    repairs: tuple[str, ...]
    failure: str
    policy: tuple[str, ...]
    plan: tuple[str, ...] | None


class Gate(NamedTuple):
    """What the gate made of it: intent, size (shares), stop and target (fractions from the fill), why, and each cut as
    limit, before and after."""

    intent: str
    size: float
    stop: float | None
    target: float | None
    reason: str
    cuts: tuple[tuple[str, float, float], ...]


def outcome_of(row: Row) -> Outcome:
    """The outcome of a line of the journal."""
    advice, policy = row["advice"], row["policy"]
    market = [("features", row["prompt"], "")] if row["prompt"] else []
    return Outcome(
        (*market, *((each["source"], each["text"], each.get("image", "")) for each in row.get("context", ()))),
        tuple(
            Question(
                each.purpose,
                each.request_hash,
                each.answer,
                tuple(f"{event.kind}: {event.detail}" for event in each.events),
            )
            for each in exchanges_of(row)
        ),
        advice["rationale"] if advice else "",
        (advice["regime"].get("confidence"), advice["action"]["confidence"]) if advice else (None, None),
        tuple(row["repairs"]),
        failure_in_words(row),
        (policy["verdict"], *policy["reasons"]),
        tuple(row["plan"]["chosen"]) if "plan" in row else None,
    )


def failure_in_words(row: Row) -> str:
    """Why the advisor gave no advice, whether or not a rule decided in its place; empty where it did."""
    failure = row["abstention"] or row.get("instead_of")
    return f"{failure['reason']}: {failure['detail']}" if failure else ""


def gate_of(row: Row) -> Gate:
    """The gate's verdict of a line of the journal."""
    verdict = row["verdict"]
    return Gate(
        verdict["intent"],
        verdict["size"],
        verdict["stop_pct"],
        verdict["target_pct"],
        verdict["reason"],
        tuple((cut["limit"], short(cut["before"]), short(cut["after"])) for cut in row["clamps"]),
    )


def short(value: float) -> float:
    """A figure to eight digits: more than any reader compares."""
    return float(f"{value:.8g}")


class WordTables:
    """The words of some decisions as numbered tables, each text, conversation, outcome and verdict once.

    ``asked(key)`` gives the messages of a request by its hash, None where they are not on record.
    """

    def __init__(self, asked: Callable[[str], Sequence[SentMessage] | None]) -> None:
        self._asked = asked
        self._texts: Numbers[str] = Numbers()
        self._talks: Numbers[tuple[tuple[Any, ...], ...]] = Numbers()
        self._outcomes: Numbers[tuple[Any, ...]] = Numbers()
        self._gates: Numbers[Gate] = Numbers()
        self._known: dict[str, int] = {}
        """Numbers of texts by how they came from outside."""

    def outcome(self, outcome: Outcome) -> int:
        """The number of an outcome, in which every text is its number."""
        return self._outcomes(
            (
                tuple((self._text(source), self._text(text), image) for source, text, image in outcome.shown),
                tuple(
                    (each.purpose, self._talk(each.request), self._text(each.answer), *map(self._text, each.events))
                    for each in outcome.questions
                ),
                self._text(outcome.rationale),
                outcome.confidences,
                tuple(map(self._text, outcome.repairs)),
                self._text(outcome.failure),
                tuple(map(self._text, outcome.policy)),
                None if outcome.plan is None else tuple(map(self._text, outcome.plan)),
            )
        )

    def gate(self, gate: Gate) -> int:
        """The number of a verdict."""
        return self._gates(gate._replace(reason=spelled_out(gate.reason)))

    def _talk(self, request: str) -> int:
        messages = self._asked(request)
        if messages is None:
            return -1
        number = self._text
        return self._talks(tuple([(role, number(text), *images) for role, text, images in messages]))

    def _text(self, text: str | None) -> int:
        if text is None:
            return -1
        if (number := self._known.get(text)) is None:
            number = self._known[text] = self._texts(spelled_out(text))
        return number

    def as_dict(self) -> dict[str, Any]:
        """The tables as JSON types."""
        return {
            "texts": self._texts.values,
            "talks": self._talks.values,
            "outcomes": self._outcomes.values,
            "gates": self._gates.values,
        }
