"""What one call of ``generate`` or ``chat`` may be given: options, messages, and a schema for the
answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from numbers import Integral, Real
from typing import Any, TypeAlias, TypedDict, cast, get_args

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from pydantic import BaseModel, ValidationError

from llm_strategy.errors import ConfigurationError, ContractError, did_you_mean
from llm_strategy.llm.requests import Message, Role

AnySchema: TypeAlias = str | Mapping[str, Any] | type[BaseModel]
"""``advice`` (the contract of this package), a JSON Schema, or a pydantic model."""

_NAMED = ("advice",)
_NUMBERS: dict[str, type] = {"temperature": Real, "timeout_s": Real, "max_tokens": Integral, "seed": Integral}

AnyMessage: TypeAlias = Message | Mapping[str, str]


class Options(TypedDict, total=False):
    """What a single call may set differently from the client's defaults; None means the default. With a ``schema`` the
    answer is JSON that keeps to it, and ``Generation.parsed`` holds it."""

    schema: AnySchema | None
    json_mode: bool | None
    temperature: float | None
    max_tokens: int | None
    seed: int | None
    timeout_s: float | None


@dataclass(frozen=True)
class AnswerSchema:
    """A schema without references; ``model`` is the pydantic model that it came from."""

    document: dict[str, Any]
    model: type[BaseModel] | None = None

    @classmethod
    def of(cls, given: AnySchema) -> AnswerSchema:
        """The schema that a person means; raises ``ConfigurationError``."""
        if isinstance(given, str):
            if given not in _NAMED:
                raise ConfigurationError(f"There is no schema {given!r}{did_you_mean(given, _NAMED)}")
            text = (files("llm_strategy.contracts") / f"{given}.schema.json").read_text(encoding="utf-8")
            return cls(json.loads(text))
        model = given if isinstance(given, type) and issubclass(given, BaseModel) else None
        if model is None and not isinstance(given, Mapping):
            raise ConfigurationError(
                f"schema is {given!r}: give 'advice', a JSON Schema as a dictionary, or a pydantic model."
            )
        document = model.model_json_schema() if model else json.loads(json.dumps(given))
        try:
            Draft202012Validator.check_schema(document)
        except SchemaError as problem:
            place = ".".join(map(str, problem.absolute_path)) or "its top"
            raise ConfigurationError(f"schema is no JSON Schema, at {place}: {problem.message}.") from None
        document = _without_references(document, document.get("$defs", {}), ())
        if document.get("type") != "object":
            raise ConfigurationError(
                f"schema describes a {document.get('type', 'value')!r}: give one with type 'object', as an answer is "
                "one JSON object."
            )
        return cls(document, model)

    @property
    def text(self) -> str:
        """The schema as a request holds it."""
        return json.dumps(self.document)

    def ask_in(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The conversation with the wish for such an answer at the end of its system message."""
        shown = {name: value for name, value in self.document.items() if not name.startswith("$")}
        wish = f"Answer with one JSON object that keeps to this JSON Schema: {json.dumps(shown)}"
        if messages and messages[0].role == "system":
            return (Message("system", f"{messages[0].content}\n\n{wish}"), *messages[1:])
        return (Message("system", wish), *messages)

    def parsed(self, text: str) -> Any:
        """The answer as an instance of the model, or as plain data; ``ContractError`` names the field that is wrong."""
        document = json.loads(text)
        problem = best_match(Draft202012Validator(self.document).iter_errors(document))
        if problem is not None:
            field = ".".join(map(str, problem.absolute_path)) or "answer"
            raise ContractError(field, f"{problem.message[:200]}; ask again, or use a larger model.")
        if self.model is None:
            return document
        try:
            return self.model.model_validate(document)
        except ValidationError as wrong:
            first = wrong.errors()[0]
            raise ContractError(".".join(map(str, first["loc"])) or "answer", str(first["msg"])) from None


def _without_references(schema: Any, known: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """The schema with what it refers to in its place; one that holds itself is refused."""
    if isinstance(schema, list):
        return [_without_references(part, known, inside) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        if name not in known or name in inside:
            raise ConfigurationError(
                f"schema refers to {schema['$ref']!r}, which "
                f"{'holds itself' if name in inside else 'it does not define'}: write that part out."
            )
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _without_references({**known[name], **beside}, known, (*inside, name))
    return {key: _without_references(part, known, inside) for key, part in schema.items() if key != "$defs"}


def check_options(given: Mapping[str, object]) -> None:
    """Raise ``ConfigurationError`` for an option of a call that is none of ``Options``, or is no number where it must
    be one."""
    for name, value in given.items():
        if name not in Options.__annotations__:
            raise ConfigurationError(
                f"A call of a model has no option {name!r}{did_you_mean(name, Options.__annotations__)}"
            )
        kind = _NUMBERS.get(name)
        if kind is not None and value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            raise ConfigurationError(
                f"{name} is {value!r}: give a {'whole ' if kind is Integral else ''}number, or leave it out."
            )


def check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} is {value!r:.40}: give text.")


def message_of(entry: AnyMessage) -> Message:
    if isinstance(entry, Message):
        return entry
    if not isinstance(entry, Mapping):
        raise ConfigurationError(
            f"A message is {str(entry)[:40]!r}: give role (one of {', '.join(get_args(Role))}) and content (text)."
        )
    role, content = entry.get("role"), entry.get("content")
    if role not in get_args(Role) or not isinstance(content, str) or len(entry) != 2:
        raise ConfigurationError(
            f"A message has {dict(entry)!r}: give role (one of {', '.join(get_args(Role))}) and content (text)."
        )
    return Message(cast(Role, role), content)
