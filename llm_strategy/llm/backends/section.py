"""What stands under a backend's own name in ``configs/llm.yaml`` besides settings, checked and told in one sentence."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_strategy.config import SETTINGS_FILE, LlmSettings
from llm_strategy.errors import ConfigurationError, did_you_mean


class Section(BaseModel):
    """The options of one backend; a subclass lists them."""

    model_config = ConfigDict(extra="forbid")


_Section = TypeVar("_Section", bound=Section)


def read_section(settings: LlmSettings, backend: str, kind: type[_Section]) -> _Section:
    """The options under ``backend:``; raises ``ConfigurationError`` where one is unknown or wrong."""
    given = settings.sections.get(backend, {})
    try:
        return kind(**{name: value for name, value in given.items() if name not in LlmSettings.model_fields})
    except ValidationError as problem:
        first = problem.errors()[0]
        name = str(first["loc"][0])
        hint = f": {first['msg']}."
        if first["type"] == "extra_forbidden":
            hint = did_you_mean(name, [field.alias or known for known, field in kind.model_fields.items()])
        raise ConfigurationError(f"{SETTINGS_FILE} has a wrong {backend}.{name}{hint}") from None
