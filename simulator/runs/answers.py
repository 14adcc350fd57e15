"""Where a run's answers come from: a model behind the record of earlier answers, or a finished run's own journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.outcome import FAILURES
from llm_strategy.errors import AnswerNotRecorded, ConfigurationError, ContractError, ModelError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import get_llm_client
from llm_strategy.llm.metering.audit import AuditedClient
from llm_strategy.llm.models.store import cache_folder
from llm_strategy.llm.record.client import Mode, RecordingClient
from llm_strategy.llm.record.store import FolderStore, MemoryStore
from llm_strategy.llm.requests import Generation, ModelIdentity, Request, request_hash
from llm_strategy.llm.settings import load_settings
from llm_strategy.types import AbstentionReason, Event
from simulator.experiment.configuration import Experiment


def connect(experiment: Experiment) -> RecordingClient:
    """The model that is configured in the experiment's folder, or else in the working folder, behind the user's record
    of answers; the model itself is loaded at the first miss.

    Raises ``ModelError`` where there is no model to speak of.
    """
    model = get_llm_client(experiment.name, settings=load_settings(experiment.folder))
    return RecordingClient(model, model.identity, FolderStore(cache_folder() / "answers"), experiment.advisor.answers)


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
    if not isinstance(client, LLMClient):
        raise ConfigurationError(f"client is {client!r:.60}: give one of get_llm_client(), or leave it out.")
    store = FolderStore(cache_folder() / "answers") if kept and client.make is not None else MemoryStore()
    return RecordingClient(client, client.identity, store, answers)


class JournalClient(LLMClient):
    """Answers from the decisions of a finished run, strictly in their order and without a model.

    A request that is not the one on record, one more than there are, and one that is left over all raise
    ``AnswerNotRecorded``: then this is not a replay of that run. A recorded failure is raised again.
    """

    replays = True

    def __init__(
        self, identity: ModelIdentity, sampler: Mapping[str, Any], decisions: Iterable[dict[str, Any]]
    ) -> None:
        self.identity = identity
        self.defaults = Request(messages=(), **sampler)
        self._exchanges = (exchange for decision in decisions for exchange in recorded_exchanges(decision))
        self._given = 0

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """The next recorded answer, if the request is the recorded one."""
        exchange = next(self._exchanges, None)
        if exchange is None:
            raise AnswerNotRecorded(f"The journal holds {self._given} answers and one more was asked for.")
        expected, answer, failure, events = exchange
        if request_hash(request, self.identity) != expected:
            raise AnswerNotRecorded(
                f"Question {self._given + 1} is not the recorded one ({expected[:12]}): prompts, view or prices have "
                "changed; replay with the version of backtrader-llm named in the manifest."
            )
        self._given += 1
        if answer is None:
            if isinstance(failure, ModelError):
                failure.events = events
            raise failure
        return Generation(answer, 0, 0, 0.0, cached=True, events=events)

    def finish(self) -> None:
        """Raise if an answer was left over."""
        left = sum(1 for _ in self._exchanges)
        if left:
            raise AnswerNotRecorded(f"The journal holds {left} answers that were never asked for.")


def replay_advisor(
    manifest: dict[str, Any], decisions: Iterable[dict[str, Any]], experiment: Experiment, draw: int = 0
) -> ModelAdvisor:
    """The advisor of a finished llm arm, or of a further draw of it, answering from the journal of those decisions."""
    client = JournalClient(ModelIdentity.from_dict(manifest["model"]), manifest["sampler"], decisions)
    choice = experiment.advisor
    return ModelAdvisor(
        client,
        view=choice.view,
        options=choice.options,
        remember=False,
        fallback=experiment.fallback_rule,
        draw=draw,
        repairs=choice.repairs,
    )


Failure: TypeAlias = ModelError | ContractError
"""Why there is no answer: none was given, or none could be taken."""


def recorded_exchanges(decision: dict[str, Any]) -> list[tuple[str, str | None, Failure, tuple[Event, ...]]]:
    """The questions of a line of the journal: request hash, answer or None, the failure behind an answer that is
    missing, and what happened on the way."""
    asked = [decision, *filter(None, [decision["repair"]]), *decision.get("further", ())]
    failure = _failure(decision["abstention"] or decision.get("instead_of"))
    return [
        (exchange["request"], exchange["answer"], failure, tuple(map(Event.from_record, exchange.get("events", ()))))
        for exchange in asked
        if exchange["request"]
    ]


def _failure(abstention: dict[str, str] | None) -> Failure:
    """The error behind an exchange that has no answer."""
    if abstention is not None:
        if abstention["reason"] == AbstentionReason.INVALID:
            field, _, problem = abstention["detail"].partition(": ")
            return ContractError(field, problem)
        for kind, reason in FAILURES.items():
            if reason == abstention["reason"]:
                return kind(abstention["detail"])
    return AnswerNotRecorded("The journal holds a question without an answer and no reason for it.")
