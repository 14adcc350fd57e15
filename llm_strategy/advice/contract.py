"""From the text of an answer to an ``Advice`` or a ``ContractError`` that names the field.

Nothing is guessed. By choice values are read that were written otherwise than the contract wants them and can mean one
thing alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from jsonschema import Draft202012Validator

from llm_strategy.errors import ContractError
from llm_strategy.llm.structured.answer_text import LARGEST_ANSWER, THOUGHT_ALONE, nesting, unwrap
from llm_strategy.market.regimes import USUAL_REGIMES, as_label
from llm_strategy.support.schemas import validator, violation
from llm_strategy.support.strict_json import NoNumber, RepeatedKey, parse_json
from llm_strategy.types import Action, ActionType, Advice, CheckAnswer, Constraints, Regime

Repairs: TypeAlias = Literal["strict", "lenient"]
"""Whether values that break the contract are errors, or read where they can mean one thing alone."""


VERSION = "1.0.0"
INTENT = "propose_trade"

DEEPEST_NESTING = 8
"""The contract itself needs 3."""
MEND = "set advisor.repairs to lenient, which reads it"
"""The cure for a value that can mean one thing alone."""
AS_TEXT = "number as text"
PERCENT = "percentage"
NULL = "null"

_OPTIONAL_AT_THE_TOP = ("version", "intent", "symbol", "timeframe")
"""What the program fills in."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?")


class Checked(NamedTuple):
    """The items of a checklist that were asked, by name, and what was shown and so may be named as what was looked at
    for an answer."""

    items: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


NOTHING_CHECKED = Checked()


class ParsedAnswer(NamedTuple):
    """An advice and what had to be put right before it met the contract."""

    advice: Advice
    repairs: tuple[str, ...]


@lru_cache(maxsize=1024)
def parse_answer(
    text: str,
    *,
    symbol: str,
    timeframe: str,
    repairs: Repairs = "strict",
    labels: tuple[str, ...] = USUAL_REGIMES.names,
    checked: Checked = NOTHING_CHECKED,
) -> ParsedAnswer:
    """Read an answer strictly; its label is one of these, and it answers each item that is ``checked`` and no other.

    What the program knows (version, intent, symbol, timeframe) is filled in where the model left it out; where the
    model wrote it, it must be right. What stands around the one JSON object (``answer_text``) is taken off and counted
    as a repair, by kind; with ``lenient`` repairs so are values that can mean one thing alone
    (``read_leniently``). Raises ``ContractError`` for everything else.
    """
    body, taken_off, thought_alone = unwrap(text, LARGEST_ANSWER)
    if thought_alone:
        raise ContractError("answer", "holds thoughts and no JSON object behind them", THOUGHT_ALONE)
    document = parse_object(body)
    known = {"version": VERSION, "intent": INTENT, "symbol": symbol, "timeframe": timeframe}
    mended, kinds = read_leniently(document)
    if repairs == "lenient":
        return ParsedAnswer(_advice(mended, known, labels, checked), taken_off + kinds)
    try:
        return ParsedAnswer(_advice(document, known, labels, checked), taken_off)
    except ContractError as problem:
        with suppress(ContractError):
            _advice(mended, known, labels, checked)
            problem = ContractError(problem.field, problem.problem, MEND)
        raise problem from None


def _advice(document: dict[str, Any], known: Mapping[str, str], labels: tuple[str, ...], checked: Checked) -> Advice:
    """The advice of a document in which what the program knows is filled in."""
    for field, value in known.items():
        if document.setdefault(field, value) != value:
            raise ContractError(field, f"is {document[field]!r}, the request was for {value!r}")
    advice = advice_from_document(document, labels)
    _check_answers(advice.checks, checked)
    return advice


def _check_answers(answers: Sequence[CheckAnswer], checked: Checked) -> None:
    """Raise ``ContractError`` where an item has no answer, or an answer is for none of the items, or names what was not
    shown."""
    answered = [answer.item for answer in answers]
    for name in checked.items:
        if name not in answered:
            raise ContractError(f"checks.{name}", "is missing")
    for answer in answers:
        if answer.item not in checked.items:
            raise ContractError(f"checks.{answer.item}", "was not asked")
        if answer.field and answer.field not in checked.fields:
            names = ", ".join(checked.fields)
            raise ContractError(
                f"checks.{answer.item}.field", f"is {answer.field!r:.60}, which was not shown: name one of {names}"
            )
        if answer.applies and not answer.field:
            raise ContractError(f"checks.{answer.item}.field", "is missing")


def parse_object(text: str) -> dict[str, Any]:
    """One JSON object without duplicate keys, NaN, infinities (1e999 included), deep nesting or trailing text.

    Raises ``ContractError``.
    """
    if len(text) > LARGEST_ANSWER:
        more = " or more" * (len(text) == LARGEST_ANSWER + 1)  # the beginning of one that is too long
        raise ContractError("answer", f"has {len(text)} characters{more}, at most {LARGEST_ANSWER} are read")
    if nesting(text) > DEEPEST_NESTING:
        raise ContractError("answer", f"is nested deeper than {DEEPEST_NESTING} levels")
    try:
        document = parse_json(text)
    except RepeatedKey as problem:
        raise ContractError(problem.key, "appears twice") from None
    except NoNumber as problem:
        why = "not a number of JSON" if problem.is_word else "not finite"
        raise ContractError("answer", f"holds {problem.digits[:20]}, which is {why}") from None
    except json.JSONDecodeError as problem:
        raise ContractError("answer", f"is not JSON ({problem.msg} at character {problem.pos})") from None
    except ValueError as problem:  # an integer of thousands of digits
        raise ContractError("answer", f"is not JSON ({problem})") from None
    if not isinstance(document, dict):
        raise ContractError("answer", "is not a JSON object")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ContractError("answer", "holds half a surrogate pair, which is no character") from None
    return document


