"""Which region, profile and credentials are asked: those of the settings, then the environment, ``.env``, and AWS's own
files."""

from __future__ import annotations

import os
from collections.abc import Callable

from llm_strategy.llm.backends.network import check_header
from llm_strategy.llm.settings import LlmSettings

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
