"""What a model writes into a slot, piece by piece."""

from __future__ import annotations

import re

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
