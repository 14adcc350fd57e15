"""What belongs to one advisor in a run: the model that it asks, its record, budget, prices and usage, and its arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.errors import (
    BacktraderLLMError,
    BudgetReached,
    ConfigurationError,
    ModelError,
    TooManyFailures,
    did_you_mean,
)
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import prices_of, without_price
from llm_strategy.llm.metering.audit import AuditLog
from llm_strategy.llm.metering.calls import Prices as TokenPrices
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.settings import LlmSettings, load_settings
from simulator.experiment.advisor import RUNTIME, AdvisorConfig
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.experiment.runtime import runtime_settings, sets_runtime
from simulator.folder.workspace import AUDIT, Workspace
from simulator.runs.advisors.speed import SpeedWatch
from simulator.runs.answers import advisor_of, connect, recorded, require_client
from simulator.runs.estimate import Estimate


@dataclass(eq=False)
class AdvisorSession:
    """One advisor in one command, from its model to its arms, which share its budget.

    ``asked`` is the client that its arms ask once the session is open: ``model``, or an audit log in front of it.
    """

    name: str
    arms: tuple[Arm, ...]
    config: AdvisorConfig
    model: RecordingClient
    prices: TokenPrices
    named: bool
    """Whether errors and lines of the audit log name the advisor: there may be others."""
    watch: SpeedWatch = field(init=False)
    asked: LLMClient = field(init=False)
    audit: AuditLog = field(init=False)
    plan: Estimate | None = None

    def __post_init__(self) -> None:
        self.watch = SpeedWatch(self.config.prompt_options, self.model)
        self.asked = self.model

    @contextmanager
    def open(self, work: Workspace) -> Iterator[None]:
        """Count, record and audit what the advisor asks, until the end of the block."""
        self.audit = AuditLog(work.path / AUDIT, self.prices, self.name if self.named else "")
        with self.model.session(
            budget=self.config.budget,
            prices=self.prices,
            own=work.answered_requests(),
            on_record=self.watch.after(work.answered),
            audit=self.audit,
        ) as self.asked:
            yield

    def advisor(self, experiment: Experiment, config: AdvisorConfig, draw: int = 0) -> ModelAdvisor:
        """The advisor of one arm, or of a further draw of it."""
        return advisor_of(self.asked, config, fallback=experiment.fallback_of(config), draw=draw)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Let an error of the model say whose it is, where there may be several."""
        with naming(self.name if self.named else ""):
            yield


@contextmanager
def naming(advisor: str) -> Iterator[None]:
    """Let an error of a model begin with the advisor's name; without one it stays as it is."""
    begin = f"Advisor {advisor}: "
    try:
        yield
    except (ModelError, BudgetReached, TooManyFailures, ConfigurationError) as problem:
        if not advisor or str(problem).startswith(("Advisor ", "advisors.", "arms.")):
            raise
        if isinstance(problem, ModelError):
            told: BacktraderLLMError = problem.reworded(begin + str(problem))
        else:
            told = type(problem)(begin + str(problem))
        raise told from problem


Clients: TypeAlias = LLMClient | Mapping[str, LLMClient] | None
"""A client in place of that of ``configs/llm.yaml``, or one for each of some advisors, by name."""


def check_clients(experiment: Experiment, given: Any) -> None:
    """Raise ``ConfigurationError`` for what is no client, and for a client of an advisor that is not there."""
    by_name = given if isinstance(given, Mapping) else {}
    for advisor in by_name:
        if advisor not in experiment.advisors_by_name:
            raise ConfigurationError(
                f"client names the advisor {advisor!r:.60}{did_you_mean(str(advisor), [*experiment.advisors_by_name])}"
            )
    for client in by_name.values() if isinstance(given, Mapping) else [given]:
        if client is not None:
            require_client(client)


