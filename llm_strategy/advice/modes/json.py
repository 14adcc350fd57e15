"""Mode json: the model writes the whole JSON of an advice, and once more where that breaks the contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from llm_strategy.advice.checks import explain_items, held_to_items
from llm_strategy.advice.contract import ParsedAnswer, parse_answer
from llm_strategy.advice.modes.mode import Ask, Mode, Question, Recorded
from llm_strategy.advice.plain_prompt import ask_plainly, explain_labels, form_text, held_to_form, with_labels
from llm_strategy.advice.written_prompt import ADVICE_FORM, ask_for_advice, ask_for_repair
from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Form, Request

SECOND_ATTEMPT = "second attempt"
"""The kind of a repair for which the model was asked again; all others put an answer right as it is."""


class Json(Mode):
    """Asks for an advice as the contract writes it, and has an answer that breaks the contract repaired once."""

    name = "json"
    manner = "It wrote the whole JSON of an advice"
    needs_form = True

    def requests(self, question: Question, defaults: Request) -> tuple[Request, ...]:
        """The one request for the advice."""
        return (self._ask(question, defaults, ADVICE_FORM, with_form=False),)

    def repair(self, question: Question, defaults: Request, answer: str, problem: ContractError) -> Request:
        """The request that follows an answer that broke the contract."""
        (request,) = self.requests(question, defaults)
        return ask_for_repair(request, answer, f"{problem.field}: {problem.problem}")

    def decide(self, question: Question, defaults: Request, ask: Ask) -> ParsedAnswer:
        """The advice in the answer, or in that to its repair. Where both break the contract and an earlier command was
        given one of them, both are asked again."""
        asked: list[Request] = []
        try:
            return self._attempt(question, defaults, ask, asked)
        except ContractError:
            if not ask.disregard(asked):
                raise
        return self._attempt(question, defaults, ask, [])

    def _attempt(self, question: Question, defaults: Request, ask: Ask, asked: list[Request]) -> ParsedAnswer:
        """The advice of one attempt; what it asks is added to ``asked``."""
        read = partial(self._read, question)
        asked += self.requests(question, defaults)
        try:
            return ask(asked[0], "advice", read)
        except ContractError as problem:
            if (answer := ask.answer) is None:
                raise
            asked.append(self.repair(question, defaults, answer, problem))
        parsed = ask(asked[1], "repair", read)
        return ParsedAnswer(parsed.advice, (SECOND_ATTEMPT, *parsed.repairs))

    def unusable(self, question: Question, defaults: Request, recorded: Recorded) -> Iterable[Request]:
        """Request and repair, as far as they are on record, where neither answer meets the contract."""
        read = partial(self._read, question)
        (request,) = self.requests(question, defaults)
        answer, problem = recorded(request, read)
        if answer is None or problem is None:
            return ()
        again = self.repair(question, defaults, answer, problem)
        repair, problem = recorded(again, read)
        if repair is None:
            return (request,)
        return () if problem is None else (request, again)

    def _ask(self, question: Question, defaults: Request, form: Form, *, with_form: bool) -> Request:
        """The request for an advice in this form, and for the items of a checklist."""
        return self.with_items(self._ask_advice(question, defaults, form, with_form=with_form), question)

    def with_items(self, request: Request, question: Question) -> Request:
        """The request for an advice which asks about the items of a checklist, too, where there are some."""
        items = self.options.checks
        if not items:
            return request
        if self.options.prompt is None:  # one's own says where they stand
            request = explain_items(request, self.checklist(question))
        return held_to_items(request, items, self.fields(question))

    def _ask_advice(self, question: Question, defaults: Request, form: Form, *, with_form: bool) -> Request:
        """The request for an advice alone: in a person's own prompt, behind examples or, where none are wanted,
        behind what labels and actions mean."""
        market, context, regimes = question.market, self.context_of(question), self.options.regimes
        if self.options.prompt is not None:
            messages = self.own_messages(self.options.prompt, question, form_text(form, regimes, with_form=with_form))
            own = held_to_form(replace(defaults, messages=messages), market, form=form, with_form=with_form)
            return with_labels(own, regimes)
        if self.shows_examples(question):
            request = ask_for_advice(
                market, with_form=with_form, defaults=defaults, examples=question.examples, context=context
            )
            return with_labels(explain_labels(request, regimes), regimes)
        plain = ask_plainly(market, defaults, form=form, with_form=with_form, regimes=regimes, context=context)
        return with_labels(plain, regimes)

    def _read(self, question: Question, answer: str) -> ParsedAnswer:
        return parse_answer(
            answer,
            symbol=question.symbol,
            timeframe=question.timeframe,
            repairs=self.repairs,
            labels=self.options.regimes.names,
            checked=self.checked(question),
        )
