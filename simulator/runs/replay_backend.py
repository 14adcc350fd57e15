"""Backend ``replay``: the answers of a finished run, or those on record, and no model.

``LLM_REPLAY_FROM`` names a run folder, or the backend whose recorded answers are meant. A question without an answer
there ends the run in one sentence.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_strategy.errors import AnswerNotRecorded, ConfigurationError, ContractError, ModelError, RunFolderError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import SUPPORTED_BACKENDS, connect_backend
from llm_strategy.llm.models.store import cache_folder
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import FolderStore
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request, request_hash
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.support.read_regular import at_home
from simulator.folder.integrity import PAGES, check_evidence
from simulator.folder.record import ArmRecord, load_record
from simulator.folder.record_check import as_damage
from simulator.runs.answers import Failure, recorded_exchanges
from simulator.runs.report import EXPLANATION

NAME = "replay"


class RunAnswers(LLMClient):
    """Answers as the model of a finished run did, each question at any time and as often as it is asked.

    It is that model to all who ask who answers, with that run's sampler. A failure that the run saw is raised again;
    ``AnswerNotRecorded`` is raised for what the run did not ask. Raises ``RunFolderError`` where the folder cannot be
    read or was changed since the run, or no model was asked in it.
    """

    strict = True  # an answer depends on the question alone

    def __init__(self, folder: Path) -> None:
        check_evidence(folder, "restore it, or name another run.", may_lack=PAGES)
        record = load_record(folder)
        arm = next((arm for arm in record.arms if arm.manifest["model"] is not None), None)
        if arm is None:
            raise RunFolderError(f"No model was asked in {folder}: name the folder of a run with the llm arm.")
        self.folder = folder
        self.identity = ModelIdentity.from_dict(arm.manifest["model"])
        self._sampler: dict[str, Any] = arm.manifest["sampler"]
        self.start_from(Request(messages=()))
        self._answers: dict[str, Generation] = {}
        self._failures: dict[str, Failure] = {}
        with as_damage(folder):
            self._take(arm)
        for key, text in _explained(folder / EXPLANATION).items():
            self._answers[key] = Generation(text, 0, 0, 0.0, cached=True)

    def start_from(self, defaults: Request) -> None:
        """The run's own sampler goes before what is given."""
        self.defaults = replace(defaults, **self._sampler)

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """The run's answer."""
        answer = self.recorded(request)
        if answer is None:
            key = request_hash(request, self.identity)
            if failed := self._failures.get(key):
                raise failed if isinstance(failed, ContractError) else type(failed)(str(failed))
            raise AnswerNotRecorded(
                f"{self.folder} holds no answer to question {key[:12]}: ask what that run asked (its experiment stands "
                "in its manifest.json), or choose another LLM_BACKEND."
            )
        if on_delta is not None:
            on_delta(answer.text)
        return answer

    def recorded(self, request: Request) -> Generation | None:
        """The run's answer; None where it has none."""
        return self._answers.get(request_hash(request, self.identity))

    def healthcheck(self) -> Health:
        """Always well."""
        return Health(True, f"{len(self._answers)} answers of {self.identity.name} in {self.folder}.", 0.0)

    def _take(self, arm: ArmRecord) -> None:
        for decisions in (arm.decisions, *(draw.decisions for draw in arm.draws)):
            for decision in decisions:
                for key, answer, failure, events in recorded_exchanges(decision):
                    if answer is None:
                        if isinstance(failure, ModelError):
                            failure.events = events
                        self._failures[key] = failure
                    elif not any(event.is_substitute for event in events) or key not in self._answers:
                        self._answers[key] = Generation(answer, 0, 0, 0.0, cached=True, events=events)


def connect(settings: LlmSettings) -> LLMClient:
    """The client for the run folder or the record that ``LLM_REPLAY_FROM`` names."""
    source = settings.replay_from
    if not source:
        raise ConfigurationError(
            "LLM_BACKEND is replay and LLM_REPLAY_FROM is not set: name a run folder, or the backend whose recorded "
            "answers are meant."
        )
    if source in SUPPORTED_BACKENDS and source != NAME:
        with connect_backend(source, settings) as model:
            answers = RecordingClient(None, model.identity, FolderStore(cache_folder() / "answers"), "replay")
            answers.strict = model.strict
            return answers
    return RunAnswers(at_home(source))


def _explained(path: Path) -> dict[str, str]:
    """The answers behind an explanation, by request; none where nothing was asked."""
    try:
        asked = json.loads(path.read_text(encoding="utf-8"))["requests"]
        return {str(key): str(text) for key, text in asked.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): run the experiment again.") from None
