"""The stages of a run as its progress tells them: the model's line, asking and trading of the llm arm, the other arms,
the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_strategy.llm.backend_class import class_name
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.settings import LlmSettings, load_settings
from simulator.experiment import LLM_ARM
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.experiment.runtime import runtime_settings, sets_runtime
from simulator.progress.stages import Progress
from simulator.runs.advisors.session import Clients
from simulator.runs.estimate import Estimate


class RunStages:
    """Hears what a run tells (``OnBar``, ``OnAnswer``) and turns it into stages of a progress.

    The time goes into questions, so they are what is counted while the llm arm trades and anything is left to ask; its
    decisions stand beside them.
    """

    def __init__(self, progress: Progress, model: RecordingClient | None) -> None:
        self._progress = progress
        self._model = model
        self._asked_before = len(model.latencies) if model else 0
        self._asking = False
        self._trading = ""
        self._arms: tuple[str, ...] = (LLM_ARM,)

    def turn_to(self, model: RecordingClient, arms: tuple[str, ...]) -> None:
        """Count the questions of this model from now on, which these arms ask."""
        self._model, self._arms = model, arms
        self._asked_before = len(model.latencies)
        self._asking = False

    def ask(self, plan: Estimate) -> None:
        """The questions begin, as many as the plan has to ask."""
        if plan.to_ask and self._model is not None:
            self._asking = True
            name = self._model.identity.name
            self._progress.begin(
                f"asking {name} (its first answer waits until it is loaded)", plan.to_ask, self._count, "questions"
            )

    def asked(self, done: int, questions: int, at_once: int) -> None:
        """Call it as an ``OnAnswer``."""
        self._progress.beside(f"{at_once} at once")
        self._name_asking()

    def traded(self, arm: str, done: int, total: int) -> None:
        """Call it as an ``OnBar``."""
        if self._asking and arm.split()[0] in self._arms:
            self._progress.beside(f"{arm} {done:,}/{total:,} decisions")
            self._name_asking()
            return
        self._asking = False
        if arm != self._trading:
            self._trading = arm
            self._progress.begin(f"trading {arm}", total)
        self._progress.at(done, total)
        if done == total:
            self._progress.end(f"{done:,} decisions")

    def _name_asking(self) -> None:
        """After the first answer nothing waits for the model to be loaded."""
        if self._count() and self._model is not None:
            self._progress.rename(f"asking {self._model.identity.name}")

    def reported(self, stage: str) -> None:
        """The report has come to another stage."""
        if stage == "explanation" and self._model is not None:
            before = len(self._model.latencies)
            self._progress.begin(stage, count=lambda: self._answers() - before, unit="questions")
        else:
            self._progress.begin(stage)

    def _count(self) -> int:
        return self._answers() - self._asked_before

    def _answers(self) -> int:
        return len(self._model.latencies) if self._model else 0


def model_line(settings: LlmSettings, client: LLMClient | None = None) -> str:
    """The first line of a run: a given ``client``, or the configured model."""
    if client is not None:
        return f"Model: {client.identity.name} by {client.identity.backend}, a client that the program gave"
    model: object = settings.model
    if settings.backend in ("local_llama", "llama_cpp"):
        path = settings.instruct_model_path
        model = path.name if path else Path(settings.model).name
    elif settings.backend == "scripted":
        model = settings.script
    elif settings.backend == "replay":
        model = settings.replay_from
    elif class_name(settings.backend) is not None:
        return f"Model: {settings.backend}; settings from {settings.source}"
    elif settings.backend == "ensemble":
        return f"Model: an ensemble; settings from {settings.source}"
    return f"Model: {model} by {settings.backend}; settings from {settings.source}"


def models_line(experiment: Experiment, arms: Sequence[Arm], client: Clients) -> str:
    """The first line of a run: who answers each advisor."""
    lines: dict[str, str] = {}
    for arm in arms:
        if arm.config is not None:
            given = client.get(arm.advisor) if isinstance(client, Mapping) else client
            settings = runtime_settings(arm.config, experiment.folder, experiment.place_of(arm.advisor))
            given = None if given is client and sets_runtime(arm.config) else given
            lines.setdefault(arm.advisor, model_line(settings.for_backend(settings.backend), given))
    if not lines and isinstance(client, LLMClient):
        return model_line(load_settings(experiment.folder), client)
    if not lines:
        return "Model: none is asked, all arms are rules"
    if len(lines) == 1:
        return next(iter(lines.values()))
    return "Models: " + "; ".join(f"{name}: {line.removeprefix('Model: ')}" for name, line in lines.items())
