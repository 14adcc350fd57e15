"""Where a run's answers come from: a model behind the record of earlier answers, or the journal of a finished run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import replace
from itertools import tee
from typing import Any, TypeAlias

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.outcome import FAILURES
from llm_strategy.errors import AnswerNotRecorded, ConfigurationError, ContractError, ModelError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import connect_backend, get_llm_client
from llm_strategy.llm.metering.audit import AuditedClient
from llm_strategy.llm.models.store import cache_folder
from llm_strategy.llm.record.client import Mode, RecordingClient
from llm_strategy.llm.record.store import FolderStore, MemoryStore
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request, request_hash
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.market.context.context import Context
from llm_strategy.trading.decision_lines import Entry
from llm_strategy.types import Abstention, AbstentionReason, Decision, Snapshot
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.configuration import Experiment
from simulator.experiment.runtime import runtime_settings


def connect(
    experiment: Experiment,
    config: AdvisorConfig | None = None,
    *,
    settings: LlmSettings | None = None,
    client: LLMClient | None = None,
) -> RecordingClient:
    """The model of an advisor, or that of the primary arm, behind the user's record of answers; the model itself is
    loaded at the first miss.

    It is the one of these runtime ``settings``, or else of the experiment's folder and of the advisor, or a ``client``
    that is connected already. Raises ``ModelError`` where there is no model to speak of, and ``ConfigurationError``
    where images are shown to a backend that reads text alone.
    """
    choice = config or experiment.primary_config
    if client is None:
        settings = settings or runtime_settings(choice, experiment.folder, "advisor")
        client = get_llm_client(experiment.name, settings=settings)
        _require_sight(choice.shown_context, client, settings)
    return RecordingClient(client, client.identity, FolderStore(cache_folder() / "answers"), choice.answers)


def _require_sight(context: Context, client: LLMClient, settings: LlmSettings) -> None:
    """Raise ``ConfigurationError`` where images are shown, and the model or one that answers in its place reads text
    alone; what is wrong with a fallback otherwise is told when it is needed."""
    context.require_sight(client.supports_images, lambda: settings.backend)
    for name in client.fallbacks if context.images else ():
        with suppress(ModelError), connect_backend(name, settings) as other:
            if not other.supports_images:
                raise ConfigurationError(
                    f"LLM_FALLBACK names {name!r}, which reads text alone, and advisor.context shows "
                    f"{', '.join(context.images)}, which is an image: name one that sees, or leave it out."
                )


def require_client(client: object) -> None:
    """Raise ``ConfigurationError`` for what is no client."""
    if not isinstance(client, LLMClient):
        raise ConfigurationError(f"client is {client!r:.60}: give one of get_llm_client(), or leave it out.")


def recorded(client: LLMClient, answers: Mode = "live", *, kept: bool = True) -> RecordingClient:
    """A client that a person passed, behind a record of answers: itself where it is one, the user's own for a client of
    ``get_llm_client`` (unless it is not to be ``kept``), and one in memory for any other.

    Raises ``ConfigurationError`` for what is no client, and for one that writes an audit log of its own.
    """
    if isinstance(client, RecordingClient):
        return client
    if isinstance(client, AuditedClient):
        raise ConfigurationError(
            "The client keeps an audit log of its own, and a run writes one into its folder: leave audit_file out."
        )
    require_client(client)
    store = FolderStore(cache_folder() / "answers") if kept and client.make is not None else MemoryStore()
    return RecordingClient(client, client.identity, store, answers)


Failure: TypeAlias = ModelError | ContractError
"""Why there is no answer: none was given, or none could be taken."""
Outcome: TypeAlias = Generation | Failure
"""What came of a question."""


class RunAnswers(LLMClient):
    """Answers as the model of a finished run did, without a model; to all who ask it is that model, with that run's
    sampler. A failure that the run saw is raised again.

    ``answers`` are what came of its questions, by request hash, in their order. With ``strict_order`` they are read as
    they are asked for, and a question that is not the next one, one more than there are, and one that is left over all
    raise ``AnswerNotRecorded``: then this is no replay of that run. Without it each is answered at any time and as
    often as it is asked, and ``AnswerNotRecorded`` is raised for what the run did not ask. ``place`` names the run.
    """

    def __init__(
        self,
        identity: ModelIdentity,
        sampler: Mapping[str, Any],
        answers: Iterable[tuple[str, Outcome]],
        *,
        strict_order: bool,
        place: str = "The journal",
    ) -> None:
        self.identity = identity
        self.supports_images = True  # that run's model saw them
        self.replays = strict_order
        self.strict = not strict_order  # an answer depends on the question alone
        self._sampler = dict(sampler)
        self.start_from(Request(messages=()))
        self._place = place
        self._asked = 0
        self._following = iter(answers if strict_order else ())
        self._answers: dict[str, Generation] = {}
        self._failures: dict[str, Failure] = {}
        for key, outcome in () if strict_order else answers:
            if not isinstance(outcome, Generation):
                self._failures[key] = outcome
            elif key not in self._answers or not any(event.is_substitute for event in outcome.events):
                self._answers[key] = outcome

    def start_from(self, defaults: Request) -> None:
        """The run's own sampler goes before what is given."""
        self.defaults = replace(defaults, **self._sampler)

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """The run's answer."""
        key = request_hash(request, self.identity)
        outcome = self._next(key) if self.replays else self._answers.get(key) or self._failures.get(key)
        if outcome is None:
            raise AnswerNotRecorded(
                f"{self._place} holds no answer to question {key[:12]}: ask what that run asked (its experiment stands "
                "in its manifest.json), or choose another LLM_BACKEND."
            )
        if not isinstance(outcome, Generation):
            raise outcome if isinstance(outcome, ContractError) else copy(outcome)
        if on_delta is not None:
            on_delta(outcome.text)
        return outcome

    def recorded(self, request: Request) -> Generation | None:
        """The run's answer; None where it has none, or answers in its order alone."""
        return self._answers.get(request_hash(request, self.identity))

    def healthcheck(self) -> Health:
        """Always well."""
        return Health(True, f"{len(self._answers)} answers of {self.identity.name} in {self._place}.", 0.0)

    def finish(self) -> None:
        """Raise if an answer was left over."""
        left = sum(1 for _ in self._following)
        if left:
            raise AnswerNotRecorded(f"The journal holds {left} answers that were never asked for.")

    def _next(self, key: str) -> Outcome:
        expected, outcome = next(self._following, ("", None))
        if outcome is None:
            raise AnswerNotRecorded(f"The journal holds {self._asked} answers and one more was asked for.")
        if key != expected:
            raise AnswerNotRecorded(
                f"Question {self._asked + 1} is not the recorded one ({expected[:12]}): prompts, view or prices have "
                "changed; replay with the version of backtrader-llm named in the manifest."
            )
        self._asked += 1
        return outcome


