"""The regime labels that an advisor chooses from: their names, what each means, and what may be done about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_strategy.errors import ConfigurationError, did_you_mean, shown
from llm_strategy.support.outside_text import spelled_out
from llm_strategy.types import ActionType, RegimeLabel

FEWEST_LABELS, MOST_LABELS = 2, 12
LONGEST_MEANING = 120
"""Characters of what a label means: one line of a prompt."""
NAME_PATTERN = "[a-z][a-z0-9_]{0,29}"
"""What a label can be: a plain word in a prompt, in JSON, in the id of a fact and on a page."""
COLOUR_PATTERN = "#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"

_NAME, _COLOUR = re.compile(NAME_PATTERN), re.compile(COLOUR_PATTERN)
_ACTIONS = tuple(ActionType)
_MEMBERS = {label.value: label for label in RegimeLabel}


@dataclass(frozen=True, slots=True)
class RegimeKind:
    """One label: its one-line ``meaning`` in neutral words, the ``actions`` that agree with it, and its ``colour`` on
    the page (``#rgb`` or ``#rrggbb``, empty where the page chooses). Raises ``ConfigurationError`` for what cannot
    be."""

    meaning: str
    actions: tuple[ActionType, ...] = _ACTIONS
    colour: str = ""

    def __post_init__(self) -> None:
        if problem := _problem_of_meaning(self.meaning):
            raise ConfigurationError(problem)
        if not isinstance(self.actions, list | tuple) or not self.actions:
            raise ConfigurationError(
                f"actions is {shown(self.actions)}: list at least one of {', '.join(_ACTIONS)}, or leave it out, and "
                "every action agrees."
            )
        for action in self.actions:
            if action not in _ACTIONS:
                raise ConfigurationError(f"actions names {shown(action)!r}{did_you_mean(action, _ACTIONS)}")
        if len(set(self.actions)) < len(self.actions):
            raise ConfigurationError("actions names one of them twice: name each once.")
        if self.colour and not (isinstance(self.colour, str) and _COLOUR.fullmatch(self.colour)):
            raise ConfigurationError(
                f"colour is {shown(self.colour)!r}: write #rgb or #rrggbb in quotes, such as '#2a7'."
            )
        object.__setattr__(self, "actions", tuple(map(ActionType, self.actions)))

    @classmethod
    def from_document(cls, document: Any) -> RegimeKind:
        """A label from plain data: its meaning alone, or a mapping with it; raises ``ConfigurationError``."""
        if not isinstance(document, Mapping):
            return cls(document)
        known = tuple(cls.__slots__)
        for key in document:
            if key not in known:
                raise ConfigurationError(f"{shown(key)} is an unknown key{did_you_mean(key, known)}")
        if document.get("meaning") is None:
            raise ConfigurationError("meaning is missing: say in one line what the label means.")
        if document.get("colour", "") is None:
            raise ConfigurationError("colour is empty: YAML takes # for the beginning of a comment, put it in quotes.")
        return cls(**{key: value for key, value in document.items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        """What ``from_document`` reads, every default written out."""
        plain: dict[str, Any] = {"meaning": self.meaning, "actions": [action.value for action in self.actions]}
        return plain | ({"colour": self.colour} if self.colour else {})


@dataclass(frozen=True, slots=True)
class Regimes:
    """The labels of an experiment by name, in their order. Raises ``ConfigurationError`` for fewer than two or more
    than twelve, and for names that cannot be told apart by their beginnings."""

    kinds: Mapping[str, RegimeKind] = field(hash=False)

    def __post_init__(self) -> None:
        if not FEWEST_LABELS <= len(self.kinds) <= MOST_LABELS:
            raise ConfigurationError(
                f"regimes has {len(self.kinds)} label{'' if len(self.kinds) == 1 else 's'}: name {FEWEST_LABELS} to "
                f"{MOST_LABELS}, each with its meaning."
            )
        for name in self.kinds:
            _check_name(name)
            for other in self.kinds:
                if other != name and other.startswith(name):
                    raise ConfigurationError(
                        f"regimes: {name} is the beginning of {other}, and a label is told by its beginning: rename "
                        "one of them."
                    )

    @classmethod
    def from_document(cls, document: Any, where: str = "") -> Regimes:
        """Labels from plain data, a meaning or a mapping (``meaning``, ``actions``, ``colour``) by name; None are the
        usual ones. ``ConfigurationError`` names the key, behind ``where``."""
        if document is None:
            return USUAL_REGIMES
        try:
            return cls(_read_kinds(document))
        except ConfigurationError as problem:
            raise ConfigurationError(f"{where}: {problem}" if where else str(problem)) from None

    def as_dict(self) -> dict[str, Any]:
        """What ``from_document`` reads."""
        return {name: kind.as_dict() for name, kind in self.kinds.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels in their order; the usual ones are members of ``RegimeLabel``."""
        return tuple(map(as_label, self.kinds))

    @property
    def are_usual(self) -> bool:
        """Whether they are those of the causal rule, whatever their order and colours: then an advisor's labels can be
        compared with the rule's, and the rule can label its examples."""
        return self.kinds.keys() == USUAL_REGIMES.kinds.keys() and all(
            kind.meaning == USUAL_REGIMES.kinds[name].meaning
            and set(kind.actions) == set(USUAL_REGIMES.kinds[name].actions)
            for name, kind in self.kinds.items()
        )

    @property
    def are_default(self) -> bool:
        """Whether they are the usual ones in every respect, so that nothing need be said of them."""
        return self == USUAL_REGIMES and tuple(self.kinds) == tuple(USUAL_REGIMES.kinds)


def as_label(name: str) -> str:
    """A label by its name: the member of ``RegimeLabel`` for one of the usual names. Raises ``ValueError`` for what is
    no label at all."""
    if (member := _MEMBERS.get(name)) is not None:
        return member
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r:.60} is no label")
    return name


