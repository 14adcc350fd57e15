"""What models write around the JSON of an answer (thoughts, channels, a fence, words), taken off and named.

The one JSON object outside of the thoughts is the answer. Where two stand, which of them is meant is not guessed.
All of it takes time in proportion to the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from llm_strategy.errors import BacktraderLLMError, ContractError

LARGEST_ANSWER = 20_000
"""Characters outside of thoughts; an advice has a few hundred."""
LARGEST_WITH_THOUGHTS = 200_000
"""Characters of anything that is read as JSON."""
_DEEPEST = 200
"""Levels of brackets, far below what exhausts the stack: whether JSON is read must not depend on who calls."""

THOUGHTS = "think block"
CHANNELS = "harmony channel"
MARK = "byte order mark"
FENCE = "code fence"
ROLE = "role word"
START = "start token"
END = "end token"
BEFORE = "text before"
BEHIND = "text behind"

THOUGHT_ALONE = (
    "raise LLM_MAX_TOKENS, lower openai.reasoning_effort, or choose an LLM_MODEL that thinks less before it answers"
)
"""The cure for thoughts without an answer."""

_TAG = re.compile(
    r"<(?P<end>/?)(?:[a-z]{1,12}:)?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad)\b[^<>]{0,80}>"
    r"|\[(?P<end_in_brackets>/?)THINK\]"
    r"|◁(?P<end_in_triangles>/?)think▷"
    r"|<\|(?:begin_of_thought|START_THINKING)\|>"
    r"|(?P<end_as_token><\|(?:end_of_thought|END_THINKING)\|>)",
    re.IGNORECASE,
)
"""Where thoughts begin and end, in the words of the models that write theirs into the answer."""
_SPECIAL = re.compile(
    r"<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>|</?s>|</?(?:bos|eos|end_of_turn|start_of_turn|end_of_text)>|\[/?(?:INST|EOS|BOS)\]|\x00"
)
"""Special tokens of chat templates, which an engine should have kept to itself."""
_ROLE_WORD = re.compile(r"[\s#*<>]*(?:assistant|model|bot|ai)[\s#*:<>]*\Z", re.IGNORECASE)
_CHANNEL, _MESSAGE = "<|channel|>", "<|message|>"
_BARE_ANALYSIS, _BARE_FINAL = "analysis", "assistantfinal"
"""Harmony's channels where the engine took the special tokens away and left the words."""
_BLANK = " \t\r\n\u200b\u2060"
_PART = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}]', re.DOTALL)
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


CAUSED_BY_DATA = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""What code raises over data that it did not expect."""


class Unwrapped(NamedTuple):
    """The JSON text of an answer, or what is left where there is none, and what stood around it, by kind.

    ``thoughts`` says whether there are thoughts and no word behind them.
    """

    text: str
    kinds: tuple[str, ...]
    thoughts: bool = False


@contextmanager
def as_contract_error(on_error: Callable[[Exception], None] = lambda _: None) -> Iterator[None]:
    """Tell whatever else an answer causes in our own code as a ``ContractError`` that names the kind of exception: an
    answer is a stranger's, and ends no run. ``on_error`` sees the exception first, and may raise."""
    try:
        yield
    except BacktraderLLMError:
        raise
    except Exception as problem:
        on_error(problem)
        raise ContractError("answer", f"cannot be read ({type(problem).__name__})") from problem


def beginning(text: str) -> str:
    """An answer that may be read as it is, and of any other so much of its beginning that it is seen to be too long."""
    if len(text) <= LARGEST_ANSWER + 1:
        return text
    begun = text[:LARGEST_WITH_THOUGHTS]
    too_many = len(_without_thoughts(_final_channel(begun)[0])[0]) - (LARGEST_ANSWER + 1)
    if too_many > 0:
        return begun[:-too_many]
    return text if begun == text else text[: LARGEST_ANSWER + 1]


def nesting(text: str) -> int:
    """How deep the brackets of a text are nested, those inside of strings aside."""
    deepest = level = 0
    for part in _BRACKET.finditer(text):
        level += (part[0] in "[{") - (part[0] in "]}")
        deepest = max(deepest, level)
    return deepest


