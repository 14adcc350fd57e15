"""Snapshot to decision: a model is asked what it advises. It knows nothing of the account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from llm_strategy.advice.ahead import OnAnswer, answer_ahead
from llm_strategy.advice.checks import AskedItems
from llm_strategy.advice.citations import DOCUMENTS
from llm_strategy.advice.contract import Repairs
from llm_strategy.advice.conversation import Conversation, MarketMemory, Memory
from llm_strategy.advice.copying import CopyNearest
from llm_strategy.advice.known_past import KnownPast
from llm_strategy.advice.modes.mode import Abilities, Mode, Question
from llm_strategy.advice.modes.planned import Planned
from llm_strategy.advice.modes.registry import MODES, complete_options
from llm_strategy.advice.options import PromptOptions
from llm_strategy.advice.outcome import Outcome, decide_by_rule, with_citations
from llm_strategy.advice.planning.moment import PlanMoment, Planning
from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.advice.protocol import Advisor
from llm_strategy.errors import BreakerOpen
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.record.user import in_users_record
from llm_strategy.llm.requests import Request
from llm_strategy.market.context.context import Context
from llm_strategy.market.context.menu import Offer
from llm_strategy.market.context.registry import DEFAULT_CONTEXT
from llm_strategy.market.view import View, renderer, with_features
from llm_strategy.types import Decision, Exchange, Snapshot


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
    taken off and counted in both. With a ``plan`` (``PlanOptions``, or a mapping of its names) the model first chooses
    which analytics are run.
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
        plan: PlanOptions | Mapping[str, Any] | None = None,
    ) -> None:
        self.client, self.plan_options = client, PlanOptions.of(plan)
        menu = None if self.plan_options is None else self.plan_options.menu()
        shown = context if isinstance(context, Context) else Context(context, view.unmasked, menu)
        self.view, self.fallback = with_features(view, shown.feature_names), fallback
        self._render = renderer(self.view)
        self.context = shown.beside(self.view.shown).open()
        self.context.require_sight(client.supports_images, lambda: client.identity.backend)
        self.record, self.draw = record, draw
        self.repairs: Repairs = repairs
        self.wanted_options = options
        """As they were given, with ``auto`` in them; ``options`` are what came of them."""
        self.options = self._complete(options)
        self.mode = self._new_mode()
        self._remember = remember
        self._memory = Memory()
        self._conversation = self._new_conversation()
        self._breaker = client.breaker()
        self._recorded: ModelAdvisor | None = None
        self.on_decision: Callable[[Decision, ModelAdvisor], None] | None = None
        """Called after each decision, while ``last_requests`` are those of it; copies of this advisor call it, too."""

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

    def asking(self, items: AskedItems) -> ModelAdvisor:
        """The same advisor, asked about these items of a checklist in place of others; raises ``ConfigurationError``
        for a person's own prompt that never shows them."""
        other = copy(self)
        other.wanted_options = replace(self.wanted_options, checks=items)
        other.options = other._complete(other.wanted_options)
        other.options.check_prompt()
        other.mode, other._memory, other._recorded = other._new_mode(), Memory(), None
        other._conversation = other._new_conversation()
        return other

    def _complete(self, options: PromptOptions) -> PromptOptions:
        return complete_options(self._with_context(options), Abilities.of(self.client, self.view))

    def _with_context(self, options: PromptOptions) -> PromptOptions:
        """The options that know what is shown beside the market's line."""
        if self.plan_options is not None:
            return replace(options, context=self.plan_options.beside(self.context.names))
        return replace(options, context=self.context.names) if self.context.shows_more else options

    def _new_mode(self) -> Mode:
        mode = MODES[self.options.mode](self.options, self.repairs)
        if self.plan_options is None:
            return mode
        return Planned(mode, self.plan_options, numbered=not self.client.supports_choices)

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

        Not asked ahead is what is on record, what depends on earlier answers, and where the client takes one request at
        a time anything but plans. The model is asked alone: a question that fails is asked again at its bar, where
        fallbacks may answer it. After ``MOST_FAILURES_AHEAD`` failures in a row no more are begun, and until the first
        answer no more are under way at once. Raises as ``decide`` does, once what is under way has ended; every answer
        is kept.
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
        """Whether ``ask_ahead`` asks for whole decisions; for plans it asks in any case."""
        return self.client.concurrency > 1 and self.stateless

    @property
    def stateless(self) -> bool:
        """Whether a decision depends on the snapshots so far alone, and not on what was answered to them."""
        return self.mode.stateless

    def witness(self, snapshot: Snapshot) -> None:
        """Take a bar without a decision into the past, where none may be missing; ``decide`` does it by itself."""
        self.context.take(snapshot)
        self._memory.latest = None
        market = self._market(snapshot)
        if market.moment is not None:
            market.moment.take(snapshot)
        if self.options.examples not in ("none", "fixed"):
            market.past.take(snapshot)

    def request(self, snapshot: Snapshot) -> Request:
        """The exact (first) request for a snapshot, after those that came before."""
        return self.known_requests(snapshot)[0]

    def known_requests(self, snapshot: Snapshot) -> tuple[Request, ...]:
        """The requests for a snapshot that depend on no answer, ``request`` the first of them."""
        return self.mode.requests(self._question(snapshot), self._conversation.defaults)

    @property
    def last_requests(self) -> tuple[Request, ...]:
        """The first request of the last decision, as it was asked, and behind a plan the first one for the advice; none
        before there was a decision."""
        return tuple(
            request
            for question, plan in self._memory.last
            for request in self.mode.first_requests(question, plan, self._conversation.defaults)
        )

    def foreseen(self, snapshot: Snapshot) -> tuple[Request, ...]:
        """The requests for the advice that the plan on record leads to; none where there is none."""
        return self._conversation.foreseen(self._question(snapshot), self.mode)

    def next_request(self, snapshot: Snapshot) -> Request | None:
        """The first request for a snapshot that has no answer on record; None where the record decides it."""
        return self._conversation.next_request(self._question(snapshot), self._market(snapshot).mode)

    def longest_request(self, snapshot: Snapshot) -> Request:
        """The longest of the first requests that a decision may make: behind a plan that with the longest results."""
        return self.mode.longest(self._question(snapshot), self._conversation.defaults)

    def possible_requests(self, snapshot: Snapshot) -> Iterator[Request]:
        """The requests of which the answers to ``known_requests`` decide that one is made; none where there is none."""
        return self.mode.follow_ups(self._question(snapshot), self._conversation.defaults)

    def plan(self, snapshot: Snapshot) -> tuple[tuple[str, ...], tuple[Exchange, ...]]:
        """What is run for a snapshot, by name, after those that came before, and the exchanges about that alone;
        nothing is run where no plan came of them, or none is made."""
        mode = self._market(snapshot).mode
        if not isinstance(mode, Planned):
            return (), ()
        found = self._conversation.plan(snapshot, self._question(snapshot), mode)
        return found.names, found.exchanges

    def offer(self, snapshot: Snapshot) -> Offer | None:
        """What a plan can choose at a snapshot, after those that came before; None where none is made."""
        planning = self._question(snapshot).planning
        return None if planning is None else planning.offer

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
        outcome = self._counted(snapshot, question)
        self._memory.last[:] = [(question, outcome.plan)]
        decision = outcome.decision(snapshot, question.market, question.shown)
        if self.on_decision is not None:
            self.on_decision(decision, self)
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
        if (known := memory.outcomes.get(question)) is not None:
            return known
        outcome = memory.ahead.pop(question, None) or self._asked(self._conversation, snapshot, question)
        if self._remember and outcome.is_final and not self.mode.keeps_answers:
            memory.outcomes[question] = outcome.at_later_bar()
        return outcome

    def _asked(self, conversation: Conversation, snapshot: Snapshot, question: Question) -> Outcome:
        outcome = conversation.outcome(snapshot, question, self._market(snapshot).mode)
        shown = (*question.shown, *outcome.results)
        return with_citations(outcome, shown) if self.context.source(DOCUMENTS) is not None else outcome

    def _ask_ahead(self, questions: Mapping[Question, Snapshot], on_answer: OnAnswer | None = None) -> None:
        conversation, memory = self._conversation.before_its_turn(), self._memory
        if self.asks_ahead:
            new = [each for each in questions if each not in memory.outcomes and each not in memory.ahead]
            unknown, at_once = conversation.unanswered(new, self.mode), self.client.concurrency
            answer_ahead(
                unknown,
                lambda question: self._asked(conversation, questions[question], question),
                memory.ahead.__setitem__,
                at_once,
                on_answer,
            )
        else:
            conversation.plan_ahead(questions, self.mode, on_answer)

    def _take(self, snapshot: Snapshot) -> Question:
        """The question at a bar, which then belongs to the past."""
        question = self._question(snapshot)
        self.witness(snapshot)
        return question

    def _question(self, snapshot: Snapshot) -> Question:
        latest = self._memory.latest
        if latest is None or latest[0] is not snapshot:  # a source may take its time
            examples = self._market(snapshot).past.choose(snapshot, self.options.examples, self.options.count)
            market, context = self._render(snapshot), self.context.show(snapshot)
            planning = None if self.plan_options is None else self._planning(snapshot)
            question = Question(market, examples, snapshot.symbol, snapshot.timeframe, context, planning)
            self._memory.latest = latest = snapshot, question
        return latest[1]

    def _planning(self, snapshot: Snapshot) -> Planning | None:
        moment, offer = self._market(snapshot).moment, self.context.offer(snapshot)
        return None if moment is None or offer is None else Planning(moment.line(snapshot), offer)

    def _market(self, snapshot: Snapshot) -> MarketMemory:
        markets, key = self._memory.markets, (snapshot.symbol, snapshot.timeframe)
        if key not in markets:
            past, plan = KnownPast(self.view, self.options.labels, self.options.regimes), self.plan_options
            moment = None if plan is None else PlanMoment(plan.when, self.view)
            markets[key] = MarketMemory(past, self._new_mode(), moment)
        return markets[key]


def rewind_advisor(advisor: Advisor, symbol: str) -> Advisor:
    """The advisor without the past of this symbol, behind bars that cannot be true: what follows a state is counted in
    bars, and those between are not known. A rule keeps no past."""
    if isinstance(advisor, CopyNearest):
        return advisor.attach(None)
    if not isinstance(advisor, ModelAdvisor):
        return advisor
    advisor.context.forget(symbol)
    return advisor._without_past()
