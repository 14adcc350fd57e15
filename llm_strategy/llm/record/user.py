"""The user's own record of answers: in front of any client of ``get_llm_client``, and what is removed from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.audit import AuditedClient
from llm_strategy.llm.models.fingerprint import cache_folder
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import FolderStore


def in_users_record(client: LLMClient) -> LLMClient:
    """A client of ``get_llm_client`` behind the user's record of answers, which ``btllm`` uses too: in ``answers`` of
    the cache folder. What was asked once is never asked again, in no later run either. Any other client is returned as
    it is: it may be a record itself, and who made it by hand decides.

    Raises ``ModelError`` where nobody can say who answers.
    """
    if isinstance(client, AuditedClient) and client.inner.make is not None:
        return AuditedClient(in_users_record(client.inner), client.log)
    if client.make is None:
        return client
    return RecordingClient(client, client.identity, users_store())


def users_store() -> FolderStore:
    """Where the answers are kept."""
    return FolderStore(cache_folder() / "answers")


class Forgotten(NamedTuple):
    """An answer that was removed: its request, its text (empty where the entry was damaged), and its further draws."""

    request: str
    text: str
    draws: tuple[str, ...]


def forget(requests: Iterable[str]) -> list[Forgotten]:
    """Remove the answers to these requests, each a hash or the beginning of one, with their further draws; they are
    asked again. Raises ``ConfigurationError``, before anything is removed, where one names no answer or several."""
    store = users_store()
    keys = list(dict.fromkeys(_key(store, request.strip().lower()) for request in requests))
    answers = {key: store.get(key) for key in keys}
    return [Forgotten(key, answer.text if answer else "", tuple(store.remove(key))) for key, answer in answers.items()]


def _key(store: FolderStore, request: str) -> str:
    where = "as the log, audit.jsonl and decisions.jsonl name it"
    if not re.fullmatch("[0-9a-f]{4,64}", request):
        raise ConfigurationError(f"{request!r:.80} is no request: give 4 letters of its hash or more, {where}.")
    matches = store.keys(request)
    if not matches:
        raise ConfigurationError(
            f"No answer to request {request} is on record in {store.path}: give its hash, {where}."
        )
    if len(matches) > 1:
        ways = " or ".join(key[: len(request) + 8] for key in matches[:2])
        raise ConfigurationError(f"{len(matches)} answers are on record to requests {request}...: give more, {ways}.")
    return matches[0]
