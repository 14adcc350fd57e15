"""The ``advisors`` of an experiment by their names: each with settings of its own, or those of another where it says
``like``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_strategy.advice.own_rule import RULE_NAME
from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.support.schemas import require
from simulator.experiment.advisor import AdvisorConfig, read_advisor, write_advisor
from simulator.experiment.documents import plain, without_nulls
from simulator.experiment.schema import section_schema

LIKE = "like"
OF_EVERY_BACKEND = (
    *("temperature", "seed", "max_tokens", "json_mode", "timeout_s", "context_tokens", "threads", "strict"),
    *("attempts", "attempt_timeout_s", "backoff_s", "backoff_max_s", "breaker_failures", "breaker_pause"),
)
"""Settings of ``configs/llm.yaml`` that mean the same whoever answers; model, address, key and price belong to one."""
ADVISOR_SCHEMA = section_schema(AdvisorConfig)
_NAMED = ADVISOR_SCHEMA | {"properties": {LIKE: {"type": "string"}, **ADVISOR_SCHEMA["properties"]}}
ADVISORS_SCHEMA = {
    "type": "object",
    "additionalProperties": {"if": {"type": "null"}, "else": _NAMED},
    "description": "advisors by their names, each with the settings of advisor, and like: the name of one whose "
    "settings it has where it sets none",
}


def read_advisors(advisors: Mapping[str, Any], folder: Path | None, taken: Iterable[str]) -> dict[str, AdvisorConfig]:
    """The settings of each advisor, written out; raises ``ConfigurationError`` for a name that is ``taken`` or none,
    and for one that is ``like`` nobody, or like itself by way of others."""
    check_names(advisors, taken)
    return {name: _read(name, advisors, folder) for name in advisors}


def check_names(advisors: Any, taken: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` where advisors have no names, or one of them is ``taken`` or none."""
    if not isinstance(advisors, Mapping):
        raise ConfigurationError(
            f"advisors is {advisors!r:.60}: write each under its name, such as {{small: {{}}, large: {{like: small}}}}."
        )
    for name in advisors:
        if not isinstance(name, str) or not re.fullmatch(RULE_NAME, name):
            raise ConfigurationError(
                f"advisors: {name!r} cannot be the name of an advisor: write small letters, digits and underscores, at "
                "most 40 of them, and begin with a letter."
            )
        if name in taken:
            raise ConfigurationError(f"advisors: {name!r} is a name of the program's own: give the advisor another.")


def override(config: AdvisorConfig, settings: Mapping[str, Any], folder: Path | None, where: str) -> AdvisorConfig:
    """The settings of an advisor with others in their place; an error begins with ``where``."""
    with told_at(where):
        document = plain(settings, where)
        document = {name: value for name, value in document.items() if value is not None}
        require({"properties": {where: ADVISOR_SCHEMA}}, {where: document}, "experiment")
        before = write_advisor(config)
        if document.get("backend", config.backend) != config.backend:  # what belongs to one backend is no other's
            for name in ("model", "base_url"):
                before.pop(name, None)
            before["options"] = {name: value for name, value in config.options.items() if name in OF_EVERY_BACKEND}
        return read_advisor(before | document, folder)


@contextmanager
def told_at(where: str) -> Iterator[None]:
    """Let an error about settings say whose they are."""
    try:
        yield
    except ConfigurationError as problem:
        told = str(problem)
        raise ConfigurationError(told if where in told else f"{where}: {told}") from None


def _read(name: str, advisors: Mapping[str, Any], folder: Path | None) -> AdvisorConfig:
    chain = _chain(name, advisors)
    given = advisors[chain[-1]]
    if isinstance(given, AdvisorConfig):
        config = given
        chain.pop()
    else:
        config = AdvisorConfig()
    for one in reversed(chain):
        own = {key: value for key, value in (advisors[one] or {}).items() if key != LIKE}
        config = override(config, own, folder, f"advisors.{one}")
    with told_at(f"advisors.{name}"):
        require({"properties": {f"advisors.{name}": ADVISOR_SCHEMA}}, {f"advisors.{name}": _set(config)}, "experiment")
    return config


def _set(config: AdvisorConfig) -> dict[str, Any]:
    document: dict[str, Any] = without_nulls({"": write_advisor(config)})[""]
    return document


def _chain(name: str, advisors: Mapping[str, Any]) -> list[str]:
    """The advisor, the one that it is like, the one that this is like, and so on."""
    chain = [name]
    while isinstance(given := advisors[chain[-1]], Mapping) and given.get(LIKE) is not None:
        other = given[LIKE]
        if other not in advisors:
            raise ConfigurationError(
                f"advisors.{chain[-1]}.like is {other!r}, and there is no such advisor"
                f"{did_you_mean(other, [one for one in advisors if one != chain[-1]])}"
            )
        if other in chain:
            circle = " is like ".join([*chain[chain.index(other) :], other])
            raise ConfigurationError(f"advisors: {circle}: write the settings of one of them out.")
        chain.append(other)
    return chain
