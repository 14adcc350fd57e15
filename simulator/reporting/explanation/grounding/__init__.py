"""Whether a sentence about results is backed by facts, wholly; what cannot be read in one way only is refused."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.reporting.explanation.grounding.claims import SentenceReader
from simulator.reporting.explanation.grounding.tokens import Lexicon, UnbackedError
from simulator.reporting.explanation.grounding.values import FactCheck
from simulator.reporting.facts.fact import Facts

LONGEST_SENTENCE = 1_000
"""Characters; a longer sentence is refused unread, since reading takes time with the square of its clauses."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``facts`` are the ids that back an accepted sentence; ``refusal`` says why another one is not shown."""

    facts: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the sentence may be shown."""
        return not self.refusal


class Judge:
    """Judges sentences on one topic.

    A sentence may tell the facts of ``topic`` only, each number in the fact's own spelling and with the right subject
    and metric; superlatives range over ``everything``. Each word must be known: causes, forecasts, advice, praise,
    denials and spelled numbers have no fact behind them.
    """

    def __init__(self, topic: Facts, everything: Facts) -> None:
        self._topic, self._everything = topic, everything
        self._lexicon = Lexicon(topic)

    def judge(self, sentence: str) -> Judgement:
        """Accept the sentence with the facts that it tells, or refuse it with the reason."""
        if len(sentence) > LONGEST_SENTENCE:
            return Judgement(refusal="it is too long to be checked")
        facts = FactCheck(self._topic, self._everything)
        try:
            SentenceReader(facts).read(self._lexicon.tokens(sentence))
        except UnbackedError as problem:
            return Judgement(refusal=str(problem))
        return Judgement(tuple(facts.told))
