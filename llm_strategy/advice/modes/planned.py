"""An advice behind a plan: what to measure of a market is chosen first, the program measures it, and another mode asks
for the advice with the results as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from llm_strategy.advice.contract import ParsedAnswer
from llm_strategy.advice.modes.mode import Ask, Mode, Question, Recorded
from llm_strategy.advice.planning.moment import Planning
from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.advice.planning.question import FormPlan, PlanQuestion, ScoredPlan, WrittenPlan
from llm_strategy.advice.written_prompt import LONGEST_SHOWN, render
from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Message, Request
from llm_strategy.market.context.features import MARKER
from llm_strategy.market.context.menu import Measurement
from llm_strategy.support.outside_text import encodable


class Planned(Mode):
    """The mode ``inner`` behind a plan of ``plan``; the question about the plan is put in that mode's way, and with
    ``numbered`` its form asks for numbers of analytics and not for their names.

    A plan that cannot be read, after one repair, leaves the decision without an advice: never is nothing run, or all,
    in its place.
    """

    name = "planned"
    manner = "It chose what to look at first"
    keeps_answers = True

    def __init__(self, inner: Mode, plan: PlanOptions, *, numbered: bool) -> None:
        super().__init__(inner.options, inner.repairs)
        self._inner, self._plan = inner, plan
        self.scores = inner.scores
        self._about: PlanQuestion
        if inner.scores:
            self._about = ScoredPlan(plan.choose)
        elif inner.needs == "forms":
            self._about = FormPlan(plan.choose, numbered=numbered)
        else:
            self._about = WrittenPlan(plan.choose)

    @property
    def asks_for_plan(self) -> bool:
        """Whether a model makes the plan."""
        return self._plan.by == "model"

    @property
    def stateless(self) -> bool:
        """As the mode behind it: a plan depends on the closes so far alone."""
        return self._inner.stateless

    @property
    def unforeseen(self) -> str:
        """The questions for the advice, which the plan decides."""
        behind = self._inner.unforeseen
        if not self.asks_for_plan:
            return behind
        return f"the questions of the advice behind each plan{f' and {behind}' if behind else ''}"

    def requests(self, question: Question, defaults: Request) -> tuple[Request, ...]:
        """The request for the plan; where no model chooses those for the advice."""
        if self.asks_for_plan:
            return (self._about.request(_planning(question), defaults),)
        return self._inner.requests(self._behind(question), defaults)

    def follow_ups(self, question: Question, defaults: Request) -> Iterator[Request]:
        """None where a plan decides what is asked behind it."""
        if self.asks_for_plan:
            return iter(())
        return self._inner.follow_ups(self._behind(question), defaults)

    def first_requests(
        self, question: Question, plan: tuple[str, ...] | None, defaults: Request
    ) -> tuple[Request, ...]:
        """The request for the plan, where a model makes it, and the first one for the advice behind it."""
        about = self.requests(question, defaults)[:1] if self.asks_for_plan else ()
        return (*about, *(self._inner.requests(self._with_results(question, plan), defaults)[:1] if plan else ()))

    def longest(self, question: Question, defaults: Request) -> Request:
        """That about the plan, or that for the advice behind the longest results that fit."""
        offer = _planning(question).offer
        names = sorted(offer.names, key=offer.tokens, reverse=True)
        chosen = tuple(names) if self._plan.by == "all" else self._plan.fitting(names, offer)
        behind = self._inner.requests(self._with_results(question, chosen), defaults)[0]
        either: list[Request] = [
            behind,
            *((self._about.request(_planning(question), defaults),) if self.asks_for_plan else ()),
        ]
        return max(either, key=_length)

    def behind(self, question: Question, defaults: Request, recorded: Recorded) -> tuple[Request, ...]:
        """The requests for the advice that the plan on record leads to; none where there is none, or it cannot be
        read."""
        names = self._recorded(question, defaults, recorded)
        return () if names is None else self._inner.requests(self._with_results(question, names), defaults)

    def plan(self, question: Question, defaults: Request, ask: Ask) -> tuple[str, ...]:
        """The names of what is run; raises what ``ask`` raises, and ``ContractError`` for an answer that is no
        plan."""
        planning = _planning(question)
        if not self.asks_for_plan:
            return self._plan.without_model(planning.offer)
        asked: list[Request] = []
        try:
            return self._attempt(planning, defaults, ask, asked)
        except ContractError:
            if not ask.disregard(asked):
                raise
        return self._attempt(planning, defaults, ask, [])

    def decide(self, question: Question, defaults: Request, ask: Ask) -> ParsedAnswer:
        """The plan, its results, and the advice behind them."""
        ask.note_plan(())
        results = _planning(question).offer.results(self.plan(question, defaults, ask))
        ask.note_plan(results)
        return self._inner.decide(_shown(question, results), defaults, ask)

    def unusable(self, question: Question, defaults: Request, recorded: Recorded) -> Iterable[Request]:
        """Those about the plan, or where it can be read those of the advice behind it."""
        if not self.asks_for_plan:
            return self._inner.unusable(self._behind(question), defaults, recorded)
        names = self._recorded(question, defaults, recorded)
        if names is not None:
            return self._inner.unusable(self._with_results(question, names), defaults, recorded)
        return self._unusable_plan(_planning(question), defaults, recorded)

    def label_scores(self, market: str, answer: str) -> dict[str, float]:
        """As the mode behind it."""
        return self._inner.label_scores(market, answer)

    def _attempt(self, planning: Planning, defaults: Request, ask: Ask, asked: list[Request]) -> tuple[str, ...]:
        read = partial(self._about.read, planning)
        asked.append(self._about.request(planning, defaults))
        try:
            names = ask(asked[0], "plan", read)
        except ContractError as problem:
            if (answer := ask.answer) is None or not self._about.repairs:
                raise
            asked.append(self._repair(asked[0], answer, problem))
            names = ask(asked[1], "plan_repair", read)
        return self._plan.fitting(names, planning.offer)

    def _repair(self, request: Request, answer: str, problem: ContractError) -> Request:
        again = encodable(render("plan_repair.j2", problem=f"{problem.field} {problem.problem}"))
        shown = encodable(answer[:LONGEST_SHOWN]) or "(empty)"
        return replace(request, messages=(*request.messages, Message("assistant", shown), Message("user", again)))

    def _recorded(self, question: Question, defaults: Request, recorded: Recorded) -> tuple[str, ...] | None:
        """What the plan on record runs."""
        planning = _planning(question)
        request = self._about.request(planning, defaults)
        answer, problem = recorded(request, partial(self._about.read, planning))
        if answer is not None and problem is not None and self._about.repairs:
            answer, problem = recorded(self._repair(request, answer, problem), partial(self._about.read, planning))
        if answer is None or problem is not None:
            return None
        return self._plan.fitting(self._about.read(planning, answer), planning.offer)

    def _unusable_plan(self, planning: Planning, defaults: Request, recorded: Recorded) -> Iterable[Request]:
        request, read = self._about.request(planning, defaults), partial(self._about.read, planning)
        answer, problem = recorded(request, read)
        if answer is None or problem is None:
            return ()
        if not self._about.repairs:
            return (request,)
        again = self._repair(request, answer, problem)
        repair, _ = recorded(again, read)
        return (request,) if repair is None else (request, again)

    def _behind(self, question: Question) -> Question:
        return self._with_results(question, self._plan.without_model(_planning(question).offer))

    def _with_results(self, question: Question, names: tuple[str, ...]) -> Question:
        return _shown(question, _planning(question).offer.results(names))


def _length(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _planning(question: Question) -> Planning:
    if question.planning is None:
        raise ValueError("a question without a plan")
    return question.planning


def _shown(question: Question, results: Iterable[Measurement]) -> Question:
    """The question with what was measured last among what is shown."""
    paragraphs = tuple(result.paragraph for result in results if result.paragraph.text)
    context = question.context or ((MARKER,) if paragraphs else ())
    return question._replace(context=(*context, *paragraphs), planning=None)