def sessions_of(experiment: Experiment, arms: Sequence[Arm], given: Clients) -> list[AdvisorSession]:
    """A session for each advisor of these arms, in their order, that of the primary arm first; its model is connected
    and not loaded.

    ``given`` answers in place of the model of ``configs/llm.yaml``, or is one client for each of some advisors. Equal
    runtime settings share a client. An arm that sets model, budget or record of its own has a session of its own.
    """
    advised = [arm.config for arm in arms if arm.config is not None]
    if isinstance(given, LLMClient) and advised and all(map(sets_runtime, advised)):
        raise ConfigurationError(
            "client is given, and each advisor names a backend or model of its own: leave client out, or give it to "
            "one of the advisors."
        )
    models = _Models(experiment, given)
    groups: list[tuple[str, list[Arm]]] = []
    for arm in sorted(arms, key=lambda arm: arm != experiment.primary):
        if arm.config is None:
            continue
        for _, others in groups:
            if others[0].advisor == arm.advisor and _shared(others[0].config, arm.config):
                others.append(arm)
                break
        else:
            taken = any(name == arm.advisor for name, _ in groups)
            groups.append((f"{arm.advisor}/{arm.name}" if taken else arm.advisor, [arm]))
    return [models.session(name, tuple(of_it)) for name, of_it in groups]


def explaining_session(experiment: Experiment, client: LLMClient | Mapping[str, LLMClient]) -> AdvisorSession:
    """The session of a client that explains where rules alone trade."""
    if isinstance(client, Mapping):
        raise ConfigurationError(f"Clients are given for {', '.join(client)}, and no arm asks one: leave them out.")
    settings, config = load_settings(experiment.folder), experiment.advisor
    model, prices = recorded(client, config.answers), prices_of(settings.for_backend(settings.backend))
    config.budget.check_prices(_unpriced(model, prices))
    return AdvisorSession("", (), config, model, prices, False)


def _unpriced(model: RecordingClient, prices: TokenPrices) -> tuple[str, ...]:
    """The backend of a client that a person gave, where its calls have no price."""
    return () if (model.prices or prices).known else (model.identity.backend,)


def _shared(one: AdvisorConfig | None, other: AdvisorConfig | None) -> bool:
    """Whether two arms of an advisor share its model, record and budget."""
    return all(getattr(one, name) == getattr(other, name) for name in (*RUNTIME, "answers", "budget"))


class _Models:
    """The models of a command, each connected once."""

    def __init__(self, experiment: Experiment, given: Clients) -> None:
        self._experiment = experiment
        self._by_name = dict(given) if isinstance(given, Mapping) else {}
        self._for_all = None if isinstance(given, Mapping) else given
        self._connected: list[tuple[LlmSettings, LLMClient]] = []
        self._recorded: list[tuple[LLMClient, RecordingClient]] = []

    def session(self, name: str, arms: tuple[Arm, ...]) -> AdvisorSession:
        config = arms[0].config or AdvisorConfig()
        named = self._experiment.names_advisors
        with naming(name if named else ""):
            client = self._given(arms[0].advisor, config)
            if client is not None:
                settings = load_settings(self._experiment.folder)
                model = self._of_given(client, config)
                prices = prices_of(settings.for_backend(settings.backend))
                config.budget.check_prices(_unpriced(model, prices))
            else:
                where = self._experiment.place_of(name)
                settings = runtime_settings(config, self._experiment.folder, where)
                prices = prices_of(settings.for_backend(settings.backend))
                config.budget.check_prices(without_price(settings))
                model = self._connect(settings, config, where)
            for arm in arms:
                if arm.config is not None:
                    arm.config.shown_context.require_sight(model.supports_images, lambda: model.identity.backend)
        return AdvisorSession(name, arms, config, model, prices, named)

    def _given(self, advisor: str, config: AdvisorConfig) -> LLMClient | None:
        if advisor in self._by_name:
            return self._by_name[advisor]
        if self._for_all is None or sets_runtime(config):
            return None
        return self._for_all

    def _of_given(self, client: LLMClient, config: AdvisorConfig) -> RecordingClient:
        for one, model in self._recorded:
            if one is client:
                again = copy(model)  # the same record and model, counted apart
                again.mode = model.mode if isinstance(client, RecordingClient) else config.answers
                return again
        model = recorded(client, config.answers)
        self._recorded.append((client, model))
        return model

    def _connect(self, settings: LlmSettings, config: AdvisorConfig, where: str) -> RecordingClient:
        own = settings.for_backend(settings.backend)
        for known, client in self._connected:
            if known == own:
                return connect(self._experiment, config, client=client)
        model = connect(self._experiment, config, settings=settings)
        self._connected.append((own, model.inner))
        return model
