"""A decision mode of another kind than those of the package."""

from dataclasses import replace

from llm_strategy.advice.contract import ParsedAnswer
from llm_strategy.advice.modes.mode import Mode
from llm_strategy.errors import ContractError
from llm_strategy.llm.requests import Message
from llm_strategy.types import Action, ActionType, Advice, Regime, RegimeLabel


class Words(Mode):
    """Asks for the label in one word, and then for the action: all that a mode of another kind has to be."""

    name = "words"
    manner = "It said label and action, a word each"

    def requests(self, question, defaults):
        return (replace(defaults, messages=(Message("user", f"Which label? {question.market}"),)),)

    def follow_ups(self, question, defaults):
        for label in RegimeLabel:
            yield replace(defaults, messages=(Message("user", f"Which action in a {label} market?"),))

    def decide(self, question, defaults, ask):
        label = ask(self.requests(question, defaults)[0], "label", self._read(RegimeLabel))
        request = list(self.follow_ups(question, defaults))[list(RegimeLabel).index(label)]
        action = ask(request, "action", self._read(ActionType))
        regime = Regime(label)
        return ParsedAnswer(Advice(question.symbol, question.timeframe, regime, "Words.", Action(action, 0.5)), ())

    def unusable(self, question, defaults, recorded):
        (request,) = self.requests(question, defaults)
        return [request] if recorded(request, self._read(RegimeLabel))[1] else []

    def _read(self, kind):
        def read(answer):
            if answer not in list(kind):
                raise ContractError("word", f"is {answer!r}")
            return kind(answer)

        return read