@lru_cache(maxsize=64)
def _contract(labels: tuple[str, ...]) -> Draft202012Validator:
    """The contract with these labels in the place of the usual ones."""
    usual = validator("advice")
    if labels == USUAL_REGIMES.names:
        return usual
    schema: Any = deepcopy(usual.schema)
    schema["properties"]["regime"]["properties"]["label"] = {"enum": list(labels)}
    return Draft202012Validator(schema, format_checker=usual.format_checker)


def advice_from_document(document: dict[str, Any], labels: tuple[str, ...] = USUAL_REGIMES.names) -> Advice:
    """A whole document against the schema, with these labels; raises ``ContractError``."""
    if wrong := violation(_contract(labels), document):
        raise ContractError(*wrong)
    regime, action = document["regime"], document["action"]
    requested = {name: float(value) for name, value in action.get("constraints", {}).items()}
    return Advice(
        version=document["version"],
        intent=document["intent"],
        symbol=document["symbol"],
        timeframe=document["timeframe"],
        regime=Regime(as_label(regime["label"]), float(regime["confidence"]) if "confidence" in regime else None),
        rationale=document["rationale"],
        action=Action(ActionType(action["type"]), float(action["confidence"]), Constraints(**requested)),
        checks=checks_from_document(document.get("checks", {})),
    )


def checks_from_document(document: Mapping[str, Mapping[str, Any]]) -> tuple[CheckAnswer, ...]:
    """The answers to a checklist as the contract writes them, by the names of the items."""
    return tuple(
        CheckAnswer(item, answer["applies"] in (True, "yes"), answer.get("field", ""))
        for item, answer in sorted(document.items())
    )


def checks_to_document(checks: Iterable[CheckAnswer]) -> dict[str, dict[str, Any]]:
    """What ``checks_from_document`` reads."""
    return {
        check.item: {"applies": check.applies} | ({"field": check.field} if check.field else {}) for check in checks
    }


def advice_to_document(advice: Advice) -> dict[str, Any]:
    """The advice as the contract writes it: absent values are absent, not null."""
    regime, action = advice.regime, advice.action
    constraints = {name: getattr(action.constraints, name) for name in Constraints.__slots__}
    requested = {name: value for name, value in constraints.items() if value is not None}
    return {
        "version": advice.version,
        "intent": advice.intent,
        "symbol": advice.symbol,
        "timeframe": advice.timeframe,
        "regime": {"label": regime.label} | ({} if regime.confidence is None else {"confidence": regime.confidence}),
        "rationale": advice.rationale,
        "action": {"type": action.type, "confidence": action.confidence}
        | ({"constraints": requested} if requested else {}),
        **({"checks": checks_to_document(advice.checks)} if advice.checks else {}),
    }


def read_leniently(document: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document with numbers for numbers in quotes, confidences above 1 and up to 100 or with a percent sign read as
    percentages, and no optional value that is null; and the kinds of what was changed."""
    kinds: list[str] = []
    read = _without_nulls(document, _OPTIONAL_AT_THE_TOP, kinds)
    if isinstance(regime := read.get("regime"), dict):
        read["regime"] = _with_confidence(_without_nulls(regime, ("confidence",), kinds), kinds)
    if isinstance(action := read.get("action"), dict):
        action = _with_confidence(_without_nulls(action, ("constraints",), kinds), kinds)
        if isinstance(constraints := action.get("constraints"), dict):
            kept = _without_nulls(constraints, tuple(constraints), kinds)
            action["constraints"] = {name: _number(value, kinds) for name, value in kept.items()}
        read["action"] = action
    return read, tuple(dict.fromkeys(kinds))


def _without_nulls(section: dict[str, Any], optional: tuple[str, ...], kinds: list[str]) -> dict[str, Any]:
    kept = {name: value for name, value in section.items() if value is not None or name not in optional}
    if len(kept) < len(section):
        kinds.append(NULL)
    return kept


def _with_confidence(section: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
    if "confidence" not in section:
        return section
    return section | {"confidence": _fraction(section["confidence"], kinds)}


def _fraction(value: Any, kinds: list[str]) -> Any:
    """A confidence as a fraction; ``value`` itself where it is none."""
    signed = isinstance(value, str) and value.strip().endswith("%")
    number = _number(value.strip().removesuffix("%") if signed else value, kinds)
    if not isinstance(number, int | float) or isinstance(number, bool):
        return value
    if 1 < number <= 100:
        kinds.append(PERCENT)
        return number / 100
    return value if signed else number


def _number(value: Any, kinds: list[str]) -> Any:
    """The number that a text spells; any other value as it is."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return value
    kinds.append(AS_TEXT)
    return float(value)
