"""How a model of Bedrock wants to be spoken to, and the note of it beside the record of answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llm_strategy.errors import BackendRefused
from llm_strategy.llm.models.fingerprint import keep_note
from llm_strategy.llm.requests import Message, Request

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
