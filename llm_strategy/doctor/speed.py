"""How fast a model was when it was last asked here, kept in the cache folder: the first estimate of the next run."""

from __future__ import annotations

import json
from pathlib import Path

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm.client import SLOW_SECONDS as SLOW_SECONDS
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.models.fingerprint import cache_folder, keep_note
from llm_strategy.llm.requests import ModelIdentity, digest
from llm_strategy.support.read_regular import read_text

MOST_SECONDS = 1e6
"""A note of more is damaged."""


def note_speed(identity: ModelIdentity, asked: str, seconds: float) -> None:
    """Keep the seconds that one question took, among many; ``asked`` is the way of asking. A folder that cannot be
    written only costs an estimate."""
    if not seconds > 0:
        return
    file = _file(identity)
    keep_note(file, json.dumps(_read(file) | {asked: seconds}))


def noted_speed(identity: ModelIdentity, asked: str) -> float | None:
    """Seconds a question, as last noted for this model and this way of asking; None where there is no note."""
    seconds = _read(_file(identity)).get(asked)
    return float(seconds) if isinstance(seconds, int | float) and 0 < seconds < MOST_SECONDS else None


def way_of_asking(client: LLMClient, reading: PromptOptions) -> str:
    """What besides the model decides how long a question takes, as speeds are noted."""
    able = ModelAdvisor(client, reading=reading).reading
    return f"{able.mode}, {able.examples} {able.count}, {client.concurrency} at once"


def _read(file: Path) -> dict[str, float]:
    try:
        noted = json.loads(read_text(file))
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _file(identity: ModelIdentity) -> Path:
    return cache_folder() / "speeds" / f"{digest(identity)}.json"
