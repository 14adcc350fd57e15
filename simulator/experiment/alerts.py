"""The section ``alerts`` of an experiment: of what in a watched market a person is told, where, and when not.

It decides nothing of a run, and the addresses in it are nobody else's business: neither the manifest of a run nor the
folder of a watch holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, time
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Field, WithJsonSchema

from llm_strategy.errors import ConfigurationError, did_you_mean
from llm_strategy.llm.settings_file import VARIABLE
from llm_strategy.support.secrets import secrets_in_address
from simulator.experiment.schema import section_schema
from simulator.prices.sessions import zone_of

Occasion: TypeAlias = Literal[
    "regime_changed",
    "action_changed",
    "cut",
    "kill_switch",
    "drawdown",
    "disagreement",
    "abstention",
    "stale_feed",
    "feed_back",
    "feed_trouble",
    "late_ticks",
    "missed_bars",
    "budget",
    "order_filled",
]
"""What can happen in a watch, as ``simulator.watch.events`` names it."""
OCCASIONS: tuple[str, ...] = get_args(Occasion)
STEP = 0.05
"""From where on a drawdown is told where no rule says otherwise, and the steps from there."""
_OCCASIONS: dict[str, Any] = {
    "type": ["string", "array"],
    "minLength": 1,
    "minItems": 1,
    "items": {"type": "string"},
    "description": f"one or several of {', '.join(OCCASIONS)}",
}
_CHANNELS: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "minLength": 1},
    "description": "by a name of yours the address of each, as apprise writes it",
}
_QUIET = r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|\$\{\w+\}")


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When an alert is sent, and by which channels. Raises ``ConfigurationError`` for what contradicts."""

    when: Annotated[tuple[str, ...] | str, WithJsonSchema(_OCCASIONS)]
    """What has to happen: one or several of the occasions."""
    symbols: tuple[str, ...] = ()
    """Symbols that it has to concern; all where none is named. What concerns the whole market or an account passes."""
    advisors: tuple[str, ...] = ()
    """Arms that it has to concern; all where none is named. What concerns no single one passes."""
    channels: tuple[str, ...] = ()
    """Names under ``alerts.channels``; all where none is named."""
    above: Annotated[float, Field(gt=0, lt=1)] = STEP
    """For ``drawdown``: the fraction below the highest close from which it is told, and again at each further 0.05."""
    urgent: bool = False
    """Whether it is sent in quiet hours, too, and beyond ``most_an_hour``."""

    def __post_init__(self) -> None:
        # The one way to give a frozen instance its normal form.
        object.__setattr__(self, "when", (self.when,) if isinstance(self.when, str) else tuple(self.when))
        for name in ("symbols", "advisors", "channels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for occasion in self.when:
            if occasion not in OCCASIONS:
                raise ConfigurationError(f"alerts.rules: when names {occasion!r}{did_you_mean(occasion, OCCASIONS)}")
        if not (isinstance(self.above, int | float) and 0 < self.above < 1):
            raise ConfigurationError(
                f"alerts.rules: above is {self.above!r:.40}: write a fraction below the highest close, such as 0.12."
            )
        if self.above != STEP and "drawdown" not in self.when:
            raise ConfigurationError("alerts.rules: above is for drawdown alone: name it under when, or leave it out.")

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | AlertRule) -> AlertRule:
        """A rule of plain data."""
        if isinstance(document, AlertRule):
            return document
        known = [one.name for one in fields(cls)]
        for key in document:
            if key not in known:
                raise ConfigurationError(f"alerts.rules: {key!r} is unknown{did_you_mean(str(key), known)}")
        if "when" not in document:
            raise ConfigurationError("alerts.rules: a rule has no when: name what has to happen, such as drawdown.")
        return cls(**document)


