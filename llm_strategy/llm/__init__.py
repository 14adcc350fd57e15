"""The model runtime, usable alone: ``get_llm_client()`` gives a client with ``generate``, ``chat`` and ``batch``."""

from llm_strategy.llm.backend import Backend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.layer import Layer
from llm_strategy.llm.loader import SUPPORTED_BACKENDS, get_llm_client, register_backend
from llm_strategy.llm.metering.calls import Usage
from llm_strategy.llm.record.client import RecordingClient
from llm_strategy.llm.record.store import AnswerStore, FolderStore, MemoryStore
from llm_strategy.llm.record.user import in_users_record
from llm_strategy.llm.reliability.client import Fallback, ResilientClient
from llm_strategy.llm.reliability.policy import RetryPolicy
from llm_strategy.llm.requests import (
    Chunk,
    Form,
    Generation,
    Health,
    Message,
    ModelIdentity,
    Request,
    Slot,
    request_hash,
)

__all__ = [
    "SUPPORTED_BACKENDS",
    "AnswerStore",
    "Backend",
    "Chunk",
    "Fallback",
    "FolderStore",
    "Form",
    "Generation",
    "Health",
    "LLMClient",
    "Layer",
    "MemoryStore",
    "Message",
    "ModelIdentity",
    "RecordingClient",
    "Request",
    "ResilientClient",
    "RetryPolicy",
    "Slot",
    "Usage",
    "get_llm_client",
    "in_users_record",
    "register_backend",
    "request_hash",
]
