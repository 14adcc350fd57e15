"""Backend ``replay``: the answers of a finished run, or those on record, and no model.

``LLM_REPLAY_FROM`` names a run folder, or the backend whose recorded answers are meant. A question without an answer
there ends the run in one sentence.
"""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

from llm_strategy.errors import ConfigurationError, RunFolderError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.loader import SUPPORTED_BACKENDS, connect_backend
from llm_strategy.llm.models.store import cache_folder
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import FolderStore
from llm_strategy.llm.requests import Generation
from llm_strategy.llm.settings import LlmSettings
from llm_strategy.support.read_regular import at_home
from simulator.folder.integrity import PAGES, check_evidence
from simulator.folder.record import load_record
from simulator.folder.record_check import as_damage
from simulator.runs.answers import Outcome, RunAnswers, recorded_answers
from simulator.runs.report import EXPLANATION

NAME = "replay"


def answers_of(folder: Path) -> RunAnswers:
    """What the model of the run in a folder answered, each question at any time: that of the first arm that a model
    advised, and of further arms what the same model answered there.

    Raises ``RunFolderError`` where the folder cannot be read or was changed since the run, or no model was asked in it.
    """
    check_evidence(folder, "restore it, or name another run.", may_lack=PAGES)
    arms = [arm for arm in load_record(folder).arms if arm.about.model is not None]
    if not arms:
        raise RunFolderError(f"No model was asked in {folder}: name the folder of a run with the llm arm.")
    about = arms[0].about
    same = [arm for arm in arms if arm.about.model == about.model]
    journals = [entries for arm in same for entries in (arm.entries, *(draw.entries for draw in arm.draws))]
    with as_damage(folder):
        answers = chain(*map(recorded_answers, journals), _explained(folder / EXPLANATION))
        sampler = about.sampler or {}
        return RunAnswers(about.model_identity, sampler, answers, strict_order=False, place=str(folder))


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
            answers.strict, answers.supports_images = model.strict, model.supports_images
            return answers
    return answers_of(at_home(source))


def _explained(path: Path) -> list[tuple[str, Outcome]]:
    """The answers behind an explanation, by request; none where nothing was asked."""
    try:
        asked = json.loads(path.read_text(encoding="utf-8"))["requests"]
        return [(str(key), Generation(str(text), 0, 0, 0.0, cached=True)) for key, text in asked.items()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise RunFolderError(f"{path} cannot be read ({problem}): run the experiment again.") from None
