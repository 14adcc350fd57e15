"""What is kept of the decisions of an arm, each of which is on disk once it was made: counts, actions and failures, and
the scores of labels, which go into a file for later runs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from llm_strategy.advice.advisor import Advisor, ModelAdvisor
from llm_strategy.advice.modes.choices import BatchPrior
from llm_strategy.errors import ContractError
from llm_strategy.trading.journal import Entry
from llm_strategy.types import Abstention, AbstentionReason, ActionType, Decision
from simulator.folder.evidence import write_json


class Tally:
    """Takes the entries of a journal one by one (``Journal(keep=...)``); ``advisor`` is who decides."""

    def __init__(self, advisor: Advisor) -> None:
        self.decisions = self.questions = self.refused = 0
        """``refused`` are the decisions that ended with a question that an open breaker let nobody answer."""
        self.requests: set[str] = set()
        """Hashes of the distinct questions."""
        self.advised: dict[str, list[ActionType]] = {}
        """The advised action at each decision, by symbol; an abstention changes nothing, as a hold does."""
        self.failed: list[Abstention] = []
        """Why the advisor gave no advice, whether or not a rule decided in its place."""
        self.scored = BatchPrior()
        """The scores of labels: of several answers to a state the last counts."""
        self._mode = advisor.mode if isinstance(advisor, ModelAdvisor) else None

    def take(self, entry: Entry) -> None:
        """Count one more."""
        decision = entry.decision
        action = ActionType.HOLD if decision.advice is None else decision.advice.action.type
        self.advised.setdefault(decision.snapshot.symbol, []).append(action)
        self.decisions += 1
        if (failure := failure_of(decision)) is not None:
            self.failed.append(failure)
            self.refused += failure.reason is AbstentionReason.BREAKER_OPEN and not decision.exchanges[-1].events
        self.questions += len(decision.exchanges)
        for exchange in decision.exchanges:
            self.requests.add(exchange.request_hash)
            if self._mode is not None and exchange.purpose == "label" and exchange.answer is not None:
                with suppress(ContractError):  # no decision was made of such an answer either
                    self.scored.take(decision.prompt, self._mode.label_scores(decision.prompt, exchange.answer))


def failure_of(decision: Decision) -> Abstention | None:
    """Why the advisor gave no advice, whether or not a rule decided in its place."""
    return decision.abstention or decision.instead_of


CALIBRATION = "calibration.json"


def write_calibration(scored: BatchPrior, folder: Path) -> None:
    """Write the prior over the distinct states whose labels were scored, where there are any. It goes into
    ``advisor.calibration`` of an experiment with a later window."""
    if prior := scored.whole():
        write_json(asdict(prior), folder / CALIBRATION)