_RULES: dict[str, Any] = {"type": "array", "minItems": 1, "items": section_schema(AlertRule)}


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """Of what in a watched market a person is told, where, and when not. Raises ``ConfigurationError``, without an
    address in its words."""

    channels: Annotated[Mapping[str, str], WithJsonSchema(_CHANNELS)]
    """Where alerts go: by a name of yours an address of ``apprise`` such as ``mailtos://``, ``tgram://``, ``slack://``
    or ``jsons://``; a ``${NAME}`` in it is a variable of the environment or of ``.env``, where all secrets belong."""
    rules: Annotated[tuple[AlertRule | Mapping[str, Any], ...], WithJsonSchema(_RULES)]
    """What is told: each a mapping of ``when``, and by choice ``symbols``, ``advisors``, ``channels``, ``above``
    (drawdown) and ``urgent``."""
    quiet: Annotated[str, Field(pattern=_QUIET, description="two times such as 22:00-07:00")] | None = None
    """Hours in which nothing is sent but what is urgent; the rest waits until they are over."""
    timezone: Annotated[str, Field(min_length=1)] = "UTC"
    """Of ``quiet``, an IANA name such as Europe/Zurich."""
    most_an_hour: Annotated[int, Field(ge=1, le=1000)] = 20
    """Messages of each channel within an hour; the last one of them takes all that waits."""
    explain: bool = False
    """Whether the model of the first advisor says behind the sentence of an event which measured figures matter there:
    shown where they back it, and never what decides that an alert is sent."""

    def __post_init__(self) -> None:
        check_channels({"channels": self.channels})
        # The one way to give a frozen instance its normal form.
        object.__setattr__(self, "rules", tuple(AlertRule.from_document(rule) for rule in self.rules))
        for rule in self.all_rules:
            _known("channels", rule.channels, self.channels)
        zone_of(self.timezone, "alerts.timezone")
        if self.quiet is not None and not re.fullmatch(_QUIET, self.quiet):
            raise ConfigurationError(f"alerts.quiet is {self.quiet!r:.40}: write two times such as 22:00-07:00.")
        if self.timezone != "UTC" and self.quiet is None:
            raise ConfigurationError("alerts.timezone is for quiet hours alone: write alerts.quiet, or leave it out.")

    @property
    def all_rules(self) -> tuple[AlertRule, ...]:
        """The rules, read."""
        return tuple(rule for rule in self.rules if isinstance(rule, AlertRule))

    def as_document(self) -> dict[str, Any]:
        """Plain data, the addresses included: for checks in memory, and never to be written."""
        rules = [{name: _plain(value) for name, value in asdict(rule).items()} for rule in self.all_rules]
        quiet = {} if self.quiet is None else {"quiet": self.quiet}
        document = {"channels": dict(self.channels), "rules": rules, "timezone": self.timezone, **quiet}
        return document | {"most_an_hour": self.most_an_hour, "explain": self.explain}

    def is_quiet(self, moment: datetime) -> bool:
        """Whether a moment (aware) lies in the quiet hours."""
        if self.quiet is None:
            return False
        begin, end = map(time.fromisoformat, self.quiet.split("-"))
        clock = moment.astimezone(zone_of(self.timezone, "alerts.timezone")).time()
        return begin <= clock < end if begin <= end else clock >= begin or clock < end

    def check_names(self, symbols: Iterable[str], arms: Iterable[str]) -> None:
        """Raise ``ConfigurationError`` for a rule about a symbol or an arm that is not watched."""
        watched, names = list(symbols), list(arms)
        for rule in self.all_rules:
            _known("symbols", rule.symbols, watched)
            _known("advisors", rule.advisors, names)


def check_channels(section: object) -> None:
    """Raise ``ConfigurationError``, which shows no address, where the channels of a section ``alerts`` are no addresses
    by their names, or hold a password that is written out. A schema would show what it refuses."""
    if not isinstance(section, Mapping) or "channels" not in section:
        return
    channels = section["channels"]
    if not isinstance(channels, Mapping) or not channels:
        raise ConfigurationError("alerts.channels is no mapping: write a name and an address such as mailtos://... .")
    for name, address in channels.items():
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise ConfigurationError(
                f"alerts.channels.{name} is no address: write one of apprise such as jsons://example.com/path."
            )
        if any(not VARIABLE.search(secret) for secret in secrets_in_address(address)):
            raise ConfigurationError(
                f"alerts.channels.{name} holds a password: write ${{NAME}} in its place, and the password into the "
                "environment or .env as NAME."
            )


def _known(setting: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            raise ConfigurationError(f"alerts.rules: {setting} names {name!r}{did_you_mean(name, names)}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
