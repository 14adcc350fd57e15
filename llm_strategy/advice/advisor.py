"""Snapshot to decision: a model is asked what it advises. It knows nothing of the account."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from llm_strategy.advice.citations import DOCUMENTS
from llm_strategy.advice.contract import Repairs
from llm_strategy.advice.conversation import Conversation, MarketMemory, Memory
from llm_strategy.advice.examples import Analogues
from llm_strategy.advice.modes.mode import Abilities, Mode, Question
from llm_strategy.advice.modes.registry import MODES, complete_options
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.outcome import Outcome, decide_by_rule, with_citations
from llm_strategy.errors import BreakerOpen
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.concurrency.parallel import side_by_side
from llm_strategy.llm.record.user import in_users_record
from llm_strategy.llm.requests import Request
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.registry import DEFAULT_CONTEXT
from llm_strategy.market.view import View, render_snapshot, with_features
from llm_strategy.types import Decision, Snapshot

MOST_FAILURES_AHEAD = 5
"""Questions in a row that failed, as their answers come: then the others wait for their turn."""

OnAnswer: TypeAlias = Callable[[int, int, int], None]
"""Called with the questions answered so far, how many there are, and how many are asked at once."""


class Advisor(Protocol):
    """Anything that decides at a close: a model, or a rule."""

    def attach(self, data: Any) -> Advisor:
        """The advisor of one feed, called once for each in the strategy's ``__init__``: itself where it keeps nothing
        of a feed, or a copy with the indicators of this one."""

    def decide(self, snapshot: Snapshot) -> Decision:
        """The decision at the close of this snapshot's bar. An advisor that keeps a past has a method ``witness`` too,
        which takes a snapshot at each bar that the schedule passes over."""


def witness_of(advisor: Advisor) -> Callable[[Snapshot], None] | None:
    """The method ``witness`` of an advisor that has a past, to be called at bars without a decision; most rules have
    none."""
    return getattr(advisor, "witness", None)


def begin_run(advisor: Advisor) -> Advisor:
    """The advisor of a new run, without a past: its copies for the feeds of that run share one. Rules keep none."""
    begin: Callable[[], Advisor] | None = getattr(advisor, "begin", None)
    return advisor if begin is None else begin()


class ModelAdvisor:
    """An advisor that asks a language model.

    What it asks is a function of the snapshots so far, which must come in order; each symbol has its own past. Equal
    requests are asked once a run (``remember``); a replay turns that off so that every recorded decision is read.
    ``context`` chooses what it shows: a list of sources by name or reference, with options where there are some, such
    as ``["features", {"history": {"bars": 30}}]``; the market's line alone where absent. ``options`` say how it asks
    (``PromptOptions``). Sampler and time-out are the client's ``defaults``; the time is for the whole decision, the
    repair attempt included. ``draw`` is which sample of each answer is asked for (``Request.draw``). With
    ``repairs="lenient"`` values that break the contract and can mean one thing alone (a number in quotes, a percentage,
    null for nothing) are put right and counted; ``strict`` asks again. What stands around the JSON of an answer is
    taken off and counted in both.
    With ``record`` an ``AdvisedStrategy`` asks a client of ``get_llm_client`` once for all runs: its answers are kept
    in the user's cache folder, as those of ``btllm``. ``record=False`` asks anew in each run.
    ``fallback`` is an advisor (a rule) that decides in place of a model that failed; without one such a decision is an
    abstention. The client's ``breaker`` counts the decisions of all copies of an advisor. While it is open the model is
    left alone, and what it answered before is left unread: what is decided at a bar must not depend on whether its
    answer is there already. Raises ``ConfigurationError`` where the client cannot do ``options.mode``, and
    ``ModelError`` only where no question can be asked at all (no model, no recorded answer).
    """

    def __init__(
        self,
        client: LLMClient,
        *,
        view: View = View(),  # noqa: B008 - frozen
        options: PromptOptions = PromptOptions(),  # noqa: B008 - frozen
        remember: bool = True,
        fallback: Advisor | None = None,
        draw: int = 0,
        record: bool = True,
        repairs: Repairs = "strict",
        context: Any = DEFAULT_CONTEXT,
    ) -> None:
        self.client = client
        shown = context if isinstance(context, Context) else Context(context, view.unmasked)
        self.view, self.fallback = with_features(view, shown.feature_names), fallback
        self.context = shown.beside(self.view.shown).open()
        self.record, self.draw = record, draw
        self.repairs: Repairs = repairs
        self.wanted_options = options
        """As they were given, with ``auto`` in them; ``options`` are what came of them."""
        self.options = complete_options(self._with_context(options), Abilities.of(client))
        self.mode = self._new_mode()
        self._remember = remember
        self._memory = Memory()
        self._conversation = self._new_conversation()
        self._breaker = client.breaker()
        self._recorded: ModelAdvisor | None = None

    def on_record(self) -> ModelAdvisor:
        """The same advisor behind the user's record of answers (``llm.in_users_record``), where ``record`` says so and
        the client comes from ``get_llm_client``."""
        if not self.record or self._recorded is not None:
            return self._recorded or self
        client = in_users_record(self.client)
        self._recorded = self
        if client is not self.client:
            self._recorded = recorded = copy(self)
            recorded.client, recorded._recorded = client, recorded
            recorded._memory = Memory()  # what was answered off the record is asked again
            recorded._conversation = recorded._new_conversation()
        return self._recorded

    def _with_context(self, options: PromptOptions) -> PromptOptions:
        """The options that know what is shown beside the market's line."""
        return replace(options, context=self.context.names) if self.context.shows_more else options

    def _new_mode(self) -> Mode:
        return MODES[self.options.mode](self.options, self.repairs)

    def _new_conversation(self) -> Conversation:
        return Conversation(self.client, self._memory.answers if self._remember else None, self.draw)

    @property
    def window(self) -> int:
        """Bars that the ``window`` of a snapshot must hold."""
        return self.context.window

    def attach(self, data: Any) -> ModelAdvisor:
        """A copy with an empty past of the feed, and with the indicators of a fallback rule; answers are shared, and so
        are the sources of context, which look at all symbols."""
        bound = self._without_past()
        bound.fallback = None if self.fallback is None else self.fallback.attach(data)
        return bound

    def decide(self, snapshot: Snapshot) -> Decision:
        """Ask, check, repair once, and where that fails let the fallback decide, or abstain with the reason."""
        return self._decide(snapshot, self._take(snapshot))

    def decide_all(self, snapshots: Sequence[Snapshot]) -> list[Decision]:
        """The decisions for all of these, in their order, each as ``decide`` would give it; the questions are asked
        ahead (``ask_ahead``). The fallback must not need indicators."""
        questions = [self._take(snapshot) for snapshot in snapshots]
        self._ask_ahead(dict(zip(questions, snapshots, strict=True)))
        return [self._decide(snapshot, question) for snapshot, question in zip(snapshots, questions, strict=True)]

    def ask_ahead(
        self,
        snapshots: Iterable[Snapshot],
        on_answer: OnAnswer | None = None,
        *,
        wants: Callable[[Snapshot], bool] = lambda _: True,
    ) -> None:
        """Ask what ``decide`` will ask for these snapshots of all symbols, each symbol's in order from its first bar
        on, as many questions at once as the client's ``concurrency``; copies of this advisor use the answers. Where
        the schedule ``wants`` no decision the bar is witnessed.

        Not asked ahead is what is on record, what depends on earlier answers, and anything where the client takes one
        request at a time. The model is asked alone: a question that fails is asked again at its bar, where fallbacks
        may answer it. After ``MOST_FAILURES_AHEAD`` failures in a row no more are begun, and until the first answer no
        more are under way at once. Raises as ``decide`` does, once what is under way has ended; every answer is kept.
        """
        scout = self.begin()
        questions: dict[Question, Snapshot] = {}
        for snapshot in self.context.in_order(list(snapshots)):
            if wants(snapshot):
                questions[scout._take(snapshot)] = snapshot
            else:
                scout.witness(snapshot)
        scout._ask_ahead(questions, on_answer)

    @property
    def asks_ahead(self) -> bool:
        """Whether ``ask_ahead`` asks anything."""
        return self.client.concurrency > 1 and self.stateless

    @property
    def stateless(self) -> bool:
        """Whether a decision depends on the snapshots so far alone, and not on what was answered to them."""
        return self.mode.stateless

    def witness(self, snapshot: Snapshot) -> None:
        """Take a bar without a decision into the past, where none may be missing; ``decide`` does it by itself."""
        self.context.take(snapshot)
        self._memory.latest = None
        if self.options.examples not in ("none", "fixed"):
            self._market(snapshot).past.take(snapshot)

    def request(self, snapshot: Snapshot) -> Request:
        """The exact (first) request for a snapshot, after those that came before."""
        return self.known_requests(snapshot)[0]

    def known_requests(self, snapshot: Snapshot) -> tuple[Request, ...]:
        """The requests for a snapshot that depend on no answer, ``request`` the first of them."""
        return self.mode.requests(self._question(snapshot), self._conversation.defaults)

    @property
    def last_request(self) -> Request | None:
        """The first request of the last decision, as it was asked; None before there was a decision."""
        asked = (self.mode.requests(question, self._conversation.defaults)[0] for question in self._memory.last)
        return next(asked, None)

    def possible_requests(self, snapshot: Snapshot) -> Iterator[Request]:
        """The requests of which the answers to ``known_requests`` decide that one is made; none where there is none."""
        return self.mode.follow_ups(self._question(snapshot), self._conversation.defaults)

    def unusable_on_record(self, snapshot: Snapshot) -> tuple[Request, ...]:
        """The requests for a snapshot that earlier commands were answered without ever meeting the contract, so that
        they are asked again."""
        return self._conversation.unusable_on_record(self._question(snapshot), self.mode)

    def begin(self) -> ModelAdvisor:
        """A copy with an empty past, for a run."""
        bound = self._without_past()
        bound.context = self.context.anew()
        return bound

    def _without_past(self) -> ModelAdvisor:
        """A copy with an empty past of its feed, and the same sources of context."""
        bound = copy(self)
        bound._memory = self._memory.without_past()
        return bound

    def _decide(self, snapshot: Snapshot, question: Question) -> Decision:
        self._memory.last[:] = [question]
        outcome = self._counted(snapshot, question)
        decision = outcome.decision(snapshot, question.market, question.shown)
        if self.fallback is None or outcome.abstention is None:
            return decision
        return decide_by_rule(self.fallback.decide(snapshot), decision)

    def _counted(self, snapshot: Snapshot, question: Question) -> Outcome:
        """What a decision comes to, which the breaker counts wherever the answers come from."""
        try:
            admitted = self._breaker.admit()
        except BreakerOpen as problem:
            return self._asked(self._conversation.without_model(problem), snapshot, question)
        outcome = self._outcome(snapshot, question)
        if outcome.is_waiting:  # neither a failure of the model nor an answer
            return outcome.with_events(admitted, ())
        failed = outcome.model_failed
        events = self._breaker.record(failed=failed, probe=bool(admitted), why=outcome.failure if failed else "")
        return outcome.with_events(admitted, events)

    def _outcome(self, snapshot: Snapshot, question: Question) -> Outcome:
        """Remembered, asked ahead, or asked now."""
        memory = self._memory
        if question in memory.outcomes:
            return memory.outcomes[question]
        outcome = memory.ahead.pop(question, None) or self._asked(self._conversation, snapshot, question)
        if self._remember and outcome.is_final and not self.mode.scores:
            memory.outcomes[question] = outcome.at_later_bar()
        return outcome

    def _asked(self, conversation: Conversation, snapshot: Snapshot, question: Question) -> Outcome:
        outcome = conversation.outcome(snapshot, question, self._market(snapshot).mode)
        return with_citations(outcome, question.shown) if DOCUMENTS in self.context.names else outcome

    def _ask_ahead(self, questions: Mapping[Question, Snapshot], on_answer: OnAnswer | None = None) -> None:
        if not self.asks_ahead:
            return
        conversation, at_once, memory = self._conversation.before_its_turn(), self.client.concurrency, self._memory
        unknown: dict[Request, Question] = {}
        for question in questions:
            if question not in memory.outcomes and question not in memory.ahead:
                request = self.mode.requests(question, conversation.defaults)[0]
                if request not in unknown and (
                    self.client.recorded(request) is None or conversation.unusable_on_record(question, self.mode)
                ):
                    unknown[request] = question
        waiting = deque(unknown.values())
        answered = failed = 0

        def next_ones(*, until_answered: bool) -> Iterator[Question]:
            while waiting and failed < MOST_FAILURES_AHEAD and not (until_answered and answered):
                yield waiting.popleft()

        def ask(question: Question) -> Outcome:
            return self._asked(conversation, questions[question], question)

        def take(question: Question, outcome: Outcome) -> None:
            nonlocal answered, failed
            if outcome.failed:
                failed += 1
            else:
                answered, failed = answered + 1, 0
                memory.ahead[question] = outcome
            if on_answer is not None:
                on_answer(answered, len(unknown), at_once)

        side_by_side(ask, next_ones(until_answered=True), min(at_once, MOST_FAILURES_AHEAD), take)
        side_by_side(ask, next_ones(until_answered=False), at_once, take)

    def _take(self, snapshot: Snapshot) -> Question:
        """The question at a bar, which then belongs to the past."""
        question = self._question(snapshot)
        self.witness(snapshot)
        return question

    def _question(self, snapshot: Snapshot) -> Question:
        latest = self._memory.latest
        if latest is None or latest[0] is not snapshot:  # a source may take its time
            examples = self._market(snapshot).past.choose(snapshot, self.options.examples, self.options.count)
            market, context = render_snapshot(snapshot, self.view), self.context.show(snapshot)
            question = Question(market, examples, snapshot.symbol, snapshot.timeframe, context)
            self._memory.latest = latest = snapshot, question
        return latest[1]

    def _market(self, snapshot: Snapshot) -> MarketMemory:
        markets, key = self._memory.markets, (snapshot.symbol, snapshot.timeframe)
        if key not in markets:
            markets[key] = MarketMemory(
                Analogues(self.view, self.options.labels, self.options.regimes), self._new_mode()
            )
        return markets[key]


def rewind_advisor(advisor: Advisor, symbol: str) -> Advisor:
    """The advisor without the past of this symbol, behind bars that cannot be true: what follows a state is counted in
    bars, and those between are not known. A rule keeps no past."""
    if not isinstance(advisor, ModelAdvisor):
        return advisor
    advisor.context.forget(symbol)
    return advisor._without_past()
