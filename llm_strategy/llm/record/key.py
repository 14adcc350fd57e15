"""The key of an answer: a hash over everything that decides it.

That is the exact messages, form, sampler, seed and draw, and the identity of the model (weights, chat template, engine
and its version). Timeouts are left out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import lru_cache
from typing import Any

from llm_strategy.llm.requests import ModelIdentity, Request

KEY_VERSION = 1
"""Goes into every key: raised when a request comes to mean something else."""


@lru_cache(maxsize=64)
def request_hash(request: Request, identity: ModelIdentity) -> str:
    """SHA-256 (hex) over the canonical JSON of the request and the identity; equal hashes mean equal answers."""
    asked = _fields(request) | {"messages": [(message.role, message.content) for message in request.messages]}
    del asked["timeout_s"], asked["bill"]
    known = _fields(identity)
    added = ("json_schema", "opening", "chosen", "choices", "draw")
    for record, later in ((asked, added), (known, ("supports_choices",))):
        for name in later:  # without a value they mean what requests meant before they existed
            if not record[name]:
                del record[name]
    if not (request.json_schema and identity.supports_schemas):
        del known["supports_schemas"]  # it decides the answers to no other requests
    return digest({"version": KEY_VERSION, "request": asked, "identity": known})


def digest(record: object) -> str:
    """SHA-256 (hex) over the canonical JSON of a record."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_fields)
    return hashlib.sha256(text.encode()).hexdigest()


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}
