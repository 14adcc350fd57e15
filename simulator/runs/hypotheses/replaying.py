"""The hypotheses of a finished run again: from its prices, its recorded answers and what the register told it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_strategy.errors import AnswerNotRecorded, ForeignAnswers
from llm_strategy.llm.requests import Generation, ModelIdentity
from llm_strategy.types import Abstention, AbstentionReason
from simulator.experiment.configuration import Experiment
from simulator.folder.hypotheses import HYPOTHESES, read_hypotheses
from simulator.prices.universe import Universe
from simulator.runs.answers import Outcome, RunAnswers, failure_behind
from simulator.runs.hypotheses.examine import write_hypotheses
from simulator.runs.hypotheses.registrar import KeptRegistrar


def replay_hypotheses(universe: Universe, experiment: Experiment, folder: Path, target: Path) -> None:
    """Write ``hypotheses.json`` of the run in ``folder`` again into ``target``, where the run has one; raises
    ``ForeignAnswers`` where the questions are no longer the recorded ones."""
    document = read_hypotheses(folder)
    if document is None:
        return
    client = None
    if "proposer" in document:
        asked = document["proposer"]
        identity = ModelIdentity.from_dict(asked["model"])
        client = RunAnswers(identity, asked["sampler"], _answers(document), strict_order=True, place=HYPOTHESES)
        client.fallbacks = tuple(asked.get("fallbacks", ()))
    try:
        write_hypotheses(universe, experiment, target, client, KeptRegistrar(document))
        if client is not None:
            client.finish()
    except AnswerNotRecorded as problem:
        raise ForeignAnswers(f"{folder / HYPOTHESES}: {problem}") from None


def _answers(document: Mapping[str, Any]) -> Iterator[tuple[str, Outcome]]:
    """What came of each question, by request hash."""
    for question in document["questions"]:
        if question["answer"] is not None:
            yield question["request"], Generation(question["answer"], 0, 0, 0.0, cached=True)
        else:
            yield (
                question["request"],
                failure_behind(Abstention(AbstentionReason(question["reason"]), question["detail"])),
            )
