"""``questions.json``: what a model was asked, word for word; the journal holds the hashes of the questions alone.

``texts`` holds every text once, in the order in which they were first sent; ``questions`` gives for the hash of a
request its messages, each as role, number of its text and, where it showed any, the hashes of its images. Kept are the
first question of each decision, and behind a plan the first one for the advice: what follows repeats its messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.llm.requests import Message, request_hash
from llm_strategy.support.outside_text import spelled_out_json
from llm_strategy.support.read_regular import read_bytes
from llm_strategy.support.write_whole import write_whole
from llm_strategy.types import Decision

QUESTIONS = "questions.json"
LARGEST = 2**30
"""Bytes of a file that is read: more than the questions of any run."""
_PLANNING = ("plan", "plan_repair")


class SentMessage(NamedTuple):
    """A message as it was sent, with the hashes (sha256) of the images that stood behind it."""

    role: str
    text: str
    images: tuple[str, ...] = ()


class QuestionTexts:
    """Takes the decisions of a model one by one, and keeps what it was asked."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._questions: dict[str, str] = {}
        """Messages as JSON, which takes a fifth of the memory of lists: a long run has as many as it has decisions."""

    def take(self, decision: Decision, advisor: ModelAdvisor) -> None:
        """Keep the questions of a decision that the advisor has just made."""
        asked = decision.exchanges
        began = {
            next((each.request_hash for each in asked if (each.purpose in _PLANNING) is planning), None)
            for planning in (True, False)
        }
        missing = {key: key for key in began if key is not None and key not in self._questions}
        if not missing:
            return
        for request in advisor.last_requests:
            key = missing.get(request_hash(request, advisor.client.identity))
            if key is not None:  # the decision's own string, which others keep as well
                self._questions[key] = _json([self._numbered(message) for message in request.messages])

    def _numbered(self, message: Message) -> list[Any]:
        number = self._texts.setdefault(message.content, len(self._texts))
        images = [image.sha256 for image in message.images]
        return [message.role, number, images] if images else [message.role, number]

    def write(self, folder: Path) -> None:
        """Write the file, where a model was asked."""
        if self._questions:
            questions = ",".join(f"{_json(key)}:{messages}" for key, messages in self._questions.items())
            text = f'{{"texts":{_json(list(self._texts))},"questions":{{{questions}}}}}'
            write_whole(folder / QUESTIONS, spelled_out_json(text) + "\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_questions(folder: Path) -> Mapping[str, tuple[SentMessage, ...]]:
    """The messages of each question in an arm's folder by the hash of the request; nothing where there is no file that
    can be read, as in folders of earlier versions."""
    try:
        document = json.loads(read_bytes(folder / QUESTIONS, LARGEST))
        texts = [str(text) for text in document["texts"]]
        return {
            str(key): tuple(
                SentMessage(str(role), texts[number], tuple(map(str, images[0] if images else ())))
                for role, number, *images in messages
            )
            for key, messages in document["questions"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
