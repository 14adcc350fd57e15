"""What an engine on this machine does with a form and with choices: values read piece by piece, choices scored by the
tokens that they begin with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from llm_strategy.errors import BackendFailure
from llm_strategy.llm.requests import Slot


class SlotValue:
    """The value of one slot in the making; the rules are those of ``Slot``."""

    def __init__(self, slot: Slot) -> None:
        self.value = ""
        self._slot = slot
        self._text = ""

    def take(self, piece: str) -> bool:
        """Take the next piece; False where the slot has its value."""
        slot = self._slot
        self._text += piece
        self.value, stopped, _ = self._text.partition(slot.stop)
        possible = [choice for choice in slot.choices if choice.startswith(self.value)]
        if not stopped and len(possible) == 1:
            self.value = possible[0]
            return False
        if slot.pattern:
            fitting = re.match(slot.pattern, self.value)
            self.value, before = (fitting.group() if fitting else ""), self.value
            return not stopped and self.value == before
        return not stopped


NextToken: TypeAlias = Callable[[tuple[int, ...], tuple[int, ...]], Mapping[int, float]]
"""Given the tokens already written and those allowed now, the probability of each allowed one."""

SMALL = 0.02
"""A beginning with less of the probability than this is not asked behind: it is left out, and the rest counts whole."""


def score(
    choices: Sequence[str], beginnings: Callable[[str], Mapping[str, int]], next_token: NextToken
) -> dict[str, float]:
    """The probability of each choice; they sum to 1.

    ``beginnings`` gives the tokens that are a text's beginning. No choice may be the beginning of another. Raises
    ``BackendFailure`` where the vocabulary cannot write a choice.
    """
    found = dict.fromkeys(choices, 0.0)

    def follow(written: str, tokens: tuple[int, ...], share: float) -> None:
        possible = [choice for choice in choices if choice.startswith(written)]
        ways: dict[str, int] = {}
        for choice in possible:
            ways |= (own := beginnings(choice[len(written) :]))
            if not own:
                raise BackendFailure(f"The model has no token to begin {choice!r} with: word the choice differently.")
        only = tuple(ways.values())
        probabilities = next_token(tokens, only) if len(only) > 1 else {only[0]: 1.0}
        for text, token in ways.items():
            probability = share * probabilities.get(token, 0.0)
            left = [choice for choice in possible if choice.startswith(written + text)]
            if len(left) == 1:
                found[left[0]] += probability
            elif probability >= SMALL:
                follow(written + text, (*tokens, token), probability)

    follow("", (), 1.0)
    total = sum(found.values())
    if not total > 0:
        raise BackendFailure(f"The engine gave none of the choices {list(choices)} a probability: ask another way.")
    return {choice: probability / total for choice, probability in found.items()}
