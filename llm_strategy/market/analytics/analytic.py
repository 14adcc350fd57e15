"""What an analytic is: a function of a market's past that gives named figures; and a person's own one, held to it."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, did_you_mean, exception_line
from llm_strategy.market.analytics.past import Past
from llm_strategy.market.feature import MOST_BARS
from llm_strategy.support.condition import Quantity, Unit, Value, Vocabulary, show_value

Need: TypeAlias = Literal["volume", "symbols"]
"""What a market must have: volumes, or other symbols beside the one that is looked at."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_LETTERS_A_TOKEN = 4
"""Of a word. Fewer than the vocabularies of both embedded models need for names of this kind; they have a token for
each digit and sign, and often one for the space before a figure."""
_LONGEST_FIGURES: dict[str, str] = {"fraction": "+1234.5%", "ratio": "-1234.56", "count": "-12345"}
_PARTS = re.compile(r"(?P<word>[A-Za-z]+)|[^A-Za-z\s]")


@dataclass(frozen=True, slots=True)
class Analytic:
    """A function of the past of one symbol at a close.

    ``measure`` takes a ``Past`` with the last ``lookback`` bars, and returns a value for each of the ``outputs`` by its
    name: a number that is finite, one of its words, or None where there is none yet. ``description`` is one line that a
    model chooses by. ``needs`` is what a market must have for it. Raises ``ConfigurationError`` for what is none of
    this.
    """

    name: str
    description: str
    lookback: int
    measure: Callable[[Past], Mapping[str, Any]]
    outputs: Mapping[str, Quantity]
    needs: tuple[Need, ...] = ()
    offered: bool = True
    """Whether a plan may choose it where no list says which; one that tells what the market's line tells already is
    not."""

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ConfigurationError(f"The analytic {self.name!r:.60} {problem}")

    def run(self, past: Past) -> dict[str, Value]:
        """Its values at a close, in the order of ``outputs``, all of them None where one of the bars has no true
        prices; raises ``ConfigurationError`` where it fails, or gives what is no value."""
        past = past.last(self.lookback)
        if not past.is_known:
            return dict.fromkeys(self.outputs)
        try:
            found = self.measure(past)
        except BacktraderLLMError:
            raise
        except (Exception, SystemExit) as problem:
            raise ConfigurationError(
                f"The analytic {self.name!r} failed at the bar of {past.snapshot.time} ({exception_line(problem)}): "
                "correct its function."
            ) from problem
        if not isinstance(found, Mapping) or found.keys() != self.outputs.keys():
            names = list(found) if isinstance(found, Mapping) else found
            raise ConfigurationError(
                f"The analytic {self.name!r} gave {names!r:.80} at the bar of {past.snapshot.time}: return a mapping "
                f"with {', '.join(self.outputs)}."
            )
        return {name: self._value(name, found[name], past) for name in self.outputs}

    def text(self, values: Mapping[str, Value]) -> str:
        """What a model is shown of its values; empty where none is known."""
        told = ((name, show_value(values[name], quantity.unit)) for name, quantity in self.outputs.items())
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told if value)

    @property
    def tokens(self) -> int:
        """Tokens that its line takes at the most, end included, as a budget counts them; for figures of up to four
        digits before the point."""
        outputs = sum(
            most_tokens(name)
            + 2
            + max(map(most_tokens, quantity.words or [_LONGEST_FIGURES.get(quantity.unit, "-12345")]))
            for name, quantity in self.outputs.items()
        )
        return most_tokens(self.name) + 2 + outputs

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its values."""
        return {
            "type": "object",
            "additionalProperties": False,
            "required": list(self.outputs),
            "properties": {name: _schema(quantity) for name, quantity in self.outputs.items()},
        }

    @property
    def vocabulary(self) -> Vocabulary:
        """Its outputs as conditions name them."""
        return {f"{self.name}.{output}": quantity for output, quantity in self.outputs.items()}

    def _value(self, name: str, value: Any, past: Past) -> Value:
        words, unit = self.outputs[name].words, self.outputs[name].unit
        if value is None:
            return None
        if unit == "word":
            if isinstance(value, str) and value in words:
                return str(value)
            fault = f"which is none of its words{did_you_mean(str(value), words)}"
        elif isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        else:
            value = float(value) if isinstance(value, Real) and not isinstance(value, bool) else value
            fault = "which is no finite number: return None where there is none, or correct its function."
        raise ConfigurationError(
            f"The analytic {self.name!r} gave {value!r:.60} as {name} at the bar of {past.snapshot.time}, {fault}"
        )

    def _problem(self) -> str | None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            return "needs another name: at most 40 small letters, digits and underscores, a letter the first of them."
        if isinstance(self.lookback, bool) or not isinstance(self.lookback, int) or not 0 <= self.lookback <= MOST_BARS:
            return f"has the lookback {self.lookback!r:.40}: give a whole number of bars from 0 to {MOST_BARS}."
        try:
            inspect.signature(self.measure).bind(None)
        except (TypeError, ValueError):
            return "has no function that can be called with the past alone: write it as def measure(past)."
        text = self.description
        if not isinstance(text, str) or not text.strip() or len(text) > 200 or not text.isprintable():
            return f"has the description {text!r:.60}: write one line of at most 200 visible signs."
        if not isinstance(self.outputs, Mapping) or not self.outputs:
            return 'has no outputs: write {"rank": Quantity("fraction", "what it is")}.'
        for name, quantity in self.outputs.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                return f"has the output {name!r:.60}: write at most 40 small letters, digits and underscores."
            if not isinstance(quantity, Quantity) or quantity.unit not in get_args(Unit):
                return (
                    f"has the output {name} without a unit: write Quantity(unit, description), a unit of "
                    f"{', '.join(get_args(Unit))}."
                )
            if (quantity.unit == "word") != bool(quantity.words):
                return f"has the output {name} with the unit {quantity.unit}: words belong to the unit word alone."
            words, text = quantity.words, quantity.description
            if not isinstance(words, tuple) or len(set(words)) < len(words) or not all(map(_is_word, words)):
                return f"has the output {name} with the words {words!r:.60}: write a tuple of names, each once."
            if not isinstance(text, str) or not text.strip() or len(text) > 200 or not text.isprintable():
                return f"has the output {name} with the description {text!r:.60}: write one line of visible signs."
        return None


def _is_word(text: Any) -> bool:
    return isinstance(text, str) and _WORD.fullmatch(text) is not None


def most_tokens(text: str) -> int:
    return sum(math.ceil(len(part["word"] or "1") / _LETTERS_A_TOKEN) for part in _PARTS.finditer(text))


def _schema(quantity: Quantity) -> dict[str, Any]:
    kind: dict[str, Any] = {"enum": [*quantity.words, None]} if quantity.words else {"type": ["number", "null"]}
    return {**kind, "description": quantity.description, "x-unit": quantity.unit}
