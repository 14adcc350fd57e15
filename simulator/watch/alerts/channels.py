"""Channels of alerts: addresses with the secrets of the environment in place, opened by ``apprise``."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from types import ModuleType
from urllib.parse import quote

from llm_strategy.errors import BackendMissing, ConfigurationError
from llm_strategy.llm.settings import load_settings
from llm_strategy.llm.settings_file import VARIABLE
from llm_strategy.support.outside_text import visible_line
from llm_strategy.support.secrets import keep_secret, redact, secrets_in_address
from simulator.experiment.configuration import Experiment
from simulator.watch.periods import INSTALL

LONGEST_REASON = 200
_USER = re.compile(r"[^/]*@")
"""What follows a place in an address that lies before its host."""


class Channel:
    """One channel of alerts; ``address`` is whole, with its secrets. Raises ``ConfigurationError`` where ``apprise``
    cannot read it, and ``BackendMissing`` without ``apprise``."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self._apprise = _apprise()
        # One thread sends, so that its own timeouts are all there are; local files are never attached.
        asset = self._apprise.AppriseAsset(
            app_id="backtrader-llm", app_desc="backtrader-llm", app_url="", async_mode=False, storage_mode="memory"
        )
        self._service = self._apprise.Apprise(asset=asset)
        if not self._service.add(address):
            raise ConfigurationError(
                f"alerts.channels.{name} is no address that apprise can read: see "
                "https://appriseit.com/services/ for how that of your service is written."
            )

    def send(self, title: str, text: str) -> str:
        """Hand a message over, within the seconds that ``apprise`` allows; returns why it was not accepted, a phrase
        without secrets, or nothing where it was."""
        try:
            with self._service.notify(body=text, title=title, body_format=self._apprise.NotifyFormat.TEXT) as result:
                if result:
                    return ""
                said = " ".join(entry.message for entry in result.logs())
        except Exception as problem:  # a service may fail in any way, and the watch goes on
            said = f"{type(problem).__name__}: {problem}"
        return visible_line(redact(said), LONGEST_REASON).rstrip(".") or "the service did not accept it"


def open_channels(experiment: Experiment) -> list[Channel]:
    """The channels under ``alerts`` that a rule uses, in their order, none where there is no such section. Raises
    ``ConfigurationError`` where a variable is not set or an address cannot be read, and ``BackendMissing``."""
    if experiment.alerts is None:
        return []
    used = [rule.channels or tuple(experiment.alerts.channels) for rule in experiment.alerts.all_rules]
    named = {name for names in used for name in names}
    settings = load_settings(experiment.folder)
    opened = []
    for name, address in experiment.alerts.channels.items():
        if name not in named:
            raise ConfigurationError(
                f"alerts.channels.{name} is used by no rule: name it under the channels of one, or leave it out."
            )
        variables = {found: settings.variable(found) for found in VARIABLE.findall(address)}
        for variable, value in variables.items():
            if not value:
                raise ConfigurationError(
                    f"alerts.channels.{name} names the variable {variable}, which is not set: export it, or write it "
                    "into .env."
                )
            for secret in (value, quote(value, safe=""), quote(value), *secrets_in_address(value)):
                keep_secret(secret)
        opened.append(Channel(name, whole_address(address, variables)))
    return opened


def whole_address(address: str, variables: Mapping[str, str]) -> str:
    """The address with the values of its variables. One that is the whole address stands as it is; within one its
    characters are escaped, but for the slashes of what stands behind the host, as some services have them in a
    token."""
    if VARIABLE.fullmatch(address):
        return variables[address[2:-1]]

    def value(found: re.Match[str]) -> str:
        before_host = _USER.match(address, found.end()) is not None
        return quote(variables[found[1]], safe="" if before_host else "/")

    return VARIABLE.sub(value, address)


def _apprise() -> ModuleType:
    try:
        import apprise
    except ImportError:
        raise BackendMissing(f"Alerts are sent by apprise, which is not installed: run {INSTALL}") from None
    # What it says of an attempt is told by the outbox, without an address.
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    return apprise