def _read_kinds(document: Any) -> dict[str, RegimeKind]:
    if not isinstance(document, Mapping):
        raise ConfigurationError(
            f"regimes is {shown(document)}: write a mapping of labels to their meanings, such as "
            '{risk_on: "investors buy what is risky", risk_off: "investors flee to safety"}.'
        )
    kinds: dict[str, RegimeKind] = {}
    for name, said in document.items():
        _check_name(name)
        try:
            kinds[name] = said if isinstance(said, RegimeKind) else RegimeKind.from_document(said)
        except ConfigurationError as problem:
            raise ConfigurationError(f"regimes.{name}.{problem}") from None
    return kinds


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"regimes: {name!r:.60} is no label: write at most 30 small letters, digits and underscores, a letter the "
            "first of them."
        )


def _problem_of_meaning(meaning: object) -> str:
    if not isinstance(meaning, str):
        return f"meaning is {shown(meaning)}: write one line of text."
    if not meaning.strip():
        return "meaning is empty: say in one line what the label means."
    if len(meaning) > LONGEST_MEANING:
        return f"meaning has {len(meaning)} characters, at most {LONGEST_MEANING} are shown: shorten it."
    if "\n" in meaning or "\t" in meaning or spelled_out(meaning) != meaning:
        return "meaning holds a line break or a sign that nobody sees: write one visible line."
    return ""


USUAL_REGIMES = Regimes(
    {
        RegimeLabel.BULL.value: RegimeKind("prices rise over many bars", (ActionType.ENTER_LONG, ActionType.HOLD)),
        RegimeLabel.BEAR.value: RegimeKind(
            "prices fall over many bars", (ActionType.EXIT, ActionType.ENTER_SHORT, ActionType.HOLD)
        ),
        RegimeLabel.SIDEWAYS.value: RegimeKind("prices move without a direction", (ActionType.HOLD, ActionType.EXIT)),
        RegimeLabel.TURBULENT.value: RegimeKind("prices swing widely, up and down", (ActionType.EXIT, ActionType.HOLD)),
    }
)
"""The labels where an experiment names none of its own."""

REGIMES_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "the labels of all advisors by name: what each means, the actions that agree with it, its colour",
    "minProperties": FEWEST_LABELS,
    "maxProperties": MOST_LABELS,
    "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": LONGEST_MEANING},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["meaning"],
                "properties": {
                    "meaning": {"type": "string", "minLength": 1, "maxLength": LONGEST_MEANING},
                    "actions": {
                        "type": "array",
                        "items": {"enum": [action.value for action in _ACTIONS]},
                        "minItems": 1,
                        "uniqueItems": True,
                    },
                    "colour": {"type": "string", "pattern": f"^{COLOUR_PATTERN}$"},
                },
            },
        ]
    },
}
"""Their JSON Schema, for ``contracts/``."""
