"""A client in front of another: whatever it does not do itself the client behind it does, so that nothing is lost on
the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.requests import Generation, ModelIdentity, Request

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _of_inner(name: str) -> Any:
    """A setting that is read from the client behind, and set there."""
    return property(lambda layer: getattr(layer.inner, name), lambda layer, value: setattr(layer.inner, name, value))


def _by_inner(method: Callable[Concatenate[LLMClient, _P], _R]) -> Callable[Concatenate[Any, _P], _R]:
    """The method of a client, which the client behind does."""

    @wraps(method)
    def forward(layer: Layer, /, *args: _P.args, **keywords: _P.kwargs) -> _R:
        result: _R = getattr(layer.inner, method.__name__)(*args, **keywords)
        return result

    return forward


class Layer(LLMClient):
    """A client in front of ``inner``. A subclass changes the members that it is there for; calls are logged by the
    client that makes them. ``make`` alone is a layer's own: it makes a client with the layers that it has then."""

    counts_calls = True

    defaults = _of_inner("defaults")
    run_id = _of_inner("run_id")
    strict = _of_inner("strict")
    remote = _of_inner("remote")
    concurrency = _of_inner("concurrency")
    fallbacks = _of_inner("fallbacks")
    supports_images = _of_inner("supports_images")
    replays = _of_inner("replays")
    caveats = _of_inner("caveats")
    prices = _of_inner("prices")

    def __init__(self, inner: LLMClient) -> None:
        self.inner = inner

    @cached_property
    def identity(self) -> ModelIdentity:
        """Who answers behind it."""
        return self.inner.identity

    @property
    def supports_forms(self) -> bool:
        """Whether forms are filled behind it."""
        return self.inner.supports_forms

    @property
    def supports_choices(self) -> bool:
        """Whether choices are given probabilities behind it."""
        return self.inner.supports_choices

    def complete(self, request: Request, on_delta: OnText | None = None) -> Generation:
        """Have the request answered behind it."""
        return self.inner.log_calls(request, lambda asked: self.inner.complete(asked, on_delta))

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """Have a question of a decision answered behind it."""
        return self.inner.log_calls(request, lambda asked: self.inner.ask(asked, ahead=ahead))

    start_from = _by_inner(LLMClient.start_from)
    recorded = _by_inner(LLMClient.recorded)
    is_of_earlier_command = _by_inner(LLMClient.is_of_earlier_command)
    disregard = _by_inner(LLMClient.disregard)
    prompt_tokens = _by_inner(LLMClient.prompt_tokens)
    batch_form = _by_inner(LLMClient.batch_form)
    ask_fallbacks = _by_inner(LLMClient.ask_fallbacks)
    breaker = _by_inner(LLMClient.breaker)
    decision = _by_inner(LLMClient.decision)
    healthcheck = _by_inner(LLMClient.healthcheck)
    close = _by_inner(LLMClient.close)
