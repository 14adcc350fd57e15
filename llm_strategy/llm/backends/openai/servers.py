"""The servers behind one model: one question to the least busy of them, and to the next where it fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendRefused,
    ConfigurationError,
    ModelChanged,
    ModelError,
)
from llm_strategy.llm.backends.openai.capabilities import Capabilities, TokensField
from llm_strategy.llm.backends.openai.connection import Connection
from llm_strategy.llm.backends.openai.endpoints import Endpoint, EndpointPool
from llm_strategy.llm.backends.openai.probe import common, find_out, refuse_unlike
from llm_strategy.llm.backends.openai.replies import NotServed, OnText, Reply
from llm_strategy.llm.backends.openai.service import BatchService
from llm_strategy.llm.backends.openai.weights import Sample, difference, take_sample
from llm_strategy.llm.requests import Request
from llm_strategy.types import Event, EventKind

log = logging.getLogger(__name__)

_OTHER_WEIGHTS = (
    "they do not serve the same weights, so that an answer would depend on which is asked: leave one out of "
    "LLM_BASE_URL, or set openai.probe to false"
)
MEETING_S = 30.0
"""Seconds for the short question that shows whether an endpoint that was lost speaks as the others do."""


class Servers:
    """Asks one of the servers. All methods belong to one event loop. An answer of another model than the dialect names
    is a failure."""

    def __init__(self, model: str, urls: Sequence[str], key: str, most: Sequence[int] = ()) -> None:
        self.pool = EndpointPool(urls, most)
        self._key = key
        self._rooms: dict[int, asyncio.Semaphore] = {}
        self._reference: Sample | None = None
        self._wires = {endpoint.number: Connection(endpoint, model, key) for endpoint in self.pool.endpoints}
        self._looks: set[asyncio.Task[None]] = set()

    @property
    def batch_service(self) -> BatchService:
        """The batch service at the first address."""
        return BatchService(self.pool.endpoints[0], self._key)

    @property
    def tokens_field(self) -> TokensField:
        """What the first server calls the bound of an answer, as far as that was learned."""
        return self._wires[1].tokens_field

    async def introduce(self, pinned: Capabilities, seconds: Callable[[], float]) -> Capabilities:
        """Find out how all endpoints can be spoken to alike, by short questions, each within the ``seconds`` that there
        are then; several endpoints have half of them, so that one that stalls leaves the others time for an answer.

        What gives no answer is left for later. Raises ``ConfigurationError`` where two endpoints differ, and a failure
        where none answers.
        """
        alone = len(self.pool.endpoints) == 1

        async def meet(endpoint: Endpoint) -> Capabilities | ModelError:
            async def ask(request: Request, dialect: Capabilities) -> Reply:
                left = seconds() if alone else seconds() / 2
                return await self._wires[endpoint.number].ask(request, dialect, left)

            try:
                return await find_out(ask, pinned)
            except (NotServed, AnswerTimeout, BackendFailure) as problem:
                if isinstance(problem, (BackendRefused, ModelChanged)) and not isinstance(problem, NotServed):
                    raise
                return problem

        self._connect()
        met = list(zip(self.pool.endpoints, await asyncio.gather(*map(meet, self.pool.endpoints)), strict=True))
        found = [(endpoint.name, dialect) for endpoint, dialect in met if isinstance(dialect, Capabilities)]
        problems = [problem for _, problem in met if isinstance(problem, ModelError)]
        if not found:
            raise _worth_another_try(problems)
        for endpoint, problem in met:
            if isinstance(problem, ModelError):
                self._lost(endpoint, problem)
                endpoint.proven = False
                log.warning("%s The other endpoints are asked in its place.", problem)
        return common(found)

    async def compare(self, dialect: Capabilities, seconds: Callable[[], float]) -> bool:
        """Find out whether all endpoints serve the same weights, by a few fixed questions to each, within ``seconds``
        as in ``introduce``. What gives no answer is compared when it is back; returns whether any answered.

        Raises ``ConfigurationError`` where two differ, which says in what.
        """

        async def sample(endpoint: Endpoint) -> Sample | ModelError:
            try:
                return await self._sample(endpoint, dialect, lambda: seconds() / 2)
            except ModelError as problem:
                return problem

        self._connect()
        willing = [endpoint for endpoint in self.pool.endpoints if endpoint.proven and not endpoint.refusal]
        taken = list(zip(willing, await asyncio.gather(*map(sample, willing)), strict=True))
        for endpoint, told in taken:
            if isinstance(told, ModelError):
                self._lost(endpoint, told)
                endpoint.proven = False
                log.warning("%s The other endpoints are asked in its place.", told)
                continue
            self._reference = self._reference or told
            if differs := difference(self._reference, told):
                raise ConfigurationError(f"{differs}; {_OTHER_WEIGHTS}.")
        return self._reference is not None

    async def _sample(self, endpoint: Endpoint, dialect: Capabilities, seconds: Callable[[], float]) -> Sample:
        wire = self._wires[endpoint.number]

        async def ask(request: Request, with_probabilities: bool) -> Reply:
            if with_probabilities:
                return await wire.ask_with_probabilities(request, dialect, seconds())
            return await wire.ask(request, dialect, seconds())

        return await take_sample(endpoint.name, ask, await wire.describe())

    async def ask(
        self, request: Request, dialect: Capabilities, seconds: float, on_text: OnText | None
    ) -> tuple[Reply, tuple[Event, ...]]:
        """One endpoint after the other, until one answers or ``seconds`` are over.

        Each has its even share of the time that is left, lost ones not counted, so that one that stalls leaves the
        others theirs. What was handed to ``on_text`` cannot be taken back: after the first piece no other is asked.
        One that refuses the key or the model is passed by from then on; what else is refused, all would refuse.
        """
        self._connect()
        ends = asyncio.get_running_loop().time() + seconds
        began = False

        def hand_over(text: str) -> bool:
            nonlocal began
            began = True
            return on_text is None or on_text(text)

        problems: list[ModelError] = []
        events: list[Event] = []
        tried: list[int] = []
        while True:
            with self.pool.least_busy(tried) as endpoint:
                tried.append(endpoint.number)
                begin = asyncio.get_running_loop().time()
                try:
                    async with self._room(endpoint):
                        now = asyncio.get_running_loop().time()
                        ends += now - begin  # to wait for room is no part of an answer's time
                        share = max(ends - now, 0.001) / (1 + self.pool.well(tried))
                        await self._meet(endpoint, dialect, share)
                        left = max(now + share - asyncio.get_running_loop().time(), 0.001)
                        wire = self._wires[endpoint.number]
                        reply = await wire.ask(request, dialect, left, hand_over if on_text else None)
                    break
                except (BackendFailure, AnswerTimeout) as problem:
                    problems.append(problem)
                    self._lost(endpoint, problem)
                    over = asyncio.get_running_loop().time() >= ends
                    final = isinstance(problem, BackendRefused) and not isinstance(problem, NotServed)
                    if final or over or began or not self.pool.has_more(tried):
                        self._look_at(self.pool.note_no_answer(), dialect)
                        worst = problem if final or began else _worth_another_try(problems)
                        worst.events = tuple(events)
                        raise worst from None
                    events.append(Event(EventKind.FAILOVER, str(problem)))
        self._look_at(self.pool.note_answer(endpoint), dialect)
        self._compare_builds(endpoint, reply)
        return reply, (*events, *reply.events)

    async def lost(self) -> list[str]:
        """The endpoints that do not answer, by name, with the reason where they gave one."""
        well = await asyncio.gather(*(wire.is_well() for wire in self._wires.values()))
        named = zip(self.pool.endpoints, well, strict=True)
        return [
            endpoint.refusal.rstrip(".") or f"no answer from {endpoint.name}"
            for endpoint, is_well in named
            if endpoint.refusal or not is_well
        ]

    async def close(self) -> None:
        """Close the connections."""
        self._rooms.clear()  # they belong to the event loop
        for wire in self._wires.values():
            await wire.close()

    def _connect(self) -> None:
        """Connect, which takes a while and is no part of an answer's time."""
        for wire in self._wires.values():
            wire.connect()

    async def _meet(self, endpoint: Endpoint, dialect: Capabilities, seconds: float) -> None:
        """Hear whether an endpoint that was lost speaks as the others do; ``NotServed`` where it does not."""
        if not endpoint.proven:
            await refuse_unlike(partial(self._wires[endpoint.number].ask, seconds=seconds), dialect, endpoint.name)
            if self._reference is not None:
                told = await self._sample(endpoint, dialect, lambda: seconds)
                if differs := difference(self._reference, told):
                    raise NotServed(f"{differs}; {_OTHER_WEIGHTS}.")
            endpoint.proven = True

    def _room(self, endpoint: Endpoint) -> contextlib.AbstractAsyncContextManager[object]:
        """A place among the questions that may be under way at an endpoint at once."""
        if endpoint.most is None:
            return contextlib.nullcontext()
        return self._rooms.setdefault(endpoint.number, asyncio.Semaphore(endpoint.most))

    def _compare_builds(self, endpoint: Endpoint, reply: Reply) -> None:
        if not reply.fingerprint:
            return
        if endpoint.fingerprint not in (None, reply.fingerprint):
            log.warning(
                "The %s changed its fingerprint from %s to %s.", endpoint.name, endpoint.fingerprint, reply.fingerprint
            )
        endpoint.fingerprint = reply.fingerprint

    def _lost(self, endpoint: Endpoint, problem: ModelError) -> None:
        """Leave an endpoint alone for what it met; a refusal of the question alone is none of its own."""
        if isinstance(problem, NotServed):
            if self.pool.note_refusal(endpoint, str(problem)) and len(self.pool.endpoints) > 1:
                log.warning("%s It is left out until it answers again.", problem)
        elif not isinstance(problem, BackendRefused):
            self.pool.note_failure(endpoint)

    def _look_at(self, lost: Sequence[Endpoint], dialect: Capabilities) -> None:
        for endpoint in lost:
            look = asyncio.create_task(self._look_again(endpoint, dialect))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look_again(self, endpoint: Endpoint, dialect: Capabilities) -> None:
        well = False
        try:
            well = await self._wires[endpoint.number].is_well()
            if well:
                await self._meet(endpoint, dialect, MEETING_S)
        except NotServed as problem:
            self.pool.note_refusal(endpoint, str(problem))
            well = False
        except ModelError:
            well = False
        finally:
            self.pool.note_check(endpoint, well)


def _worth_another_try(problems: Sequence[ModelError]) -> ModelError:
    """Of the failures of all endpoints the last that another attempt may not meet, or else the last of all."""
    passing = [problem for problem in problems if not isinstance(problem, (BackendRefused, ModelChanged))]
    return [*problems, *passing][-1]
