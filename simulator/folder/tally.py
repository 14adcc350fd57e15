"""What is kept of the decisions of an arm, each of which is on disk once it was made: counts, actions and failures, the
scores of labels, which go into a file for later runs, and what the advice took of its model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Self

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.modes.choices import BatchPrior
from llm_strategy.advice.options import ScoredWindow
from llm_strategy.advice.protocol import Advisor
from llm_strategy.errors import ContractError
from llm_strategy.llm.metering.calls import Usage
from llm_strategy.support.read_regular import read_text
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import Abstention, AbstentionReason, ActionType, Decision, Snapshot
from simulator.folder.documents import Ledger
from simulator.folder.evidence import write_json
from simulator.folder.question_texts import QuestionTexts


class Tally:
    """Takes the entries of a journal one by one (``Journal(keep=...)``); ``advisor`` is who decides."""

    def __init__(self, advisor: Advisor | None) -> None:
        self.decisions = self.questions = self.refused = 0
        """``refused`` are the decisions that ended with a question that an open breaker let nobody answer."""
        self.requests: set[str] = set()
        """Hashes of the distinct questions."""
        self.advised: dict[str, list[ActionType]] = {}
        """The advised action at each decision, by symbol; an abstention changes nothing, as a hold does."""
        self.failed: list[Abstention] = []
        """Why the advisor gave no advice though it was asked, whether or not a rule decided in its place."""
        self.documents = Ledger()
        """The texts that the model was shown."""
        self.scored = BatchPrior()
        """The scores of labels: of several answers to a state the last counts."""
        self._scored_closes: tuple[str, str] | None = None
        self._scored_symbols: set[str] = set()
        self.asks = advisor if isinstance(advisor, ModelAdvisor) else None
        """The advisor, where it asks a model."""
        self.texts = QuestionTexts()
        """What the model was asked, word for word."""
        if self.asks is not None:
            self.asks.on_decision = self.texts.take
        self._scores = advisor.mode if isinstance(advisor, ModelAdvisor) and advisor.mode.scores else None

    def take(self, entry: Entry) -> None:
        """Count one more."""
        decision = entry.decision
        self.documents.take(decision)
        action = ActionType.HOLD if decision.advice is None else decision.advice.action.type
        self.advised.setdefault(decision.snapshot.symbol, []).append(action)
        self.decisions += 1
        failure = failure_of(decision)
        if failure is not None and failure.reason is not AbstentionReason.MISSED_BAR:
            self.failed.append(failure)
            self.refused += failure.reason is AbstentionReason.BREAKER_OPEN and not decision.exchanges[-1].events
        self.questions += len(decision.exchanges)
        for exchange in decision.exchanges:
            self.requests.add(exchange.request_hash)
            if self._scores is not None and exchange.purpose == "label" and exchange.answer is not None:
                with suppress(ContractError):  # no decision was made of such an answer either
                    shown = "\n".join((decision.prompt, *(each.text for each in decision.context)))
                    self.scored.take(shown, self._scores.label_scores(decision.prompt, exchange.answer))
                    self._scored_at(decision.snapshot)

    def _scored_at(self, snapshot: Snapshot) -> None:
        first, last = self._scored_closes or (snapshot.time, snapshot.time)
        self._scored_closes = min(first, snapshot.time), max(last, snapshot.time)
        self._scored_symbols.add(snapshot.symbol)

    def scored_window(self, prices: str) -> ScoredWindow | None:
        """The bars whose labels were scored, of a run on ``prices`` of this sha256; None where there are none."""
        if self._scored_closes is None:
            return None
        first, last = self._scored_closes
        return ScoredWindow(first, last, tuple(sorted(self._scored_symbols)), prices)


def failure_of(decision: Decision) -> Abstention | None:
    """Why the advisor gave no advice, whether or not a rule decided in its place."""
    return decision.abstention or decision.instead_of


CALIBRATION = "calibration.json"


def write_calibration(made: Tally, folder: Path, prices: str | None) -> None:
    """Write the prior over the distinct states whose labels were scored, where there are any, and the bars behind it.
    It goes into ``advisor.calibration`` of an experiment with a later window. ``prices`` is the sha256 of those of the
    run; None leaves the bars out, as versions before 0.2.0 did."""
    if prior := made.scored.whole():
        window = None if prices is None else made.scored_window(prices)
        write_json(replace(prior, window=window).as_dict(), folder / CALIBRATION)


def names_window(folder: Path) -> bool:
    """Whether the calibration of a run folder says which bars are behind it."""
    try:
        return "window" in json.loads(read_text(folder / CALIBRATION))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class Questions:
    """Counts of one arm, all its draws together.

    A decision has a question or several (label, prior, action, rationale, repair); equal ones are ``distinct`` once.
    ``asked`` are those that the model was asked in this run, failed ones too (``asked_again`` those of them whose
    answers on record never met the contract), ``from_record`` all others but those that an open breaker refused.
    Seconds and tokens are those of the asked ones: ``mean_seconds`` from question to answer, and ``p95_seconds``, in
    which 95 of 100 are answered; ``seconds`` in which several are under way count once. ``cost`` is that of their calls
    with a price, in the currency of the prices, and so many calls were ``unpriced``.
    """

    decisions: int = 0
    questions: int = 0
    distinct: int = 0
    asked: int = 0
    asked_again: int = 0
    from_record: int = 0
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    mean_seconds: float = 0.0
    p95_seconds: float = 0.0
    cost: float = 0.0
    unpriced: int = 0

    @classmethod
    def of(cls, tallies: Sequence[Tally], used: Usage, latencies: Sequence[float] = ()) -> Self:
        """The counts of all decisions, a tally for each draw, for which so much was ``used``; ``latencies`` are the
        seconds of the asked questions."""
        questions = sum(made.questions for made in tallies)
        refused = sum(made.refused for made in tallies)
        return cls(
            decisions=sum(made.decisions for made in tallies),
            questions=questions,
            distinct=len(frozenset[str]().union(*(made.requests for made in tallies))),
            asked=used.asked,
            asked_again=used.again,
            from_record=max(0, questions - refused - used.asked),
            seconds=used.seconds,
            tokens_in=used.tokens_in,
            tokens_out=used.tokens_out,
            mean_seconds=round(fmean(latencies), 3) if latencies else 0.0,
            p95_seconds=round(_reached_by(0.95, latencies), 3) if latencies else 0.0,
            cost=used.cost,
            unpriced=used.unpriced,
        )


def _reached_by(share: float, latencies: Sequence[float]) -> float:
    """The smallest of them that so many are not above (nearest rank)."""
    return sorted(latencies)[ceil(share * len(latencies)) - 1]
