"""One answer of a gpt4all model: free text, a JSON object, or a form filled slot by slot."""

from __future__ import annotations

from dataclasses import dataclass, field

from llm_strategy.llm.backend import OnText
from llm_strategy.llm.backends.local.gpt4all_engine import Engine, EngineOutput
from llm_strategy.llm.backends.local.slots import SlotValue
from llm_strategy.llm.models.chat_template import Block
from llm_strategy.llm.requests import Request, Slot, escape
from llm_strategy.llm.structured.json_repair import can_become_json


@dataclass
class FormWriter:
    """One answer in the making: the prompt so far grows by the program's text and the model's values."""

    engine: Engine
    prompt: tuple[Block, ...]
    request: Request
    on_text: OnText
    deadline: float | None
    written: list[EngineOutput] = field(default_factory=list)
    cut_off: bool = False

    def write_freely(self) -> tuple[str, dict[str, str]]:
        """The model's text; in JSON mode begun by the program and ended with the object. Where no schema says what
        stands in it, it is cut off where it leaves JSON, for there is no grammar to hold it."""
        if not self.request.json_mode:
            pieces: list[str] = []

            def collect(piece: str) -> bool:
                pieces.append(piece)
                return self.on_text(piece)

            self.cut_off = self._write(collect, self.request.max_tokens) == "length"
            return "".join(pieces), {}

        bounded = bool(self.request.json_schema)
        text = begun_json(self.request)
        self.prompt = (*self.prompt, Block("", text))
        ends = _ObjectEnd()
        ends.find(text[1:])
        going_on, left = self.on_text(text), False

        def collect_object(piece: str) -> bool:
            nonlocal text, left
            length = ends.find(piece)
            text += piece[:length]
            left = not bounded and not can_become_json(text)
            if left:
                return False
            return self.on_text(piece[:length]) and length is None

        if going_on:
            self.cut_off = self._write(collect_object, self.request.max_tokens) == "length" or left
        return text, {}

    def fill_form(self) -> tuple[str, dict[str, str]]:
        """The program's text and the values; each value is read back with the text that follows it, so that nothing
        depends on how far beyond the value the model wrote."""
        values: dict[str, str] = {}
        text = pending = ""
        for part in self.request.form:
            if isinstance(part, Slot):
                if pending:
                    self.prompt = (*self.prompt, Block("", pending))
                    pending = ""
                values[part.name] = self._value(part)
            addition = escape(values[part.name]) if isinstance(part, Slot) else part
            text += addition
            pending += addition
            if not self.on_text(addition):
                break
        return text, values

    def _value(self, slot: Slot) -> str:
        reading = SlotValue(slot)
        finish = self._write(reading.take, slot.max_tokens)
        self.cut_off |= finish == "length" and not slot.pattern
        return reading.value

    def _write(self, on_piece: OnText, max_tokens: int) -> str:
        written = self.engine.write(
            self.prompt,
            on_piece,
            max_tokens=max_tokens,
            temperature=self.request.temperature,
            deadline=self.deadline,
        )
        self.written.append(written)
        return written.finish


def begun_json(request: Request) -> str:
    """What the program writes of an object before the model does: without a schema a first name is wanted too."""
    return "{" if request.json_schema else '{"'


class _ObjectEnd:
    """Finds the brace that closes a JSON object whose opening brace is already written."""

    def __init__(self) -> None:
        self._depth = 1
        self._in_text = self._escaped = False

    def find(self, piece: str) -> int | None:
        """How much of the next piece belongs to the object, where it ends there."""
        for at, character in enumerate(piece):
            if self._escaped:
                self._escaped = False
            elif character == "\\" and self._in_text:
                self._escaped = True
            elif character == '"':
                self._in_text = not self._in_text
            elif not self._in_text:
                self._depth += (character == "{") - (character == "}")
                if not self._depth:
                    return at + 1
        return None
