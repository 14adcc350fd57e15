"""Who explains alerts: a model chooses which measured figures of an event a reader has to know, and nothing else.

Whether an alert is sent was decided by rule before; the sentence of the event is the program's. Of the model is shown
what the figures back, as in the explanation of a run. It is asked in a thread of its own, by a client of its own, and
nothing is asked while a close is being decided, so that no decision waits for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from llm_strategy.errors import BacktraderLLMError, RunFolderError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.layer import Layer
from llm_strategy.llm.loader import prices_of
from llm_strategy.llm.metering.audit import AuditLog
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.requests import Generation, Request
from llm_strategy.llm.settings import load_settings
from llm_strategy.support.outside_text import visible_line
from llm_strategy.support.secrets import redact
from llm_strategy.support.threads import Worker, abandon
from simulator.experiment.configuration import Experiment
from simulator.reporting.explanation.explain import tell
from simulator.runs.advisors.session import AdvisorSession
from simulator.runs.answers import connect
from simulator.watch.alerts.outbox import TOO_LONG, Outbox
from simulator.watch.circumstances import part_of, place_of

log = logging.getLogger(__name__)
AUDIT = "alerts.audit.jsonl"
"""Every question about an alert, in the folder of the watch."""
LONGEST_WAIT_S = 45.0
"""Seconds for which alerts of an event wait for its explanation."""
LONGEST_EXPLANATION, LONGEST_REASON = 1000, 200
_LOOK_S = 1.0


class Explainer:
    """Explains the events of an ``outbox``, the first one first, until ``close``. ``calm`` is set while nothing is
    decided, and ``told`` is called behind each explanation."""

    def __init__(self, client: LLMClient, outbox: Outbox, calm: Event, told: Callable[[], None]) -> None:
        self._client = _CalmClient(client, calm)
        self._outbox = outbox
        self._told = told
        self._bell = Event()
        self._closing = False
        self._worker = Worker(self._run, "alerts explained")
        self._worker.start()

    def wake(self) -> None:
        """Something has come."""
        self._bell.set()

    def close(self, within_s: float) -> None:
        """Explain what waits within so many seconds; the rest goes without."""
        self._closing = True
        self._bell.set()
        self._worker.join(within_s)
        if self._worker.is_alive():
            abandon([self._worker])
        if count := self._outbox.give_up_explanations():
            told = "an event go" if count == 1 else f"{count:,} events go"
            log.warning("The watch has ended: alerts of %s without an explanation.", told)

    def _run(self) -> None:
        try:
            while not self._worker.abandoned:
                self._bell.clear()
                waiting = self._outbox.unexplained()
                if waiting is not None:
                    self._explain(*waiting)
                elif self._closing:
                    return
                else:
                    self._bell.wait(_LOOK_S)
        except KeyboardInterrupt:  # so ends what was left behind within the model
            return
        except RunFolderError as problem:  # also where the watch has ended while the model took its time
            if not self._closing:
                log.warning("No alert is explained any more: %s", problem)

    def _explain(self, key: str, circumstances: str, latest: float) -> None:
        text, problem = "", TOO_LONG
        if time.time() < latest:
            try:
                text, problem = explanation_of(circumstances, self._client)
            except BacktraderLLMError as failure:
                problem = str(failure).rstrip(".")
            except Exception as failure:  # whatever it is, alerts matter more
                problem = f"{type(failure).__name__}: {failure}".rstrip(".")
        if self._outbox.explain(key, text) and not text:
            said = visible_line(redact(problem), LONGEST_REASON)
            log.warning("The alert of %s goes without an explanation: %s.", key, said)
        self._told()


def explanation_of(circumstances: str, client: LLMClient) -> tuple[str, str]:
    """What a model says of the measurements of an event, and what a reader must not miss there beside it; an empty text
    and why, a phrase, where nothing of the model's can be shown."""
    (paragraph,) = tell([part_of(circumstances)], client).paragraphs
    chosen = [sentence.text for sentence in paragraph.sentences if sentence.source == "model"]
    added = [sentence.text for sentence in paragraph.sentences if sentence.source == "program"]
    if not chosen:
        failed = f"the model failed ({paragraph.failure})" if paragraph.failure else "nothing that it chose is backed"
        return "", failed
    how = "written by the model and checked" if paragraph.manner == "written" else "chosen by the model"
    more = f" Added by the program: {' '.join(added)}" if added else ""
    text = f"Measured {place_of(circumstances)}, {how}: {' '.join(chosen)}{more}"
    return visible_line(text, LONGEST_EXPLANATION), ""


@contextmanager
def explaining_client(folder: Path, experiment: Experiment, sessions: Sequence[AdvisorSession]) -> Iterator[LLMClient]:
    """The model that explains, that of the first advisor or else the configured one, behind the record of answers; it
    is loaded for itself, so that no decision waits for it, and has the advisor's budget for itself. Raises
    ``ModelError`` where there is none to speak of."""
    config = sessions[0].config if sessions else experiment.primary_config
    if sessions:
        known, prices = sessions[0].model, sessions[0].prices
        own = known.inner.make() if known.inner.make is not None else known.inner
        model = RecordingClient(own, known.identity, known.store, known.mode)
    else:
        settings = load_settings(experiment.folder)
        model, prices = connect(experiment, config), prices_of(settings.for_backend(settings.backend))
    with model.session(budget=config.budget, prices=prices, audit=AuditLog(folder / AUDIT, prices, "alerts")) as asked:
        yield asked


class _CalmClient(Layer):
    """Asks while nothing is decided."""

    def __init__(self, inner: LLMClient, calm: Event) -> None:
        super().__init__(inner)
        self._calm = calm

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Wait, and ask."""
        self._calm.wait()
        return self.inner.complete(request, on_delta)
