"""The user's own record of answers, in front of any client of ``get_llm_client``."""

from __future__ import annotations

from llm_strategy.llm.answer_store import FolderStore
from llm_strategy.llm.audit import AuditedClient
from llm_strategy.llm.cache import RecordingClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.fingerprint import cache_folder


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
    return RecordingClient(client, client.identity, FolderStore(cache_folder() / "answers"))
