"""From a conversation to blocks of prompt, by the chat template that a model file brings along.

The template is rendered with placeholders for the contents, so that what is the template's text and what is a message's
content stay apart: only the template's text may be read for special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llm_strategy.errors import BackendFailure, ModelNotLoaded
from llm_strategy.llm.requests import Message

# Private-use characters enclose a content's number. The unit separators around them are whitespace to Python: a
# template that trims contents takes them off, which shows that the content must be trimmed too.
_PLACEHOLDER = "\x1f\ue000{}\ue001\x1f"
_FOUND = re.compile("(\x1f?)\ue000([0-9]+)\ue001(\x1f?)")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of prompt: ``content`` between the template's own text ``before`` and ``after``."""

    before: str
    content: str
    after: str = ""


class ChatTemplate:
    """A compiled chat template; ``ModelNotLoaded`` where its source is no valid template."""

    def __init__(self, source: str, bos: str, eos: str) -> None:
        # Templates may print today's date through strftime_now: undefined, so that no prompt depends on the day.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _raise
        try:
            self._template = environment.from_string(source)
        except TemplateSyntaxError as problem:
            raise ModelNotLoaded(
                f"The model's chat template is invalid ({problem}): choose another model file."
            ) from None
        self._tokens = {"bos_token": bos, "eos_token": eos}

    def render(self, messages: Sequence[Message]) -> tuple[Block, ...]:
        """The conversation and the opening of the model's turn, a block wherever a message stands.

        Where the template refuses or ignores a system message, its text goes before the first user message. Raises
        ``BackendFailure`` where the template refuses the conversation anyway.
        """
        contents = [message.content for message in messages]
        turns = [
            {"role": message.role, "content": _PLACEHOLDER.format(number)} for number, message in enumerate(messages)
        ]
        try:
            return self._blocks(turns, contents)
        except TemplateError as problem:
            if len(turns) < 2 or [turn["role"] for turn in turns[:2]] != ["system", "user"]:
                raise _refused(problem) from problem.__cause__
        folded = {"role": "user", "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
        try:
            return self._blocks([folded, *turns[2:]], contents)
        except TemplateError as problem:
            raise _refused(problem) from problem.__cause__

    def _blocks(self, turns: list[dict[str, str]], contents: list[str]) -> tuple[Block, ...]:
        try:
            text = self._template.render(messages=turns, add_generation_prompt=True, **self._tokens)
        except TemplateError:
            raise
        except Exception as problem:  # a template is a program: 1 / 0, None.strip()
            raise TemplateError(f"it ends in {type(problem).__name__}") from problem
        pieces = _FOUND.split(text)
        numbers = [int(number) for number in pieces[2::4]]
        if set(numbers) != set(range(len(contents))):
            raise TemplateError("it leaves out a message")
        blocks = []
        for at, number in enumerate(numbers):
            before, left, _, right = pieces[4 * at : 4 * at + 4]
            content = contents[number]
            content = content if left else content.lstrip()
            content = content if right else content.rstrip()
            blocks.append(Block(before, content))
        last = blocks.pop()
        return (*blocks, Block(last.before, last.content, pieces[-1]))


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _refused(problem: TemplateError) -> BackendFailure:
    return BackendFailure(
        f"The model's chat template refuses this conversation ({problem}): begin with system or user, then take turns."
    )
