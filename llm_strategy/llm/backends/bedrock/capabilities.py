"""What is known of Bedrock before a question: region, profile and credentials, and how a model wants to be spoken to.

Settings go before the environment, ``.env`` and AWS's own files. What a model takes is noted beside the record of
answers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llm_strategy.errors import BackendRefused
from llm_strategy.llm.backends.network import check_header
from llm_strategy.llm.models.fingerprint import keep_note
from llm_strategy.llm.requests import Message, Request
from llm_strategy.llm.settings import LlmSettings

TRIAL = Request((Message("system", "Be brief."), Message("user", "Answer with one word: ready?")), max_tokens=16)
"""A question whose refusal shows what a model does not take."""


class FilteredAnswer(BackendRefused):
    """The model was asked, and what it answered is cut off or kept back: another question it may answer."""


class UnsupportedTemperature(BackendRefused):
    """The model has its own temperature, and refuses every other."""


class UnsupportedSystem(BackendRefused):
    """The model knows no system messages."""


@dataclass(frozen=True, slots=True)
class BedrockCapabilities:
    """What a model takes: whether the temperature is left out, and whether what the system says opens the first turn.

    Both can change an answer, so that they stand in the identity where they are not as usual.
    """

    omit_temperature: bool = False
    fold_system: bool = False

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """What an identity says of it."""
        said = []
        if self.omit_temperature:
            said.append(("temperature", "omitted"))
        if self.fold_system:
            said.append(("system", "in the first turn"))
        return tuple(said)

    def after(self, refusal: BackendRefused) -> BedrockCapabilities:
        """The manner that avoids this refusal; the same where it is about something else."""
        if isinstance(refusal, UnsupportedTemperature):
            return replace(self, omit_temperature=True)
        return replace(self, fold_system=True) if isinstance(refusal, UnsupportedSystem) else self


class CapabilityNote:
    """The note on one model at one address, in ``folder`` (None: nothing is kept); a damaged one counts as missing."""

    def __init__(self, folder: Path | None, model: str, endpoint_url: str | None) -> None:
        about = hashlib.sha256(json.dumps(["bedrock", model, endpoint_url]).encode()).hexdigest()
        self._file = None if folder is None else folder / f"{about}.json"

    def read(self) -> BedrockCapabilities | None:
        """What was found out when the model was last met, or None."""
        try:
            noted = json.loads(self._file.read_bytes()) if self._file else {}
            known = {name: noted[name] for name in ("omit_temperature", "fold_system")}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return BedrockCapabilities(**known) if all(isinstance(value, bool) for value in known.values()) else None

    def write(self, manner: BedrockCapabilities) -> None:
        """Keep what was found out."""
        if self._file is not None:
            keep_note(self._file, json.dumps(asdict(manner)) + "\n")


REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""In the order of the AWS command line, which reads the first one too; boto3 by itself knows only the second."""
_CREDENTIALS = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
}
_SECRETS = (*_CREDENTIALS.values(), "AWS_BEARER_TOKEN_BEDROCK")


def region_of(variable: Callable[[str], str]) -> str | None:
    """The region that ``variable`` knows of, by name; None leaves it to the AWS configuration."""
    return next(filter(None, map(variable, REGION_VARIABLES)), None)


def environment(name: str) -> str:
    """A variable of the environment; empty where it is not set."""
    return os.environ.get(name, "")


def region_in_force(settings: LlmSettings) -> str | None:
    """The region of the environment, or else of ``.env``."""
    return region_of(environment) or region_of(settings.variable)


def profile_of(settings: LlmSettings) -> str | None:
    """The profile that ``.env`` names, where the environment names neither a profile nor keys (which AWS finds)."""
    if environment("AWS_PROFILE") or environment("AWS_ACCESS_KEY_ID"):
        return None
    return settings.variable("AWS_PROFILE") or None


def credentials_of(settings: LlmSettings) -> dict[str, str]:
    """The keys of ``.env`` as boto3 takes them, where the environment names neither a profile nor keys."""
    if environment("AWS_PROFILE") or environment("AWS_ACCESS_KEY_ID") or not settings.variable("AWS_ACCESS_KEY_ID"):
        return {}
    found = {name: settings.variable(variable) for name, variable in _CREDENTIALS.items()}
    return {name: value for name, value in found.items() if value}


def check_credentials() -> None:
    """Raise ``ConfigurationError`` where a key of the environment cannot stand in a request."""
    for name in _SECRETS:
        check_header(environment(name), name)
