"""Opening the sealed tail of an experiment: the comparison on it alone."""

from __future__ import annotations

from typing import Unpack

from llm_strategy.llm.client import LLMClient
from simulator.progress.stages import Progress
from simulator.progress.surfaces import progress_for
from simulator.runs.compare import AnyExperiment, Callbacks, as_experiment, execute
from simulator.runs.result import Result
from simulator.runs.trials.opening import TailOpening
from simulator.runs.trials.tail import tail_experiment


def open_holdout(
    experiment: AnyExperiment,
    *,
    again: bool = False,
    client: LLMClient | None = None,
    workers: int = 1,
    progress: Progress | bool | None = None,
    **callbacks: Unpack[Callbacks],
) -> Result:
    """Run all arms of an experiment on its sealed tail (``evaluation.holdout``) alone, warmed up by the bars before it,
    and write the comparison's folder; arguments, result and errors as for ``compare``.

    The ledger of trials is told before anything runs. Bars that were opened before, by whatever configuration, are
    refused with ``ConfigurationError``, unless ``again``, which the page says; the same run once more is no second
    opening.
    """
    tail, ended = tail_experiment(as_experiment(experiment))
    with progress_for(progress) as shown:
        return execute(
            tail, tail.compared, client, shown, workers=workers, opening=TailOpening(again, ended), **callbacks
        )
