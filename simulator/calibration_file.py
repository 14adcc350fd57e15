"""What a run with scored choices says of the model's habits: its mean label probabilities, kept for later runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from llm_strategy.advisor import Advisor, ModelAdvisor
from llm_strategy.calibration import BatchPrior
from llm_strategy.choice_reader import label_scores
from llm_strategy.errors import ContractError
from llm_strategy.journal import Journal
from simulator.evidence import write_json

CALIBRATION = "calibration.json"


def write_calibration(journal: Journal, advisor: Advisor, folder: Path) -> None:
    """Write the prior over the distinct states of a journal, where labels were scored: of several answers to a state
    the last counts. It goes into ``advisor.calibration`` of an experiment with a later window."""
    if not isinstance(advisor, ModelAdvisor) or advisor.reading.mode != "choices":
        return
    scored = BatchPrior()
    for entry in journal.entries:
        for exchange in entry.decision.exchanges:
            if exchange.purpose == "label" and exchange.answer is not None:
                market = entry.decision.prompt
                with suppress(ContractError):  # no decision was made of such an answer either
                    scored.take(market, label_scores(advisor.reading, market, exchange.answer))
    if prior := scored.whole():
        write_json(asdict(prior), folder / CALIBRATION)
