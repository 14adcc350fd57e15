"""A client in another process: it travels as its settings and is made again there, because connections, threads and
loaded models do not survive a fork."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from llm_strategy.errors import ConfigurationError

_MADE: dict[tuple[int, bytes], Any] = {}
"""Clients by process and recipe: what is unpickled many times, as by backtrader for each run, is made once."""


def recipe(client: Any, make: Callable[[], Any], defaults: Any) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
    """What ``pickle`` keeps of a client that can be made again."""
    written = pickle.dumps((make, defaults))
    _MADE.setdefault((os.getpid(), written), client)
    return remake, (written,)


def remake(written: bytes) -> Any:
    """The client of this process that a recipe means."""
    place = os.getpid(), written
    if place not in _MADE:
        make, defaults = pickle.loads(written)  # noqa: S301 - written by recipe, in the process that started this one
        client = make()
        client.start_from(defaults)
        _MADE[place] = client
    return _MADE[place]


def check_state(kind: str, state: Mapping[str, Any]) -> None:
    """Raise ``ConfigurationError`` for a client that cannot leave its process."""
    try:
        pickle.dumps(state)
    except (TypeError, AttributeError, pickle.PicklingError) as problem:
        raise ConfigurationError(
            f"A {kind} that was made by hand cannot go to another process ({problem}): give optstrategy one of "
            "get_llm_client(), or stay in this process with Cerebro(maxcpus=1)."
        ) from None
