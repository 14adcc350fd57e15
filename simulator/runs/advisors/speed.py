"""How fast the model of a run answers, told as soon as it is known and noted for the next run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

from llm_strategy.advice.options import PromptOptions
from llm_strategy.doctor.speed import SLOW_SECONDS, record_speed, way_of_asking
from llm_strategy.llm.metering.calls import Usage
from llm_strategy.llm.record.client import RecordingClient
from simulator.runs.estimate import Estimate

log = logging.getLogger(__name__)

FIRST_ANSWERS = 5
"""Answers after which a speed is one; the first of them is left out, as it pays for what all questions share."""
SLOW_ANSWERS = 3
"""Answers after which slow ones are told; the first alone may have waited for the model to load."""


class SpeedWatch:
    """Hears of each answer of a run that is recorded."""

    def __init__(self, options: PromptOptions, client: RecordingClient) -> None:
        self._options = options
        self._client = client
        self._before = replace(client.usage)
        self._first: Usage | None = None
        self._plan: Estimate | None = None
        self._tell: Callable[[Estimate], None] | None = None
        self._warned = False

    def tell(self, plan: Estimate, tell: Callable[[Estimate], None]) -> None:
        """Tell an estimate without a time once more when it has one."""
        if plan.seconds is None:
            self._plan, self._tell = plan, tell

    def after(self, keep: Callable[[str], None]) -> Callable[[str], None]:
        """A function to call with the key of each recorded answer: it is kept, then counted."""

        def recorded(key: str) -> None:
            keep(key)
            self._count()

        return recorded

    def note(self) -> None:
        """Keep the speed of what was asked so far."""
        if seconds := self._seconds():
            record_speed(self._client.identity, way_of_asking(self._client, self._options), seconds)

    def _count(self) -> None:
        used = self._client.usage.since(self._before)
        self._first = self._first or used
        seconds = self._seconds()
        self._warn()
        if self._plan and self._tell and seconds:
            self._tell(replace(self._plan, seconds=self._plan.to_ask * seconds))
            self._plan = None

    def _warn(self) -> None:
        """Say once that answers are slow."""
        latencies = self._client.latencies[self._before.asked :]
        if self._warned or len(latencies) < SLOW_ANSWERS or (mean := fmean(latencies)) <= SLOW_SECONDS:
            return
        self._warned = True
        log.warning(
            "Answers of %s take %.0f s in the mean: choose a smaller model or advisor.mode choices, lower "
            "LLM_MAX_TOKENS, set LLM_THREADS, or use a graphics card; 'btllm doctor' measures the speed.",
            self._client.identity.name,
            mean,
        )

    def _seconds(self) -> float | None:
        """Seconds of a question; None until there were enough."""
        used = self._client.usage.since(self._before)
        if self._first is None or used.asked - self._first.asked < FIRST_ANSWERS:
            return None
        later = used.since(self._first)
        return later.seconds / later.asked
