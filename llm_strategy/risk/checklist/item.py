"""A checklist: items that hold an entry back, halve it or remark on it, and what fired at a close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, get_args

from llm_strategy.support.condition import Condition, Value
from llm_strategy.types import CheckAnswer

Effect: TypeAlias = Literal["block", "halve", "flag"]
"""What an item does to an entry: refuses it, halves its size, or leaves a remark; none can make one larger."""
EFFECTS: tuple[Effect, ...] = get_args(Effect)
LIMIT_PREFIX = "checklist."
"""Before an item's name it is the limit that a ``ClampEvent`` names."""

Lookup: TypeAlias = Callable[[str], Value]
"""The value of a field at a close by its name (``NAME.OUTPUT``); None where it is not known."""


class Firing(NamedTuple):
    """An item that fired at a close: its name, what it does, and what it saw, as text."""

    item: str
    do: Effect
    seen: str

    @property
    def limit(self) -> str:
        """The limit that a ``ClampEvent`` names for it."""
        return f"{LIMIT_PREFIX}{self.item}"


class Preset(ABC):
    """A ready test of an item: a frozen dataclass whose fields are its options, and whose docstring tells what it
    does."""

    name: ClassVar[str]
    usual: ClassVar[Effect]
    """What it does where its item says nothing."""
    looks_at: ClassVar[tuple[str, ...]]
    """The fields that it looks at."""

    __slots__ = ()

    @abstractmethod
    def seen(self, value: Lookup) -> str | None:
        """What makes it fire at a close, as text; None where it does not fire."""

    def as_dict(self) -> dict[str, Any]:
        """Its name and options as plain data."""
        options = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        plain = {name: list(option) if isinstance(option, tuple) else option for name, option in options.items()}
        return {"preset": self.name} | plain


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a checklist: what it does to an entry, and when.

    Exactly one says when: all conditions of ``when`` hold, the ``preset`` fires, or the model says yes to ``ask``, a
    question that it answers with its advice.
    """

    name: str
    do: Effect
    when: tuple[Condition, ...] = ()
    preset: Preset | None = None
    ask: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it looks at, each once."""
        if self.preset is not None:
            return self.preset.looks_at
        return tuple(dict.fromkeys(condition.field for condition in self.when))

    def seen(self, value: Lookup, answers: Mapping[str, CheckAnswer]) -> str | None:
        """What makes it fire at a close, as text; None where it does not fire. What is not known, or not answered,
        does not fire; a preset for data that are missing does."""
        if self.ask:
            answer = answers.get(self.name)
            return answer.field if answer is not None and answer.applies else None
        if self.preset is not None:
            return self.preset.seen(value)
        if not all(condition.holds(value(condition.field)) for condition in self.when):
            return None
        return ", ".join(tell(name, value(name)) for name in self.fields)

    def as_dict(self) -> dict[str, Any]:
        """It as plain data, without its name."""
        if self.preset is not None:
            return self.preset.as_dict() | {"do": self.do}
        if self.ask:
            return {"ask": self.ask, "do": self.do}
        return {"when": list(map(str, self.when)), "do": self.do}


@dataclass(frozen=True, slots=True)
class Checklist:
    """Items that the gate goes through before an entry, in their order.

    ``limits`` are limits of the gate that it makes tighter, by name. ``analytics`` are references to a person's own
    analytics (``package.module:NAME``), which its conditions may speak of.
    """

    items: tuple[Item, ...]
    limits: tuple[tuple[str, Any], ...] = ()
    analytics: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that its items look at, each once."""
        return tuple(dict.fromkeys(name for item in self.items for name in item.fields))

    @property
    def questions(self) -> tuple[Item, ...]:
        """The items that the model is asked."""
        return tuple(item for item in self.items if item.ask)

    def firings(self, value: Lookup, answers: Iterable[CheckAnswer] = ()) -> tuple[Firing, ...]:
        """The items that fire at a close, in their order."""
        said = {answer.item: answer for answer in answers}
        told = ((item, item.seen(value, said)) for item in self.items)
        return tuple(Firing(item.name, item.do, seen) for item, seen in told if seen is not None)

    def as_dict(self) -> dict[str, Any]:
        """It as plain data, which ``parse_checklist`` reads; limits and analytics where there are any."""
        return {
            "items": {item.name: item.as_dict() for item in self.items},
            **({"limits": dict(self.limits)} if self.limits else {}),
            **({"analytics": list(self.analytics)} if self.analytics else {}),
        }


def tell(name: str, value: Value) -> str:
    """A field with its value, as text."""
    if value is None:
        return f"{name} is not known"
    return f"{name} is {value}" if isinstance(value, str) else f"{name} is {value:.4g}"
