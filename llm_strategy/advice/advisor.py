"""Snapshot to decision: a model is asked what it advises. It knows nothing of the account."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Protocol, TypeAlias

from llm_strategy.advice.conversation import Conversation, Question
from llm_strategy.advice.examples import Analogues
from llm_strategy.advice.lenient import Repairs
from llm_strategy.advice.options import Example, PromptOptions
from llm_strategy.advice.outcome import Outcome, instead
from llm_strategy.advice.scored import ChoiceReader
from llm_strategy.errors import BreakerOpen, ConfigurationError
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.concurrency.parallel import side_by_side
from llm_strategy.llm.record.user import in_users_record
from llm_strategy.llm.requests import Request
from llm_strategy.market.view import View, render_snapshot
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


class ModelAdvisor:
    """An advisor that asks a language model.

    What it asks is a function of the snapshots so far, which must come in order; each symbol has its own past. Equal
    requests are asked once a run (``remember``); a replay turns that off so that every recorded decision is read.
    Sampler and time-out are the client's ``defaults``; the time is for the whole decision, the repair attempt included.
    ``draw`` is which sample of each answer is asked for (``Request.draw``). With ``repairs="lenient"`` values that
    break the contract and can mean one thing alone (a number in quotes, a percentage, null for nothing) are put right
    and counted; ``strict`` asks again. What stands around the JSON of an answer is taken off and counted in both.
    With ``record`` an ``AdvisedStrategy`` asks a client of ``get_llm_client`` once for all runs: its answers are kept
    in the user's cache folder, as those of ``btllm``. ``record=False`` asks anew in each run.
    ``fallback`` is an advisor (a rule) that decides in place of a model that failed; without one such a decision is an
    abstention. The client's ``breaker`` counts the decisions of all copies of an advisor. While it is open the model is
    left alone, and what it answered before is left unread: what is decided at a bar must not depend on whether its
    answer is there already. Raises ``ConfigurationError`` where the client cannot do ``reading.mode``, and
    ``ModelError`` only where no question can be asked at all (no model, no recorded answer).
    """

    def __init__(
        self,
        client: LLMClient,
        *,
        view: View = View(),  # noqa: B008 - frozen
        reading: PromptOptions = PromptOptions(),  # noqa: B008 - frozen
        remember: bool = True,
        fallback: Advisor | None = None,
        draw: int = 0,
        record: bool = True,
        repairs: Repairs = "strict",
    ) -> None:
        self.client = client
        self.record, self.draw = record, draw
        self.repairs: Repairs = repairs
        self.wanted_reading = reading
        """As it was given, with ``auto`` in it; ``reading`` is what came of it."""
        self._recorded: ModelAdvisor | None = None
        self.view = view
        self.fallback = fallback
        self.reading = reading.resolved(
            forms=client.supports_forms,
            choices=client.supports_choices,
            backend=client.identity.backend,
            embedded=bool(client.identity.weights_sha256),
        )
        if repairs == "lenient" and self.reading.mode == "choices":
            raise ConfigurationError(
                "advisor.repairs is lenient, and with mode choices there is no answer to repair: leave it out, or "
                "choose another mode."
            )
        self._remember = remember
        self._conversation = self._conversation_with(client)
        self._outcomes: dict[Question, Outcome] = {}
        self._ahead: dict[Question, Outcome] = {}
        self._breaker = client.breaker()
        self._past: dict[tuple[str, str], Analogues] = {}
        self._readers: dict[tuple[str, str], ChoiceReader] = {}

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
            recorded._conversation = recorded._conversation_with(client)
        return self._recorded

    def _conversation_with(self, client: LLMClient) -> Conversation:
        return Conversation(client, self.reading, remember=self._remember, draw=self.draw, repairs=self.repairs)

    def attach(self, data: Any) -> ModelAdvisor:
        """A copy with an empty past, and with the indicators of a fallback rule; answers are shared."""
        bound = self._at_the_beginning()
        bound.fallback = None if self.fallback is None else self.fallback.attach(data)
        return bound

    def decide(self, snapshot: Snapshot) -> Decision:
        """Ask, check, repair once, and where that fails let the fallback decide, or abstain with the reason."""
        return self._decide(snapshot, self._taken(snapshot))

    def decide_all(self, snapshots: Sequence[Snapshot]) -> list[Decision]:
        """The decisions for all of these, in their order, each as ``decide`` would give it; the questions are asked
        ahead (``ask_ahead``). The fallback must not need indicators."""
        questions = [self._taken(snapshot) for snapshot in snapshots]
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
        scout = self._at_the_beginning()
        questions: dict[Question, Snapshot] = {}
        for snapshot in snapshots:
            if wants(snapshot):
                questions[scout._taken(snapshot)] = snapshot
            else:
                scout.witness(snapshot)
        scout._ask_ahead(questions, on_answer)

    @property
    def asks_ahead(self) -> bool:
        """Whether ``ask_ahead`` asks anything."""
        return self.client.concurrency > 1 and self.reading.stateless

    def witness(self, snapshot: Snapshot) -> None:
        """Take a bar without a decision into the past, where none may be missing; ``decide`` does it by itself."""
        if self.reading.examples != "fixed":
            self._past_of(snapshot).take(snapshot)

    def request(self, snapshot: Snapshot) -> Request:
        """The exact (first) request for a snapshot, after those that came before."""
        question = self._question(snapshot)
        return self._conversation.request(question, self._reader(question))

    def known_requests(self, snapshot: Snapshot) -> tuple[Request, ...]:
        """The requests for a snapshot that depend on no answer, ``request`` the first of them."""
        question = self._question(snapshot)
        return self._conversation.known_requests(question, self._reader(question))

    def possible_requests(self, snapshot: Snapshot) -> Iterator[Request]:
        """The requests of which the answers to ``known_requests`` decide that one is made; none where there is none."""
        question = self._question(snapshot)
        return self._conversation.possible_requests(question, self._reader(question))

    def unusable_on_record(self, snapshot: Snapshot) -> tuple[Request, ...]:
        """The requests for a snapshot that earlier commands were answered without ever meeting the contract, so that
        they are asked again."""
        question = self._question(snapshot)
        return self._conversation.unusable_on_record(question, self._reader(question))

    def _at_the_beginning(self) -> ModelAdvisor:
        bound = copy(self)
        bound._past, bound._readers = {}, {}
        return bound

    def _decide(self, snapshot: Snapshot, question: Question) -> Decision:
        outcome = self._counted(snapshot, question)
        decision = outcome.decision(snapshot, question.market)
        if self.fallback is None or outcome.abstention is None:
            return decision
        return instead(self.fallback.decide(snapshot), decision)

    def _counted(self, snapshot: Snapshot, question: Question) -> Outcome:
        """What a decision comes to, which the breaker counts wherever the answers come from."""
        try:
            admitted = self._breaker.admit()
        except BreakerOpen as problem:
            left_alone = self._conversation.without_model(problem)
            return left_alone.outcome(snapshot, question, self._reader(question))
        outcome = self._outcome(snapshot, question)
        if outcome.waits:  # neither a failure of the model nor an answer
            return outcome.between(admitted, ())
        failed = outcome.model_failed
        so = self._breaker.record(failed=failed, probe=bool(admitted), why=outcome.failure if failed else "")
        return outcome.between(admitted, so)

    def _outcome(self, snapshot: Snapshot, question: Question) -> Outcome:
        """Remembered, asked ahead, or asked now."""
        if question in self._outcomes:
            return self._outcomes[question]
        outcome = self._ahead.pop(question, None)
        if outcome is None:
            outcome = self._conversation.outcome(snapshot, question, self._reader(question))
        if self._remember and outcome.lasting and self.reading.mode != "choices":
            self._outcomes[question] = outcome.later()
        return outcome

    def _ask_ahead(self, questions: Mapping[Question, Snapshot], on_answer: OnAnswer | None = None) -> None:
        if not self.asks_ahead:
            return
        conversation, at_once = self._conversation.before_its_turn(), self.client.concurrency
        unknown: dict[Request, Question] = {}
        for question in questions:
            if question not in self._outcomes and question not in self._ahead:
                request = conversation.request(question, self._reader(question))
                if request not in unknown and (
                    self.client.recorded(request) is None
                    or conversation.unusable_on_record(question, self._reader(question))
                ):
                    unknown[request] = question
        waiting = deque(unknown.values())
        answered = failed = 0

        def next_ones(*, until_answered: bool) -> Iterator[Question]:
            while waiting and failed < MOST_FAILURES_AHEAD and not (until_answered and answered):
                yield waiting.popleft()

        def ask(question: Question) -> Outcome:
            return conversation.outcome(questions[question], question, self._reader(question))

        def take(question: Question, outcome: Outcome) -> None:
            nonlocal answered, failed
            if outcome.failed:
                failed += 1
            else:
                answered, failed = answered + 1, 0
                self._ahead[question] = outcome
            if on_answer is not None:
                on_answer(answered, len(unknown), at_once)

        side_by_side(ask, next_ones(until_answered=True), min(at_once, MOST_FAILURES_AHEAD), take)
        side_by_side(ask, next_ones(until_answered=False), at_once, take)

    def _taken(self, snapshot: Snapshot) -> Question:
        """The question at a bar, which then belongs to the past."""
        question = self._question(snapshot)
        self.witness(snapshot)
        return question

    def _question(self, snapshot: Snapshot) -> Question:
        shown = render_snapshot(snapshot, self.view)
        return Question(shown, self._examples(snapshot), snapshot.symbol, snapshot.timeframe)

    def _examples(self, snapshot: Snapshot) -> tuple[Example, ...]:
        if self.reading.examples == "fixed":
            return ()
        return self._past_of(snapshot).choose(snapshot, self.reading)

    def _past_of(self, snapshot: Snapshot) -> Analogues:
        key = (snapshot.symbol, snapshot.timeframe)
        if key not in self._past:
            self._past[key] = Analogues(self.view, self.reading.labels)
        return self._past[key]

    def _reader(self, question: Question) -> ChoiceReader:
        key = (question.symbol, question.timeframe)
        if key not in self._readers:
            self._readers[key] = ChoiceReader(self.reading)
        return self._readers[key]


def rewind_advisor(advisor: Advisor) -> Advisor:
    """The advisor without its past, behind bars that cannot be true: what follows a state is counted in bars, and those
    between are not known. A rule keeps no past."""
    return advisor._at_the_beginning() if isinstance(advisor, ModelAdvisor) else advisor


class Schedule:
    """Wants a decision at every ``every``-th bar and, with a ``changed_view``, only where the text that this view
    renders differs from that of the last decision."""

    def __init__(self, every: int = 1, changed_view: View | None = None) -> None:
        if every < 1:
            raise ConfigurationError(f"decide_every is {every}: it must be a whole number of bars from 1 upwards.")
        self._every = every
        self._changed_view = changed_view
        self._bar = -1
        self._shown = ""

    def wants(self, snapshot: Snapshot) -> bool:
        """Whether the advisor is asked about this bar."""
        if not self.due():
            return False
        if self._changed_view is None:
            return True
        shown = render_snapshot(snapshot, self._changed_view)
        changed, self._shown = shown != self._shown, shown
        return changed

    def due(self) -> bool:
        """Count a bar; whether its turn has come, whatever it shows."""
        self._bar += 1
        return self._bar % self._every == 0
