"""What stands under a backend's own name in ``configs/llm.yaml``, checked and told in one sentence.

There may be options of the backend, which its ``Section`` lists, and settings, which hold for it alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.settings import SETTINGS_FILE, UNQUOTED, LlmSettings
from llm_strategy.support.secrets import redact
from llm_strategy.support.strict_yaml import is_word

_OWN_SETTINGS = tuple(name for name in LlmSettings.model_fields if name not in ("backend", "sections", "log_level"))


class Section(BaseModel):
    """The options of one backend; a subclass lists them. A field's ``description`` is the cure for a wrong value."""

    model_config = ConfigDict(extra="forbid")


_Section = TypeVar("_Section", bound=Section)


def read_section(settings: LlmSettings, backend: str, kind: type[_Section]) -> _Section:
    """The options under ``backend:``; raises ``ConfigurationError`` where one is unknown or wrong."""
    given = settings.sections.get(backend, {})
    check_names(given, backend, kind)
    try:
        return kind(**{name: value for name, value in given.items() if name not in _OWN_SETTINGS})
    except ValidationError as problem:
        raise ConfigurationError(redact(f"{SETTINGS_FILE}: {_told(problem, backend, kind)}")) from None


def check_sections(settings: LlmSettings, kinds: Mapping[str, type[Section]], answering: Collection[str]) -> None:
    """Check what stands under the names of these backends, whether or not they are asked; where they may be
    ``answering`` the values too. Raises ``ConfigurationError``."""
    for backend, kind in kinds.items():
        if backend in answering:
            read_section(settings, backend, kind)
        else:
            check_names(settings.sections.get(backend, {}), backend, kind)


def check_names(given: Mapping[str, Any], backend: str, kind: type[Section]) -> None:
    """Raise ``ConfigurationError`` for a name that is neither an option of the backend nor a setting."""
    options = [field.alias or name for name, field in kind.model_fields.items()]
    for name in given:
        if name not in options and name not in _OWN_SETTINGS:
            if not is_word(name):
                raise ConfigurationError(f"{SETTINGS_FILE} has an option of {backend} that is no word: {UNQUOTED}.")
            meant = did_you_mean(name, [*options, *_OWN_SETTINGS])
            raise ConfigurationError(f"{SETTINGS_FILE} has the unknown option {backend}.{name}{meant}")


def _choices(annotation: object) -> list[str]:
    """The texts of a ``Literal``, also of one that may be None."""
    found = get_args(annotation)
    return [text for one in found for text in ([one] if isinstance(one, str) else _choices(one))]


def _told(problem: ValidationError, backend: str, kind: type[Section]) -> str:
    first = problem.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "missing":
        return f"{backend}.{name} is missing: write it under {backend}."
    field = next(field for known, field in kind.model_fields.items() if name in (known, field.alias))
    wrong = f"{backend}.{name} is {first['input']!r}"
    if first["type"] == "literal_error":
        return wrong + did_you_mean(first["input"], _choices(field.annotation))
    return f"{wrong}: {first['msg']}{f'; {field.description}' if field.description else ''}."
