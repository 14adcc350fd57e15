"""Mode slots: the program writes the JSON of an advice, and the model only its values."""

from __future__ import annotations

from llm_strategy.advice.modes.json import Json
from llm_strategy.advice.modes.mode import Defaults, Question
from llm_strategy.advice.plain_prompt import explain_labels, with_labels
from llm_strategy.advice.written_prompt import ADVICE_FORM, DECISION_FORM, ask_for_advice, ask_for_decision
from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Request


class Slots(Json):
    """Asks for the values of an advice. A value outside the contract is repaired once, as in mode json."""

    name = "slots"
    needs_form = False
    manner = "It wrote label and action into the program's JSON"
    needs = "forms"
    # Small models copy decisive words of past states into a rationale, and read the label off them.
    auto = Defaults(examples_embedded="nearest", rationale_nearest="never")
    rationales = ("always", "never")

    def requests(self, question: Question, defaults: Request) -> tuple[Request, ...]:
        """The one request for the values, those of a rationale among them where one is wanted."""
        if self.options.rationale != "never":
            return (self._ask(question, defaults, ADVICE_FORM, with_form=True),)
        if self.options.prompt is None and self.shows_examples(question):
            request = ask_for_decision(question.market, defaults, question.examples, question.context)
            labelled = with_labels(explain_labels(request, self.options.regimes), self.options.regimes)
            return (self.with_items(labelled, question),)
        return (self._ask(question, defaults, DECISION_FORM, with_form=True),)

    def repair(self, question: Question, defaults: Request, answer: str, problem: ContractError) -> Request:
        """The question with the fixed examples, where others led astray: a small model that is shown the slots it
        filled wrongly fills them so again."""
        if self.options.prompt is None and question.examples and self.options.falls_back_to_fixed:
            request = ask_for_advice(question.market, with_form=True, defaults=defaults, context=question.context)
            return self.with_items(with_labels(request, self.options.regimes), question)
        return super().repair(question, defaults, answer, problem)
