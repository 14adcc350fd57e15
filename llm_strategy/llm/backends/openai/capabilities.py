"""How a server wants to be spoken to: how it can be held to JSON, whether it takes a temperature, and who it is.

What a server said of itself is noted beside the record of answers (``ServerNotes``): where every answer is on record,
the server may be gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from llm_strategy.errors import ModelChanged
from llm_strategy.llm.models.fingerprint import keep_note
from llm_strategy.llm.requests import Form, Message, Request, Slot
from llm_strategy.llm.structured.schema_form import form_values, requested_schema
from llm_strategy.support.secrets import redact

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
                {"role": message.role, "content": _content(message)}
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
        schema = requested_schema(request)
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
    return [replace(others[0], content=f"{said}\n\n{others[0].content}"), *others[1:]]


def _content(message: Message) -> str | list[dict[str, Any]]:
    """The text of a message; where images stand behind it, a part for each."""
    if not message.images:
        return message.content
    images = [{"type": "image_url", "image_url": {"url": image.data_uri}} for image in message.images]
    return [{"type": "text", "text": message.content}, *images]


def keeps_format(answer_format: AnswerFormat | None, text: str) -> bool:
    """Whether the answer to ``TRIAL`` has the format that was asked for."""
    if answer_format == "json_schema":
        values = form_values(_TRIAL_FORM, text)
        return values.get("colour") in _COLOURS and "share" in values
    return answer_format == "plain" or text.lstrip().startswith("{")


NOT_PERMITTED = frozenset({
    "$id", "$schema", "default", "maxLength", "maxProperties", "minLength", "minProperties", "patternProperties",
    "uniqueItems",
})  # fmt: skip
"""Keywords that strict mode answers with a refusal. They bound an answer, and the contract checks it all the same."""


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """The field of a request that holds an answer to this schema; strictly, where the schema leaves nothing open.

    Strict mode wants an object with every property required, none besides them, and a ``type`` wherever values are
    listed.
    """
    strict = schema.get("type") == "object" and _leaves_nothing_open(schema)
    described = {"name": "answer", "strict": strict, "schema": _permitted(schema) if strict else schema}
    return {"type": "json_schema", "json_schema": described}


def _leaves_nothing_open(schema: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    if schema.get("type") == "object" and (
        set(schema.get("required", ())) != set(properties) or schema.get("additionalProperties") is not False
    ):
        return False
    inner = [*properties.values(), *(part for part in (schema.get("items"),) if isinstance(part, dict))]
    return all(_leaves_nothing_open(part) for part in inner)


def _permitted(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in schema.items() if name not in NOT_PERMITTED}
    if "enum" in kept and "type" not in kept:
        kept = {"type": _type_of(kept["enum"]), **kept}
    if "properties" in kept:
        kept["properties"] = {name: _permitted(part) for name, part in kept["properties"].items()}
    if isinstance(kept.get("items"), dict):
        kept["items"] = _permitted(kept["items"])
    return kept


def _type_of(values: list[Any]) -> str | list[str]:
    names = {bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object", list: "array"}
    found = sorted({names.get(type(value), "string") for value in values})
    return found[0] if len(found) == 1 else found


class ServerNotes:
    """The note on one model at these addresses, thinking with this ``effort``, in ``folder`` (None: nothing is kept).

    It holds what a ``Capabilities`` says; addresses only as a hash, and no key. A damaged note counts as missing.
    """

    def __init__(self, folder: Path | None, urls: Sequence[str], model: str, effort: str = "") -> None:
        asked = [sorted(urls), model, *filter(None, [effort])]  # a model that thinks less may take a temperature
        about = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        self._file = None if folder is None else folder / f"{about}.json"

    def read(self) -> Capabilities | None:
        """What the server said when it was last asked, or None."""
        try:
            noted = json.loads(self._file.read_bytes()) if self._file else {}
            said = noted["dialect"]
            known: dict[str, Any] = {"omit_temperature": False, "merge_system": False}  # before notes said so
            known |= {field.name: said[field.name] for field in fields(Capabilities) if field.name in said}
            if noted["checksum"] == _checksum(said) and said["answer_format"] in get_args(AnswerFormat):
                return Capabilities(**known)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return None

    def write(self, dialect: Capabilities) -> None:
        """Keep what the server said; a folder that cannot be written only costs a question the next time."""
        said = asdict(dialect)
        text = json.dumps({"dialect": said, "checksum": _checksum(said)}, indent=1)
        if self._file is None or redact(text) != text:
            return
        keep_note(self._file, text + "\n")


def _checksum(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
