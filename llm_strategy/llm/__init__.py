"""The model runtime, usable alone: ``get_llm_client()`` gives a client with ``generate``, ``chat`` and ``batch``."""

from llm_strategy.llm.answer_store import AnswerStore, FolderStore, MemoryStore
from llm_strategy.llm.cache import RecordingClient, Usage
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.exchange import Chunk, Form, Generation, Health, Message, ModelIdentity, Request, Slot
from llm_strategy.llm.fallback import Fallback
from llm_strategy.llm.loader import SUPPORTED_BACKENDS, get_llm_client, register_backend
from llm_strategy.llm.patience import Patience
from llm_strategy.llm.request_hash import request_hash
from llm_strategy.llm.resilience import ResilientClient
from llm_strategy.llm.users_record import in_users_record

__all__ = [
    "SUPPORTED_BACKENDS",
    "AnswerStore",
    "Chunk",
    "Fallback",
    "FolderStore",
    "Form",
    "Generation",
    "Health",
    "LLMClient",
    "MemoryStore",
    "Message",
    "ModelIdentity",
    "Patience",
    "RecordingClient",
    "Request",
    "ResilientClient",
    "Slot",
    "Usage",
    "get_llm_client",
    "in_users_record",
    "register_backend",
    "request_hash",
]