def unwrap(text: str, longest: int) -> Unwrapped:
    """The one JSON object of an answer, which has at most ``longest`` characters without its thoughts.

    A text that is JSON as it stands is left so. Raises ``ContractError`` for several objects; a text that holds none,
    or is too long, is left to whoever reads it, without thoughts and fence.
    """
    if len(text) <= longest and _is_json(text):
        return Unwrapped(text, ())
    said, kinds = _final_channel(text)
    said, thought = _without_thoughts(said)
    kinds += [THOUGHTS] * thought
    if len(said) > longest:
        return Unwrapped(said, tuple(kinds))
    if thought or CHANNELS in kinds:
        said = said.strip(_BLANK)
        if _is_json(said):
            return Unwrapped(said, tuple(kinds))
    spans, broken = _objects(said)
    if len(spans) > 1:
        raise ContractError("answer", f"holds {len(spans)} JSON objects, and which of them is meant is not guessed")
    if spans and broken:
        raise ContractError("answer", "holds a JSON object and a broken one, and which of them is meant is not guessed")
    if not spans:
        bare = said.strip(_BLANK + "\ufeff")
        return Unwrapped(
            _without_fence(bare), tuple(kinds), thoughts=bool(kinds) and not _SPECIAL.sub("", bare).strip()
        )
    ((begin, end),) = spans
    if said[:begin].rstrip().endswith("[") or said[end:].lstrip().startswith("]"):
        return Unwrapped(said, tuple(kinds))  # a part of a list is not the whole answer
    return Unwrapped(said[begin:end], (*kinds, *_around(said[:begin], said[end:])))


def _final_channel(text: str) -> tuple[str, list[str]]:
    """What stands in harmony's final channels."""
    if _CHANNEL in text:
        before, *channels = text.split(_CHANNEL)
        final = [before.split("<|start|>")[0]]
        for channel in channels:
            name, _, content = channel.partition(_MESSAGE)
            if name.split("<|")[0].split()[:1] == ["final"]:
                final.append(content.split("<|start|>")[0])
        return "\n".join(final).strip(_BLANK), [CHANNELS]
    if text.lstrip(_BLANK).startswith(_BARE_ANALYSIS) and _BARE_FINAL in text:
        return text.rpartition(_BARE_FINAL)[2].strip(_BLANK), [CHANNELS]
    return text, []


def _without_thoughts(text: str) -> tuple[str, bool]:
    """The text outside of its thoughts, and whether there were any. An end without a beginning ends what stands before
    it; a beginning without an end begins what stands behind."""
    outside: list[str] = []
    position, thinking, any_tag = 0, False, False
    for tag in _TAG.finditer(text):
        any_tag = True
        ends = any(tag[name] for name in ("end", "end_in_brackets", "end_in_triangles", "end_as_token"))
        if ends:
            if not thinking:
                outside.clear()
            thinking, position = False, tag.end()
        elif not thinking:
            outside.append(text[position : tag.start()])
            thinking = True
    if not thinking:
        outside.append(text[position:])
    return "".join(outside), any_tag


def _objects(text: str) -> tuple[list[tuple[int, int]], bool]:
    """Beginnings and ends of the JSON objects at the top level, and whether there is a broken one: braces that hold
    quotes and no JSON, or are never closed. Braces without quotes are words."""
    found: list[tuple[int, int]] = []
    broken, position = False, 0
    while (begin := text.find("{", position)) >= 0:
        end = _closed(text, begin)
        inside = text[begin:end]
        if end is not None and _is_json(inside):
            found.append((begin, end))
        else:
            broken = broken or '"' in inside
        position = len(text) if end is None else end
    return found, broken


def _closed(text: str, begin: int) -> int | None:
    """Where the brace that opens here is closed, braces inside of strings aside."""
    level = 0
    for part in _PART.finditer(text, begin):
        level += (part[0] == "{") - (part[0] == "}")
        if level == 0:
            return part.end()
    return None


def _is_json(text: str) -> bool:
    if text.count("[") + text.count("{") > _DEEPEST and nesting(text) > _DEEPEST:
        return True  # for the reader to say how deep
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _around(before: str, behind: str) -> list[str]:
    """The kinds of what stands before and behind an object."""
    kinds = [MARK] if "\ufeff" in before else []
    before, behind = before.replace("\ufeff", "").rstrip(_BLANK), behind.strip(_BLANK)
    opened = before.rfind("```")
    if fenced := (opened >= 0 and before[opened + 3 :].strip(_BLANK).isalnum()) or before.endswith("```"):
        before = before[:opened]
    if behind.startswith("```"):
        fenced, behind = True, behind.lstrip("`")
    words = _SPECIAL.sub(" ", before).strip(_BLANK)
    role = _ROLE_WORD.fullmatch(words.rpartition("\n")[2].strip(_BLANK)) if words else None
    if role:
        words = words.rpartition("\n")[0].strip(_BLANK)
    said = {
        START: _SPECIAL.search(before),
        ROLE: role,
        BEFORE: words,
        FENCE: fenced,
        END: _SPECIAL.search(behind),
        BEHIND: _SPECIAL.sub(" ", behind).strip(_BLANK),
    }
    return kinds + [kind for kind, there in said.items() if there]


def _without_fence(text: str) -> str:
    """The text between a code fence at its beginning and one at its end."""
    if not (text.startswith("```") and text.endswith("```") and "\n" in text):
        return text
    return text[text.index("\n") + 1 :].removesuffix("```").strip(_BLANK)
