"""How a server wants to be spoken to: how it can be held to JSON, whether it takes a temperature, and who it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import ModelChanged
from llm_strategy.llm.backends.openai.schema import response_format
from llm_strategy.llm.requests import Form, Message, Request, Slot
from llm_strategy.llm.structured.form_schema import form_values, wanted_schema

AnswerFormat: TypeAlias = Literal["json_schema", "json_object", "plain"]
"""How a server can be held to JSON, the strictest first: to a schema, to any object, or not at all."""
TokensField: TypeAlias = Literal["max_tokens", "max_completion_tokens"]
"""What a server calls the bound of an answer. It changes no answer, so that each address may have its own."""

_COLOURS = ("ochre", "teal")
_TRIAL_FORM: Form = (
    '{"colour": "',
    Slot("colour", 8, _COLOURS),
    '", "share": 0.',
    Slot("share", 2, stop="}"),
    "}",
)

TRIAL = Request(
    (
        Message("system", "Answer with a JSON object alone."),
        Message("user", "Give a JSON object with a colour and its share."),
    ),
    form=_TRIAL_FORM,
    max_tokens=48,
)
"""A question whose answer shows whether a server keeps to a format that it takes, and takes a system message."""
THINKING_TOKENS = 4096
"""Bound of the same question to a model that thinks before it writes: its thoughts count as a part of the answer."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What is known of a server; ``None`` is not known yet. ``reported_model`` is empty where it names none;
    ``omit_temperature`` is for models that take their own alone; ``merge_system`` writes the system message at the top
    of the first question, for templates without a place for it; ``reasoning_effort`` is sent where it is not empty.

    All of it can change an answer, so that it stands in the identity, and every address of a run speaks the same.
    """

    answer_format: AnswerFormat | None = None
    reported_model: str | None = None
    omit_temperature: bool | None = None
    reasoning_effort: str = ""
    merge_system: bool | None = None

    @property
    def known(self) -> bool:
        """Whether there is nothing left to ask."""
        return self.answer_format is not None and self.reported_model is not None

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """What an identity says of it; what is as usual is left out."""
        said = [("answer_format", str(self.answer_format))]
        if self.omit_temperature:
            said.append(("temperature", "omitted"))
        if self.reasoning_effort:
            said.append(("reasoning_effort", self.reasoning_effort))
        if self.merge_system:
            said.append(("system", "merged"))
        return tuple(said)

    def body(self, model: str, request: Request, tokens_field: TokensField = "max_tokens") -> dict[str, Any]:
        """The request as the server wants it."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": message.role, "content": message.content}
                for message in (_merged(request.messages) if self.merge_system else request.messages)
            ],
            tokens_field: request.max_tokens,
        }
        if not self.omit_temperature:
            body["temperature"] = request.temperature
        if self.reasoning_effort:
            body["reasoning_effort"] = self.reasoning_effort
        if request.seed is not None:
            body["seed"] = request.sampling_seed
        schema = wanted_schema(request)
        if schema is not None and self.answer_format == "json_schema":
            body["response_format"] = response_format(schema)
        elif (request.form or request.json_mode) and self.answer_format in ("json_schema", "json_object"):
            body["response_format"] = {"type": "json_object"}
        return body

    def completed_by(self, noted: Capabilities) -> Capabilities:
        """What is known, and what is not as it was noted."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(noted, **{name: value for name, value in known.items() if value is not None})

    def refuse_another(self, model: str) -> None:
        """Raise ``ModelChanged`` where an answer is not of the reported model."""
        if self.reported_model and model and model != self.reported_model:
            raise ModelChanged(
                f"answers as {model!r} and not as {self.reported_model!r}: answers of two models are not mixed, "
                "name the new one in LLM_MODEL or start the run again"
            )


def _merged(messages: Sequence[Message]) -> list[Message]:
    """The same with what the system messages say at the top of the first question."""
    said = "\n\n".join(message.content for message in messages if message.role == "system")
    others = [message for message in messages if message.role != "system"]
    if not said:
        return others
    if not others or others[0].role != "user":
        return [Message("user", said), *others]
    return [Message("user", f"{said}\n\n{others[0].content}"), *others[1:]]


def is_kept(answer_format: AnswerFormat | None, text: str) -> bool:
    """Whether the answer to ``TRIAL`` has the format that was asked for."""
    if answer_format == "json_schema":
        values = form_values(_TRIAL_FORM, text)
        return values.get("colour") in _COLOURS and "share" in values
    return answer_format == "plain" or text.lstrip().startswith("{")