def recorded_answers(entries: Iterable[Entry]) -> Iterator[tuple[str, Outcome]]:
    """The questions of a journal by request hash, with the answer, or the failure behind one that is missing, and what
    happened on the way to it."""
    for decision in (entry.decision for entry in entries):
        for exchange in decision.exchanges:
            if exchange.answer is not None:
                yield (
                    exchange.request_hash,
                    Generation(exchange.answer, 0, 0, 0.0, cached=True, events=exchange.events),
                )
                continue
            failure = failure_behind(decision.abstention or decision.instead_of)
            if isinstance(failure, ModelError):
                failure.events = exchange.events
            yield exchange.request_hash, failure


def failure_behind(abstention: Abstention | None) -> Failure:
    """The error behind an exchange that has no answer."""
    if abstention is not None:
        if abstention.reason is AbstentionReason.INVALID:
            field, _, problem = abstention.detail.partition(": ")
            return ContractError(field, problem)
        for kind, reason in FAILURES.items():
            if reason is abstention.reason:
                return kind(abstention.detail)
    return AnswerNotRecorded("The journal holds a question without an answer and no reason for it.")


def replay_advisor(
    identity: ModelIdentity,
    sampler: Mapping[str, Any],
    entries: Iterable[Entry],
    experiment: Experiment,
    draw: int = 0,
    config: AdvisorConfig | None = None,
) -> ModelAdvisor:
    """The advisor of a finished arm that a model advised (as ``config`` says, or as the primary arm), or of a further
    draw of it, answering from the journal of those entries."""
    choice = config or experiment.primary_config
    context = choice.shown_context
    if not context.from_prices:
        entries, shown = tee(entries)
        context = context.replayed(DecidedBefore(shown))
    client = RunAnswers(identity, sampler, recorded_answers(entries), strict_order=True)
    return advisor_of(
        client, choice, remember=False, fallback=experiment.fallback_of(choice), draw=draw, context=context
    )


def advisor_of(client: LLMClient, config: AdvisorConfig, **more: Any) -> ModelAdvisor:
    """An advisor that asks a client as these settings say; ``more`` are other keywords of ``ModelAdvisor``."""
    keywords = {"context": config.context, "plan": config.planning, **more}
    return ModelAdvisor(client, view=config.view, options=config.prompt_options, repairs=config.repairs, **keywords)


class DecidedBefore:
    """What a finished run decided at its closes, which are asked for in their order; raises ``AnswerNotRecorded`` for a
    close at which it decided nothing."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._decisions = (entry.decision for entry in entries)
        self._last: Decision | None = None

    def __call__(self, snapshot: Snapshot) -> Decision:
        """The decision at this close, with what was shown for it."""
        while (last := self._last) is None or not _is_at(last, snapshot):
            self._last = next(self._decisions, None)
            if self._last is None:
                raise AnswerNotRecorded(f"The journal holds no decision on {snapshot.symbol} at {snapshot.time}.")
        return last


def _is_at(decision: Decision, snapshot: Snapshot) -> bool:
    at = decision.snapshot
    return (at.symbol, at.time) == (snapshot.symbol, snapshot.time)
