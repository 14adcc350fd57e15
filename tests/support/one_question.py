"""One question to a client."""

from llm_strategy.llm import Request
from llm_strategy.llm.requests import Message


def ask(client, number=0, *, pieces=False, seconds=20.0):
    """The answer to a question, whole or in pieces."""
    question = Request((Message("user", f"question {number}"),), timeout_s=seconds)
    return client.complete(question, (lambda piece: True) if pieces else None).text
