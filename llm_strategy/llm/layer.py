"""A client in front of another: whatever it does not do itself the client behind it does, so that nothing is lost on
the way."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from llm_strategy.errors import ModelError
from llm_strategy.llm.backend import OnText
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import DecisionContext
from llm_strategy.llm.reliability.policy import Breaker
from llm_strategy.llm.requests import Generation, Health, ModelIdentity, Request


def _of_inner(name: str) -> Any:
    """A setting that is read from the client behind, and set there."""
    return property(lambda layer: getattr(layer.inner, name), lambda layer, value: setattr(layer.inner, name, value))


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
    replays = _of_inner("replays")
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

    def start_from(self, defaults: Request) -> None:
        """Begin every call with this request, as the client behind has it."""
        self.inner.start_from(defaults)

    def recorded(self, request: Request) -> Generation | None:
        """The answer that the request would get without asking."""
        return self.inner.recorded(request)

    def is_of_earlier_command(self, request: Request) -> bool:
        """Whether that is what an earlier command was answered."""
        return self.inner.is_of_earlier_command(request)

    def disregard(self, request: Request) -> bool:
        """Hear that the answer cannot be used."""
        return self.inner.disregard(request)

    def prompt_tokens(self, request: Request) -> int | None:
        """Tokens of the prompt, counted behind it."""
        return self.inner.prompt_tokens(request)

    def ask(self, request: Request, *, ahead: bool = False) -> Generation:
        """Have a question of a decision answered behind it."""
        return self.inner.log_calls(request, lambda asked: self.inner.ask(asked, ahead=ahead))

    def ask_fallbacks(self, request: Request, problem: ModelError) -> Generation:
        """Let the fallbacks behind it answer."""
        return self.inner.ask_fallbacks(request, problem)

    def breaker(self) -> Breaker:
        """A new breaker as the client behind is to be guarded with."""
        return self.inner.breaker()

    def decision(self) -> AbstractContextManager[DecisionContext]:
        """The decision for which everything is asked in here."""
        return self.inner.decision()

    def healthcheck(self) -> Health:
        """How the model behind it is."""
        return self.inner.healthcheck()

    def close(self) -> None:
        """Close the client behind it."""
        self.inner.close()
